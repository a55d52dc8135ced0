// The pictures in `Fixtures/`, and small sets that tests make for themselves.

import Annotations
import Foundation
import TestSupport

@testable import Datasets

enum Fixtures {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "Fixtures")

    static func path(_ name: String) -> String { folder.appending(path: name).path }

    static func image(_ name: String) throws -> Image { try Image(path: path(name)) }

    static func bytes(_ name: String) throws -> [UInt8] { try FileBytes.read(path(name)) }

    /// A picture whose pixels say where they are and which picture they belong to.
    static func gradient(height: Int, width: Int, blue: Int = 0) -> Image {
        var pixels: [UInt8] = []
        for y in 0..<height {
            for x in 0..<width {
                pixels += [UInt8(x * 255 / width), UInt8(y * 255 / height), UInt8(blue)]
            }
        }
        return Image(height: height, width: width, pixels: pixels)
    }

    /// Calls `body` with a new folder and removes it afterwards.
    static func withFolder<T>(_ body: (URL) throws -> T) throws -> T {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "detnas-datasets-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        return try body(folder)
    }

    static func write(_ bytes: [UInt8], to url: URL) throws {
        try FileManager.default.createDirectory(
            at: url.deletingLastPathComponent(),
            withIntermediateDirectories: true,
        )
        try Data(bytes).write(to: url)
    }

    /// `classes` folders `a`, `b`, ... with `each` PNGs of different blues.
    static func makeClasses(_ root: URL, classes: Int = 2, each: Int = 3) throws {
        for label in 0..<classes {
            for number in 0..<each {
                let name = String(UnicodeScalar(UInt8(97 + label)))
                try write(
                    gradient(height: 12, width: 16, blue: 20 * (label * each + number)).png(),
                    to: root.appending(path: "\(name)/\(number).png"),
                )
            }
        }
    }
}

extension Image {
    subscript(y: Int, x: Int) -> [Int] {
        (0..<3).map { Int(pixels[(y * width + x) * 3 + $0]) }
    }

    /// The largest difference of a level; 256 where the sizes differ.
    func difference(_ other: Image) -> Int {
        guard size == other.size else { return 256 }
        return zip(pixels, other.pixels).map { abs(Int($0) - Int($1)) }.max() ?? 0
    }
}
