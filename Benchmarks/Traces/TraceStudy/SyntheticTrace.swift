// Traces that are made, not recorded: each is one behaviour that rules of eviction tell apart, and says which.
//
// They follow from a seed, so that a figure can be had again. They are models of behaviour and prove nothing about any
// application; a recorded trace of yours does.

internal import LoadGenerator

/// A behaviour that a trace is made of.
public enum SyntheticTrace: String, Sendable, CaseIterable {
    case zipf, scan, loop, shift, sessions, sizes

    /// What it imitates.
    public var summary: String {
        switch self {
        case .zipf: "popularity by Zipf's law (0.9) over 40,000 objects of 200 bytes"
        case .scan: "zipf, and every 15,000 requests 5,000 objects in a row that nobody asks for again"
        case .loop: "12,000 objects in turn, again and again, and a tenth of zipf"
        case .shift: "zipf, and every 20,000 requests a tenth of the objects swap their popularity"
        case .sessions: "a chat back end: sessions that grow with each turn, rest, end, and sometimes come back"
        case .sizes: "zipf over objects of 64 bytes to 64 KiB, their size independent of their popularity"
        }
    }

    /// Makes the trace.
    public func trace(seed: UInt64 = 1, requests count: Int = 300_000) -> Trace {
        var maker = TraceMaker(seed: seed)
        while maker.requests.count < count {
            switch self {
            case .zipf: maker.zipf()
            case .scan: maker.scan(every: 15_000, length: 5000)
            case .loop: maker.loop(over: 12_000)
            case .shift: maker.shift(every: 20_000)
            case .sessions: maker.turn()
            case .sizes: maker.sized()
            }
        }
        return Trace(name: "synthetic:\(rawValue)", requests: Array(maker.requests.prefix(count)))
    }
}

/// Requests under construction.
private struct TraceMaker {
    var requests: [TraceRequest] = []
    private var random: LoadRandom
    private let popular = KeyPicker(.zipfian(theta: 0.9), count: TraceMaker.objects)
    /// Which object has which rank, where that changes.
    private var ranks = (0..<TraceMaker.objects).map { $0 }
    private var sinceEvent = 0
    private var neverAsked: UInt64 = 1 << 40
    private var next: UInt64 = 0
    private var active: [Session] = []
    private var resting: [Session] = []
    private var sessions: UInt64 = 1 << 41

    private static let objects: UInt64 = 40_000

    /// A conversation: it is read and written at each turn, and grows.
    private struct Session {
        var object: UInt64
        var user: UInt64
        var size: UInt32
        var turnsLeft: Int
    }

    init(seed: UInt64) { random = LoadRandom(seed: seed) }

    private mutating func ask(_ object: UInt64, size: UInt32 = 200, _ operation: TraceRequest.Operation = .get) {
        requests.append(TraceRequest(object: object, size: size, operation: operation))
        sinceEvent += 1
    }

    mutating func zipf() { ask(popular.next(&random)) }

    mutating func scan(every: Int, length: Int) {
        zipf()
        guard sinceEvent >= every else { return }
        for _ in 0..<length {
            ask(neverAsked)
            neverAsked += 1
        }
        sinceEvent = 0
    }

    mutating func loop(over count: UInt64) {
        if Int.random(in: 0..<10, using: &random) == 0 { return zipf() }
        ask(1 << 42 + next)
        next = (next + 1) % count
    }

    mutating func shift(every: Int) {
        if sinceEvent >= every {
            for _ in 0..<ranks.count / 20 {
                ranks.swapAt(.random(in: ranks.indices, using: &random), .random(in: ranks.indices, using: &random))
            }
            sinceEvent = 0
        }
        ask(ranks[Int(popular.next(&random))])
    }

    mutating func sized() {
        let object = popular.next(&random)
        // The size is the object's own: the number of its doublings from 64 bytes on, small ones being common.
        var bits = LoadRandom(seed: object)
        let doublings = min(UInt32(10), UInt32(bits.next().trailingZeroBitCount))
        ask(object, size: 64 << doublings)
    }

    /// One turn of a session: its user's profile is read, it is read, and it is written, longer than it was.
    ///
    /// Of those that are under way the latest are the likeliest to go on; one in eight of those that rest comes back.
    mutating func turn() {
        if active.count < 1500 || Int.random(in: 0..<12, using: &random) == 0 { open() }
        let back = Int(
            Double(active.count) * Double.random(in: 0..<1, using: &random) * .random(in: 0..<1, using: &random))
        let index = active.count - 1 - back
        ask(active[index].user, size: 300)
        ask(active[index].object, size: active[index].size)
        active[index].size = min(64 << 10, active[index].size + .random(in: 200...1500, using: &random))
        ask(active[index].object, size: active[index].size, .set)
        active[index].turnsLeft -= 1
        guard active[index].turnsLeft == 0 else { return }
        var ended = active.remove(at: index)
        ended.turnsLeft = .random(in: 1...8, using: &random)
        resting.append(ended)
    }

    private mutating func open() {
        if !resting.isEmpty, Int.random(in: 0..<8, using: &random) == 0 {
            active.append(resting.remove(at: .random(in: resting.indices, using: &random)))
            return
        }
        sessions += 1
        active.append(
            Session(
                object: sessions, user: popular.next(&random), size: 400,
                turnsLeft: .random(in: 1...20, using: &random)))
    }
}
