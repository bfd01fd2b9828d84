// The documents against what is built: nothing that is exported, logged or understood is missing from them.

internal import TestSupport
import Testing

@Suite struct DocumentTests {
    private let root: String = {
        let parts = "\(#filePath)".split(separator: "/", omittingEmptySubsequences: false)
        return parts.dropLast(3).joined(separator: "/")
    }()

    private func document(_ name: String) throws -> String {
        let text = readFile("\(root)/\(name)")
        try #require(!text.isEmpty)
        return text
    }

    @Test func `every metric is in docs operations`() throws {
        let directory = try TemporaryDirectory()
        let server = try HearthProcess(
            redis: "unix:///nonexistent/redis.sock",
            extra: """
                audit: {path: "\(directory.file("audit.log"))"}
                policies: [{prefix: "", audit: all}]
                """)
        // A transition, so that no family is without samples.
        _ = try server.client().call("HEARTH", "BREAKER", "OPEN")
        let exposition = try server.client().call("HEARTH", "METRICS").text
        let operations = try document("docs/operations.md")
        let families = exposition.split(separator: "\n").filter { $0.hasPrefix("# TYPE ") }.map {
            $0.split(separator: " ")[2]
        }
        #expect(families.count > 40)
        for family in families { #expect(operations.contains("`\(family)`"), "docs/operations.md lacks \(family)") }
        for word in operations.matches(of: /`(hearth_[a-z_]+)`/) {
            #expect(families.contains(word.1), "docs/operations.md tells of \(word.1), which is not exported")
        }
    }

    @Test func `every event of the log is in docs operations`() throws {
        let directory = try TemporaryDirectory()
        let found = try ChildProcess.run(
            "grep", ["-rhE", #"\.write\(|clientError\(""#, "\(root)/Sources/Server", "\(root)/Sources/hearth"],
            in: directory)
        let operations = try document("docs/operations.md")
        var events: Set<String> = ["breaker_closed", "breaker_open", "breaker_half_open"]
        events.formUnion(["breaker_forced_open", "breaker_forced_closed"])
        for line in found.output.split(separator: "\n") {
            let call = line.prefix { $0 != "{" }
            guard call.contains("write(.") || call.contains("write(is") || call.contains("clientError(") else {
                continue
            }
            for match in call.matches(of: /"([a-z]+(_[a-z]+)*)"/) { events.insert(String(match.1)) }
        }
        #expect(events.count > 20)
        for event in events { #expect(operations.contains("`\(event)`"), "docs/operations.md lacks \(event)") }
    }

    @Test func `every command is in docs protocol`() throws {
        let server = try HearthProcess()
        let protocolDocument = try document("docs/protocol.md")
        let commands = try server.client().call("COMMAND", "LIST").items
        #expect(commands.count > 50)
        for command in commands {
            let name = command.text.uppercased()
            #expect(protocolDocument.contains("`\(name)"), "docs/protocol.md lacks \(name)")
        }
    }

    @Test func `every command of the command line is in docs operations`() throws {
        let directory = try TemporaryDirectory()
        let help = try ChildProcess.run(try built("hearth"), ["help"], in: directory).output
        let operations = try document("docs/operations.md")
        for line in help.split(separator: "\n") where line.hasPrefix("  ") {
            let name = line.split(separator: " ")[0]
            #expect(operations.contains("`hearth \(name)"), "docs/operations.md lacks hearth \(name)")
        }
    }
}
