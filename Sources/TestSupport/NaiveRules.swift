// The rules of eviction as simply as they can be said, over arrays: what the arena's are compared with.
//
// They know the papers and the deviations that LocalTier states, and no mechanism: no links, no packed counters, no
// lazy halving. Queues are arrays whose first element came or was used last.

/// An entry as a rule sees it.
public struct NaiveItem: Equatable {
    public let key: [UInt8]
    /// Blocks of 64 bytes.
    public let blocks: Int
    /// The upper half of the key's hash.
    public let tag: UInt32

    public init(key: [UInt8], blocks: Int, tag: UInt32) {
        self.key = key
        self.blocks = blocks
        self.tag = tag
    }
}

/// A simulator of one rule; what was held and comes back with another size, or from the stale, `comesBack`.
public protocol NaiveRule {
    mutating func insert(_ item: NaiveItem)
    mutating func comesBack(_ item: NaiveItem)
    /// A read, or a write that left the size as it was.
    mutating func use(_ key: [UInt8])
    mutating func remove(_ key: [UInt8], isEvicted: Bool)
    /// Who goes so that `needed` blocks are free; the rule may rearrange its queues.
    mutating func victim(for needed: Int) -> [UInt8]
    mutating func reset()
    /// The keys of each queue.
    var queues: [[[UInt8]]] { get }
}

extension [NaiveItem] {
    fileprivate var blocks: Int { reduce(0) { $0 + $1.blocks } }
    fileprivate var keys: [[UInt8]] { map(\.key) }
    fileprivate func holds(_ key: [UInt8]) -> Bool { contains { $0.key == key } }
    fileprivate func item(_ key: [UInt8]) -> NaiveItem { first { $0.key == key }! }
    fileprivate mutating func pushFirst(_ item: NaiveItem) { insert(item, at: 0) }
    fileprivate mutating func take(_ key: [UInt8]) -> NaiveItem { remove(at: firstIndex { $0.key == key }!) }
}

/// Least recently used.
public struct NaiveLRU: NaiveRule {
    private var list: [NaiveItem] = []

    public init() {}

    public var queues: [[[UInt8]]] { [list.keys] }
    public mutating func insert(_ item: NaiveItem) { list.pushFirst(item) }
    public mutating func comesBack(_ item: NaiveItem) { list.pushFirst(item) }
    public mutating func use(_ key: [UInt8]) { list.pushFirst(list.take(key)) }
    public mutating func remove(_ key: [UInt8], isEvicted: Bool) { _ = list.take(key) }
    public func victim(for needed: Int) -> [UInt8] { list.last!.key }
    public mutating func reset() { list = [] }
}

/// S3-FIFO by blocks; ghosts in lines of eight.
public struct NaiveS3FIFO: NaiveRule {
    private let capacity: Int
    private var small: [NaiveItem] = []
    private var main: [NaiveItem] = []
    private var reads: [[UInt8]: Int] = [:]
    private var wasInMain: Set<[UInt8]> = []
    private var ghosts: [[(tag: UInt32, number: Int)]]
    private var evictions = 0

    public init(capacity: Int) {
        self.capacity = capacity
        ghosts = Array(repeating: [], count: max(8, capacity / 32))
    }

    public var queues: [[[UInt8]]] { [small.keys, main.keys] }

    private func line(_ tag: UInt32) -> Int { Int(UInt64(tag) * UInt64(ghosts.count) / (1 << 32)) }

    public mutating func insert(_ item: NaiveItem) {
        let line = line(item.tag)
        let remembered = (small.count + main.count) * 9 / 10
        let isGhost = ghosts[line].contains { $0.tag == item.tag && evictions - $0.number < remembered }
        ghosts[line].removeAll { $0.tag == item.tag }
        reads[item.key] = 0
        if isGhost { wasInMain.insert(item.key) } else { wasInMain.remove(item.key) }
        place(item)
    }

    public mutating func comesBack(_ item: NaiveItem) {
        use(item.key)
        place(item)
    }

    private mutating func place(_ item: NaiveItem) {
        if wasInMain.contains(item.key) { main.pushFirst(item) } else { small.pushFirst(item) }
    }

    public mutating func use(_ key: [UInt8]) { reads[key] = min(3, reads[key]! + 1) }

    public mutating func remove(_ key: [UInt8], isEvicted: Bool) {
        guard small.holds(key) else {
            _ = main.take(key)
            return
        }
        let tag = small.take(key).tag
        guard isEvicted else { return }
        evictions += 1
        let line = line(tag)
        ghosts[line].removeAll { $0.tag == tag }
        if ghosts[line].count == 8 { ghosts[line].removeFirst() }
        ghosts[line].append((tag, evictions))
    }

    public mutating func victim(for needed: Int) -> [UInt8] {
        for _ in 0..<256 {
            if takesSmall {
                let item = small.last!
                guard reads[item.key]! >= 2 else { return item.key }
                reads[item.key] = 0
                wasInMain.insert(item.key)
                main.pushFirst(small.take(item.key))
            } else {
                let item = main.last!
                guard reads[item.key]! > 0 else { return item.key }
                reads[item.key]! -= 1
                main.pushFirst(main.take(item.key))
            }
        }
        return takesSmall ? small.last!.key : main.last!.key
    }

