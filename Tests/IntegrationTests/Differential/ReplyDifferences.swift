// Every way in which a reply through Hearth may differ from Redis's: by exact command, and why.
//
// docs/protocol.md lists the same table; a test compares the two. The long differential run fails when an entry is
// never used, so that none outlives its cause.

/// What may differ in the replies of one command.
struct ReplyDifference {
    enum Rule {
        /// The elements come in any order; `size` of them belong together.
        case order(groups: Int)
        /// Lists at every level of the reply come in any order.
        case orderWithin
        /// Hearth answers OK where Redis knows no such subcommand.
        case newer
        /// The second element of the reply is a list in any order, as the SCAN commands answer.
        case page(groups: Int)
        /// The elements are drawn from what the command before listed, as many on both sides.
        case drawn
        /// Integers that are neither negative differ by so much at most.
        case within(Int64)
        /// Integers behind this name differ by so much at most.
        case field(String, within: Int64)
        /// Integers that are Unix times in milliseconds, or idle times, differ by a minute at most.
        case clock
        /// As many bytes of the same kind.
        case sameLength
        /// Of the same kind, whatever it says.
        case kind
        /// Hearth's own words, which begin so.
        case says(String)
    }

    let command: String
    let part: String
    let reason: String
    let rule: Rule
    /// It holds between MULTI and EXEC only.
    var isQueued = false
    /// It takes a second's border between the two servers, or a key that just ended, for it to be seen: not every run
    /// has one.
    var isRare: Bool { ["TTL", "EXPIRETIME", "LASTSAVE", "DBSIZE"].contains(command) }

    func allows(_ ours: ReplyTree, _ theirs: ReplyTree, drawnFrom source: ReplyTree?) -> Bool {
        switch rule {
        case .order(let size):
            return ours.isAggregate && ours.isLike(theirs) && ours.sorted(by: size) == theirs.sorted(by: size)
        case .page(let size):
            guard ours.children.count == 2, theirs.children.count == 2 else { return false }
            return ours.children[0] == theirs.children[0]
                && ours.children[1].sorted(by: size) == theirs.children[1].sorted(by: size)
        case .orderWithin: return ours.isLike(theirs) && ours.deeplySorted == theirs.deeplySorted
        case .newer:
            return ours.text == Array("OK".utf8) && theirs.isError
                && theirs.text.starts(with: Array("ERR unknown subcommand".utf8))
        case .drawn:
            guard let source, ours.isLike(theirs), ours.children.count == theirs.children.count else { return false }
            return isDrawn(ours, source) && isDrawn(theirs, source)
        case .within(let most):
            return ours.agrees(with: theirs) { _, a, b in min(a, b) >= 0 && abs(a - b) <= most }
        case .field(let name, let most):
            return ours.agrees(with: theirs) { $0 == name && abs($1 - $2) <= most }
        case .clock:
            return ours.agrees(with: theirs) { _, a, b in
                min(a, b) >= 0 && abs(a - b) <= 60_000 && (max(a, b) > 1 << 40 || max(a, b) < 60_000)
            }
        case .sameLength: return ours.isLike(theirs) && ours.text.count == theirs.text.count
        case .kind: return ours.isLike(theirs)
        case .says(let beginning): return ours.isError && ours.text.starts(with: Array(beginning.utf8))
        }
    }

    /// Whether every text of a reply is one of a listing's.
    private func isDrawn(_ reply: ReplyTree, _ source: ReplyTree) -> Bool {
        func leaves(_ tree: ReplyTree) -> [[UInt8]] {
            tree.isAggregate ? tree.children.flatMap(leaves) : tree.isNull ? [] : [tree.text]
        }
        return Set(leaves(reply)).isSubset(of: Set(leaves(source)))
    }
}

enum ReplyDifferences {
    /// How far the lives of a key in two servers may be apart: each counts from when the command reached it.
    static let lag: Int64 = 2000

    private static func entry(
        _ command: String, _ rule: ReplyDifference.Rule, _ part: String, _ reason: String, isQueued: Bool = false
    ) -> ReplyDifference {
        ReplyDifference(command: command, part: part, reason: reason, rule: rule, isQueued: isQueued)
    }

    private static func unordered(_ commands: String..., groups: Int = 1, reason: String) -> [ReplyDifference] {
        commands.map { entry($0, .order(groups: groups), "the order of the elements", reason) }
    }

