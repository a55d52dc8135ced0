// What the service says of itself, for machines: the kinds of job with their schemas, and the API's description.

internal import COpenAPI
internal import Configs
internal import Foundation
internal import HTTP

extension Service {
    @Sendable func listKinds(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        return .now(
            json([
                "data": .array(JobKind.allCases.map { .object($0.about) }), "hasMore": false,
                "nextCursor": nil,
            ])
        )
    }

    /// With its schema, which has every default.
    @Sendable func getKind(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        let name = request.parameters["kind"] ?? ""
        guard let kind = JobKind(rawValue: name) else {
            throw Problem.notFound("kind of job", name)
        }
        var view = kind.about
        view["schema"] = kind.schema
        view["example"] = kind.example
        return .now(json(.object(view)))
    }

    @Sendable func openAPI(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        return .now(
            HTTPResponse(
                status: 200,
                headers: HTTPHeaders([("Content-Type", "application/yaml")]),
                body: .bytes(Data(bytes: detnas_openapi, count: detnas_openapi_size)),
            )
        )
    }
}

extension JobKind {
    fileprivate var about: [String: JSONValue] {
        [
            "kind": .string(rawValue), "summary": .string(summary),
            "outputs": .array(outputs.map { .string($0.rawValue) }),
            "links": ["self": .string("/v1/job-kinds/\(rawValue)")],
        ]
    }
}
