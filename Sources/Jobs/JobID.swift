// Names that sort by the time they were made: ULIDs (github.com/ulid/spec) behind a word for their kind.

package import Foundation
import Synchronization

/// A job's name, such as `job_01jd2y3m6v0000000000000000`; it is also the name of its run directory.
package struct JobID: RawRepresentable, Hashable, Comparable, Codable, Sendable,
    CustomStringConvertible
{
    package let rawValue: String

    /// - Returns: nil unless `rawValue` is `job_` and 26 characters of a ULID: nothing else may become a path.
    package init?(rawValue: String) {
        guard rawValue.hasPrefix("job_"), ULID.isWellFormed(rawValue.dropFirst(4)) else {
            return nil
        }
        self.rawValue = rawValue
    }

    private init(made rawValue: String) { self.rawValue = rawValue }

    /// A new name, later in order than all that this process made before.
    package static func make() -> JobID { JobID(made: "job_" + ULID.make()) }

    package static func < (left: JobID, right: JobID) -> Bool { left.rawValue < right.rawValue }

    package var description: String { rawValue }
}

/// 48 bits of milliseconds and 80 random bits, in 26 lower-case characters of Crockford's base 32.
package enum ULID {
    private static let alphabet = Array("0123456789abcdefghjkmnpqrstvwxyz")

    private static let last = Mutex<(time: UInt64, random: UInt128)>((0, 0))

    /// A new one. Within a millisecond the random part counts up, so that the order stays that of making.
    package static func make(at date: Date = Date()) -> String {
        let (time, random) = last.withLock { last in
            let now = UInt64(max(0, date.timeIntervalSince1970 * 1000))
            if now > last.time {
                last = (now, UInt128.random(in: 0..<(1 << 79)))
            } else {
                last.random += 1
            }
            return last
        }
        var value = UInt128(time) << 80 | random
        var characters: [Character] = []
        for _ in 0..<26 {
            characters.append(alphabet[Int(value & 31)])
            value >>= 5
        }
        return String(characters.reversed())
    }

    package static func isWellFormed(_ text: some StringProtocol) -> Bool {
        text.count == 26 && text.allSatisfy(alphabet.contains)
    }
}
