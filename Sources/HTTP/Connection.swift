// One connection as a state machine: bytes, readiness and answers go in, bytes come out. It never waits and
// never blocks; all of it runs on the I/O thread.

internal import Foundation

final class Connection {
    enum Phase {
        case handshake  // TLS is being agreed on
        case head  // between requests, or amid the head of one
        case admitting  // the route is asked whether the body may come; nothing is read meanwhile
        case body
        case storing  // a piece of the body is on its way to the disk; nothing is read meanwhile
        case handling  // the handler has the request
        case replying
        case streaming(ResponseStream)
        case lingering  // answered for good; what the client still sends is thrown away
        case closed
    }

    /// The request being served, from the first byte of its head to the last of its response.
    struct Current {
        var started: UInt64
        var head: RequestHead?
        var asked: Asked
        var route: HTTPRoute?
        var parameters: [String: String] = [:]
        var exchange: Exchange?
        var status: Int?
        var sentBefore = 0
    }

    let token: UInt64
    let peer: String
    /// When something must have happened (monotonic, in nanoseconds).
    var deadline: UInt64 = .max

    private(set) var transport: Transport
    let service: Service
    var phase = Phase.head
    var inbox = Inbox()
    var outbox = Outbox()
    private var scanner = HeadScanner()
    var reader: BodyReader?
    var spool: Spool?
    var current: Current?
    var closesAfterReply = false
    var isDraining = false
    var isDeferred = false
    var isWaitingForFile = false
    var isStalled = false
    /// The end of what is sent could not be told yet.
    var owesFinish = false
    private var peerIsDone = false

    init(token: UInt64, transport: Transport, peer: String, service: Service) {
        self.token = token
        self.peer = peer
        self.service = service
        self.transport = transport
        if transport.isEncrypted {
            phase = .handshake
            arm(service.configuration.deadlines.handshake)
        } else {
            arm(service.configuration.deadlines.idle)
        }
    }

    var descriptor: Int32 { transport.descriptor }
    var isClosed: Bool { if case .closed = phase { true } else { false } }

    /// What to be woken for.
    var interest: UInt32 {
        let out = Readiness.output
        // While nothing is read, only this tells that the client has left.
        let left = peerIsDone ? 0 : Readiness.peerDone
        let reading = transport.awaitsOutput ? out : Readiness.input
        switch phase {
        case .handshake, .head: return reading
        case .body: return reading | (outbox.isEmpty ? 0 : out)
        case .handling: return left
        case .replying: return isWaitingForFile ? left : out | left
        case .streaming: return isStalled ? out | left : left
        case .lingering: return Readiness.input | (owesFinish ? out : 0)
        case .admitting, .storing, .closed: return 0
        }
    }

    // MARK: What happens to it

    func ready(_ events: UInt32, scratch: UnsafeMutableRawBufferPointer) {
        if events & Readiness.broken != 0 { return close() }
        if case .handshake = phase { return shakeHands() }
        let reading = transport.awaitsOutput ? Readiness.output : Readiness.input
        if events & reading != 0 { receive(scratch) }
        if events & Readiness.output != 0 { advance() }
        if events & Readiness.peerDone != 0 { peerFinished() }
    }

    func obey(_ order: Order) {
        switch order {
        case .reply(let exchange, let reply):
            guard current?.exchange === exchange else { return }
            begin(reply)
        case .deferred(let exchange):
            guard current?.exchange === exchange, case .handling = phase else { return }
            isDeferred = true
            if peerIsDone { return close() }
            if isDraining { exchange.drain() }
        case .stream(let exchange, let reply, let stream):
            guard current?.exchange === exchange else { return stream.clientLeft() }
            if current?.asked.minorVersion == 0 { closesAfterReply = true }
            begin(reply, then: stream)
            if peerIsDone { return close() }
            if isDraining { stream.drain() }
        case .streamMoved(let stream):
            guard case .streaming(let mine) = phase, mine === stream else { return }
        case .streamOverflowed(let stream):
            guard case .streaming(let mine) = phase, mine === stream else { return }
            return close()
        case .fileIsWarm: isWaitingForFile = false
        case .stored(_, let result): stored(result)
        case .admitted(_, let refusal): admitted(refusal)
        case .drain: drain()
        }
        advance()
    }

