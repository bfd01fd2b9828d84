// The commands about the connection itself.
//
// Source: Redis 7.0, networking.c and connection commands; https://redis.io/commands/?group=connection.

internal import EventLoop
internal import RESP

enum ConnectionCommands {
    private static let early: CommandFlags = [.fast, .beforeAuthentication]
    private static let atOnce: CommandFlags = [.fast, .beforeAuthentication, .notQueued]

    nonisolated(unsafe) static let all: [Command] = [
        Command(
            "ping", arity: -1, .fast,
            .immediate { (c, a) throws(CommandError) in
                guard a.count <= 2 else { throw .arity("ping") }
                c.immediate { a.count == 2 ? $0.bulk(a[1]) : $0.simple("PONG") }
            }),
        // A browser that was made to send HTTP here must not have its body carried out as commands.
        Command("post", arity: -1, early, .immediate { c, _ in refuseHTTP(c) }),
        Command("host:", arity: -1, early, .immediate { c, _ in refuseHTTP(c) }),
        Command("echo", arity: 2, .fast, .immediate { c, a in c.immediate { $0.bulk(a[1]) } }),
        Command(
            "quit", arity: -1, atOnce,
            .immediate { c, _ in
                c.immediate { $0.simple("OK") }
                c.closeAfterReplies()
            }),
        Command(
            "reset", arity: 1, [.fast, .beforeAuthentication, .notQueued, .barrier],
            .immediate { c, _ in
                c.transaction = nil
                c.watch = .none
                c.worker.passage?.release(c, spoiled: true)
                c.version = .resp2
                c.name = []
                c.actor = []
                if c.worker.configuration.password != nil { c.requireAuthentication() }
                c.immediate { $0.simple("RESET") }
            }),
        Command(
            "auth", arity: -2, early,
            .immediate { (c, a) throws(CommandError) in
                guard a.count <= 3 else { throw .syntax }
                try authenticate(c, user: a.count == 3 ? a[1] : nil, password: a[a.count - 1])
                c.immediate { $0.simple("OK") }
            }),
        // It waits for what was asked before: a script's connection speaks the protocol that it was asked in.
        Command(
            "hello", arity: -1, [.fast, .beforeAuthentication, .barrier],
            .immediate { (c, a) throws(CommandError) in try hello(c, a) }),
        Command("select", arity: 2, .fast, .immediate { (c, a) throws(CommandError) in try select(c, a) }),
        Command("client", arity: -2, [], .immediate { (c, a) throws(CommandError) in try client(c, a) }),
    ]

    private static func refuseHTTP(_ c: Connection) {
        c.worker.log.clientError("http_refused", c, "POST or Host: from a client: this is no HTTP server")
        c.close()
    }

    // MARK: AUTH and HELLO

    private static func authenticate(
        _ c: Connection, user: UnsafeRawBufferPointer?, password: UnsafeRawBufferPointer
    ) throws(CommandError) {
        let isDefaultUser = user?.elementsEqual("default".utf8) ?? true
        guard let expected = c.worker.configuration.password else {
            // The default user without a password takes any, as in Redis.
            guard user == nil else {
                if isDefaultUser { return }
                throw CommandError("WRONGPASS invalid username-password pair or user is disabled.")
            }
            throw CommandError(
                "ERR AUTH <password> called without any password configured for the default user. "
                    + "Are you sure your configuration is correct?")
        }
        guard isEqual(password, expected), isDefaultUser else {
            c.worker.log.clientError("authentication_failed", c, "wrong user name or password")
            throw CommandError("WRONGPASS invalid username-password pair or user is disabled.")
        }
        c.didAuthenticate()
    }

    /// Compares in a time that depends on the given length alone, not on where the first difference is.
    static func isEqual(_ given: UnsafeRawBufferPointer, _ expected: [UInt8]) -> Bool {
        var difference = UInt(bitPattern: given.count ^ expected.count)
        for (index, byte) in given.enumerated() {
            difference |= UInt(byte ^ (expected.isEmpty ? 1 : expected[index % expected.count]))
        }
        return difference == 0
    }

