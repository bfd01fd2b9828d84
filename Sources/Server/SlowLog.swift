// The slow log: requests that took long, and which way they went through the tiers. Bounded, in memory.
//
// DESIGN. Redis's SLOWLOG with what Redis can't know: how long each tier took. A request is looked at when its reply is
// known, by the time that is measured for its latency anyway. What local memory answers at once never comes here: it
// has no place among the waiting, and nothing of it could be slow but the worker itself.

internal import EventLoop
internal import Primitives
internal import Synchronization
internal import Tiers

/// What is slow, and what is kept of it: the `slowlog` key.
public struct SlowLogConfiguration: Sendable, Equatable {
    public enum Keys: String, Sendable, CaseIterable { case hashed, plain }

    /// A request that takes so long or longer is kept; nil keeps none.
    public var threshold: Duration? = .milliseconds(10)
    /// How many are kept; the oldest goes.
    public var entries = 128
    /// How keys stand in it.
    public var keys = Keys.hashed

    public init() {}
}

/// A request that took long.
struct SlowRequest: Sendable {
    /// Counts up, also over those that are gone.
    var id: UInt64 = 0
    /// When its reply was known.
    let at: Timestamp
    let nanoseconds: Int64
    let command: String
    /// The first key, as `slowlog.keys` says; nil where it names none.
    let key: [UInt8]?
    let keyCount: Int
    let client: Int64
    let steps: [AnswerStep]

    /// What is neither a tier's nor a replica's time: waiting for a place, for another's question, for the worker.
    var waitedNanoseconds: Int64 { max(0, nanoseconds - steps.reduce(0) { $0 + $1.nanoseconds }) }
}

/// The slow requests of a process; safe from any thread.
final class SlowLog: Sendable {
    private struct State: Sendable {
        var configuration: SlowLogConfiguration
        /// In a ring: the oldest stands at `oldest`.
        private var requests: [SlowRequest] = []
        private var oldest = 0
        var last: UInt64 = 0

        init(_ configuration: SlowLogConfiguration) { self.configuration = configuration }

        var count: Int { requests.count }
        /// The oldest first.
        var inOrder: [SlowRequest] { Array(requests[oldest...] + requests[..<oldest]) }

        /// Takes a request, in the place of the oldest where there are as many as are kept.
        mutating func add(_ request: SlowRequest) {
            if requests.count < configuration.entries {
                requests.append(request)
            } else {
                requests[oldest] = request
                oldest = (oldest + 1) % requests.count
            }
        }

        /// Keeps the newest so many.
        mutating func trim(to count: Int) { (requests, oldest) = (Array(inOrder.suffix(count)), 0) }
    }

    /// The most bytes of a key that are kept.
    private static let keyBytesMax = 128
    private let state: Locked<State>
    private let threshold: Atomic<Int64>

    init(_ configuration: SlowLogConfiguration) {
        threshold = Atomic(Self.nanoseconds(configuration))
        state = Locked(State(configuration))
    }

    private static func nanoseconds(_ configuration: SlowLogConfiguration) -> Int64 {
        configuration.threshold?.nanoseconds ?? .max
    }

    /// From how many nanoseconds on a request is slow; the largest number where nothing is kept.
    var thresholdNanoseconds: Int64 { threshold.load(ordering: .relaxed) }
    var isOn: Bool { thresholdNanoseconds != .max }
    /// How many there have been since the start.
    var total: UInt64 { state.withLock { $0.last } }

    /// Takes another configuration; what is kept beyond its maximum goes.
    func reconfigure(_ configuration: SlowLogConfiguration) {
        threshold.store(Self.nanoseconds(configuration), ordering: .relaxed)
        state.withLock { state in
            state.configuration = configuration
            state.trim(to: configuration.entries)
        }
    }

    func note(_ request: SlowRequest) {
        var request = request
        state.withLock { state in
            state.last += 1
            request.id = state.last
            state.add(request)
        }
    }

    /// A key as this log keeps it.
    func kept(_ key: [UInt8]) -> [UInt8] {
        switch state.withLock({ $0.configuration.keys }) {
        case .plain: Array(key.prefix(Self.keyBytesMax))
        case .hashed: Array(SHA1Digest(key).hexadecimal.prefix(16))
        }
    }

    /// The newest first.
    func newest(_ count: Int) -> [SlowRequest] { state.withLock { $0.inOrder.suffix(count).reversed() } }

    /// Forgets what is kept; how many there were.
    func reset() -> Int {
        state.withLock { state in
            defer { state.trim(to: 0) }
            return state.count
        }
    }
}
