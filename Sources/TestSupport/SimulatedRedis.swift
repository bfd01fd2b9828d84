// A Redis within the test: real bytes over simulated connections, and every way in which Redis fails its clients.
//
// DESIGN: what a connection is given travels to the server for half of `latency`, is parsed there by RESP's own parser
// and executed at one moment; the reply travels back for the other half, in pieces. A client that closes does not call
// back what it has sent: it is executed all the same, as the real one executes what lies in its socket. The commands
// are in SimulatedRedis+Commands, the transport in SimulatedRedis+Connection.

public import Primitives
public import RedisTier

/// An in-process Redis of one database of strings and hashes (and lists, so that there is another type).
public final class SimulatedRedis {
    public enum Content: Equatable, Sendable {
        case string([UInt8])
        case list([[UInt8]])
        case hash([[UInt8]: [UInt8]])
        case stream([StreamEntry])
        /// Members by their scores.
        case sortedSet([[UInt8]: Int64])
    }

    /// An entry of a stream, with its fields in their order.
    public struct StreamEntry: Equatable, Sendable {
        public var number: Int64
        public var fields: [[UInt8]]
    }

    public struct Entry: Equatable, Sendable {
        public var content: Content
        public var expiresAt = Timestamp.never
    }

    /// A moment in the life of a key: from then on it held this, or nothing.
    public struct Moment: Sendable {
        /// Monotonic nanoseconds of the simulation.
        public let at: Int64
        public let value: [UInt8]?
        public let expiresAt: Timestamp
    }

    /// What it answers with instead of carrying commands out.
    public enum Condition: Sendable {
        case healthy, loading, readonly, outOfMemory, misconfigured
    }

    /// What becomes of the next requests; each is used up once.
    public enum Mishap: Sendable {
        /// The connection ends before anything of the batch was executed.
        case cutBefore
        /// The commands are executed and the connection ends without a reply.
        case loseReply
        /// So many bytes of the reply are sent, then the connection ends.
        case cutWithin(Int)
        /// Bytes that are no reply.
        case garbage
        /// A reply that nobody asked for comes before the right one.
        case unasked
    }

    let scheduler: SimulatedScheduler
    var random: SeededGenerator

    // MARK: Faults

    /// Connections are refused, and existing ones were cut when it was set.
    public var refusesConnections = false { didSet { if refusesConnections { cutAll("connection reset by peer") } } }
    /// Nothing is accepted, read or answered, as by a stopped process; what was sent waits.
    public var isHung = false { didSet { if !isHung { for connection in connections { connection.wake() } } } }
    /// Connections that exist now are not read, while later ones are: what was sent over them waits.
    public var holdsOldConnections = false {
        didSet {
            for connection in connections {
                connection.isHeld = holdsOldConnections
                connection.wake()
            }
        }
    }
    public var condition = Condition.healthy
    /// Streams to which nobody may append (NOPERM).
    public var forbiddenStreams: Set<[UInt8]> = []
    /// The kernel takes no more bytes from the client.
    public var takesNoBytes = false {
        didSet { if !takesNoBytes { for connection in connections { connection.push() } } }
    }
    public var mishaps: [Mishap] = []
    /// There and back again.
    public var latency = Duration.microseconds(200)
    /// Added at random to each way, up to this.
    public var jitter = Duration.zero
    /// Bytes arrive split at random places, both ways.
    public var splitsBytes = true
    public var password: [UInt8]?
    public var isCluster = false
    /// Keys that end, once each, right after a GET of them: Redis looks at its clock anew for each command.
    public var expiresBetweenCommands: Set<[UInt8]> = []
    /// What WAIT answers with, at once.
    public var waitAnswer = Reply.integer(0)
    /// Redis's own clock, against the sidecar's.
    public var clockSkewMilliseconds: Int64 = 0

    // MARK: What it holds and has seen

