// `hearth migrate` against real processes: what it tells, what it changes, and how it is interrupted.

internal import TestSupport
import Testing

@Suite(.serialized) struct MigrateTests {
    private static func extra(_ writeBack: String, _ steps: String = "", current: Int = 3) -> String {
        let steps =
            steps.isEmpty ? "{to: 2, rename: {name: title}}, {to: 3, set: {kind: chat}, remove: [age]}" : steps
        return """
            policies:
              - {prefix: ''}
              - {prefix: 's:', schema: {current: \(current), write_back: \(writeBack), steps: [\(steps)]}}
            """
    }

    private func arguments(_ server: HearthProcess, _ words: [String]) -> [String] {
        ["migrate", "--config", server.configurationPath] + words
    }

    private func migrate(_ server: HearthProcess, _ words: String...) throws -> (code: Int32, output: String) {
        try ChildProcess.run(try built("hearth"), arguments(server, words), in: server.directory)
    }

    /// A Redis with records of schema 1 under `s:`, written by an older release.
    private func older(_ count: Int) throws -> RedisServer {
        let redis = try RedisServer()
        let car = try HearthProcess(redis: redis.url, extra: "workers: 1")
        try car.waitUntilClosed()
        let client = try car.client()
        for index in 0..<count {
            let value = "{\"name\": \"n\(index)\", \"age\": \(index)}"
            let reply = try client.call("STATE.SET", "s:\(index)", value, "SCHEMA", "1")
            try #require(reply.fields["committed"]?.text == "redis")
        }
        car.process.signal(.terminate)
        try car.process.wait()
        return redis
    }

    private func sidecar(_ redis: RedisServer, _ writeBack: String = "lazy", _ steps: String = "") throws
        -> HearthProcess
    {
        let car = try HearthProcess(redis: redis.url, extra: Self.extra(writeBack, steps))
        try car.waitUntilClosed()
        return car
    }

    @Test func `a dry run tells what would change and what would be lost, and changes nothing`() throws {
        let redis = try older(12)
        let direct = try redis.client()
        _ = try direct.call("SET", "s:plain", "text")
        _ = try direct.call("HSET", "s:hash", "a", "1")
        let car = try sidecar(redis)
        let client = try car.client()
        // The new name is taken: that can't be undone either, so it is not done.
        let taken = "{\"name\": 1, \"title\": 2, \"kind\": \"x\"}"
        _ = try client.call("STATE.SET", "s:taken", taken, "SCHEMA", "1")
        _ = try client.call("STATE.SET", "s:done", "{}", "SCHEMA", "3")
        _ = try client.call("STATE.SET", "s:lossy", "{\"title\": 1, \"kind\": \"x\"}", "SCHEMA", "2")
        let before = try direct.call("HGETALL", "s:7").fields
        let dry = try migrate(car, "--prefix", "s:", "--dry-run", "--rate", "100000")
        #expect(dry.code == 69)
        let expected = [
            "dry run, nothing is changed: \"s:\", 17 keys looked at, 2 of them no records",
            "policy  \"s:\": schema 3, write_back lazy", "        13  would be migrated",
            "         1  had their schema",
            "         1  can't be migrated", "to 2  rename name: 12 records, 12 places",
            "to 3  remove age: 12 records, 12 places; CAN'T BE UNDONE, 12 values are lost",
            "to 3  set kind: 13 records, 13 places; CAN'T BE UNDONE, 1 values are lost",
            "  \(try hash("s:taken"))  failed: the step to 2, rename name: ",
            "1 records do not have their policy's schema, see above",
        ]
        for line in expected { #expect(dry.output.contains(line), "\(line) in: \(dry.output)") }
        #expect(try direct.call("HGETALL", "s:7").fields["value"] == before["value"])
        #expect(try direct.call("HGET", "s:7", "schema").text == "1")
        let named = try migrate(car, "--prefix", "s:", "--dry-run", "--show-keys", "--json", "--rate", "100000")
        #expect(named.output.contains("\"key\":\"s:taken\",\"outcome\":\"failed\""), "\(named.output)")
        #expect(named.output.contains("\"migrated\":13,\"current\":1,\"held\":0,\"failed\":1"), "\(named.output)")

        let run = try migrate(car, "--prefix", "s:", "--rate", "100000")
        #expect(run.code == 69 && run.output.contains("        13  migrated"), "\(run.output)")
        #expect(
            try direct.call("HGET", "s:7", "value").text.replacing(" ", with: "")
                == "{\"title\":\"n7\",\"kind\":\"chat\"}")
        #expect(try direct.call("HGET", "s:7", "version").text == "1")
        #expect(try direct.call("HGET", "s:taken", "value").text == taken)
        #expect(try direct.call("GET", "s:plain").text == "text")
        let again = try migrate(car, "--prefix", "s:", "--rate", "100000")
        #expect(again.output.contains("        14  had their schema"), "\(again.output)")
        #expect(try client.call("HEARTH", "METRICS").text.contains("hearth_schema_migrated_total 13\n"))
    }

    private func hash(_ key: String) throws -> String {
        let directory = try TemporaryDirectory()
        let path = try directory.write("key", key)
        return String(try ChildProcess.run("sha256sum", [path], in: directory).output.prefix(16))
    }

    @Test func `what a policy holds is taken along only when asked for`() throws {
        let redis = try older(5)
        let car = try sidecar(redis, "hold")
        let held = try migrate(car, "--prefix", "s:", "--rate", "100000")
        #expect(held.code == 0)
        #expect(held.output.contains("         0  migrated\n         5  are held"), "\(held.output)")
        let run = try migrate(car, "--prefix", "s:", "--held", "--rate", "100000")
        #expect(run.code == 0 && run.output.contains("         5  migrated"), "\(run.output)")
        #expect(try redis.client().call("HGET", "s:0", "schema").text == "3")
    }

