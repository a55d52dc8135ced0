// Requests with a name of their own: one that comes twice, as a client asks again when it got no answer, is taken once.

package import Foundation
import GRDB
import Jobs

/// A request that can be told from others, and where what it made is.
package struct NamedRequest: Equatable, Sendable {
    /// The Idempotency-Key.
    package var key: String
    /// Of method, path and content: another one under the same key is another request.
    package var fingerprint: String
    /// Where what it made is, such as `/v1/jobs/job_...`.
    package var location: String

    package init(key: String, fingerprint: String, location: String) {
        self.key = key
        self.fingerprint = fingerprint
        self.location = location
    }
}

extension JobStore {
    /// How long a name is kept, seconds.
    package static let requestLifetime = 24.0 * 3600

    package func request(_ key: String, at now: Date = Date()) throws -> NamedRequest? {
        let oldest = Timestamp.text(now - JobStore.requestLifetime)
        return try database.read { db in
            try Row.fetchOne(
                db,
                sql: "SELECT * FROM requests WHERE key = ? AND createdAt >= ?",
                arguments: [key, oldest],
            ).map {
                NamedRequest(
                    key: $0["key"],
                    fingerprint: $0["fingerprint"],
                    location: $0["location"],
                )
            }
        }
    }

    func insert(_ request: NamedRequest, at now: Date, _ db: Database) throws {
        try db.execute(
            sql: "DELETE FROM requests WHERE createdAt < ?",
            arguments: [Timestamp.text(now - JobStore.requestLifetime)],
        )
        do {
            try db.execute(
                sql: """
                    INSERT INTO requests (key, fingerprint, location, createdAt)
                    VALUES (?, ?, ?, ?)
                    """,
                arguments: [
                    request.key, request.fingerprint, request.location, Timestamp.text(now),
                ],
            )
        } catch let error as DatabaseError where error.resultCode == .SQLITE_CONSTRAINT {
            throw StoreError.repeatedRequest(request.key)
        }
    }
}