    /// HELLO [version [AUTH user password] [SETNAME name]]
    private static func hello(_ c: Connection, _ a: Arguments) throws(CommandError) {
        var version: ProtocolVersion?
        if a.count > 1 {
            guard let number = try? Parse.integer(a[1]) else {
                throw CommandError("ERR Protocol version is not an integer or out of range")
            }
            guard let known = ProtocolVersion(rawValue: Int(clamping: number)) else {
                throw CommandError("NOPROTO unsupported protocol version")
            }
            version = known
        }
        var name: [UInt8]?
        var index = 2
        while index < a.count {
            if a.isWord(index, "auth"), index + 2 < a.count {
                try authenticate(c, user: a[index + 1], password: a[index + 2])
                index += 3
            } else if a.isWord(index, "setname"), index + 1 < a.count {
                name = try clientName(a[index + 1])
                index += 2
            } else {
                throw CommandError("ERR Syntax error in HELLO option '\(a.text(index))'")
            }
        }
        guard c.isAuthenticated else {
            throw CommandError(
                "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH "
                    + "<user> <pass> option can be used to authenticate the client and select the RESP protocol version "
                    + "at the same time")
        }
        if let version, version != c.version {
            if c.watch != .none || c.pin.map({ $0.isSubscribed || $0.isMonitoring }) ?? false {
                throw CommandError(
                    "ERR HELLO \(version.rawValue): the protocol can't change before WATCH, a subscription or MONITOR has ended"
                )
            }
            // A script's or a blocking command's, which has ended.
            c.worker.passage?.release(c)
            c.version = version
        }
        if let name { c.name = name }
        c.immediate { output in
            output.mapHead(7, c.version)
            output.bulk("server")
            output.bulk("redis")
            output.bulk("version")
            output.bulk(Version.redisCompatible)
            output.bulk("proto")
            output.integer(Int64(c.version.rawValue))
            output.bulk("id")
            output.integer(c.id)
            output.bulk("mode")
            output.bulk("standalone")
            output.bulk("role")
            output.bulk("master")
            output.bulk("modules")
            output.arrayHead(0)
        }
    }

    private static func clientName(_ bytes: UnsafeRawBufferPointer) throws(CommandError) -> [UInt8] {
        guard bytes.allSatisfy({ $0 >= 33 && $0 <= 126 }) else {
            throw CommandError("ERR Client names cannot contain spaces, newlines or special characters.")
        }
        return Array(bytes)
    }

    // MARK: SELECT and CLIENT

    private static func select(_ c: Connection, _ a: Arguments) throws(CommandError) {
        let number = try Parse.integer(a[1])
        let own = c.worker.process.settings.withLock { $0.redis?.database ?? 0 }
        guard number == Int64(own) else {
            throw CommandError(
                "ERR SELECT \(number): this Hearth serves database \(own) alone (redis.url); "
                    + "use another Hearth for another database")
        }
        c.immediate { $0.simple("OK") }
    }

    /// Whether a subcommand of CLIENT is answered here: those that are about the client's connection to Hearth.
    static func isOwnClientCommand(_ subcommand: String) -> Bool { ownClientCommands.contains(subcommand) }

    private static let ownClientCommands: Set<String> = [
        "id", "getname", "setname", "setinfo", "info", "list", "no-evict", "no-touch",
    ]

    private static func client(_ c: Connection, _ a: Arguments) throws(CommandError) {
        switch (a.lowercased(1), a.count) {
        case ("id", 2): c.immediate { $0.integer(c.id) }
        case ("getname", 2): c.immediate { c.name.isEmpty ? $0.null(c.version) : $0.bulk(c.name) }
        case ("setname", 3):
            c.name = try clientName(a[2])
            c.immediate { $0.simple("OK") }
        case ("setinfo", 4):
            if a.isWord(2, "lib-name") {
                c.library = try clientName(a[3])
            } else if a.isWord(2, "lib-ver") {
                c.libraryVersion = try clientName(a[3])
            } else {
                throw CommandError("ERR Unrecognized option '\(a.text(2))'")
            }
            c.immediate { $0.simple("OK") }
        case ("info", 2): c.immediate { $0.verbatim(describe(c) + "\n", c.version) }
        case ("list", 2):
            let text = c.worker.connections.values.sorted { $0.id < $1.id }.map { describe($0) + "\n" }.joined()
            c.immediate { $0.verbatim(text, c.version) }
        case ("no-evict", 3), ("no-touch", 3):
            guard a.isWord(2, "on") || a.isWord(2, "off") else { throw .syntax }
            c.immediate { $0.simple("OK") }
        case ("no-evict", _), ("no-touch", _), ("id", _), ("getname", _), ("setname", _), ("setinfo", _), ("info", _),
            ("list", _):
            throw .arity("client|\(a.lowercased(1))")
        default: throw .unknownSubcommand(a.text(1), of: "client")
        }
    }

    /// A line in the form of Redis's CLIENT LIST; a worker knows its own clients.
    private static func describe(_ c: Connection) -> String {
        let now = Loop.monotonicNanoseconds
        func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
        return [
            "id=\(c.id)", "addr=uid:\(c.peer.uid),pid:\(c.peer.pid)", "name=\(text(c.name))",
            "age=\((now - c.openedAt) / 1_000_000_000)", "idle=\((now - c.activeAt) / 1_000_000_000)",
            "db=\(c.worker.process.settings.withLock { $0.redis?.database ?? 0 })",
            "multi=\(c.transaction.map { $0.commands.count } ?? -1)", "pending=\(c.slotCount)",
            "omem=\(c.unreadBytes)", "cmd=\(c.lastCommand)", "user=default", "lib-name=\(text(c.library))",
            "lib-ver=\(text(c.libraryVersion))", "resp=\(c.version.rawValue)",
        ].joined(separator: " ")
    }
}