    private static let hashed = "Redis keeps them in a hash table, with a seed of each server's own"
    private static let chance = "Redis draws them by chance"
    private static let twoMoments = "each server counts from the moment when the command reached it"

    private static let byOrder =
        unordered("SMEMBERS", "SINTER", "SUNION", "SDIFF", "SPOP", "KEYS", "HKEYS", "HVALS", reason: hashed)
        + unordered("HGETALL", groups: 2, reason: hashed)
        + unordered("SORT", "SORT_RO", reason: "`BY nosort` of a set leaves the order of its hash table")
        + unordered("COMMAND LIST", reason: hashed)
        + ["COMMAND", "COMMAND INFO", "COMMAND DOCS"].map {
            entry($0, .orderWithin, "the order of commands and subcommands", hashed)
        }
        + [
            entry("SCAN", .page(groups: 1), "the order of the elements", hashed),
            entry("SSCAN", .page(groups: 1), "the order of the elements", hashed),
            entry("HSCAN", .page(groups: 2), "the order of the elements", hashed),
            entry("ZSCAN", .page(groups: 2), "the order of the elements", hashed),
            entry("FUNCTION LIST", .orderWithin, "the order of libraries and functions", hashed),
            entry("DUMP", .sameLength, "the order of the elements in the payload", hashed),
        ]

    private static let byChance = ["SRANDMEMBER", "HRANDFIELD", "ZRANDMEMBER", "RANDOMKEY"].map {
        entry($0, .drawn, "which elements", chance)
    }

    private static let byTime = [
        entry("TTL", .within(lag / 1000), "2 s", twoMoments),
        entry("PTTL", .within(lag), "2,000 ms", twoMoments),
        entry("EXPIRETIME", .within(lag / 1000), "2 s", twoMoments),
        entry("PEXPIRETIME", .within(lag), "2,000 ms", twoMoments),
        entry(
            "OBJECT IDLETIME", .within(60), "the seconds",
            "a read that is answered from a copy does not touch the key in Redis"),
        entry("XPENDING", .clock, "idle times", twoMoments),
        entry("XINFO CONSUMERS", .field("idle", within: 60_000), "`idle`", twoMoments),
        entry("XINFO STREAM", .clock, "times of `FULL`", twoMoments),
        entry("TIME", .kind, "the time", "it goes on"),
        entry("DBSIZE", .within(4), "4 keys", "a key whose life is over counts until its Redis has come by"),
        entry("LASTSAVE", .within(60), "the time", "each server counts from its own start"),
    ]

    private static let byServer = [
        entry("HELLO", .field("id", within: .max), "`id`", "it is that of the connection to Hearth"),
        entry("CLIENT ID", .kind, "the number", "it is that of the connection to Hearth"),
        entry("CLIENT INFO", .kind, "the text", "it is about the connection to Hearth"),
        entry("CLIENT LIST", .kind, "the text", "it is about the connections to Hearth"),
        entry("INFO", .kind, "the text", "it is about Hearth"),
        entry(
            "CONFIG GET", .kind, "which parameters there are",
            "Hearth tells those that load generators ask for; Redis's would show its password"),
        entry("MEMORY USAGE", .kind, "the number", "it depends on what the memory was used for before"),
        entry(
            "CLIENT SETINFO", .newer, "that it is known",
            "libraries send it since Redis 7.2, and Hearth keeps what they say"),
        entry("CLIENT NO-TOUCH", .newer, "that it is known", "libraries send it since Redis 7.2"),
        entry(
            "SELECT", .says("ERR SELECT "), "every other database is refused",
            "a Hearth serves the database of `redis.url` alone"),
    ]

    private static let withinMulti = ["AUTH", "CLIENT", "CONFIG", "HELLO", "SELECT", "SUBSCRIBE", "MONITOR"].map {
        entry(
            $0, .says("ERR \($0.lowercased()) can't be part of MULTI here"), "refused between `MULTI` and `EXEC`",
            "it is about the connection to Hearth, and `EXEC` is Redis's", isQueued: true)
    }

