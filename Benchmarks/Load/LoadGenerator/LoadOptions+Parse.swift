// The command line of hearth-bench: one table of options, from which help is printed as well.

public import BenchmarkTool

extension LoadOptions {
    /// What a command line asks for.
    public enum Request: Equatable, Sendable {
        case run(LoadOptions)
        case help
    }

    private typealias Option = CommandOption<LoadOptions>

    /// Reads a command line, without the program's name.
    public static func parse(_ arguments: [String]) throws(UsageError) -> Request {
        var options = LoadOptions()
        let given = try CommandOption.read(arguments, table, into: &options) { (_, word) throws(UsageError) in
            throw UsageError("what is '\(word)'? Options begin with --; see --help")
        }
        guard let given else { return .help }
        try options.relate(given)
        return .run(options)
    }

    /// What options must not be together.
    private mutating func relate(_ given: Set<String>) throws(UsageError) {
        func exclusive(_ a: String, _ b: String) throws(UsageError) {
            if given.contains(a), given.contains(b) { throw UsageError("\(a) and \(b) exclude each other") }
        }
        try exclusive("--socket", "--tcp")
        try exclusive("--duration", "--requests")
        try exclusive("--no-load", "--load-only")
        if workload.isDegraded, wire != .redis { throw UsageError("--workload degraded is for Hearth, not memcached") }
        if workload.usesRecords, wire != .redis {
            throw UsageError("--workload \(workload.name): records are Hearth's, not memcached's")
        }
        let operations = workload.operations.count
        if isApart, connections < operations {
            throw UsageError("--apart needs a connection for each operation: --connections \(operations) at least")
        }
        if wire == .memcached, max(prefix.utf8.count, coldPrefix.utf8.count) + KeySpace.digits > 250 {
            throw UsageError("memcached's keys have at most 250 bytes: --prefix and --cold-prefix are too long")
        }
        if coldStart >= coldKeys { throw UsageError("--cold-start must be below --cold-keys (\(coldKeys))") }
        if prefix == coldPrefix { throw UsageError("--prefix and --cold-prefix must differ") }
        // A key is a string or a record.
        if workload.usesRecords, statePrefix == prefix || statePrefix == coldPrefix {
            throw UsageError("--state-prefix must differ from --prefix and --cold-prefix")
        }
    }

    /// What `--help` prints.
    public static var help: String {
        var text = """
            usage: hearth-bench [OPTION …]

            Asks a server for keys, checks each answer, and reports latencies, throughput and the server's CPU time per
            operation. Without options: GETs that local memory answers, on run/hearth.sock (make run serves there).


            """
        text += Option.help(table)
        return text + """

            Exit codes: 0; 64 wrong options; 65 a reply was not the key's value; 69 no server, or it refused the keys.

            """
    }

