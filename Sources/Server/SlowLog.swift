// The slow log: requests that took long, and which way they went through the tiers. Bounded, in memory.
//
// DESIGN. Redis's SLOWLOG with what Redis can't know: how long each tier took. A request is looked at when its reply is
// known, by the time that is measured for its latency anyway. What local memory answers at once never comes here: it
// has no place among the waiting, and nothing of it could be slow but the worker itself.
//
// Where all requests are slow, taking note of them must not be what makes them slower: a key is hashed when the log is
// read, not when a request is noted, and the newest takes the place of the oldest.

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
    /// The first key, nil where it names none; of what is read from the log, as `slowlog.keys` said when it was noted.
    var key: [UInt8]?
    let keyCount: Int
    let client: Int64
    let steps: [AnswerStep]

    /// What is neither a tier's nor a replica's time: waiting for a place, for another's question, for the worker.
    var waitedNanoseconds: Int64 { max(0, nanoseconds - steps.reduce(0) { $0 + $1.nanoseconds }) }
}

/// The slow requests of a process; safe from any thread.
final class SlowLog: Sendable {
    /// A request, and whether its key is still to be hashed.
    private typealias Entry = (request: SlowRequest, mustHash: Bool)

    private struct State: Sendable {
        var configuration = SlowLogConfiguration()
        /// In the order in which they came, from `oldest` on and round.
        var requests: [Entry] = []
        var oldest = 0
        var last: UInt64 = 0

        mutating func take(_ entry: Entry) {
            if requests.count < configuration.entries {
                requests.append(entry)
            } else if !requests.isEmpty {
                requests[oldest] = entry
                oldest = oldest + 1 == requests.count ? 0 : oldest + 1
            }
        }

        /// Puts the oldest first.
        mutating func straighten() {
            requests = Array(requests[oldest...] + requests[..<oldest])
            oldest = 0
        }
    }

    /// A longer key is hashed at once, so that what is kept stays small.
    private static let rawKeyMax = 1024

    /// The most bytes of a key that are kept.
    private static let keyBytesMax = 128
    private let state: Locked<State>
    private let threshold: Atomic<Int64>

    init(_ configuration: SlowLogConfiguration) {
        threshold = Atomic(Self.nanoseconds(configuration))
        state = Locked(State(configuration: configuration))
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
            state.straighten()
            state.requests.removeFirst(max(0, state.requests.count - configuration.entries))
        }
    }

    func note(_ request: SlowRequest) {
        var request = request
        let isHashed = state.withLock { $0.configuration.keys } == .hashed
        let mustHash = isHashed && request.key.map { $0.count <= Self.rawKeyMax } ?? false
        if let key = request.key, !mustHash { request.key = isHashed ? Self.hashed(key) : Self.shortened(key) }
        state.withLock { state in
            state.last += 1
            request.id = state.last
            state.take((request, mustHash))
        }
    }

    /// A key as the log shows it under `hashed`, and under `plain`.
    static func hashed(_ key: [UInt8]) -> [UInt8] { Array(SHA1Digest(key).hexadecimal.prefix(16)) }
    static func shortened(_ key: [UInt8]) -> [UInt8] { key.count <= keyBytesMax ? key : Array(key.prefix(keyBytesMax)) }

    /// The newest first.
    func newest(_ count: Int) -> [SlowRequest] {
        let found = state.withLock { state in
            state.straighten()
            return Array(state.requests.suffix(count).reversed())
        }
        return found.map { request, mustHash in
            var request = request
            if mustHash { request.key = request.key.map { Self.hashed($0) } }
            return request
        }
    }

    /// Forgets what is kept; how many there were.
    func reset() -> Int {
        state.withLock { state in
            defer { (state.requests, state.oldest) = ([], 0) }
            return state.requests.count
        }
    }
}
