// What is asked: the share of each operation, and what a server must be told before.

/// What one request does.
public enum Operation: Int, CaseIterable, Sendable {
    /// GET of a hot key, which was loaded and is read again and again.
    case get = 0
    /// GET of a cold key, in turn: a cache that holds fewer than all of them has just evicted the one that comes next.
    case miss = 1
    /// SET of a hot key, to the value that it has.
    case set = 2
    /// SET of a cold key, in turn.
    case store = 3
    /// STATE.GET of a record, which was loaded and is read again and again.
    case stateGet = 4
    /// STATE.SET of a record, to the value that it has.
    case stateSet = 5

    public var name: String {
        switch self {
        case .get: "get"
        case .miss: "miss"
        case .set: "set"
        case .store: "store"
        case .stateGet: "state-get"
        case .stateSet: "state-set"
        }
    }

    @inline(__always)
    var isWrite: Bool { self == .set || self == .store || self == .stateSet }
    @inline(__always)
    var isOfRecord: Bool { self == .stateGet || self == .stateSet }

    /// A key of the kind that it asks for.
    @inline(__always)
    func key(_ number: UInt64) -> Key {
        switch self {
        case .get, .set: .hot(number)
        case .miss, .store: .cold(number)
        case .stateGet, .stateSet: .record(number)
        }
    }
}

/// A mix of operations, by its name or by its weights.
public struct Workload: Equatable, Sendable {
    public let name: String
    /// By ``Operation``'s number.
    let weights: [Int]
    /// The breaker is forced open before the measurement, and given back after it.
    public let isDegraded: Bool

    private init(
        _ name: String, get: Int = 0, miss: Int = 0, set: Int = 0, stateGet: Int = 0, isDegraded: Bool = false
    ) {
        self.name = name
        weights = [get, miss, set, 0, stateGet, 0]
        self.isDegraded = isDegraded
    }

    /// Those that have a name.
    public static let named = [
        Workload("hit", get: 100), Workload("miss-redis", miss: 100), Workload("miss-warm", miss: 100),
        Workload("mixed", get: 90, set: 10), Workload("write", set: 100),
        Workload("degraded", get: 100, isDegraded: true), Workload("state", stateGet: 100),
    ]

    /// One of ``named``, or weights as `get:80,miss:10,set:10`; nil for anything else.
    public init?(_ text: String) {
        if let known = Self.named.first(where: { $0.name == text }) {
            self = known
            return
        }
        var weights = Operation.allCases.map { _ in 0 }
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let pair = part.split(separator: ":", omittingEmptySubsequences: false)
            guard pair.count == 2, let operation = Operation.allCases.first(where: { $0.name == pair[0] }),
                weights[operation.rawValue] == 0, let weight = Int(pair[1]), (1...1_000_000).contains(weight)
            else { return nil }
            weights[operation.rawValue] = weight
        }
        name = text
        self.weights = weights
        isDegraded = false
    }

    public func weight(_ operation: Operation) -> Int { weights[operation.rawValue] }
    var total: Int { weights.reduce(0, +) }
    /// Those that occur.
    public var operations: [Operation] { Operation.allCases.filter { weight($0) > 0 } }
    var usesHotKeys: Bool { weight(.get) + weight(.set) > 0 }
    var usesColdKeys: Bool { weight(.miss) + weight(.store) > 0 }
    var usesRecords: Bool { weight(.stateGet) + weight(.stateSet) > 0 }

    @inline(__always)
    func pick(_ random: inout LoadRandom) -> Operation {
        if weights[0] == total { return .get }
        var drawn = Int(random.below(UInt64(total)))
        for operation in Operation.allCases {
            drawn -= weights[operation.rawValue]
            if drawn < 0 { return operation }
        }
        // Not reached: the weights add up to more than was drawn.
        return .get
    }
}