    @Test func `killed in the middle it goes on from its state, and all records are migrated`() throws {
        let count = 1200
        let redis = try older(count)
        let car = try sidecar(redis)
        let state = car.directory.file("state")
        let direct = try redis.client()
        let words = ["--prefix", "s:", "--rate", "400", "--state", state]
        for _ in 0..<2 {
            let run = try ChildProcess(
                try built("hearth"), arguments(car, words), output: car.directory.file("migrate.log"))
            let before = readFile(state)
            try eventually("a page more is done; \(run.output)") {
                !readFile(state).isEmpty && readFile(state) != before && readFile(state).contains("\nend\n")
            }
            run.signal(.kill)
            try run.wait()
        }
        let cursor = try #require(readFile(state).firstMatch(of: /cursor ([0-9]+)/)).1
        #expect(cursor != "0")
        let other = try migrate(car, "--prefix", "t:", "--state", state)
        #expect(other.code == 64 && other.output.contains("belongs to a run with another --prefix"))
        let last = try migrate(car, "--prefix", "s:", "--rate", "100000", "--state", state)
        #expect(last.code == 0, "\(last.output)")
        // It went on in the middle, and the report is of all of it; a record that it was killed at counts once more.
        let looked = Int(try #require(last.output.firstMatch(of: /([0-9]+) keys looked at/)).1) ?? 0
        #expect((count...count + 400).contains(looked), "\(last.output)")
        #expect(!last.output.contains("began anew"))
        #expect(readFile(state).isEmpty)
        for index in 0..<count { #expect(try direct.call("HGET", "s:\(index)", "schema").text == "3") }
    }

    @Test func `a Redis that begins anew meanwhile makes the walk begin anew, and a gone one ends nothing`() throws {
        let redis = try older(300)
        let car = try sidecar(redis)
        let state = car.directory.file("state")
        let run = try ChildProcess(
            try built("hearth"), arguments(car, ["--prefix", "s:", "--rate", "100", "--state", state]),
            output: car.directory.file("migrate.log"))
        try eventually("it has begun; \(run.output)") { readFile(state).contains("\nend\n") }
        redis.kill()
        try redis.restart()
        let direct = try redis.client()
        let value = ["version", "1", "operations", "", "value", "{\"name\":1}", "schema", "1"]
        for index in 0..<20 { _ = try direct.call(["HSET", "s:new\(index)"] + value) }
        #expect(try run.wait() == 0, "\(run.output)")
        #expect(run.output.contains("began anew"), "\(run.output)")
        for index in 0..<20 { #expect(try direct.call("HGET", "s:new\(index)", "schema").text == "3") }
    }

    @Test func `without Redis it walks the disk`() throws {
        let car = try HearthProcess(extra: "workers: 1")
        let before = try car.client()
        for index in 0..<150 { _ = try before.call("STATE.SET", "s:\(index)", "{\"name\": \(index)}", "SCHEMA", "1") }
        try car.reconfigure(redis: "off", extra: Self.extra("hold"))
        try car.restart()
        let dry = try migrate(car, "--prefix", "s:", "--held", "--dry-run", "--rate", "100000")
        #expect(dry.code == 0 && dry.output.contains("       150  would be migrated"), "\(dry.output)")
        let run = try migrate(car, "--prefix", "s:", "--held", "--rate", "100000")
        #expect(run.code == 0 && run.output.contains("       150  migrated"), "\(run.output)")
        try car.reconfigure(redis: "off", extra: "workers: 1")
        try car.restart()
        #expect(
            try car.client().call("STATE.GET", "s:7").fields["value"]?.text.replacing(" ", with: "")
                == "{\"title\":7,\"kind\":\"chat\"}")
    }

    @Test func `a terminal is shown a bar, and Ctrl-C ends at once with what was done`() throws {
        let redis = try older(400)
        let car = try sidecar(redis)
        let state = car.directory.file("state")
        let words = arguments(car, ["--prefix", "s:", "--rate", "150", "--state", state])
        let terminal = try PseudoTerminal(try built("hearth"), words)
        try terminal.expect("[")
        try terminal.expect("#")
        terminal.send(.interrupt)
        #expect(try terminal.end() == 69)
        #expect(terminal.shown.contains("NOT finished"), "\(terminal.shown)")
        #expect(terminal.shown.contains("interrupted; the same command goes on from \(state)"), "\(terminal.shown)")
        let rest = try migrate(car, "--prefix", "s:", "--rate", "100000", "--state", state)
        #expect(rest.code == 0 && !rest.output.contains("\u{1b}"), "\(rest.output)")
    }

    @Test func `what can't be meant is refused with what to do`() throws {
        let server = try HearthProcess()
        let without = try migrate(server, "--dry-run")
        #expect(without.code == 64 && without.output.contains("usage: hearth migrate --prefix PREFIX"))
        let rate = try migrate(server, "--prefix", "s:", "--rate", "0")
        #expect(rate.code == 64 && rate.output.contains("--rate takes records a second, from 1 to 1000000"))
        let none = try migrate(server, "--prefix", "s:")
        #expect(none.code == 78 && none.output.contains("no policy of keys under \"s:\" names a schema"))
        let state = try server.directory.write("broken", "something else\n")
        let broken = try migrate(server, "--prefix", "s:", "--state", state)
        #expect(broken.code == 64 && broken.output.contains("is no state of a migration"))
        server.process.signal(.terminate)
        try server.process.wait()
        let gone = try migrate(server, "--prefix", "s:")
        #expect(gone.code == 69 && gone.output.contains("no Hearth listens on"))
    }
}