    /// The deadline has passed.
    func expire() {
        switch phase {
        case .head where current != nil:
            refuse(HTTPProblem(408, "request-timeout", "the head took too long"))
        case .body: refuse(HTTPProblem(408, "request-timeout", "the body stopped coming"))
        default: return close()
        }
        advance()
    }

    func close() {
        if isClosed { return }
        if case .streaming(let stream) = phase { stream.clientLeft() }
        // An answer that is cut off must not look as if it ended here.
        if case .head = phase, current == nil, transport.isEncrypted {
            _ = transport.finishSending()
        }
        current?.exchange?.clientLeft()
        dropSpool()
        log(isComplete: false)
        phase = .closed
        deadline = .max
        transport.close()
    }

    private func drain() {
        isDraining = true
        switch phase {
        case .handshake: close()
        case .head where inbox.isEmpty: close()
        case .lingering: arm(min(0.5, service.configuration.deadlines.linger))
        case .handling where isDeferred: current?.exchange?.drain()
        case .streaming(let stream): stream.drain()
        default: break
        }
    }

    // MARK: Reading

    private func shakeHands() {
        switch transport.shakeHands() {
        case .waiting: break
        case .failed: close()
        case .done:
            phase = .head
            arm(service.configuration.deadlines.idle)
        case .plain:
            transport = Transport(descriptor: transport.descriptor)
            phase = .head
            current = Current(started: monotonicNow(), asked: Asked(id: service.ids.next()))
            refuse(.malformed("this port speaks TLS, and the request came without"))
            advance()
        }
    }

    private func receive(_ scratch: UnsafeMutableRawBufferPointer) {
        if case .lingering = phase {
            let transfer = transport.discard(scratch)
            if transfer == .ended || transfer == .failed { close() }
            return
        }
        switch transport.receive(into: scratch) {
        case .moved(let count):
            inbox.append(UnsafeRawBufferPointer(rebasing: scratch[..<count]))
            if case .body = phase { arm(service.configuration.deadlines.body) }
            advance()
        case .wouldBlock: break
        case .ended:
            switch phase {
            case .head where current != nil, .body:
                refuse(.malformed("the request ends early"))
                advance()
            case .head: close()
            default: peerIsDone = true
            }
        case .failed: close()
        }
    }

    /// The client sends nothing more. It may have gone, or wait for the answer of what it sent: whoever
    /// waits for long is taken to have gone.
    private func peerFinished() {
        switch phase {
        case .handling where isDeferred, .streaming: close()
        case .handling, .replying: peerIsDone = true
        // Reading tells.
        case .handshake, .head, .admitting, .body, .storing, .lingering, .closed: break
        }
    }

    /// Goes on as far as what has come in and gone out allows.
    private func advance() {
        while step() {}
    }

    /// Whether there may be more to do.
    private func step() -> Bool {
        switch phase {
        case .head: readHead()
        case .body: readBody()
        case .replying, .streaming: send()
        case .lingering where owesFinish: tellEnd()
        case .handshake, .admitting, .storing, .handling, .lingering, .closed: false
        }
    }

    /// Tells the client that nothing more comes, as soon as the socket has room for that.
    func tellEnd() -> Bool {
        owesFinish = !transport.finishSending()
        return false
    }

    private func readHead() -> Bool {
        guard !inbox.isEmpty else { return false }
        if current == nil {
            current = Current(
                started: monotonicNow(),
                asked: Asked(id: service.ids.next()),
                sentBefore: outbox.sent,
            )
            arm(service.configuration.deadlines.head)
        }
        do throws(HTTPProblem) {
            let limits = service.configuration.limits
            guard let length = try scanner.scan(inbox, limit: limits.head) else { return false }
            let head = try RequestHead(
                parsing: inbox.prefix(length).dropFirst(scanner.leading),
                limits: limits,
                hostNames: service.configuration.hostNames,
                scheme: transport.isEncrypted ? "https" : "http",
            )
            inbox.drop(length)
            scanner = HeadScanner()
            try accept(head)
        } catch {
            refuse(error)
        }
        return true
    }

