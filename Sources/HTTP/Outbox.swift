// What a connection has still to send: bytes and parts of files, in order.

internal import CHTTP
internal import Foundation

struct Outbox {
    private enum Piece {
        case bytes(Data)
        case file(OpenFile, Range<Int64>)
    }

    /// Why sending stopped.
    enum Stop {
        case empty
        case wouldBlock
        /// This much was sent in one go that it is another connection's turn.
        case turnIsOver
        /// The next part of the file must first be read from the disk.
        case cold(OpenFile, Range<Int64>)
        /// The connection is broken, or the file became shorter than it was.
        case failed
    }

    private var pieces: [Piece] = []
    /// All bytes sent so far.
    private(set) var sent = 0

    var isEmpty: Bool { pieces.isEmpty }

    /// Files go out in steps of 1 MiB, and 4 MiB in one turn.
    private static let step: Int64 = 1 << 20
    private static let turn = 4 << 20

    mutating func append(_ bytes: Data) {
        guard !bytes.isEmpty else { return }
        if case .bytes(var last) = pieces.last, last.count + bytes.count <= 65_536 {
            pieces.removeLast()
            last.append(bytes)
            pieces.append(.bytes(last))
        } else {
            pieces.append(.bytes(bytes))
        }
    }

    mutating func append(_ file: OpenFile, _ part: Range<Int64>) {
        if !part.isEmpty { pieces.append(.file(file, part)) }
    }

    /// Adds what a stream sent by itself.
    mutating func count(_ bytes: Int) { sent += bytes }

    /// Sends until something stops it.
    mutating func send(through transport: Transport) -> Stop {
        var budget = Self.turn
        while let piece = pieces.first {
            guard budget > 0 else { return .turnIsOver }
            let transfer: Transfer
            switch piece {
            case .bytes(let data):
                transfer = data.withUnsafeBytes {
                    transport.send($0, more: pieces.count > 1)
                }
            case .file(let file, let part):
                let count = min(Self.step, Int64(part.count))
                guard chttp_is_cached(file.descriptor, part.lowerBound, count) == 1 else {
                    return .cold(file, part.lowerBound..<part.lowerBound + count)
                }
                transfer = transport.send(file, from: part.lowerBound, count: Int(count))
            }
            switch transfer {
            case .moved(let count):
                sent += count
                budget -= count
                advance(piece, by: count)
            case .wouldBlock: return .wouldBlock
            case .ended, .failed: return .failed
            }
        }
        return .empty
    }

    private mutating func advance(_ piece: Piece, by count: Int) {
        let rest: Piece? =
            switch piece {
            case .bytes(let data):
                count < data.count ? .bytes(data.dropFirst(count)) : nil
            case .file(let file, let part):
                count < part.count
                    ? .file(file, part.lowerBound + Int64(count)..<part.upperBound) : nil
            }
        if let rest { pieces[0] = rest } else { pieces.removeFirst() }
    }
}
