// The warm tier against a dictionary, under random use at twenty times its budget.

import Primitives
import SegmentLog
import TestSupport
import Testing
import WarmTier

/// A random history on a simulated disk, and what a dictionary makes of it.
struct RandomLife {
    var random: SimulatedRandom
    let files: SimulatedFileSystem
    var writer: WarmWriter
    var model = NaiveStore()
    var now: Int64 = 1_000_000
    let maxBytes: Int
    let whenFull: WarmTierConfiguration.WhenFull
    let sync: WarmTierConfiguration.Sync
    let compressMin: Int?
    var refused = 0
    var written = 0

    init(
        seed: UInt64, maxBytes: Int, whenFull: WarmTierConfiguration.WhenFull,
        sync: WarmTierConfiguration.Sync = .always, compressMin: Int? = nil
    ) throws {
        random = SimulatedRandom(seed: seed)
        files = SimulatedFileSystem(seed: seed)
        self.maxBytes = maxBytes
        self.whenFull = whenFull
        self.sync = sync
        self.compressMin = compressMin
        writer = try simulated(
            files, maxBytes: maxBytes, sync: sync, whenFull: whenFull, compressMin: compressMin, now: .at(now))
    }

    mutating func randomValue(_ limit: Int) -> [UInt8] {
        let count = Int.random(in: 0...limit, using: &random)
        let fill = UInt8.random(in: 0...255, using: &random)
        // Half of it shrinks.
        let noise = compressMin == nil ? 0 : count / 2
        return (0..<noise).map { _ in UInt8.random(in: 0...255, using: &random) }
            + [UInt8](repeating: fill, count: count - noise) + Array("\(now)-\(written)".utf8)
    }

    mutating func randomMetadata() -> WarmMetadata {
        switch Int.random(in: 0..<4, using: &random) {
        case 0: WarmMetadata(expiresAt: .at(now + Int64.random(in: 0...20_000, using: &random)))
        case 1:
            WarmMetadata(
                expiresAt: .at(now + Int64.random(in: 0...5000, using: &random)),
                staleForSeconds: UInt32.random(in: 0...10, using: &random))
        default: WarmMetadata()
        }
    }

    /// One batch of random changes; the model follows if the commit succeeds.
    mutating func step(keys: Int, valueLimit: Int) throws {
        var next = model
        writer.begin(now: .at(now))
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let key = "key\(Int.random(in: 0..<keys, using: &random))"
            if Int.random(in: 0..<4, using: &random) == 0 {
                try writer.delete(key, now: .at(now))
                next.delete(key)
                continue
            }
            let value = randomValue(valueLimit)
            let metadata = randomMetadata()
            do {
                try writer.put(key, value, metadata)
                next.put(key, value, keptUntil: metadata.keptUntil.milliseconds)
                written += value.count
            } catch WarmError.full {
                refused += 1
            }
        }
        try writer.commit(now: .at(now))
        model = next
        #expect(files.bytesUsed <= maxBytes)
        now += Int64.random(in: 0...50, using: &random)
        if Int.random(in: 0..<3, using: &random) == 0 {
            writer.maintain(now: .at(now), budget: Int.random(in: 100...20_000, using: &random))
        }
    }

    mutating func restart() throws {
        writer = try { [files, maxBytes, sync, whenFull, compressMin, now] (old: consuming WarmWriter?) in
            old = nil
            return try simulated(
                files, maxBytes: maxBytes, sync: sync, whenFull: whenFull, compressMin: compressMin, now: .at(now))
        }(take())
    }

    /// Gives the writer up, so that its lock goes; a fresh store stands in for a moment.
    private mutating func take() -> WarmWriter? {
        guard let stand = try? simulated(SimulatedFileSystem()) else { return nil }
        var old: WarmWriter? = stand
        swap(&writer, &old!)
        return old
    }

    /// Compares what is read with the model: under `evict` an entry may be missing, never wrong or risen from the dead.
    func check(_ place: String) {
        var live = 0
        for (key, entry) in model.entries {
            let expected = model.value(key, now: now)
            let found = writer.tier.lookup(key, now: .at(now))
            if let expected {
                live += 1
                if found.bytes != expected, !(whenFull == .evict && found.isAbsent) {
                    Issue.record("\(place): \(key) is \(found), not \(expected.count) bytes; now \(now)")
                }
            } else if found.bytes != nil {
                Issue.record("\(place): \(key) should be gone (\(String(describing: entry))), is \(found); now \(now)")
            }
        }
    }
}

@Suite struct `Against a model` {
    static let seed = SeededGenerator.seed()

    @Test(arguments: [WarmTierConfiguration.WhenFull.evict, .refuse], 0..<4)
    func `random life at twenty times the budget keeps to the model`(
        _ whenFull: WarmTierConfiguration.WhenFull, _ round: Int
    ) throws {
        let seed = Self.seed &+ UInt64(round)
        var life = try RandomLife(
            seed: seed, maxBytes: 128 << 10, whenFull: whenFull, compressMin: round % 2 == 1 ? 64 : nil)
        var steps = 0
        while life.written < 20 * life.maxBytes, steps < 20_000 {
            try life.step(keys: 150, valueLimit: 900)
            steps += 1
            if steps % 400 == 0 {
                life.check("HEARTH_SEED=\(seed), step \(steps)")
                try life.restart()
                life.check("HEARTH_SEED=\(seed), restart after step \(steps)")
            }
        }
        life.check("HEARTH_SEED=\(seed), end")
        let figures = life.writer.tier.statistics
        #expect(figures.diskBytes <= life.maxBytes)
        #expect(life.files.bytesUsedMax <= life.maxBytes, "HEARTH_SEED=\(seed)")
        if whenFull == .refuse { #expect(figures.evicted == 0) }
        #expect((figures.compressed > 0) == (round % 2 == 1))
    }

    @Test func `what was read is kept longer than what was not`() throws {
        let writer = try simulated(SimulatedFileSystem(), maxBytes: 256 << 10)
        for number in 0..<2000 {
            try writer.batch { writer throws(WarmError) in
                try writer.put("k\(number)", String(repeating: "v", count: 400))
            }
            for hot in 0..<5 { _ = writer.tier.value("k\(hot)") }
        }
        let figures = writer.tier.statistics
        #expect(figures.evicted > 1000)
        #expect(figures.secondChances > 0)
        #expect(figures.neverRead > 1000)
        for hot in 0..<5 { #expect(writer.tier.value("k\(hot)") != nil) }
        #expect(writer.tier.value("k20") == nil)
    }

    @Test func `a full store that must refuse takes deletions and then values again`() throws {
        let writer = try simulated(SimulatedFileSystem(), maxBytes: 128 << 10, whenFull: .refuse)
        var count = 0
        func fill() throws {
            while true {
                writer.begin(now: .at(1))
                do {
                    try writer.put("k\(count)", String(repeating: "v", count: 300))
                } catch WarmError.full {
                    writer.rollback()
                    return
                }
                try writer.commit(now: .at(1))
                count += 1
            }
        }
        try fill()
        let first = count
        #expect(first > 150)
        for number in 0..<first { #expect(writer.tier.value("k\(number)") != nil) }
        for _ in 0..<5 {
            let before = count
            for number in before - 100..<before {
                try writer.batch { writer throws(WarmError) in try writer.delete("k\(number)") }
            }
            try fill()
            #expect(count - before > 80)
        }
        #expect(writer.tier.statistics.diskBytes <= 128 << 10)
        for number in 0..<first - 100 { #expect(writer.tier.value("k\(number)") != nil) }
    }
}
