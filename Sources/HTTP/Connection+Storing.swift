// How a body gets to its file: its route is asked whether it may come, then piece by piece, with nothing read while one
// is on its way.

internal import Foundation

extension Connection {
    /// Asks the route on a handler's queue, since it may look at a store.
    func ask(_ admit: @escaping @Sendable (HTTPRequest) -> HTTPResponse?) {
        guard let asked = current?.asked, let request = request(Data(), nil) else { return close() }
        phase = .admitting
        deadline = .max
        service.handlers.run { [token, service] in
            let refusal = admit(request).map {
                Reply($0, to: asked, errorBody: service.errorBody)
            }
            service.mailbox.post(.admitted(connection: token, refusal: refusal))
        }
    }

    func admitted(_ refusal: Reply?) {
        guard case .admitting = phase else { return }
        guard let refusal else { return awaitBody() }
        // The body that is not taken may be on its way already.
        if reader?.isWhole == false { closesAfterReply = true }
        reader = nil
        begin(refusal)
    }

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
