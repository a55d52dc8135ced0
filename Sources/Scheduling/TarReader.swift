// The entries of a tar archive (POSIX.1-2017 pax, ustar, GNU's long names), one after the other: regular files and folders
// alone, by names that stay within the folder they are unpacked in.

internal import Foundation

/// A file or folder of an archive.
struct TarEntry: Equatable {
    /// Parts of its path, none of them empty, `.` or `..`.
    var path: [String]
    var isFolder = false

    /// For messages.
    var shown: String { "\"\(path.joined(separator: "/").prefix(200))\"" }
}

final class TarReader {
    private let stream: ByteStream
    /// Headers that were read; the place in messages.
    private var number = 0
    /// Bytes of the entry at hand that were not taken, and the padding behind them.
    private var rest = 0
    private var padding = 0

    private static let block = 512
    private static let mostHeaders = 10_000_000
    /// The longest record of metadata before an entry.
    private static let mostMetadata = 64 << 10
    private static let mostName = 1024
    private static let mostDepth = 32

    init(_ stream: ByteStream) { self.stream = stream }

    /// The next entry; nil at the end of the archive.
    /// - Throws: `ArchiveError`, or what reading throws.
    func next() throws -> TarEntry? {
        try skip()
        var told = Metadata()
        while let header = try header() {
            let size = try Self.number(header[124..<136], "size", number)
            let type = header[156]
            switch type {
            case UInt8(ascii: "x"):
                try note(try records(try metadata(size)), in: &told)
            case UInt8(ascii: "g"), UInt8(ascii: "K"):
                _ = try metadata(size)
            case UInt8(ascii: "L"):
                told.name = try Self.text(try metadata(size), "name", number)
            case 0, UInt8(ascii: "0"), UInt8(ascii: "7"), UInt8(ascii: "5"):
                let isFolder = type == UInt8(ascii: "5")
                return try entry(header, told, size: size, isFolder: isFolder)
            default:
                let kinds: [UInt8: String] = [
                    0x31: "a hard link", 0x32: "a symbolic link", 0x33: "a device",
                    0x34: "a device", 0x36: "a pipe", 0x53: "a sparse file",
                ]
                let name = try name(of: header, told)
                throw fault(
                    "\"\(name.prefix(200))\" is \(kinds[type] ?? "of type \(type)");"
                        + " allowed: files and folders"
                )
            }
        }
        return nil
    }

    /// What stands before an entry and counts instead of its header.
    private struct Metadata {
        var name: String?
        var size: Int?
    }

    private func note(_ records: [(String, String)], in told: inout Metadata) throws {
        for (key, value) in records {
            if key == "path" { told.name = value }
            if key == "size" {
                guard let size = Int(value), size >= 0 else {
                    throw fault("its size is \"\(value.prefix(40))\"")
                }
                told.size = size
            }
            if key.hasPrefix("GNU.sparse") {
                throw fault("it is a sparse file; allowed: files with all their bytes")
            }
        }
    }

    private func entry(
        _ header: Data,
        _ told: Metadata,
        size: Int,
        isFolder: Bool,
    ) throws -> TarEntry {
        let name = try name(of: header, told)
        let bytes = told.size ?? size
        // Before POSIX a folder was a file whose name ends so.
        let isFolder = isFolder || name.utf8.last == UInt8(ascii: "/")
        if isFolder, bytes != 0 { throw fault("it is a folder of \(bytes) bytes") }
        let path = try path(name)
        guard isFolder || !path.isEmpty else {
            throw fault("its name is \"\(name.prefix(200))\"; allowed: a file's")
        }
        (rest, padding) = (bytes, Self.padding(after: bytes))
        return TarEntry(path: path, isFolder: isFolder)
    }

    /// The next bytes of the entry at hand, at most `most`; nil when there are no more.
    func content(_ most: Int) throws -> Data? {
        guard rest > 0 else { return nil }
        let bytes = try stream.read(min(rest, most))
        guard !bytes.isEmpty else { throw fault("the archive ends within it") }
        rest -= bytes.count
        return bytes
    }

    private func skip() throws {
        while try content(1 << 20) != nil {}
        guard padding > 0 else { return }
        guard try stream.read(padding).count == padding else {
            throw fault("the archive ends within it")
        }
        padding = 0
    }

    private func fault(_ detail: String) -> ArchiveError {
        ArchiveError("entry \(number): \(detail)")
    }

    // MARK: Headers

    /// Nil at the end mark.
    private func header() throws -> Data? {
        let header = try stream.read(Self.block)
        guard header.count == Self.block else {
            throw ArchiveError("the archive ends without its end mark, after \(number) headers")
        }
        if header.allSatisfy({ $0 == 0 }) { return nil }
        number += 1
        guard number <= Self.mostHeaders else {
            throw ArchiveError("there are more than \(Self.mostHeaders) headers")
        }
        try checkSum(header)
        return header
    }

