// One walk over the keys under a prefix: pages of SCAN, batches of STATE.MIGRATE, at a bounded rate.

internal import Configuration
internal import Primitives

/// The policies that name a schema, and where the walk goes on, as HEARTH SCHEMAS tells it.
struct MigrationPolicies: Equatable {
    struct Operation: Equatable {
        var to: Int64
        var text: String
        var canLose: Bool
    }

    struct Policy: Equatable {
        var prefix: [UInt8]
        var current: Int64
        var writeBack: String
        var operations: [Operation]
    }

    /// The Redis process that is asked, `none` where there is no Redis.
    var process: String
    var fingerprint: String
    var policies: [Policy]

    /// Nil where the reply is something else.
    init?(_ reply: Reply) {
        guard let map = ReplyMap(reply), case .array(let listed) = map["policies"] else { return nil }
        process = map.text("redis")
        fingerprint = map.text("fingerprint")
        policies = listed.compactMap { ReplyMap($0) }.map { policy in
            var operations: [Operation] = []
            if case .array(let listed) = policy["operations"] {
                operations = listed.compactMap { ReplyMap($0) }.map {
                    Operation(to: $0.number("to"), text: $0.text("operation"), canLose: $0.text("can_lose") == "yes")
                }
            }
            return Policy(
                prefix: policy.bytes("prefix") ?? [], current: policy.number("current"),
                writeBack: policy.text("write_back"), operations: operations)
        }
    }

    /// Those that keys under `prefix` may have.
    func ruling(_ prefix: [UInt8]) -> [Policy] {
        policies.filter { $0.prefix.starts(with: prefix) || prefix.starts(with: $0.prefix) }
    }
}

/// A run of `hearth migrate`; blocking, in a process of its own.
final class MigrationRun {
    /// Keys that a page of the walk looks at in Redis, about.
    private static let pageKeys = "100"
    /// Requests that are under way at a time: fewer than a client may have.
    private static let batchMax = 64
    /// How long a Hearth or a Redis that gives no answer is waited for.
    private static let patienceMilliseconds = 30_000
    /// An answer to a batch may wait for this long behind a Redis that is slow.
    private static let waitSeconds = 60

    private let options: MigrationOptions
    private let configuration: Configuration
    private let store: MigrationStore?
    private(set) var progress: MigrationProgress
    private(set) var policies: MigrationPolicies?
    private var client: ControlClient?
    /// Keys of the page that are still to be looked at, and the cursor behind it; nil before a page.
    private var keys: [[UInt8]] = []
    private var cursorBehind: String?
    private var display: ProgressDisplay
    private var mayGoOnAt = monotonicNanoseconds()
    private var wentOnAt = monotonicNanoseconds()
    private(set) var hasBegun = false

    init(_ options: MigrationOptions, _ configuration: Configuration) throws(ControlError) {
        self.options = options
        self.configuration = configuration
        display = ProgressDisplay(isTerminal: Terminal.isStandardError)
        store = options.statePath.map { MigrationStore(path: $0, options) }
        progress = try store?.read() ?? MigrationProgress()
    }

    /// What to do about a run that did not end.
    var advice: String {
        options.statePath.map { "; the same command goes on from \($0)" }
            ?? "; the same command begins anew, and finds what is done (--state FILE keeps the place)"
    }

    /// Walks to the end, to a signal, or to trouble that lasts.
    func run() throws(ControlError) {
        defer { display.end() }
        while !progress.isDone, !Terminal.isEndRequested {
            do throws(ControlError) {
                try step()
                wentOnAt = monotonicNanoseconds()
            } catch {
                guard error.code == .unavailable, hasBegun else { throw error }
                client = nil
                guard monotonicNanoseconds() - wentOnAt < Int64(Self.patienceMilliseconds) * 1_000_000 else {
                    throw error
                }
                display.show(progress, note: "waiting: \(error.text)")
                _ = Terminal.pause(milliseconds: 500)
            }
        }
    }

    func forgetState() { store?.remove() }

    // MARK: Steps

    /// A page, or a batch of it.
    private func step() throws(ControlError) {
        if cursorBehind == nil { try takePage() }
        if !keys.isEmpty { return try takeBatch() }
        guard let next = cursorBehind else { return }
        progress.cursor = next
        cursorBehind = nil
        if next == "0" {
            // Only of this process and these schemas is it the end.
            progress.isDone = try !isAnother(askPolicies())
        }
        try store?.write(progress)
        display.show(progress)
    }

