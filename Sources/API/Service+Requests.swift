// Idempotency-Key: a POST that is sent again, because its answer was lost, is answered with what the first one made.

internal import Configs
internal import Foundation
internal import HTTP
internal import JobStore
internal import Jobs
internal import SearchSpaces

extension Service {
    /// The request under its key; nil without one.
    ///
    /// - Parameter location: where what it makes will be; of no matter to `replay`.
    /// - Throws: `Problem` for a key that is none.
    func namedRequest(_ request: HTTPRequest, location: String = "") throws -> NamedRequest? {
        guard let key = request.headers["Idempotency-Key"] else { return nil }
        guard (1...255).contains(key.utf8.count),
            key.utf8.allSatisfy({ (0x21...0x7e).contains($0) })
        else {
            throw Problem(
                400,
                "bad_key",
                "The Idempotency-Key is wrong",
                "found \(key.utf8.count) bytes; allowed: 1 to 255 visible ASCII characters",
            )
        }
        let content =
            "\(request.method) \(request.path)\n" + String(decoding: request.body, as: UTF8.self)
        return NamedRequest(
            key: key,
            fingerprint: SHA256.digest(Array(content.utf8)).hex,
            location: location,
        )
    }

    /// What the first request of this name is answered with now; nil when this is the first.
    ///
    /// - Parameter isDry: whether only the key is looked at.
    /// - Throws: `Problem` when that was another request, or the key is none.
    func replay(_ request: HTTPRequest, isDry: Bool = false) throws -> HTTPResponse? {
        guard let named = try namedRequest(request), !isDry,
            let earlier = try store.request(named.key)
        else { return nil }
        guard earlier.fingerprint == named.fingerprint else {
            throw Problem(
                422,
                "idempotency_mismatch",
                "This Idempotency-Key was used for another request",
                "it made \(earlier.location); use a new key for a new request",
                more: ["location": .string(earlier.location)],
            )
        }
        let fields = [("Location", earlier.location), ("Idempotency-Replayed", "true")]
        let id = String(earlier.location.split(separator: "/").last ?? "")
        if let job = try JobID(rawValue: id).flatMap(store.job) {
            return try show(job, status: 201, fields)
        }
        if let found = try store.pipeline(id) {
            return json(view(found.pipeline, found.jobs), status: 201, fields)
        }
        if let found = try store.checkpoint(id) { return json(found.view, status: 201, fields) }
        if let found = try store.upload(id) { return json(found.view, status: 201, fields) }
        if let found = try store.dataset(id) {
            return json(try view(found), status: 201, fields)
        }
        throw Problem(
            410,
            "gone",
            "What this request made is gone",
            "\(earlier.location) was deleted",
        )
    }
}
