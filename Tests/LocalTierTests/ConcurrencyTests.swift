// Many threads on one tier, and a reader outside of its locks.

import Primitives
import Synchronization
import TestSupport
import Testing

@testable import LocalTier

/// A value that shows whether it is whole: its length and bytes follow from key and version.
private func sample(_ key: Int, _ version: UInt64) -> [UInt8] {
    let length = 16 + Int((version &* 2_654_435_761 &+ UInt64(key)) % 3000)
    var value = [UInt8](repeating: UInt8(truncatingIfNeeded: version), count: length)
    for (index, byte) in withUnsafeBytes(of: version, Array.init).enumerated() { value[index] = byte }
    return value
}

private func version(_ value: [UInt8], ofKey key: Int) -> UInt64? {
    guard value.count >= 16 else { return nil }
    let version = value.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
    return value == sample(key, version) ? version : nil
}

@Suite struct ConcurrencyTests {
    @Test func `threads that put, read, fill, remove and sweep at once see whole values, and nothing drifts`()
        async throws
    {
        let tier = try LocalTier(LocalTierConfiguration(maxBytes: 256 << 10, shards: 4))
        let broken = await withTaskGroup { group in
            for worker in UInt64(0)..<4 { group.addTask { Self.work(tier, seed: worker) } }
            return await group.reduce(0, +)
        }
        #expect(broken == 0)
        var used = 0
        var position = LocalTier.Position()
        var more = true
        while more { more = tier.forEach(from: &position, buckets: 99, now: at(0)) { used += $0.bytesUsed } }
        #expect(used == tier.statistics().bytesUsed)
    }

    private static func work(_ tier: LocalTier, seed: UInt64) -> Int {
        var random = SeededGenerator(seed: seed)
        var broken = 0
        for round in UInt64(0)..<6000 {
            let number = Int.random(in: 0..<200, using: &random)
            let key = withUnsafeBytes(of: number, Array.init)
            let now = at(Int64(round))
            let metadata = EntryMetadata(
                expiresAt: at(Int64(round) + 500), verifiedAt: now, staleFor: 1, slidingFor: random.oneIn(2) ? 100 : 0)
            key.withUnsafeBytes { key in
                let hash = KeyHash(key)
                tier.prefetchBucket(hash)
                tier.prefetchEntry(hash)
                tier.prefetchRest(hash)
                switch Int.random(in: 0..<10, using: &random) {
                case 0..<3:
                    sample(number, round).withUnsafeBytes {
                        _ = tier.put(key, hash: hash, value: $0, metadata: metadata, now: now)
                    }
                case 3: tier.remove(key, hash: hash)
                case 4: _ = tier.update(key, hash: hash, now: now) { $0.expiresAt = at(Int64(round) + 50) }
                case 5: tier.sweep(now: now, budget: 20)
                case 6:
                    var token = Optional(tier.beginFill(hash))
                    sample(number, round).withUnsafeBytes {
                        _ = tier.fill(key, hash: hash, value: $0, metadata: metadata, now: now, token: token.take()!)
                    }
                default:
                    if let copy = tier.read(key, hash: hash, now: now, { Copy($0) }) {
                        if version(copy.value, ofKey: number) == nil || copy.key != Array(key) { broken += 1 }
                    }
                    if random.oneIn(100) { _ = tier.statistics() }
                }
            }
        }
        return broken
    }

    @Test func `a reader with a mapping of its own sees whole values and never an older one, while a writer churns`()
        async throws
    {
        let tier = try LocalTier(LocalTierConfiguration(maxBytes: 64 << 10, shards: 1))
        let reader = try #require(ArenaReader(descriptor: tier.arenaDescriptor, bytes: tier.arenaBytes))
        #expect(reader.hashSeed == processSeed)
        let finished = Finished()
        async let seen = Self.watch(reader, until: finished)
        for round in UInt64(0)..<60_000 {
            let number = Int(round % 30)
            let key = withUnsafeBytes(of: number, Array.init)
            key.withUnsafeBytes { key in
                sample(number, round).withUnsafeBytes {
                    _ = tier.put(key, hash: KeyHash(key), value: $0, metadata: EntryMetadata(), now: at(1))
                }
            }
            if round % 7 == 0 { await Task.yield() }
        }
        finished.flag.store(true, ordering: .releasing)
        let result = await seen
        #expect(result.broken == 0)
        #expect(result.older == 0)
        #expect(result.found > 0)
    }

    private final class Finished: Sendable {
        let flag = Atomic<Bool>(false)
    }

    private struct Watched {
        var found = 0, broken = 0, older = 0
    }

    private static func watch(_ reader: ArenaReader, until finished: Finished) async -> Watched {
        var watched = Watched()
        var newest = [UInt64](repeating: 0, count: 30)
        while !finished.flag.load(ordering: .acquiring) {
            for number in 0..<30 {
                guard let value = reader.read(withUnsafeBytes(of: number, Array.init)) else { continue }
                watched.found += 1
                guard let version = version(value, ofKey: number) else {
                    watched.broken += 1
                    continue
                }
                if version < newest[number] { watched.older += 1 }
                newest[number] = version
            }
            await Task.yield()
        }
        return watched
    }

    @Test func `what a reader outside finds is what the tier holds, in runs and in pieces`() throws {
        let tier = try LocalTier(LocalTierConfiguration(maxBytes: 256 << 10, shards: 2))
        let reader = try #require(ArenaReader(descriptor: tier.arenaDescriptor, bytes: tier.arenaBytes))
        var random = SeededGenerator()
        for round in UInt64(0)..<2000 {
            let number = Int.random(in: 0..<300, using: &random)
            let metadata = EntryMetadata(hardEnd: random.oneIn(2) ? at(99) : .never)
            let key = withUnsafeBytes(of: number, Array.init)
            key.withUnsafeBytes { key in
                sample(number, round).withUnsafeBytes {
                    _ = tier.put(key, hash: KeyHash(key), value: $0, metadata: metadata, now: at(1))
                }
            }
        }
        var pieces = 0
        for number in 0..<300 {
            let key = withUnsafeBytes(of: number, Array.init)
            let held = key.withUnsafeBytes { key in
                tier.peek(key, hash: KeyHash(key), now: at(1)) { entry in
                    pieces += entry.isContiguous ? 0 : 1
                    return Copy(entry).value
                }
            }
            #expect(reader.read(key) == held, "\(random.replay)")
        }
        #expect(pieces > 0, "the run had entries in pieces")
        #expect(reader.retries.load(ordering: .relaxed) == 0)
    }
}