    /// Decides from the head alone whether the request is taken.
    private func accept(_ head: RequestHead) throws(HTTPProblem) {
        let asked = Asked(
            method: head.method,
            headers: head.headers,
            minorVersion: head.minorVersion,
            id: head.headers["X-Request-Id"].flatMap { Self.isFitID($0) ? $0 : nil }
                ?? current?.asked.id ?? service.ids.next(),
        )
        current?.head = head
        current?.asked = asked
        closesAfterReply = !head.keepsAlive
        guard Router.methods.contains(head.method) || Router.refusedMethods.contains(head.method)
        else { throw RequestHead.unknownMethod }
        if head.target.isServer { return answerOptions(service.router.allMethods, head) }
        switch service.router.route(head.method, head.target.segments) {
        case .unknownPath:
            throw HTTPProblem(404, "not-found", "there is nothing at \(head.target.path)")
        case .wrongMethod(let allowed):
            if head.method == "OPTIONS" { return answerOptions(allowed, head) }
            let allow = allowed.joined(separator: ", ")
            throw HTTPProblem(
                405,
                "method-not-allowed",
                "\(head.method) is not allowed here; allowed: \(allow)",
                fields: ["Allow": allow],
            )
        case .found(let route, let parameters):
            current?.route = route
            current?.parameters = parameters
            reader = try BodyReader(
                head.framing,
                limit: route.bodyLimit,
                limits: service.configuration.limits,
            )
            if let admit = route.admit { ask(admit) } else { awaitBody() }
        }
    }

    func awaitBody() {
        spool = current?.route?.bodyFolder.map(Spool.init(in:))
        if current?.head?.expectsContinue == true, reader?.isWhole == false, inbox.isEmpty {
            outbox.append(Data("HTTP/1.1 100 Continue\r\n\r\n".utf8))
        }
        phase = .body
        arm(service.configuration.deadlines.body)
    }

    private func answerOptions(_ allowed: [String], _ head: RequestHead) {
        if head.framing != .none, head.framing != .length(0) { closesAfterReply = true }
        let headers = HTTPHeaders([("Allow", allowed.joined(separator: ", "))])
        answer(HTTPResponse(status: 204, headers: headers))
    }

    private func readBody() -> Bool {
        if !outbox.isEmpty, case .failed = outbox.send(through: transport) {
            close()
            return false
        }
        do throws(HTTPProblem) {
            try reader?.read(&inbox)
        } catch {
            refuse(error)
            return true
        }
        guard let reader, reader.isWhole || reader.body.count >= Self.piece && spool != nil
        else { return false }
        if let spool {
            store(self.reader?.takeBody() ?? Data(), in: spool, isLast: reader.isWhole)
            return false
        }
        self.reader = nil
        handle(reader.body)
        return true
    }

    /// How much of a body is collected before it is written to its file.
    private static let piece = 1 << 20

    func handle(_ body: Data, _ upload: HTTPUpload? = nil) {
        guard let asked = current?.asked, let route = current?.route,
            let request = request(body, upload)
        else { return close() }
        if let response = route.answerAtOnce?(request) { return answer(response) }
        let exchange = Exchange(asked, connection: token, service: service)
        current?.exchange = exchange
        isDeferred = false
        phase = .handling
        deadline = .max
        exchange.start(route.handle, request)
    }

    /// What a handler gets of the request at hand.
    func request(_ body: Data, _ upload: HTTPUpload?) -> HTTPRequest? {
        guard let current, let head = current.head else { return nil }
        return HTTPRequest(
            method: head.method,
            path: head.target.path,
            parameters: current.parameters,
            query: head.target.query,
            headers: head.headers,
            body: body,
            upload: upload,
            id: current.asked.id,
            peer: client(head),
        )
    }

    /// Who sent a request, through how many trusted proxies it may have come.
    func client(_ head: RequestHead) -> String {
        let proxies = service.configuration.trustedProxies
        guard proxies.contains(peer) else { return peer }
        let passed = head.headers.values(of: "X-Forwarded-For").flatMap(\.listMembers)
        for member in passed.reversed() {
            guard let address = Listener.address(String(member)) else { break }
            if !proxies.contains(address) { return address }
        }
        return peer
    }

    // MARK: Details

    func arm(_ seconds: TimeInterval) {
        deadline = monotonicNow() + UInt64(seconds * 1e9)
    }

    /// Whether an id from outside may stand in a field, a log line and a problem.
    private static func isFitID(_ id: String) -> Bool {
        (1...128).contains(id.utf8.count)
            && id.utf8.allSatisfy { $0.isDigit || $0.isLetter || "._:-".utf8.contains($0) }
    }
}