    private var takesSmall: Bool { !small.isEmpty && (main.isEmpty || small.blocks * 10 >= capacity) }

    public mutating func reset() { self = NaiveS3FIFO(capacity: capacity) }
}

/// W-TinyLFU by blocks; a candidate must be asked for more often than each that it displaces.
public struct NaiveWTinyLFU: NaiveRule {
    private let capacity: Int
    private var window: [NaiveItem] = []
    private var probation: [NaiveItem] = []
    private var protected: [NaiveItem] = []
    private var leftFromMain: Set<[UInt8]> = []
    private var sketch: NaiveSketch

    public init(capacity: Int) {
        self.capacity = capacity
        sketch = NaiveSketch(lines: max(8, capacity / 64))
    }

    private var windowMax: Int { max(1, capacity / 20) }
    private var mainMax: Int { capacity - windowMax }
    private var entries: Int { window.count + probation.count + protected.count }
    private var main: [NaiveItem] { protected + probation }

    public var queues: [[[UInt8]]] { [window.keys, probation.keys, protected.keys] }

    public mutating func insert(_ item: NaiveItem) {
        sketch.add(item.tag, entries: entries)
        enterWindow(item)
    }

    public mutating func comesBack(_ item: NaiveItem) {
        sketch.add(item.tag, entries: entries)
        if leftFromMain.contains(item.key) { protect(item) } else { enterWindow(item) }
    }

    public mutating func use(_ key: [UInt8]) {
        let item = (window + main).item(key)
        sketch.add(item.tag, entries: entries)
        if window.holds(key) {
            window.pushFirst(window.take(key))
        } else if protected.holds(key) {
            protected.pushFirst(protected.take(key))
        } else {
            protect(probation.take(key))
        }
    }

    public mutating func remove(_ key: [UInt8], isEvicted: Bool) {
        leftFromMain.remove(key)
        if window.holds(key) {
            _ = window.take(key)
            return
        }
        leftFromMain.insert(key)
        _ = protected.holds(key) ? protected.take(key) : probation.take(key)
    }

    public mutating func victim(for needed: Int) -> [UInt8] {
        while main.blocks <= mainMax, let candidate = window.last {
            if needed > windowMax, !main.isEmpty { break }
            guard isAdmitted(candidate) else { return candidate.key }
            probation.pushFirst(window.take(candidate.key))
        }
        return (main.last ?? window.last!).key
    }

    private func isAdmitted(_ candidate: NaiveItem) -> Bool {
        var missing = main.blocks + candidate.blocks - mainMax
        let worth = sketch.frequency(candidate.tag)
        for victim in probation.reversed() where missing > 0 {
            guard sketch.frequency(victim.tag) < worth else { return false }
            missing -= victim.blocks
        }
        return missing <= 0
    }

    private mutating func enterWindow(_ item: NaiveItem) {
        if item.blocks > windowMax { window.append(item) } else { window.pushFirst(item) }
        while window.blocks > windowMax, main.blocks + window.last!.blocks <= mainMax {
            probation.pushFirst(window.removeLast())
        }
    }

    private mutating func protect(_ item: NaiveItem) {
        protected.pushFirst(item)
        var demoted = 0
        while demoted < 4, protected.count > 1, protected.blocks > mainMax * 80 / 100 {
            probation.pushFirst(protected.removeLast())
            demoted += 1
        }
    }

    public mutating func reset() { self = NaiveWTinyLFU(capacity: capacity) }
}

/// The count-min sketch as four rows of counters in each of several lines, all halved at once.
private struct NaiveSketch {
    /// By line, row and column.
    private var counters: [[[Int]]]
    private var uses = 0

    init(lines: Int) {
        let line = [32, 32, 32, 28].map { [Int](repeating: 0, count: $0) }
        counters = Array(repeating: line, count: lines)
    }

    private func places(_ tag: UInt32) -> (line: Int, columns: [Int]) {
        var mixed = (tag ^ tag >> 16) &* 0x85EB_CA6B
        mixed = (mixed ^ mixed >> 13) &* 0xC2B2_AE35
        mixed ^= mixed >> 16
        let bytes = withUnsafeBytes(of: mixed.littleEndian) { Array($0) }
        let columns = counters[0].indices.map { row -> Int in
            let count = counters[0][row].count
            return Int(bytes[row]) * count / 256
        }
        return (Int(UInt64(tag) * UInt64(counters.count) / (1 << 32)), columns)
    }

    mutating func add(_ tag: UInt32, entries: Int) {
        let (line, columns) = places(tag)
        for (row, column) in columns.enumerated() {
            counters[line][row][column] = min(15, counters[line][row][column] + 1)
        }
        uses += 1
        guard uses >= 10 * max(entries, counters.count) else { return }
        uses /= 2
        counters = counters.map { $0.map { $0.map { $0 / 2 } } }
    }

    func frequency(_ tag: UInt32) -> Int {
        let (line, columns) = places(tag)
        return columns.enumerated().map { counters[line][$0][$1] }.min()!
    }
}