    private static let table: [Option] = [
        Option("--socket", "PATH", "the server's Unix socket (run/hearth.sock)") { $0.address = .unix($1) },
        Option("--tcp", "HOST:PORT", "the server's numeric TCP address, instead of a socket") {
            (options, text) throws(UsageError) in
            options.address = try tcp(text)
        },
        Option("--protocol", "redis|memcached", "what the server speaks (redis)") {
            (options, text) throws(UsageError) in
            options.wire = try choice("--protocol", text)
        },
        Option(
            "--workload", "NAME|MIX",
            """
            hit         GETs of hot keys (the default)
            miss-redis  GETs of cold keys in turn: more than local memory holds
            miss-warm   the same, for a Hearth without Redis
            mixed       90 % GETs and 10 % SETs of hot keys
            write       SETs
            degraded    hit with Hearth's breaker forced open
            state       STATE.GETs of records, as many as hot keys
            or weights, as get:80,miss:10,set:10; store is a SET of a cold key,
            state-get and state-set are STATE.GET and STATE.SET of a record
            """
        ) { (options, text) throws(UsageError) in
            guard let workload = Workload(text) else {
                let names = Workload.named.map(\.name).joined(separator: ", ")
                throw UsageError("--workload: '\(text)' is none of \(names), nor weights as get:80,miss:10,set:10")
            }
            options.workload = workload
        },
        Option("--connections", "N", "connections (50)") { (options, text) throws(UsageError) in
            options.connections = Int(try whole("--connections", text, 1...UInt64(connectionsMax)))
        },
        Option("--pipeline", "N", "requests of a connection under way together (1)") {
            (options, text) throws(UsageError) in
            options.pipeline = Int(try whole("--pipeline", text, 1...UInt64(pipelineMax)))
        },
        Option("--apart", nil, "each operation has connections of its own, so that none waits behind another") {
            (options, _) in options.isApart = true
        },
        Option("--keys", "N", "hot keys, and as many records (10000)") { (options, text) throws(UsageError) in
            options.keys = try whole("--keys", text, 1...keysMax)
        },
        Option("--cold-keys", "N", "cold keys, for misses (200000)") { (options, text) throws(UsageError) in
            options.coldKeys = try whole("--cold-keys", text, 1...keysMax)
        },
        Option("--cold-start", "N", "the cold key with which the turn begins (0)") {
            (options, text) throws(UsageError) in
            options.coldStart = try whole("--cold-start", text, 0...keysMax)
        },
        Option("--prefix", "TEXT", "what hot keys begin with (key:); twelve digits follow") {
            (options, text) throws(UsageError) in
            options.prefix = try word("--prefix", text)
        },
        Option("--cold-prefix", "TEXT", "what cold keys begin with (cold:)") { (options, text) throws(UsageError) in
            options.coldPrefix = try word("--cold-prefix", text)
        },
        Option("--state-prefix", "TEXT", "what the keys of records begin with (state:)") {
            (options, text) throws(UsageError) in
            options.statePrefix = try word("--state-prefix", text)
        },
        Option("--distribution", "NAME", "uniform, zipfian or zipfian:THETA, over the hot keys (zipfian:0.99)") {
            (options, text) throws(UsageError) in
            options.distribution = try distribution(text)
        },
        Option("--value-size", "N|MIX", "bytes of a value (64), or sizes with weights, as 64:50,1024:40,16384:10") {
            (options, text) throws(UsageError) in
            options.sizes = try sizes("--value-size", text)
        },
        Option("--cold-value-size", "N|MIX", "the same of cold keys, where theirs are others (--value-size)") {
            (options, text) throws(UsageError) in
            options.coldSizes = try sizes("--cold-value-size", text)
        },
        Option("--check", "value|frame", "frame lets any value pass: for servers that answer the same to all (value)") {
            (options, text) throws(UsageError) in
            options.check = try choice("--check", text)
        },
        Option("--rate", "N", "open loop: so many requests a second, latencies from when each was due") {
            (options, text) throws(UsageError) in
            guard let rate = Double(text), rate.isFinite, rate >= 1, rate <= 1e8 else {
                throw UsageError("--rate: '\(text)' is no number from 1 to 100000000")
            }
            options.rate = rate
        },
        Option("--duration", "TIME", "how long is measured, as 5s or 500ms (5s)") {
            (options, text) throws(UsageError) in
            let duration = try time("--duration", text)
            guard duration > 0 else { throw UsageError("--duration must be above 0") }
            options.length = .nanoseconds(duration)
        },
        Option("--requests", "N", "how many are measured, instead of --duration") {
            (options, text) throws(UsageError) in
            options.length = .requests(Int64(try whole("--requests", text, 1...UInt64(1e15))))
        },
        Option("--warmup", "TIME", "the same load before, not measured (1s)") { (options, text) throws(UsageError) in
            options.warmUp = try time("--warmup", text)
        },
        Option("--drain", "TIME", "how long answers are waited for at the end (5s)") {
            (options, text) throws(UsageError) in
            options.drain = try time("--drain", text)
        },
        Option("--seed", "N", "of keys and operations (1)") { (options, text) throws(UsageError) in
            options.seed = try whole("--seed", text, 0...UInt64.max)
        },
        Option("--no-load", nil, "the keys are there: write none before") { (options, _) in options.loads = false },
        Option("--load-only", nil, "write the keys and end") { (options, _) in options.onlyLoads = true },
        Option("--pid", "PID", "whose CPU time and memory are accounted (who listens on the Unix socket)") {
            (options, text) throws(UsageError) in
            options.pid = Int32(try whole("--pid", text, 1...UInt64(Int32.max)))
        },
        Option("--output", "text|json", "the form of the report (text)") { (options, text) throws(UsageError) in
            options.output = try choice("--output", text)
        },
        Option("--timeline", nil, "report each 100 ms as well: throughput, p50, p99, errors") {
            (options, _) in options.hasTimeline = true
        },
        Option("--svg", "FILE", "draw latencies by percentile, and the time line, into FILE") { (options, text) in
            options.plotPath = text
        },
        Option("--help", nil, "this text") { (_, _) in },
    ]

