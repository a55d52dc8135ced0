// A client that sends exactly the bytes it is given, and reads what comes back.

import Foundation

/// What the server sent, taken apart.
struct Received {
    var status: Int
    var fields: [String: String]
    var body: Data

    /// The value of a field, by its name in small letters.
    subscript(name: String) -> String? { fields[name] }
    var text: String { String(decoding: body, as: UTF8.self) }
}

enum ClientError: Error {
    case cannotConnect(Int32)
    case timedOut
    case ended
    case malformed(String)
}

/// Where a server listens, and how it is spoken to.
enum Address {
    case tcp(UInt16)
    case tls(UInt16, TLSOffer)
    case unix(String)
}

/// A blocking connection; every wait ends after `patience` seconds with an error.
final class RawClient {
    private let descriptor: Int32
    private let address: Address
    private(set) var tls: TLSClient?
    private var buffer = Data()

    convenience init(port: UInt16, patience: Double = 5, receiveBuffer: Int32? = nil) throws {
        try self.init(.tcp(port), patience: patience, receiveBuffer: receiveBuffer)
    }

    /// - Parameter isConnected: without it, the connection is not made before `connect()`.
    init(
        _ address: Address,
        patience: Double = 5,
        receiveBuffer: Int32? = nil,
        isConnected: Bool = true,
    ) throws {
        self.address = address
        let family = if case .unix = address { AF_UNIX } else { AF_INET }
        descriptor = socket(family, Int32(SOCK_STREAM.rawValue), 0)
        var wait = timeval(tv_sec: Int(patience), tv_usec: Int(patience * 1e6) % 1_000_000)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(
                descriptor,
                SOL_SOCKET,
                option,
                &wait,
                socklen_t(MemoryLayout<timeval>.size),
            )
        }
        if var size = receiveBuffer {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, 4)
        }
        if isConnected { try connect() }
    }

    deinit { close(descriptor) }

    func connect() throws {
        let result =
            switch address {
            case .tcp(let port), .tls(let port, _): Self.connect(descriptor, port: port)
            case .unix(let path): Self.connect(descriptor, path: path)
            }
        guard result == 0 else { throw ClientError.cannotConnect(errno) }
        if case .tls(_, let offer) = address { tls = try TLSClient(descriptor, offer) }
    }

    private static func connect(_ descriptor: Int32, port: UInt16) -> Int32 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return connect(descriptor, to: address)
    }

    private static func connect(_ descriptor: Int32, path: String) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return connect(descriptor, to: address)
    }

    private static func connect<Name>(_ descriptor: Int32, to name: Name) -> Int32 {
        withUnsafeBytes(of: name) { bytes in
            guard let base = bytes.baseAddress else { return -1 }
            let length = socklen_t(bytes.count)
            return Glibc.connect(descriptor, base.assumingMemoryBound(to: sockaddr.self), length)
        }
    }

    func send(_ text: String) throws { try send(Data(text.utf8)) }

    func send(_ bytes: Data) throws {
        var rest = bytes
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { bytes in
                tls?.write(bytes)
                    ?? Glibc.send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw ClientError.ended }
            rest = rest.dropFirst(count)
        }
    }

    /// Tells the server that no more comes.
    func finishSending() {
        tls?.finish()
        shutdown(descriptor, Int32(SHUT_WR))
    }

    /// Reads some more bytes; false at the end.
    private func fill() throws -> Bool {
        var chunk = [UInt8](repeating: 0, count: 16_384)
        let count = chunk.withUnsafeMutableBytes { bytes in
            tls?.read(bytes) ?? recv(descriptor, bytes.baseAddress, bytes.count, 0)
        }
        if count > 0 { buffer.append(contentsOf: chunk[..<count]) }
        if count < 0, errno == EAGAIN { throw ClientError.timedOut }
        return count > 0
    }

    private func take(_ count: Int) throws -> Data {
        while buffer.count < count { guard try fill() else { throw ClientError.ended } }
        defer { buffer = Data(buffer.dropFirst(count)) }
        return Data(buffer.prefix(count))
    }

    /// Reads to the next `end`, and takes it off too.
    func readText(to end: String) throws -> String {
        while true {
            if let range = buffer.range(of: Data(end.utf8)) {
                let bytes = try take(range.upperBound)
                return String(decoding: bytes.dropLast(end.utf8.count), as: UTF8.self)
            }
            guard try fill() else { throw ClientError.ended }
        }
    }

    func readHead() throws -> Received {
        let lines = try readText(to: "\r\n\r\n").components(separatedBy: "\r\n")
        let words = lines[0].split(separator: " ")
        guard words.count >= 2, words[0] == "HTTP/1.1", let status = Int(words[1]) else {
            throw ClientError.malformed(lines[0])
        }
        var fields: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { throw ClientError.malformed(line) }
            fields[line[..<colon].lowercased()] = String(line[colon...].dropFirst(2))
        }
        return Received(status: status, fields: fields, body: Data())
    }

    /// Reads one chunk of a stream; empty at its end.
    func readChunk() throws -> Data {
        guard let size = Int(try readText(to: "\r\n"), radix: 16) else {
            throw ClientError.malformed("chunk size")
        }
        let data = try take(size)
        guard try take(2) == Data("\r\n".utf8) else { throw ClientError.malformed("chunk end") }
        return data
    }

    /// Reads a response with its content.
    func readResponse(toHead: Bool = false) throws -> Received {
        var response = try readHead()
        if toHead || response.status < 200 || response.status == 204 || response.status == 304 {
            return response
        }
        if let length = response["content-length"].flatMap(Int.init) {
            response.body = try take(length)
        } else if response["transfer-encoding"] == "chunked" {
            while true {
                let chunk = try readChunk()
                if chunk.isEmpty { break }
                response.body.append(chunk)
            }
        } else {
            response.body = try readRest()
        }
        return response
    }

    /// Everything until the server closes.
    func readRest() throws -> Data {
        while try fill() {}
        defer { buffer = Data() }
        return buffer
    }

    /// Takes at most what is there or comes next.
    func readSome() throws -> Data {
        if buffer.isEmpty { _ = try fill() }
        defer { buffer = Data() }
        return buffer
    }

    func get(_ path: String, _ fields: String = "") throws -> Received {
        try send("GET \(path) HTTP/1.1\r\nHost: localhost\r\n\(fields)\r\n")
        return try readResponse()
    }
}
