// The command line of hearth-traces.

public import BenchmarkTool
public import LocalTier

/// What is replayed, with which rules, at which sizes.
public struct StudyOptions: Equatable, Sendable {
    /// A size of the cache.
    public enum Size: Equatable, Sendable {
        /// A share of what the arena would spend on every object of the trace.
        case share(Double)
        case bytes(Int)
    }
    /// Where a trace comes from.
    public enum Source: Equatable, Sendable {
        case file(String)
        case standardInput
        case synthetic(SyntheticTrace)
    }
    public enum Output: String, Sendable, CaseIterable { case text, json }

    public var sources: [Source] = []
    public var rules = EvictionRuleKind.allCases
    public var sizes: [Size] = [0.01, 0.05, 0.1, 0.25, 0.5].map { .share($0) }
    public var reading = TraceReading()
    public var shards = 1
    public var seed: UInt64 = 1
    public var output = Output.text
    public var plotPath: String?
    /// Measure what a hit and a fill cost, instead of replaying.
    public var measuresCost = false

    public init() {}

    public enum Request: Equatable, Sendable {
        case run(StudyOptions)
        case help
    }

    /// Reads a command line, without the program's name.
    public static func parse(_ arguments: [String]) throws(UsageError) -> Request {
        var options = StudyOptions()
        let given = try CommandOption.read(arguments, table, into: &options) { (options, word) throws(UsageError) in
            options.sources += try sources(word)
        }
        guard given != nil else { return .help }
        if options.sources.count(where: { $0 == .standardInput }) > 1 {
            throw UsageError("- is standard input, which can be read once")
        }
        if options.reading.format == .oracle, options.reading.columns != nil || options.reading.headerLines > 0 {
            throw UsageError("--columns and --header-lines are for --format text")
        }
        if options.sources.isEmpty { options.sources = SyntheticTrace.allCases.map { .synthetic($0) } }
        return .run(options)
    }

    private static func sources(_ word: String) throws(UsageError) -> [Source] {
        if word == "-" { return [.standardInput] }
        guard word == "synthetic" || word.hasPrefix("synthetic:") else {
            if word.hasPrefix("-") { throw UsageError("there is no option \(word); see --help") }
            return [.file(word)]
        }
        let name = word.dropFirst("synthetic:".count)
        if name.isEmpty { return SyntheticTrace.allCases.map { .synthetic($0) } }
        guard let trace = SyntheticTrace(rawValue: String(name)) else {
            let names = SyntheticTrace.allCases.map(\.rawValue).joined(separator: ", ")
            throw UsageError("\(word): there are \(names)")
        }
        return [.synthetic(trace)]
    }

    /// What `--help` prints.
    public static var help: String {
        var text = """
            usage: hearth-traces [OPTION …] [TRACE …]

            Replays traces through the local tier as it ships, under each rule of eviction, and prints the share of
            reads that were hits. A miss is stored with its size; nothing expires.

            A TRACE is a file, - for standard input, synthetic:NAME, or synthetic for all of these (the default):


            """
        for trace in SyntheticTrace.allCases {
            text += "  synthetic:\(trace.rawValue)".padding(to: 23) + trace.summary + "\n"
        }
        return text + "\n" + CommandOption.help(table) + """

            A text trace has a request a line, columns divided by spaces, tabs or commas: the key, or the key and the
            object's size in bytes, or what --columns names. Empty lines and those that begin with # are left out.
            An oracle trace is libCacheSim's oracleGeneral, not compressed:
              zstd -dc TRACE.zst | hearth-traces --format oracle -

            Exit codes: 0; 64 wrong options; 65 a trace that can't be understood; 66 a file that can't be read;
            69 memory that is not to be had; 73 a picture that can't be written.

            """
    }

    private typealias Option = CommandOption<StudyOptions>