    /// Requests of commands that are denied, in a form that does a bare Redis no harm.
    static let harmlessDenied: [[Word]] = [
        ["SHUTDOWN", "x", "y"], ["DEBUG", "NOSUCH"], ["CONFIG", "SET"], ["CONFIG", "REWRITE"], ["CONFIG", "RESETSTAT"],
        ["FLUSHALL", "x"], ["SWAPDB", "x", "y"], ["REPLICAOF", "x"], ["SLAVEOF", "x"], ["FAILOVER", "x"],
        ["CLUSTER", "INFO"], ["SAVE", "x"], ["BGSAVE", "x"], ["BGREWRITEAOF", "x"], ["MODULE", "LOAD"],
        ["MODULE", "LOADEX"], ["MODULE", "UNLOAD", "nosuch"], ["ACL", "SETUSER"], ["ACL", "DELUSER", "nosuch"],
        ["ACL", "LOAD"], ["ACL", "SAVE"], ["CLIENT", "KILL", "x"], ["CLIENT", "PAUSE", "x"], ["CLIENT", "UNPAUSE"],
        ["SCRIPT", "FLUSH", "x"], ["SCRIPT", "KILL"], ["SCRIPT", "DEBUG", "x"], ["FUNCTION", "FLUSH", "x"],
        ["FUNCTION", "KILL"], ["FUNCTION", "RESTORE", "x"], ["MIGRATE", "x"], ["LATENCY", "RESET"],
        ["SLOWLOG", "RESET"], ["PFDEBUG", "x"], ["PFSELFTEST", "x"],
    ]

    private static let impossible: [[Word]] = [
        ["SYNC", "x"], ["PSYNC", "x"], ["REPLCONF", "x"], ["CLIENT", "TRACKING", "x"], ["CLIENT", "CACHING", "x"],
        ["CLIENT", "TRACKINGINFO"], ["CLIENT", "GETREDIR"], ["CLIENT", "REPLY", "x"], ["CLIENT", "UNBLOCK", "x"],
    ]

    /// Every request whose answer is a refusal of Hearth's.
    static let refusedRequests = harmlessDenied + impossible

    private static func name(_ words: [Word]) -> String {
        let first = words[0].name
        return containers.contains(first) && words.count > 1 ? "\(first) \(words[1].name)" : first
    }

    private static let refused =
        harmlessDenied.map {
            entry(name($0), .says("DENIED \(name($0)) "), "denied", "it would harm others who use the same Redis")
        }
        + impossible.map {
            entry(
                name($0), .says("ERR \(name($0)) can't pass through Hearth"), "refused",
                "it can't be right through Hearth")
        }

    static let all = byOrder + byChance + byTime + byServer + withinMulti + refused

    /// Commands that are told apart by their subcommand.
    private static let containers: Set<String> = [
        "OBJECT", "XINFO", "CLIENT", "MEMORY", "COMMAND", "CONFIG", "MODULE", "ACL", "SCRIPT", "FUNCTION", "LATENCY",
        "SLOWLOG",
    ]

    private static let byCommand = Dictionary(grouping: all.indices) { all[$0].command }

    /// The entry that allows these replies to differ; nil where none does.
    static func allowing(
        _ words: [Word], _ ours: [UInt8], _ theirs: [UInt8], drawnFrom source: [UInt8]?, isQueued: Bool
    ) -> Int? {
        guard let a = ReplyTree(ours), let b = ReplyTree(theirs) else { return nil }
        return allowing(words, a, b, drawnFrom: source.flatMap { ReplyTree($0) }, isQueued: isQueued)
    }

    static func allowing(
        _ words: [Word], _ ours: ReplyTree, _ theirs: ReplyTree, drawnFrom source: ReplyTree?, isQueued: Bool
    ) -> Int? {
        let names = [name(words), words[0].name]
        return names.lazy.flatMap { byCommand[$0] ?? [] }.first {
            all[$0].isQueued == isQueued && all[$0].allows(ours, theirs, drawnFrom: source)
        }
    }

    /// The table as docs/protocol.md has it: commands with the same difference for the same reason share a line.
    static var document: String {
        var lines = ["| command | what may differ | why |", "|---|---|---|"]
        var seen: Set<String> = []
        for entry in all where seen.insert(entry.part + entry.reason).inserted {
            let same = all.filter { $0.part == entry.part && $0.reason == entry.reason }
            lines.append(
                "| \(same.map { "`\($0.command)`" }.joined(separator: ", ")) | \(entry.part) | \(entry.reason) |")
        }
        return lines.joined(separator: "\n")
    }
}