    public internal(set) var entries: [[UInt8]: Entry] = [:]
    /// All that each key ever held.
    public internal(set) var history: [[UInt8]: [Moment]] = [:]
    /// Every command that was executed, MULTI and EXEC included, by whatever connection.
    public internal(set) var executed: [[[UInt8]]] = []
    /// Whether ``executed`` and ``history`` are kept.
    public var keepsLog = true
    /// Hears of each command that a connection had carried out, those of transactions one by one, and of its reply.
    public var onPerformed: (([[UInt8]], Reply) -> Void)?
    public internal(set) var connectionsOpened = 0
    public internal(set) var attempts = 0
    var connections: [SimulatedRedisConnection] = []
    /// Who has read which keys and is to be told of their next change.
    var trackers: [[UInt8]: Set<Int64>] = [:]
    /// Whose command is being carried out.
    var currentClient: SimulatedRedisConnection?
    /// What is told of changed keys never arrives; the connections that should have brought it end with this.
    public var losesInvalidations = false { didSet { if oldValue, !losesInvalidations { cutSubscribers() } } }
    /// How much longer than a reply an invalidation is under way, in nanoseconds.
    public var invalidationDelay: () -> Int64 = { 0 }
    /// CLIENT TRACKING is refused.
    public var refusesTracking = false
    /// CLIENT CACHING is refused.
    public var refusesCaching = false
    /// Commands, in upper case, that nobody has a permission for.
    public var refusedCommands: Set<String> = []
    /// Subcommands of CLIENT that the user has no permission for, in capitals.
    public var refusedClientCommands: Set<String> = []
    var nextClientID: Int64 = 1
    /// As after SCRIPT FLUSH.
    public func forgetScripts() {
        knowsReplay = false
        knowsRecords = false
        knowsOutbox = false
    }

    /// Changes that a failover would undo, oldest first; kept where `mayFailOver`.
    var undos: [Undo] = []
    /// Whether changes are kept for ``failOver(losing:)``.
    public var mayFailOver = false
    /// Whether the replay's script has been evaluated by its text since the start.
    var knowsReplay = false
    var knowsRecords = false
    var knowsOutbox = false
    /// What each marker keeps: the answers that were no plain `ok`, by sequence number.
    var replayAnswers: [[UInt8]: [Int64: Reply]] = [:]
    private var starts = 1
    /// The process's identity, as INFO tells it; another after a restart.
    public var runID: String { String(repeating: "0", count: 36) + String(String(10_000 + starts).dropFirst()) }

    public init(_ scheduler: SimulatedScheduler, seed: UInt64 = 1) {
        self.scheduler = scheduler
        random = SeededGenerator(seed: seed)
    }

    public var now: Timestamp { scheduler.now.advanced(byMilliseconds: clockSkewMilliseconds) }

    public func makeTransport(_ endpoint: RedisConfiguration.Endpoint) -> any RedisTransport {
        SimulatedRedisConnection(self)
    }

    public func forgetLog() { executed = [] }

    /// The names of the commands executed, in order.
    public var executedNames: [String] { executed.map { String(decoding: $0[0], as: UTF8.self) } }

    /// Ends every connection, as a crash of the server does.
    public func cutAll(_ reason: String = "Redis closed the connection") {
        for connection in connections { connection.cut(reason) }
    }

    /// Nobody asks any more: connections, which hold it, go without a word.
    public func end() { connections = [] }

    /// The server ends and comes back empty.
    public func restartEmpty() {
        cutAll()
        beginAnew()
        replayAnswers = [:]
        trackers = [:]
        for key in Array(entries.keys) { store(key, nil) }
        undos = []
    }

    /// Another process answers from now on.
    func beginAnew() {
        starts += 1
        nextClientID = 1
        forgetScripts()
    }

    /// Ends a client's connection, what it has sent and was not carried out yet included; how many there were.
    func kill(_ clientID: Int64) -> Int64 {
        let killed = connections.filter { $0.clientID == clientID }
        for connection in killed { connection.cut("Redis closed the connection") }
        return Int64(killed.count)
    }

    /// Open connections as the server sees them.
    public var connectionCount: Int { connections.count }

    func oneWay() -> Int64 {
        let extra = jitter.nanoseconds
        return latency.nanoseconds / 2 + (extra > 0 ? Int64.random(in: 0...extra, using: &random) : 0)
    }

    /// What a live key holds.
    func live(_ key: [UInt8]) -> Entry? {
        guard let entry = entries[key] else { return nil }
        return now < entry.expiresAt ? entry : nil
    }

    func store(_ key: [UInt8], _ entry: Entry?) {
        if mayFailOver { noteUndo(key) }
        if let entry, entry.expiresAt > now { entries[key] = entry } else { entries[key] = nil }
        noteChange(of: key)
        guard keepsLog else { return }
        var value: [UInt8]?
        if case .string(let bytes) = entries[key]?.content { value = bytes }
        history[key, default: []].append(
            Moment(at: scheduler.monotonicNanoseconds, value: value, expiresAt: entries[key]?.expiresAt ?? .never))
    }
}