    private static let table: [Option] = [
        Option("--format", "text|oracle", "the form of files and standard input (text)") {
            (options, text) throws(UsageError) in
            guard let format = TraceFormat(rawValue: text) else {
                throw UsageError("--format: '\(text)' is none of oracle, text")
            }
            options.reading.format = format
        },
        Option(
            "--columns", "LIST",
            """
            columns of a text trace, as -,-,op,size,key: key, size, op (get, set,
            delete and the like) or - for one that is left out
            """
        ) { (options, text) throws(UsageError) in options.reading.columns = try columns(text) },
        Option("--header-lines", "N", "lines of a text trace to leave out at its beginning (0)") {
            (options, text) throws(UsageError) in
            options.reading.headerLines = try whole("--header-lines", text, 0...1_000_000)
        },
        Option("--default-size", "N", "bytes of an object where a text trace has no sizes (200)") {
            (options, text) throws(UsageError) in
            options.reading.sizeDefault = UInt32(try whole("--default-size", text, 0...Int(TraceReader.sizeMax)))
        },
        Option("--limit", "N", "requests that are read of a trace at most (50000000; 16 bytes of memory each)") {
            (options, text) throws(UsageError) in
            options.reading.requestsMax = try whole("--limit", text, 1...4_000_000_000)
        },
        Option("--rules", "LIST", "of lru, s3-fifo, w-tinylfu (all)") { (options, text) throws(UsageError) in
            options.rules = try rules(text)
        },
        Option("--sizes", "LIST", "of shares of the trace's footprint and sizes, as 1%,10%,64MiB (1%,5%,10%,25%,50%)") {
            (options, text) throws(UsageError) in
            options.sizes = try sizes(text)
        },
        Option("--shards", "N", "shards of the local tier, a power of two (1)") { (options, text) throws(UsageError) in
            options.shards = try whole("--shards", text, 1...LocalTierConfiguration.shardsMax)
            guard options.shards & (options.shards - 1) == 0 else {
                throw UsageError("--shards: \(text) is no power of two")
            }
        },
        Option("--seed", "N", "of synthetic traces (1)") { (options, text) throws(UsageError) in
            options.seed = UInt64(try whole("--seed", text, 0...Int.max))
        },
        Option("--cost", nil, "measure the CPU time of a hit and of a fill under each rule, and replay nothing") {
            (options, _) in options.measuresCost = true
        },
        Option("--output", "text|json", "the form of the report (text)") { (options, text) throws(UsageError) in
            guard let output = Output(rawValue: text) else {
                throw UsageError("--output: '\(text)' is none of text, json")
            }
            options.output = output
        },
        Option("--svg", "FILE", "draw the share of misses over the size of the cache into FILE") { (options, text) in
            options.plotPath = text
        },
        Option("--help", nil, "this text") { (_, _) in },
    ]

    // MARK: Values

    private static func whole(_ name: String, _ text: String, _ range: ClosedRange<Int>) throws(UsageError) -> Int {
        guard let value = Int(text), range.contains(value) else {
            throw UsageError("\(name): '\(text)' is no whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    private static func words(_ text: String) -> [String] {
        text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }

    private static func columns(_ text: String) throws(UsageError) -> [TraceColumn] {
        var columns: [TraceColumn] = []
        for word in words(text) {
            guard let column = TraceColumn(rawValue: word) else {
                throw UsageError("--columns: '\(word)' is none of key, size, op, -")
            }
            guard column == .ignored || !columns.contains(column) else {
                throw UsageError("--columns: \(word) is there twice")
            }
            columns.append(column)
        }
        guard columns.contains(.key) else { throw UsageError("--columns: one of them must be the key") }
        return columns
    }

    private static func rules(_ text: String) throws(UsageError) -> [EvictionRuleKind] {
        var rules: [EvictionRuleKind] = []
        for word in words(text) {
            guard let rule = EvictionRuleKind(rawValue: word) else {
                let names = EvictionRuleKind.allCases.map(\.rawValue).joined(separator: ", ")
                throw UsageError("--rules: '\(word)' is none of \(names)")
            }
            if !rules.contains(rule) { rules.append(rule) }
        }
        return rules
    }

    private static func sizes(_ text: String) throws(UsageError) -> [Size] {
        var sizes: [Size] = []
        for word in words(text) { sizes.append(try size(word)) }
        return sizes
    }

    private static func size(_ word: String) throws(UsageError) -> Size {
        if word.hasSuffix("%"), let percent = Double(word.dropLast()), percent > 0, percent <= 1000 {
            return .share(percent / 100)
        }
        for (unit, bytes) in [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("", 1)] where word.hasSuffix(unit)
        {
            guard let count = Int(word.dropLast(unit.count)), count > 0, count <= (1 << 40) / bytes else { break }
            return .bytes(count * bytes)
        }
        throw UsageError("--sizes: '\(word)' is neither a share, such as 10%, nor a size, such as 64MiB")
    }
}
