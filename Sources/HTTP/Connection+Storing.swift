// How a body gets to its file: piece by piece, with nothing read while one is on its way.

internal import Foundation

extension Connection {
    func store(_ bytes: Data, in spool: Spool, isLast: Bool) {
        phase = .storing
        deadline = .max
        service.uploads.async { [token, mailbox = service.mailbox] in
            let result: Result<HTTPUpload?, HTTPUploadError>
            do throws(HTTPUploadError) {
                result = .success(try spool.write(bytes, isLast: isLast))
            } catch {
                result = .failure(error)
            }
            mailbox.post(.stored(connection: token, result))
        }
    }

    /// Lets go of what was stored; removing it may wait for the disk.
    func dropSpool() {
        guard let spool else { return }
        self.spool = nil
        service.uploads.async { withExtendedLifetime(spool) {} }
    }

    func stored(_ result: Result<HTTPUpload?, HTTPUploadError>) {
        guard case .storing = phase else { return }
        switch result {
        case .success(nil):
            phase = .body
            arm(service.configuration.deadlines.body)
        case .success(let upload):
            reader = nil
            spool = nil
            handle(Data(), upload)
        case .failure(let error): refuse(.unstored(error))
        }
    }
}