    private func checkSum(_ header: Data) throws {
        let stored = try? Self.number(header[148..<156], "checksum", number)
        // The sum is taken with blanks in its own place; old writers added signed bytes.
        let blank = header.enumerated().map { (148..<156).contains($0.offset) ? 0x20 : $0.element }
        let unsigned = blank.reduce(0) { $0 + Int($1) }
        let signed = blank.reduce(0) { $0 + Int(Int8(bitPattern: $1)) }
        guard stored == unsigned || stored == signed else {
            throw fault("its checksum is wrong: this is no tar archive, or a damaged one")
        }
    }

    private func name(of header: Data, _ told: Metadata) throws -> String {
        if let name = told.name { return name }
        let name = try Self.text(header[0..<100], "name", number)
        guard header[257..<262].elementsEqual("ustar".utf8) else { return name }
        // GNU's own format has other things where the prefix stands.
        guard header[262] == 0 else { return name }
        let prefix = try Self.text(header[345..<500], "name", number)
        return prefix.isEmpty ? name : "\(prefix)/\(name)"
    }

    private func metadata(_ size: Int) throws -> Data {
        guard size <= Self.mostMetadata else {
            throw fault("it has \(size) bytes of metadata; allowed: \(Self.mostMetadata)")
        }
        let bytes = try stream.read(size)
        let padding = Self.padding(after: size)
        guard bytes.count == size, try stream.read(padding).count == padding else {
            throw fault("the archive ends within it")
        }
        return bytes
    }

    /// pax: lines of `LENGTH KEY=VALUE\n`.
    private func records(_ data: Data) throws -> [(String, String)] {
        var rest = data[...]
        var records: [(String, String)] = []
        while !rest.isEmpty {
            guard let blank = rest.firstIndex(of: 0x20), blank - rest.startIndex <= 6,
                let length = Int(String(decoding: rest[..<blank], as: UTF8.self)),
                length > blank - rest.startIndex + 1, length <= rest.count,
                rest[rest.startIndex + length - 1] == 0x0a
            else { throw fault("its pax record is malformed") }
            let line = rest[(blank + 1)..<(rest.startIndex + length - 1)]
            guard let equals = line.firstIndex(of: UInt8(ascii: "=")) else {
                throw fault("its pax record is malformed")
            }
            let value = line[(equals + 1)...]
            let key = String(decoding: line[..<equals], as: UTF8.self)
            guard let text = String(validating: value, as: UTF8.self) else {
                // Only names and sizes are of interest.
                if key == "path" { throw fault("its name is no UTF-8") }
                rest = rest.dropFirst(length)
                continue
            }
            records.append((key, text))
            rest = rest.dropFirst(length)
        }
        return records
    }

    private func path(_ name: String) throws -> [String] {
        let shown = "its name is \"\(name.prefix(200))\""
        guard !name.utf8.contains(0), name.utf8.count <= Self.mostName else {
            throw fault("\(shown); allowed: at most \(Self.mostName) bytes, none of them 0")
        }
        // Byte by byte, as the system reads it: to Swift a slash with an accent on it is another character.
        let slash = UInt8(ascii: "/")
        guard name.utf8.first != slash else {
            throw fault("\(shown), an absolute path; allowed: paths within the data set")
        }
        let parts = name.utf8.split(separator: slash).map { String(decoding: $0, as: UTF8.self) }
            .filter { !$0.utf8.elementsEqual(".".utf8) }
        guard !parts.contains(where: { $0.utf8.elementsEqual("..".utf8) }) else {
            throw fault("\(shown), which may lead elsewhere; allowed: paths within the data set")
        }
        guard parts.count <= Self.mostDepth, parts.allSatisfy({ $0.utf8.count <= 255 }) else {
            throw fault("\(shown); allowed: \(Self.mostDepth) folders deep, 255 bytes each")
        }
        return parts
    }

    // MARK: Fields

    /// Octal digits between blanks, or, where the first bit is set, a big-endian number.
    private static func number(_ field: Data, _ name: String, _ entry: Int) throws -> Int {
        let wrong = ArchiveError("entry \(entry): its \(name) is no number from 0 to 2^62")
        guard let first = field.first else { throw wrong }
        if first & 0x80 != 0 {
            guard first == 0x80 else { throw wrong }
            var value = 0
            for byte in field.dropFirst() {
                guard value < 1 << 54 else { throw wrong }
                value = value << 8 | Int(byte)
            }
            return value
        }
        let digits = field.drop { $0 == 0x20 }.prefix { $0 != 0x20 && $0 != 0 }
        var value = 0
        for byte in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "7")).contains(byte), value < 1 << 59 else {
                throw wrong
            }
            value = value << 3 | Int(byte - UInt8(ascii: "0"))
        }
        return value
    }

    /// Up to the first zero.
    private static func text(_ field: Data, _ name: String, _ entry: Int) throws -> String {
        let bytes = field.prefix { $0 != 0 }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw ArchiveError("entry \(entry): its \(name) is no UTF-8")
        }
        return text
    }

    private static func padding(after size: Int) -> Int { (block - size % block) % block }
}
