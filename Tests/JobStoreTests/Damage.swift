// Breaks a database on purpose.

import Foundation
import GRDB
import TestSupport
import Testing

/// Overwrites the first page of a table in the database of `folder`, which nobody has open.
func damage(table: String, in folder: String) throws {
    let queue = try DatabaseQueue(path: folder + "/detnas.db")
    let page = try queue.read {
        try Int.fetchOne(
            $0,
            sql: "SELECT rootpage FROM sqlite_master WHERE name = ?",
            arguments: [table],
        )
    }
    // With it goes the log beside the file.
    try queue.close()
    try damage(page: #require(page), of: folder + "/detnas.db")
}
