// A page for every `type` of problem: what it means and what helps.

internal import Configs
internal import Foundation
internal import HTTP

extension Service {
    @Sendable func listProblems(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        let rows = ProblemPage.all.map { page in
            "<dt><a href=\"/problems/\(page.slug)\"><code>\(page.code)</code></a> (\(page.statuses))"
                + "</dt><dd>\(page.meaning.escaped)</dd>"
        }
        return .now(page("Problems", "<dl>\(rows.joined(separator: "\n"))</dl>"))
    }

    @Sendable func getProblem(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        let slug = request.parameters["slug"] ?? ""
        guard let found = ProblemPage.all.first(where: { $0.slug == slug }) else {
            throw Problem.notFound("kind of problem", slug)
        }
        let text = """
            <p>Status \(found.statuses), <code>code</code> <code>\(found.code)</code>.</p>
            <p>\(found.meaning.escaped)</p>
            <p><strong>What helps:</strong> \(found.remedy.escaped)</p>
            <p><a href="/problems">All problems</a></p>
            """
        return .now(page(found.code, text))
    }

    private func page(_ title: String, _ body: String) -> HTTPResponse {
        let text = """
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8"><title>\(title.escaped) - detnas</title>
            <meta name="viewport" content="width=device-width, initial-scale=1"></head>
            <body><h1>\(title.escaped)</h1>
            \(body)
            </body></html>

            """
        return HTTPResponse(
            status: 200,
            headers: HTTPHeaders([
                ("Content-Type", "text/html; charset=utf-8"),
                ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
                ("X-Content-Type-Options", "nosniff"),
            ]),
            body: .bytes(Data(text.utf8)),
        )
    }
}

extension String {
    fileprivate var escaped: String {
        replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
    }
}
