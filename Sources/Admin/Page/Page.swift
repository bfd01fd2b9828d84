// The live page: its files as they are compiled in, and what a browser is told that they may do.
//
// DESIGN. The files beside this one are what the browser gets, byte for byte. Nothing is inline, so that the policy can
// forbid inline code: text that came from a client or from Redis, and got into a log line, can never run.

enum Page {
    /// Only what this server sends, and nobody may frame it.
    static let contentPolicy = """
        default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; \
        form-action 'none'; frame-ancestors 'none'
        """

    static let document = page("text/html; charset=utf-8", PackageResources.page_html)

    static let parts: [(path: String, response: AdminResponse)] = [
        ("/page.css", page("text/css; charset=utf-8", PackageResources.page_css)),
        ("/page.js", page("text/javascript; charset=utf-8", PackageResources.page_js)),
        ("/charts.js", page("text/javascript; charset=utf-8", PackageResources.charts_js)),
    ]

    private static func page(_ contentType: String, _ body: [UInt8]) -> AdminResponse {
        var response = AdminResponse(contentType: contentType, body: body)
        response.contentPolicy = contentPolicy
        return response
    }
}
