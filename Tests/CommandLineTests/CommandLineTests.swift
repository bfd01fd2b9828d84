// The commands that talk to a running Hearth, as a shell runs them.

internal import TestSupport
import Testing

@Suite(.serialized) struct CommandLineTests {
    /// Runs the built hearth; its exit code, and standard output and error together.
    private func hearth(_ arguments: String..., server: HearthProcess? = nil) throws -> (code: Int32, output: String) {
        let directory = try server?.directory ?? TemporaryDirectory()
        let configuration = server.map { ["--config", $0.configurationPath] } ?? []
        return try ChildProcess.run(try built("hearth"), arguments + configuration, in: directory)
    }

    @Test func `status says what is held, within 80 columns and 24 lines`() throws {
        let server = try HearthProcess()
        let client = try server.client()
        _ = try client.call("SET", "a", "1")
        _ = try client.call("GET", "a")
        let status = try hearth("status", server: server)
        #expect(status.code == 0)
        #expect(status.output.contains("no Redis: the warm tier is the authority"))
        #expect(status.output.contains("warm        1 entries"))
        let lines = status.output.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.count < 24 && lines.allSatisfy { $0.count <= 80 })
        let document = try hearth("status", "--json", server: server)
        #expect(document.code == 0 && document.output.hasPrefix("{\"version\":"))
        #expect(document.output.contains("\"mode\":\"embedded\"") && !document.output.contains("breaker"))
    }

    @Test func `check judges a file, and config prints what it comes to, which loads again`() throws {
        let directory = try TemporaryDirectory()
        let good = try directory.write("good.yaml", "redis: {url: off}\nworkers: 3\n")
        let checked = try hearth("check", good)
        #expect(checked.code == 0 && checked.output == "\(good): good\n", "\(checked.output)")
        let wrong = try hearth("check", try directory.write("wrong.yaml", "redis: {url: off}\nworkres: 3\n"))
        #expect(wrong.code == 78 && wrong.output.contains("wrong.yaml:2:1"), "\(wrong.output)")
        #expect(wrong.output.contains("workers"), "no suggestion: \(wrong.output)")
        #expect(try hearth("check", directory.file("nowhere.yaml")).code == 78)
        #expect(try hearth("check").code == 64)
        let printed = try hearth("config", "--config", good, "--workers", "5")
        #expect(printed.code == 0 && printed.output.contains("workers: 5"), "\(printed.output)")
        let again = try directory.write("again.yaml", printed.output)
        #expect(try hearth("config", "--config", again).output == printed.output)
        #expect(try hearth("config", "more", "--config", good).code == 64)
    }

    #if os(Linux)
        @Test func `a library that is loaded ahead and sets a variable takes no words away`() throws {
            guard let compiler = program("cc") ?? program("clang") else { return }
            let directory = try TemporaryDirectory()
            let source = try directory.write(
                "early.c",
                """
                #include <stdlib.h>
                __attribute__((constructor)) static void early(void) { setenv("HEARTH_EARLY", "", 1); unsetenv("HEARTH_EARLY"); }
                """)
            let library = directory.file("early.so")
            let compiled = try ChildProcess.run(compiler, ["-shared", "-fPIC", "-o", library, source], in: directory)
            #expect(compiled.code == 0, "\(compiled.output)")
            let version = try ChildProcess.run(
                try built("hearth"), ["version"], environment: ["LD_PRELOAD": library], in: directory)
            #expect(version.code == 0 && version.output.hasPrefix("hearth "), "\(version.output)")
        }
    #endif

    @Test func `top prints plain screens where its output is no terminal`() throws {
        let server = try HearthProcess()
        let top = try hearth("top", "--count", "2", server: server)
        #expect(top.code == 0)
        #expect(top.output.matches(of: /Hearth 0/).count == 2)
        #expect(!top.output.contains("\u{1b}"))
    }

    @Test(arguments: ["q", "signal"]) func `top gives the terminal back`(_ way: String) throws {
        let server = try HearthProcess()
        let terminal = try PseudoTerminal(try built("hearth"), ["top", "--config", server.configurationPath])
        let before = terminal.localFlags
        try terminal.expect("q or Ctrl-C leaves")
        #expect(terminal.localFlags != before)
        if way == "q" { terminal.type("q") } else { terminal.send(.interrupt) }
        #expect(try terminal.end() == 0)
        #expect(terminal.localFlags == before)
        #expect(terminal.shown.hasSuffix("\u{1b}[?25h\u{1b}[?1049l"))
    }

    @Test func `top waits for a Hearth that is started again`() throws {
        let server = try HearthProcess()
        let terminal = try PseudoTerminal(try built("hearth"), ["top", "--config", server.configurationPath])
        try terminal.expect("q or Ctrl-C leaves")
        server.process.signal(.terminate)
        try server.process.wait()
        try terminal.expect("Trying again each second")
        try server.restart()
        let seen = terminal.shown.count
        try eventually("a screen again") {
            try terminal.expect("Hearth")
            return terminal.shown.dropFirst(seen).contains("clients")
        }
        terminal.type("q")
        #expect(try terminal.end() == 0)
    }

    @Test func `explain says where a read would be answered`() throws {
        let server = try HearthProcess()
        _ = try server.client().call("SET", "\u{1b}[2J", "v", "EX", "100")
        let held = try hearth("explain", "\u{1b}[2J", server: server)
        #expect(held.code == 0)
        #expect(held.output.contains("key         \\x1b[2J"))
        #expect(held.output.contains("a read now  fresh, from"))
        #expect(held.output.contains("breaker     none: no Redis is configured\n"), "\(held.output)")
        let unheld = try hearth("explain", "--", "--nothing", server: server)
        // What follows -- is the key and no flag, so --config is one word too many.
        #expect(unheld.code == 64)
    }

    @Test func `the breaker is shown and forced`() throws {
        let server = try HearthProcess(redis: "unix:///nonexistent/redis.sock")
        let opened = try hearth("breaker", "open", server: server)
        #expect(opened.code == 0 && opened.output.hasPrefix("reads forced-open, writes forced-open"))
        #expect(try hearth("status", server: server).output.contains("DEGRADED"))
        #expect(try hearth("breaker", "close", server: server).output.hasPrefix("reads forced-closed"))
        #expect(try hearth("breaker", "auto", server: server).output.contains("mode automatic"))
        #expect(try hearth("breaker", "ajar", server: server).code == 64)
    }

    @Test func `without Redis there is no breaker to force`() throws {
        let answer = try hearth("breaker", "open", server: try HearthProcess())
        #expect(answer.code == 69 && answer.output.contains("there is no breaker"))
    }

    @Test func `a password is taken from the configuration, and its absence is named`() throws {
        let server = try HearthProcess(socket: "password: secret", waiting: false)
        try eventually("it answers") { try hearth("status", server: server).code == 0 }
        let bare = try hearth("status", "--socket-path", server.socketPath)
        #expect(bare.code == 78 && bare.output.contains("--socket-password-file"))
        let wrong = try hearth("status", "--socket-path", server.socketPath, "--socket-password", "guess")
        #expect(wrong.code == 78 && wrong.output.contains("WRONGPASS"))
    }

    @Test func `nobody on the socket is told with what to do`() throws {
        let answer = try hearth("status", "--socket-path", "/tmp/hearth-nobody.sock")
        #expect(answer.code == 69)
        #expect(answer.output.contains("no Hearth listens on /tmp/hearth-nobody.sock"))
        #expect(answer.output.contains("--socket-path"))
    }

    @Test func `a Redis on the socket is not taken for a Hearth`() throws {
        let redis = try RedisServer()
        let answer = try hearth("status", "--socket-path", redis.socketPath)
        #expect(answer.code == 69 && answer.output.contains("is no Hearth"))
    }

    @Test func `a stopped Hearth is given up on`() throws {
        let server = try HearthProcess()
        server.process.signal(.stop)
        defer { server.process.signal(.continue) }
        let answer = try hearth("status", server: server)
        #expect(answer.code == 69 && answer.output.contains("within 5 s"))
    }

    @Test func `wrong words are refused with the right ones`() throws {
        for arguments in [
            ["frobnicate"], [], ["status", "x"], ["explain"], ["top", "--count", "0"], ["warm"], ["help", "x"],
        ] {
            let directory = try TemporaryDirectory()
            let answer = try ChildProcess.run(try built("hearth"), arguments, in: directory)
            #expect(answer.code == 64 && !answer.output.isEmpty, "\(arguments)")
        }
        let flag = try hearth("status", "--sokcet-path", "x")
        #expect(flag.code == 78 && flag.output.contains("did you mean --socket-path?"))
    }

    @Test func `each command has help`() throws {
        let all = try hearth("help")
        #expect(all.code == 0)
        for command in [
            "serve", "status", "top", "explain", "breaker", "warm", "journal", "slowlog", "metrics", "migrate", "audit",
            "check", "config", "version",
        ] {
            #expect(all.output.contains("  \(command)"))
            let one = try hearth("help", command)
            #expect(one.code == 0 && one.output.hasPrefix("usage: hearth \(command)"))
            #expect(try hearth(command, "--help").output == one.output)
        }
        #expect(try hearth("help", "nonsense").code == 64)
    }

    @Test func `a warm directory is inspected and verified, and its damage named`() throws {
        let server = try HearthProcess()
        for index in 0..<20 { _ = try server.client().call("SET", "k\(index)", "value") }
        let warm = server.directory.file("warm")
        let open = try hearth("warm", "verify", server: server)
        #expect(open.code == 0 && open.output.contains("20 keys") && open.output.contains("a process has it open"))
        server.process.signal(.terminate)
        #expect(try server.process.wait() == 0)
        for action in ["inspect", "verify"] {
            let closed = try hearth("warm", action, warm)
            #expect(closed.code == 0 && closed.output.contains("20 keys"))
        }
        #expect(try hearth("warm", "verify", "/nonexistent").code == 69)
        let empty = try TemporaryDirectory()
        for words in [["warm", "inspect"], ["warm", "verify"], ["journal", "inspect"], ["journal", "export"]] {
            let nothing = try ChildProcess.run(try built("hearth"), words + [empty.path], in: empty)
            #expect(nothing.code == 66 && nothing.output.contains("\(empty.path) has no segments"), "\(words)")
        }
        let files = try ChildProcess.run("ls", [warm], in: server.directory).output.split(separator: "\n")
        let segment = try #require(files.first { $0.hasSuffix(".segment") })
        try overwrite("\(warm)/\(segment)", at: 200)
        let damaged = try hearth("warm", "verify", warm)
        #expect(damaged.code == 69 && damaged.output.contains("damage: segment"))
    }
}
