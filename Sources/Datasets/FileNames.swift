// File names by the million, in little more than their own bytes.

import Foundation

/// The names in one folder: a single buffer, and where each name begins in it.
struct FileNames: Sendable {
    private let bytes: [UInt8]
    /// Where each name begins, and behind the last the number of bytes.
    private let starts: [UInt32]

    var count: Int { starts.count - 1 }

    subscript(index: Int) -> ArraySlice<UInt8> {
        bytes[Int(starts[index])..<Int(starts[index + 1])]
    }

    /// Nil for more than 4 GiB of names.
    init?(_ names: [[UInt8]]) {
        let total = names.reduce(0) { $0 + $1.count }
        guard total <= Int(UInt32.max) else { return nil }
        var bytes: [UInt8] = []
        var starts: [UInt32] = []
        bytes.reserveCapacity(total)
        starts.reserveCapacity(names.count + 1)
        for name in names {
            starts.append(UInt32(bytes.count))
            bytes += name
        }
        starts.append(UInt32(total))
        self.bytes = bytes
        self.starts = starts
    }

    /// The names in `folder` that do not begin with a dot and that `isWanted`, sorted by bytes, which
    /// no locale changes; nil where the folder cannot be listed, for the reason in `errno`.
    static func list(_ folder: String, _ isWanted: ([UInt8]) -> Bool) -> [[UInt8]]? {
        guard let stream = opendir(folder) else { return nil }
        defer { closedir(stream) }
        var names: [[UInt8]] = []
        errno = 0
        while let entry = readdir(stream) {
            let start = UnsafeRawPointer(entry) + nameOffset
            let name = UnsafeRawBufferPointer(
                start: start,
                count: strlen(start.assumingMemoryBound(to: CChar.self)),
            )
            if name.first != UInt8(ascii: "."), case let name = Array(name), isWanted(name) {
                names.append(name)
            }
            errno = 0
        }
        guard errno == 0 else { return nil }
        names.sort { $0.lexicographicallyPrecedes($1) }
        return names
    }

    private static let nameOffset = MemoryLayout<dirent>.offset(of: \.d_name) ?? 0
}
