// What is said of a database that cannot be read or written: the place, the reason, and what to do.

package import Foundation
import GRDB
package import Jobs
import Synchronization

extension JobStore {
    /// What of the database was found damaged since it was opened; nil: nothing.
    package var damage: String? { damageFound.withLock { $0 } }

    /// Keeps in mind that the database is damaged, if that is what `error` says.
    package func note(_ error: any Error) {
        guard let reason = JobStore.damage(in: error) else { return }
        damageFound.withLock { $0 = $0 ?? reason }
    }

    /// `error` with the place and what to do, where it comes from the database; otherwise as it is.
    package func explained(_ error: any Error) -> any Error {
        note(error)
        return JobStore.explained(error, folder)
    }

    static func explained(_ error: any Error, _ folder: String) -> any Error {
        if let reason = damage(in: error) { return StoreError.damaged(folder: folder, reason) }
        guard let error = error as? DatabaseError else { return error }
        switch error.resultCode {
        case .SQLITE_READONLY, .SQLITE_CANTOPEN, .SQLITE_IOERR, .SQLITE_PERM:
            return StoreError.notWritable(folder: folder, words(of: error))
        case .SQLITE_FULL:
            return StoreError.full(folder: folder)
        default:
            return error
        }
    }

    /// A reason without the data that was read or written.
    private static func words(of error: DatabaseError) -> String {
        error.message ?? error.resultCode.description
    }

    private static func damage(in error: any Error) -> String? {
        switch error {
        case let error as DatabaseError
        where [.SQLITE_CORRUPT, .SQLITE_NOTADB].contains(error.resultCode):
            words(of: error)
        // What is stored was written by this program: when it cannot be read it was changed since.
        case is DecodingError: "a stored document cannot be read"
        case StoreError.damaged(_, let reason): reason
        default: nil
        }
    }
}
