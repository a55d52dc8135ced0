// Room on the file system of the data directory, and what of it is kept back so that running jobs can end well.

internal import Foundation
internal import Glibc

/// Bytes of a file system.
package struct DiskSpace: Equatable, Sendable {
    package var total: Int
    /// What this process may still take.
    package var free: Int

    package init(total: Int, free: Int) {
        self.total = total
        self.free = free
    }

    /// That of the file system that `path` is on; nil when it cannot be asked.
    package init?(of path: String) {
        var found = statvfs()
        guard statvfs(path, &found) == 0 else { return nil }
        let block = Int(found.f_frsize)
        total = Int(found.f_blocks).multipliedReportingOverflow(by: block).partialValue
        free = Int(found.f_bavail).multipliedReportingOverflow(by: block).partialValue
    }
}

/// How much there is, and how much is not given to new work.
package struct DiskRoom: Equatable, Sendable {
    package var space: DiskSpace
    package var reserve: Int

    /// 1 GiB, or 2 % of a file system that is smaller than 50 GiB.
    package static func usualReserve(of total: Int) -> Int { min(1 << 30, total / 50) }

    package init(_ space: DiskSpace, reserve: Int?) {
        self.space = space
        self.reserve = reserve ?? DiskRoom.usualReserve(of: space.total)
    }

    /// Whether no new work is taken.
    package var isShort: Bool { space.free < reserve }

    /// For people.
    package var words: String {
        "\(ByteCount.text(space.free)) are free, \(ByteCount.text(reserve)) are kept in reserve"
    }
}

/// Numbers of bytes as people write them.
package enum ByteCount {
    private static let units: [(letter: Character, bytes: Int)] = [
        ("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30), ("T", 1 << 40),
    ]

    /// `512M`, `2g`, `1000000`: powers of 1024.
    package static func parse(_ text: String) -> Int? {
        let unit = units.first { text.uppercased().hasSuffix(String($0.letter)) }
        let digits = unit == nil ? text[...] : text.dropLast()
        guard !digits.isEmpty, digits.allSatisfy({ $0.isASCII && $0.isNumber }),
            let number = Int(digits)
        else { return nil }
        let (bytes, isTooMuch) = number.multipliedReportingOverflow(by: unit?.bytes ?? 1)
        return isTooMuch ? nil : bytes
    }

    package static func text(_ bytes: Int) -> String {
        guard let unit = units.last(where: { bytes >= $0.bytes }) else { return "\(bytes) bytes" }
        let value = Double(bytes) / Double(unit.bytes)
        return String(format: "%.1f %@iB", value, String(unit.letter))
    }
}