    // MARK: Values

    private static func whole(_ name: String, _ text: String, _ range: ClosedRange<UInt64>) throws(UsageError) -> UInt64
    {
        guard let value = UInt64(text), range.contains(value) else {
            throw UsageError("\(name): '\(text)' is no whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    private static func choice<T: RawRepresentable & CaseIterable>(
        _ name: String, _ text: String
    ) throws(UsageError) -> T where T.RawValue == String {
        guard let value = T(rawValue: text) else {
            throw UsageError("\(name): '\(text)' is none of \(T.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return value
    }

    private static func word(_ name: String, _ text: String) throws(UsageError) -> String {
        guard text.utf8.count <= 200, text.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) else {
            throw UsageError("\(name): at most 200 printable characters without a space")
        }
        return text
    }

    private static func tcp(_ text: String) throws(UsageError) -> ServerAddress {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
            (1...65535).contains(port), colon > text.startIndex
        else { throw UsageError("--tcp: '\(text)' is no HOST:PORT") }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        return .tcp(host: host == "localhost" ? "127.0.0.1" : host, port: port)
    }

    private static func distribution(_ text: String) throws(UsageError) -> KeyDistribution {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        switch (parts[0], parts.count) {
        case ("uniform", 1): return .uniform
        case ("zipfian", 1): return .zipfian(theta: 0.99)
        case ("zipfian", 2):
            if let theta = Double(parts[1]), theta > 0, theta <= 10 { return .zipfian(theta: theta) }
        default: break
        }
        throw UsageError(
            "--distribution: '\(text)' is neither uniform, zipfian nor zipfian:THETA with THETA above 0, at most 10")
    }

    private static func sizes(_ name: String, _ text: String) throws(UsageError) -> ValueSizes {
        let error = UsageError(
            "\(name): '\(text)' is no size up to 512 MiB, nor sizes with weights as 64:50,1024:50")
        var shares: [ValueSizes.Share] = []
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        for part in parts {
            let pair = part.split(separator: ":", omittingEmptySubsequences: false).map { Int($0) }
            guard let size = pair[0], pair.count == 2 || pair.count == 1 && parts.count == 1 else { throw error }
            guard let weight = pair.count == 2 ? pair[1] : 1 else { throw error }
            shares.append(ValueSizes.Share(size: size, weight: weight))
        }
        guard let sizes = ValueSizes(shares) else { throw error }
        return sizes
    }

    private static func time(_ name: String, _ text: String) throws(UsageError) -> Int64 {
        for (unit, nanoseconds) in [("ms", 1e6), ("us", 1e3), ("s", 1e9), ("m", 6e10)] where text.hasSuffix(unit) {
            guard let number = Double(text.dropLast(unit.count)), number >= 0, number * nanoseconds <= 8.64e13 else {
                break
            }
            return Int64(number * nanoseconds)
        }
        throw UsageError("\(name): '\(text)' is no time, such as 5s, 500ms or 1m, up to a day")
    }
}
