// What an operator has set, and sums over everything.

import Foundation
import GRDB
import Jobs

extension JobStore {
    package func setting<Value: Decodable>(_ type: Value.Type, _ name: String) throws -> Value? {
        let text = try database.read { db in
            try String.fetchOne(
                db,
                sql: "SELECT value FROM settings WHERE name = ?",
                arguments: [name],
            )
        }
        return try text.map { try JSON.read(type, from: Data($0.utf8)) }
    }

    package func set(_ name: String, _ value: some Encodable) throws {
        let text = try JSON.text(value)
        try database.write { db in
            try db.execute(
                sql: """
                    INSERT INTO settings (name, value) VALUES (?, ?)
                    ON CONFLICT (name) DO UPDATE SET value = excluded.value
                    """,
                arguments: [name, text],
            )
        }
    }

    package func countsByKind() throws -> [(kind: String, state: String, count: Int)] {
        try database.read { db in
            try Row.fetchAll(
                db,
                sql: """
                    SELECT kind, state, COUNT(*) AS n FROM jobs WHERE deletedAt IS NULL
                    GROUP BY kind, state ORDER BY kind, state
                    """,
            ).map { ($0["kind"], $0["state"], $0["n"]) }
        }
    }

    /// `events` counts those that were dropped or deleted too.
    package func totals() throws -> (events: Int, checkpointBytes: Int) {
        try database.read { db in
            func sum(_ sql: String) throws -> Int { try Int.fetchOne(db, sql: sql) ?? 0 }
            return (
                try sum("SELECT SUM(json_extract(document, '$.lastSeq')) FROM jobs"),
                try sum("SELECT SUM(bytes) FROM checkpoints"),
            )
        }
    }
}
