// Tar archives, right and wrong ones, entry by entry.

package import Foundation

package struct TestArchive {
    /// What there is so far.
    package var data = Data()

    package init() {}

    /// With its end mark.
    package var whole: Data { data + Data(count: 1024) }

    /// Adds an entry.
    ///
    /// - Parameters:
    ///   - type: POSIX's letter.
    ///   - size: of the content as the header tells it; nil: as it is.
    ///   - spoil: changes the header before its sum is taken.
    package mutating func add(
        _ name: String,
        _ content: Data = Data(),
        type: Character = "0",
        size: Int? = nil,
        spoil: (inout [UInt8]) -> Void = { _ in },
    ) {
        var header = [UInt8](repeating: 0, count: 512)
        func put(_ text: String, at place: Int) {
            for (index, byte) in text.utf8.enumerated() { header[place + index] = byte }
        }
        put(String(name.prefix(100)), at: 0)
        put("0000644\0", at: 100)
        let digits = String(size ?? content.count, radix: 8)
        put(String(repeating: "0", count: 11 - digits.count) + digits, at: 124)
        put("00000000000", at: 136)
        put("        ", at: 148)
        put(String(type), at: 156)
        put("ustar\u{0}00", at: 257)
        spoil(&header)
        let sum = header.reduce(0) { $0 + Int($1) }
        put(String(sum, radix: 8) + "\u{0}", at: 148)
        data += Data(header) + content
        data += Data(count: (512 - content.count % 512) % 512)
    }

    /// Adds a file of text.
    package mutating func add(_ name: String, text: String) { add(name, Data(text.utf8)) }

    /// Adds what comes before an entry and says more of it (POSIX's pax).
    package mutating func tell(_ records: [(String, String)]) {
        let lines = records.map { key, value in
            let rest = " \(key)=\(value)\n"
            // The length counts its own digits.
            let bare = rest.utf8.count
            let length = (bare + 1...bare + 5).first { "\($0)".utf8.count + bare == $0 } ?? bare
            return "\(length)\(rest)"
        }
        add("pax", Data(lines.joined().utf8), type: "x")
    }
}

/// Runs a program of the system's to its end.
/// - Returns: what it printed.
@discardableResult
package func runProgram(_ program: String, _ arguments: [String]) throws -> Data {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = [program] + arguments
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return data
}
