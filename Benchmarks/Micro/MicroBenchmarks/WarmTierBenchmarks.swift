// The warm tier: the index, the record behind it, the batch before it.

internal import Primitives
internal import WarmTier

extension MicroBenchmark {
    static var warmTier: [MicroBenchmark] {
        [
            MicroBenchmark("warm: 100 B stored, one of 64 in a commit", operations: 6_400) {
                try Warm(filled: 0).stores
            },
            MicroBenchmark("warm: 100 B stored over 100 B, one of 64 in a commit", operations: 6_400) {
                try Warm(filled: 10_000).stores
            },
            MicroBenchmark("warm: hit of 1 KiB", operations: 4_000) { try Warm(filled: 2_000, bytes: 1024).hits },
            MicroBenchmark("warm: miss", operations: 10_000) { try Warm(filled: 1_000).misses },
            MicroBenchmark("warm: entry found at opening", operations: 10_000) {
                { operations in try Warm(filled: operations).reopen(expecting: operations) }
            },
        ]
    }
}

/// A warm tier that holds the first of its keys.
private final class Warm {
    private let configuration = WarmTierConfiguration(
        directory: Disk.directory(), maxBytes: 64 << 20, sync: .always, whenFull: .evict)
    private var writer: WarmWriter?
    private let keys = Keys(20_000)
    private let bytes: [UInt8]
    private var next = 0
    private let filled: Int

    init(filled: Int, bytes count: Int = 100) throws {
        bytes = value(count)
        self.filled = filled
        writer = try WarmTier.open(configuration, fileSystem: Disk(), now: moment)
        try stores(filled)
        next = 0
    }

    func stores(_ operations: Int) throws {
        guard let writer else { throw WrongResult("the tier is closed") }
        let metadata = WarmMetadata(expiresAt: .never, verifiedAt: moment)
        for start in stride(from: 0, to: operations, by: 64) {
            writer.begin(now: moment)
            for _ in start..<min(start + 64, operations) {
                try keys.bytes[next].withUnsafeBytes { key in
                    try bytes.withUnsafeBytes { try writer.put(key, $0, metadata) }
                }
                next = (next + 1) % keys.count
            }
            try writer.commit(now: moment)
        }
    }

    func hits(_ operations: Int) throws {
        guard let tier = writer?.tier else { throw WrongResult("the tier is closed") }
        var found = 0
        for turn in 0..<operations {
            if case .entry(let entry) = tier.read(keys.bytes[turn % filled], now: moment) { found += entry.value.count }
        }
        try expect(found == bytes.count * operations, "a value was not read whole")
    }

    func misses(_ operations: Int) throws {
        guard let tier = writer?.tier else { throw WrongResult("the tier is closed") }
        var absent = 0
        for turn in 0..<operations {
            if case .absent = tier.read(keys.bytes[10_000 + turn % 10_000], now: moment) { absent += 1 }
        }
        try expect(absent == operations, "a key was held that was never stored")
    }

    func reopen(expecting count: Int) throws {
        writer = nil
        let reopened = try WarmTier.open(configuration, fileSystem: Disk(), now: moment)
        let found = reopened.tier.statistics.indexEntries
        try expect(found == count, "\(found) of \(count) entries were found")
    }
}
