// How a connection answers: the reply goes to the outbox, the outbox to the socket, and then comes the next
// request or the end.

internal import CHTTP
internal import Foundation

extension Connection {
    /// Refuses a request. Unless it is whole, nothing that follows it can be trusted.
    func refuse(_ problem: HTTPProblem) {
        let framing = current?.head?.framing
        let isWhole = framing == BodyFraming.none || framing == .length(0)
        if !isWhole || problem.status != 404 && problem.status != 405 { closesAfterReply = true }
        reader = nil
        dropSpool()
        let asked = current?.asked ?? Asked(id: service.ids.next())
        begin(Reply(problem, to: asked, errorBody: service.errorBody))
    }

    func answer(_ response: HTTPResponse) {
        guard let asked = current?.asked else { return close() }
        begin(Reply(response, to: asked, errorBody: service.errorBody))
    }

    func begin(_ reply: Reply, then stream: ResponseStream? = nil) {
        if isDraining { closesAfterReply = true }
        current?.status = reply.status
        var head = reply.head
        let date = service.date.text(at: time(nil))
        let connection =
            closesAfterReply
            ? "Connection: close\r\n"
            : current?.asked.minorVersion == 0 ? "Connection: keep-alive\r\n" : ""
        head.append(contentsOf: "Date: \(date)\r\n\(connection)\r\n".utf8)
        outbox.append(head)
        switch reply.content {
        case .nothing: break
        case .bytes(let bytes): outbox.append(bytes)
        case .file(let file, let part): outbox.append(file, part)
        }
        phase = stream.map(Phase.streaming) ?? .replying
        isStalled = false
        arm(service.configuration.deadlines.write)
    }

    func send() -> Bool {
        let sentBefore = outbox.sent
        isStalled = false
        switch isWaitingForFile ? .wouldBlock : outbox.send(through: transport) {
        case .empty: break
        case .turnIsOver, .wouldBlock:
            stall(progress: outbox.sent > sentBefore)
            return false
        case .cold(let file, let part):
            isWaitingForFile = true
            deadline = .max
            service.files.async { [token, mailbox = service.mailbox] in
                chttp_warm(file.descriptor, part.lowerBound, Int64(part.count))
                mailbox.post(.fileIsWarm(connection: token))
            }
            return false
        case .failed:
            close()
            return false
        }
        guard case .streaming(let stream) = phase else { return finish() }
        let (progress, moved) = stream.send(through: transport)
        outbox.count(moved)
        switch progress {
        case .idle:
            deadline = .max
            return false
        case .wouldBlock:
            stall(progress: moved > 0)
            return false
        case .ended: return finish()
        case .failed:
            close()
            return false
        }
    }

    /// Waits for the client to take more; the deadline moves only with progress.
    private func stall(progress: Bool) {
        isStalled = true
        if isWaitingForFile { return }
        if progress || deadline == .max { arm(service.configuration.deadlines.write) }
    }

    /// The response is through.
    func finish() -> Bool {
        log(isComplete: true)
        current = nil
        guard closesAfterReply || isDraining else {
            phase = .head
            arm(service.configuration.deadlines.idle)
            return true
        }
        // Closing at once would reset a connection on which bytes are still to be read, and the reset
        // could overtake the answer.
        inbox = Inbox()
        phase = .lingering
        let linger = service.configuration.deadlines.linger
        arm(isDraining ? min(0.5, linger) : linger)
        return tellEnd()
    }

    func log(isComplete: Bool) {
        guard let current, service.log.isKept else { return }
        let entry = HTTPServer.AccessEntry(
            requestID: current.asked.id,
            peer: current.head.map(client) ?? peer,
            method: current.asked.method,
            target: current.head?.target.raw ?? "",
            route: current.route?.pattern,
            status: current.status,
            bytesSent: outbox.sent - current.sentBefore,
            seconds: Double(monotonicNow() - current.started) / 1e9,
            isComplete: isComplete,
        )
        service.log.add(entry)
    }
}
