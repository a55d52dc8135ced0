// Who may call: tokens, of which only digests are kept.

package import Foundation
import GRDB
import Jobs
import SearchSpaces

/// What a token is good for. Raw values are stored and sent.
package enum Scope: String, CaseIterable, Sendable {
    case metrics  // numbers for a monitor
    case read  // looks at everything
    case submit  // also sends jobs
    case manage  // also steers and deletes them
    case admin  // also drains cores and makes tokens

    /// Whether whoever has this may do what `needed` stands for.
    package func allows(_ needed: Scope) -> Bool {
        let order: [Scope] = [.read, .submit, .manage, .admin]
        guard let own = order.firstIndex(of: self) else { return needed == .metrics }
        return needed == .metrics || own >= order.firstIndex(of: needed) ?? order.count
    }
}

/// A token, without its secret.
package struct Token: Equatable, Sendable {
    /// `tok_` and a ULID.
    package var id: String
    package var name: String
    package var scope: Scope
    package var createdAt: Date
    /// Nil: never.
    package var expiresAt: Date?

    package func isValid(at now: Date) -> Bool { expiresAt.map { $0 > now } ?? true }
}

/// Words that nobody guesses.
package enum Secret {
    /// 43 of 62 letters: 256 bits.
    package static func make() -> String {
        var random = SystemRandomNumberGenerator()
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
        return String((0..<43).map { _ in letters.randomElement(using: &random) ?? "A" })
    }
}

extension JobStore {
    /// Makes a token.
    /// - Returns: with its secret, which is told this once.
    package func makeToken(name: String, scope: Scope, expiresAt: Date?) throws
        -> (token: Token, secret: String)
    {
        let token = Token(
            id: "tok_" + ULID.make(),
            name: name,
            scope: scope,
            createdAt: Date(),
            expiresAt: expiresAt,
        )
        let secret = "detnas_" + Secret.make()
        try database.write { db in
            try db.execute(
                sql: """
                    INSERT INTO tokens (id, name, scope, digest, createdAt, expiresAt)
                    VALUES (?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    token.id, name, scope.rawValue, JobStore.digest(of: secret),
                    Timestamp.text(token.createdAt), expiresAt.map(Timestamp.text),
                ],
            )
        }
        return (token, secret)
    }

    /// The token with this secret, valid or not. It is looked up by its digest, which tells nothing of how near a guess is.
    package func token(secret: String) throws -> Token? {
        try database.read { db in
            try Row.fetchOne(
                db,
                sql: "SELECT * FROM tokens WHERE digest = ?",
                arguments: [JobStore.digest(of: secret)],
            ).flatMap(JobStore.token)
        }
    }

    /// The token with this id, valid or not.
    package func token(id: String) throws -> Token? {
        try database.read { db in
            try Row.fetchOne(db, sql: "SELECT * FROM tokens WHERE id = ?", arguments: [id])
                .flatMap(JobStore.token)
        }
    }

    /// The oldest first.
    package func tokens() throws -> [Token] {
        try database.read { db in
            try Row.fetchAll(db, sql: "SELECT * FROM tokens ORDER BY id")
                .compactMap(JobStore.token)
        }
    }

    /// - Returns: false where there is none.
    package func removeToken(_ id: String) throws -> Bool {
        try database.write { db in
            try db.execute(sql: "DELETE FROM tokens WHERE id = ?", arguments: [id])
            return db.changesCount > 0
        }
    }

    private static func token(_ row: Row) -> Token? {
        guard let scope = Scope(rawValue: row["scope"]),
            let made = Timestamp.date(row["createdAt"])
        else { return nil }
        let expiry: String? = row["expiresAt"]
        return Token(
            id: row["id"],
            name: row["name"],
            scope: scope,
            createdAt: made,
            expiresAt: expiry.flatMap(Timestamp.date),
        )
    }

    private static func digest(of secret: String) -> String {
        SHA256.digest(Array(secret.utf8)).hex
    }
}
