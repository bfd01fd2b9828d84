// The commands that tell of the server: INFO, COMMAND, CONFIG, TIME.
//
// Source: Redis 7.0, server.c and config.c; https://redis.io/commands/?group=server.

internal import EventLoop
internal import RESP

enum InspectionCommands {
    nonisolated(unsafe) static let all: [Command] = [
        Command(
            "info", arity: -1, [],
            .immediate { c, a in
                let sections = Set((1..<a.count).map { a.lowercased($0) })
                c.immediate { $0.verbatim(c.worker.process.information(sections), c.version) }
            }),
        Command(
            "time", arity: 1, .fast,
            .immediate { c, _ in
                let microseconds = Loop.wallClockMicroseconds
                c.immediate { output in
                    output.arrayHead(2)
                    output.bulk(String(microseconds / 1_000_000))
                    output.bulk(String(microseconds % 1_000_000))
                }
            }),
        Command("command", arity: -1, [], .immediate { (c, a) throws(CommandError) in try command(c, a) }),
        Command("config", arity: -2, [], .immediate { (c, a) throws(CommandError) in try config(c, a) }),
    ]

    // MARK: COMMAND

    private static func command(_ c: Connection, _ a: Arguments) throws(CommandError) {
        guard a.count > 1 else { return list(c, CommandTable.shared.all) }
        switch a.lowercased(1) {
        case "count" where a.count > 2: throw .arity("command|count")
        case "count": c.immediate { $0.integer(Int64(CommandTable.shared.all.count)) }
        case "info": list(c, a.count == 2 ? CommandTable.shared.all : (2..<a.count).map { CommandTable.shared[a[$0]] })
        case "list":
            c.immediate { output in
                output.arrayHead(CommandTable.shared.all.count)
                for command in CommandTable.shared.all { output.bulk(command.name) }
            }
        case "docs":
            let commands =
                a.count == 2 ? CommandTable.shared.all : (2..<a.count).compactMap { CommandTable.shared[a[$0]] }
            c.immediate { output in
                output.mapHead(commands.count, c.version)
                for command in commands {
                    output.bulk(command.name)
                    output.mapHead(1, c.version)
                    output.bulk("summary")
                    output.bulk("See docs/protocol.md.")
                }
            }
        case "getkeys": try keys(c, a)
        default: throw .unknownSubcommand(a.text(1), of: "command")
        }
    }

    private static func list(_ c: Connection, _ commands: [Command?]) {
        c.immediate { output in
            output.arrayHead(commands.count)
            for command in commands {
                guard let command else {
                    output.nullArray(c.version)
                    continue
                }
                output.arrayHead(6)
                output.bulk(command.name)
                output.integer(Int64(command.arity))
                let flags = command.flags.names
                output.setHead(flags.count, c.version)
                for flag in flags { output.simple(bytes: Array(flag.utf8)) }
                output.integer(Int64(command.firstKey))
                output.integer(Int64(command.lastKey))
                output.integer(Int64(command.keyStep))
            }
        }
    }

    private static func keys(_ c: Connection, _ a: Arguments) throws(CommandError) {
        guard a.count > 3 else { throw .arity("command|getkeys") }
        guard let command = CommandTable.shared[a[2]] else {
            throw CommandError("ERR Invalid command specified")
        }
        guard command.accepts(a.count - 2) else {
            throw CommandError("ERR Invalid number of arguments specified for command")
        }
        guard command.firstKey > 0 else { throw CommandError("ERR The command has no key arguments") }
        let last = command.lastKey < 0 ? a.count + command.lastKey : command.lastKey + 2
        let positions = Array(stride(from: command.firstKey + 2, through: last, by: command.keyStep))
        c.immediate { output in
            output.arrayHead(positions.count)
            for position in positions { output.bulk(a[position]) }
        }
    }

    // MARK: CONFIG

    /// CONFIG GET answers what clients and load generators ask for; changing is the configuration file's.
    private static func config(_ c: Connection, _ a: Arguments) throws(CommandError) {
        switch (a.lowercased(1), a.count) {
        case ("get", 3...):
            let patterns = (2..<a.count).map { Glob(a.bytes($0), ignoresCase: true) }
            let known = c.worker.process.redisParameters
            let found = known.filter { name, _ in patterns.contains { $0.matches(Array(name.utf8)) } }
            c.immediate { output in
                output.mapHead(found.count, c.version)
                for (name, value) in found {
                    output.bulk(name)
                    output.bulk(value)
                }
            }
        case ("get", _): throw .arity("config|get")
        case ("set", _), ("rewrite", _), ("resetstat", _):
            throw CommandError(
                "DENIED CONFIG \(a.text(1).uppercased()) is not for clients: change the configuration file, then send SIGHUP"
            )
        default: throw .unknownSubcommand(a.text(1), of: "config")
        }
    }
}

extension CommandFlags {
    /// The names by which Redis's COMMAND calls them.
    var names: [String] {
        var names: [String] = []
        if contains(.write) { names.append("write") }
        if contains(.readonly) { names.append("readonly") }
        if contains(.fast) { names.append("fast") }
        if contains(.beforeAuthentication) { names.append("no_auth") }
        return names
    }
}
