// What jobs leave behind, as rows.

package import Configs
import Foundation
import GRDB
package import Jobs

/// A checkpoint file that a job wrote, or that was imported. `JobStore.path(of:)` says where it lies.
package struct Checkpoint: Codable, Equatable, Sendable, FetchableRecord {
    package var number: Int64
    /// `ckpt_` and a ULID.
    package var id: String
    /// Nil: it was imported.
    package var job: JobID?
    package var name: String
    /// Within the job's run directory, or within the folder of imported ones.
    package var path: String
    package var step: Int
    package var kind: String
    package var sha256: String
    package var bytes: Int
    package var final: Bool
    package var createdAt: String
    /// Of an imported one: the JSON text of its `SearchSpace`.
    package var space: String?
    /// Of an imported one.
    package var shuffle: Int?

    package var spaceValue: JSONValue? {
        space.flatMap { try? JSON.read(JSONValue.self, from: Data($0.utf8)) }
    }
}

/// A file that a client has sent, or has said that it will send.
package struct Upload: Codable, Equatable, Sendable, FetchableRecord {
    package var number: Int64
    /// `up_` and a ULID; also the name of its file.
    package var id: String
    /// For people.
    package var name: String
    /// As announced, and when it is there as found.
    package var bytes: Int?
    package var sha256: String?
    package var createdAt: String
    /// Nil until it is there, whole.
    package var storedAt: String?
}

/// A data set that was registered.
package struct Dataset: Codable, Equatable, Sendable, FetchableRecord {
    package var number: Int64
    /// `ds_` and a ULID.
    package var id: String
    /// For people.
    package var name: String
    /// What jobs call it: the name of its folder below a root.
    package var folder: String
    /// Whether its files came by an upload and are this server's.
    package var unpacked: Bool
    /// The upload that it is to be made of; nil when that is done.
    package var upload: String?
    /// Whether its first check decodes every picture.
    package var decode: Bool
    /// Why it could not be unpacked.
    package var failure: String?
    /// The newest check of its folder; nil before there is one.
    package var job: JobID?
    /// The check that found `result`.
    package var checkedBy: JobID?
    package var checkedAt: String?
    /// JSON text.
    package var result: String?
    package var createdAt: String

    package var resultValue: JSONValue? {
        result.flatMap { try? JSON.read(JSONValue.self, from: Data($0.utf8)) }
    }

    /// Whether its files are still to come.
    package var isBeingUnpacked: Bool { upload != nil && failure == nil }
}

/// One architecture that a search has scored.
package struct Candidate: Codable, Equatable, Sendable, FetchableRecord {
    package var number: Int64
    package var job: JobID
    package var genome: String
    /// Its place in the order of evaluation, from 0.
    package var place: Int
    package var generation: Int
    package var map: Double?
    package var map50: Double?
    package var loss: Double?
    package var macs: Int
    package var params: Int
    package var standardError: Double?
    package var seconds: Double?
    package var top1: Double?
    package var top5: Double?
    /// How its genome was made.
    package var origin: String?
    /// Why it has no score.
    package var failure: String?
    /// What few images said of it, where it was not scored in full: JSON text.
    package var halted: String?

    package var haltedValue: JSONValue? {
        halted.flatMap { try? JSON.read(JSONValue.self, from: Data($0.utf8)) }
    }
}

/// An architecture that outlives the search that found it.
package struct StoredArchitecture: Codable, Equatable, Sendable, FetchableRecord {
    package var number: Int64
    package var hash: String
    package var job: JobID
    package var genome: String
    /// The JSON text of a `SearchSpace`.
    package var space: String
    package var macs: Int
    package var params: Int
    package var score: Double?
    package var createdAt: String

    /// The space as a tree.
    package var spaceValue: JSONValue {
        (try? JSON.read(JSONValue.self, from: Data(space.utf8))) ?? .null
    }
}

/// Jobs that were submitted together and feed each other.
package struct Pipeline: Codable, Equatable, Sendable, FetchableRecord {
    package var number: Int64
    /// `pipe_` and a ULID.
    package var id: String
    package var name: String?
    package var createdAt: String
    /// The request, as JSON text.
    package var submitted: String
}

/// A part of a list, and where the next one begins.
package struct Page<Element> {
    package var elements: [Element]
    /// Opaque; nil after the last element.
    package var next: ListCursor?

    package init(elements: [Element], next: ListCursor?) {
        self.elements = elements
        self.next = next
    }
}

extension Page: Sendable where Element: Sendable {}

/// A place in a list: the last element seen, by its sort key and number. Stable while others are inserted.
package struct ListCursor: Equatable, Sendable {
    package var number: Int64
    package var key: Double

    package init(number: Int64, key: Double = 0) {
        self.number = number
        self.key = key
    }

    /// Opaque text for a URL.
    package init?(_ text: String) {
        var base64 = text.replacing("-", with: "+").replacing("_", with: "/")
        base64 += String(repeating: "=", count: (4 - base64.count % 4) % 4)
        guard let data = Data(base64Encoded: base64), data.count == 16 else { return nil }
        let words = data.withUnsafeBytes { bytes in
            (0..<2).map { bytes.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self) }
        }
        number = Int64(bitPattern: UInt64(littleEndian: words[0]))
        key = Double(bitPattern: UInt64(littleEndian: words[1]))
    }

    package var text: String {
        var data = Data()
        for word in [UInt64(bitPattern: number), key.bitPattern] {
            withUnsafeBytes(of: word.littleEndian) { data.append(contentsOf: $0) }
        }
        return data.base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
            .replacing("=", with: "")
    }
}
