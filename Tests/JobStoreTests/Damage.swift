// Breaks a database on purpose.

import Foundation
import GRDB
import TestSupport
import Testing

/// Overwrites the first page of a table in the database of `folder`, which nobody has open.
func damage(table: String, in folder: String) throws {
    let path = folder + "/detnas.db"
    // One file that holds everything: a log beside it would cover up the damage.
    var queue = try DatabaseQueue(path: path)
    try queue.vacuum(into: path + ".whole")
    try queue.close()
    for ending in ["", "-wal", "-shm"] {
        try? FileManager.default.removeItem(atPath: path + ending)
    }
    try FileManager.default.moveItem(atPath: path + ".whole", toPath: path)
    queue = try DatabaseQueue(path: path)
    let page = try queue.read {
        try Int.fetchOne(
            $0,
            sql: "SELECT rootpage FROM sqlite_master WHERE name = ?",
            arguments: [table],
        )
    }
    try queue.close()
    try damage(page: #require(page), of: path)
}
