// A look at a database from outside, without a store: also at one that a server has open, or that is damaged.

package import Foundation
import GRDB
import Glibc
import Jobs

/// What was found.
package struct DatabaseCondition: Equatable, Sendable {
    /// What SQLite says is wrong; empty: nothing.
    package var faults: [String] = []
    /// Whether all of its migrations are known.
    package var isKnown = true
    /// How many migrations a server would still make.
    package var missingMigrations = 0
    package var newestEvent: Date?
}

extension JobStore {
    /// The process that holds the data directory `folder`, as it wrote itself down; nil: none does.
    package static func owner(of folder: String) -> String? {
        let path = folder + "/detnas.lock"
        var status = stat()
        // Taking the lock to try it could keep a server from starting in that moment: the kernel's list says it too.
        guard stat(path, &status) == 0,
            let locks = try? String(contentsOfFile: "/proc/locks", encoding: .utf8),
            locks.split(separator: "\n").contains(where: { line in
                line.contains(" FLOCK ") && line.contains(":\(status.st_ino) ")
            })
        else { return nil }
        return (try? String(contentsOfFile: path, encoding: .utf8)) ?? "?"
    }

    /// - Returns: nil when there is no database.
    /// - Throws: what keeps it from being opened.
    package static func inspect(_ folder: String) throws -> DatabaseCondition? {
        let path = folder + "/detnas.db"
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        do {
            return try DatabaseQueue(path: path, configuration: configuration).read { db in
                var found = DatabaseCondition()
                found.faults = try String.fetchAll(db, sql: "PRAGMA quick_check(20)")
                    .filter { $0 != "ok" }
                let applied = try migrations.appliedIdentifiers(db)
                found.isKnown = applied.isSubset(of: migrations.migrations)
                found.missingMigrations = migrations.migrations.count { !applied.contains($0) }
                let newest = try? String.fetchOne(db, sql: "SELECT MAX(ts) FROM events")
                found.newestEvent = newest.flatMap(Timestamp.date)
                return found
            }
        } catch {
            throw explained(error, folder)
        }
    }
}