    private func takePage() throws(ControlError) {
        let found = try askPolicies()
        guard !found.ruling(options.prefix).isEmpty else {
            throw ControlError(
                .configuration,
                "hearth: no policy of keys under \"\(Figures.printable(options.prefix))\" names a schema "
                    + "(schema.current): there is nothing to migrate to")
        }
        hasBegun = true
        if isAnother(found) { progress.beginAnew() }
        (progress.process, progress.fingerprint) = (found.process, found.fingerprint)
        policies = found
        let words = ["SCAN", progress.cursor, "MATCH"].map { Array($0.utf8) }
        let pattern = Self.literal(options.prefix) + [UInt8(ascii: "*")]
        let reply = try ask(words + [pattern] + ["COUNT", Self.pageKeys].map { Array($0.utf8) })
        guard case .array(let parts) = reply, parts.count == 2, case .string(let cursor) = parts[0],
            case .array(let listed) = parts[1]
        else { throw ControlError(.software, "hearth: SCAN is answered with something else") }
        keys = listed.compactMap { if case .string(let key) = $0 { key } else { nil } }
            .filter { !$0.starts(with: "hearth:".utf8) }
        cursorBehind = String(decoding: cursor, as: UTF8.self)
        pace(1)
    }

    /// Whether the walk's cursor means nothing to what answers now.
    private func isAnother(_ found: MigrationPolicies) -> Bool {
        !progress.process.isEmpty
            && (found.process != progress.process || found.fingerprint != progress.fingerprint)
    }

    private func takeBatch() throws(ControlError) {
        let batch = Array(keys.prefix(max(1, min(Self.batchMax, options.rate / 10))))
        let word = Array((options.isDryRun ? "STATE.MIGRATION" : "STATE.MIGRATE").utf8)
        let tail = options.includesHeld ? [Array("HELD".utf8)] : []
        let replies = try withClient { (client) throws(ControlError) in
            try client.askAll(batch.map { [word, $0] + tail })
        }
        var left: [[UInt8]] = []
        var waits: String?
        for (key, reply) in zip(batch, replies) {
            if case .error(let text) = reply, text.starts(with: "UNAVAILABLE".utf8) {
                left.append(key)
                waits = String(decoding: text, as: UTF8.self)
            } else {
                progress.note(reply, name: options.showsKeys ? Figures.printable(key) : Self.hash(of: key))
            }
        }
        keys.replaceSubrange(..<batch.count, with: left)
        if left.count < batch.count { wentOnAt = monotonicNanoseconds() }
        display.show(progress)
        if let waits { throw ControlError(.unavailable, "hearth: \(waits)") }
        pace(batch.count)
    }

    /// Waits until so many requests fit into the rate.
    private func pace(_ count: Int) {
        mayGoOnAt = max(mayGoOnAt, monotonicNanoseconds()) + Int64(count) * 1_000_000_000 / Int64(options.rate)
        let left = mayGoOnAt - monotonicNanoseconds()
        if left > 1_000_000 { _ = Terminal.pause(milliseconds: Int(left / 1_000_000)) }
    }

    // MARK: Asking

    private func withClient<Result>(
        _ body: (inout ControlClient) throws(ControlError) -> Result
    ) throws(ControlError) -> Result {
        if client == nil {
            client = try ControlClient.connect(configuration, waitSeconds: Self.waitSeconds)
            // For the audit.
            _ = try client!.ask("HEARTH", "ACTOR", "hearth migrate")  // made in the line above
        }
        return try body(&client!)  // the same
    }

    private func ask(_ words: [[UInt8]]) throws(ControlError) -> Reply {
        try withClient { (client) throws(ControlError) in try client.ask(words) }
    }

    private func askPolicies() throws(ControlError) -> MigrationPolicies {
        guard let found = MigrationPolicies(try ask(["HEARTH", "SCHEMAS"].map { Array($0.utf8) })) else {
            throw ControlError(.software, "hearth: HEARTH SCHEMAS is answered with something else")
        }
        return found
    }

    /// A prefix as a pattern that matches nothing else.
    static func literal(_ prefix: [UInt8]) -> [UInt8] {
        prefix.flatMap { Array("*?[]\\^-".utf8).contains($0) ? [UInt8(ascii: "\\"), $0] : [$0] }
    }

    /// The first 16 digits of the key's SHA-256: `printf %s KEY | sha256sum` tells them of a key that is known.
    static func hash(of key: [UInt8]) -> String {
        String(decoding: SHA256Digest(key).hexadecimal.prefix(16), as: UTF8.self)
    }
}
