// Readers on other threads while the writer commits, compacts and evicts.

import Primitives
import SegmentLog
import Synchronization
import TestSupport
import Testing
import WarmTier

@Suite struct `Concurrency` {
    /// What the writer's task and the readers' share.
    private final class Shared: Sendable {
        let isDone = Atomic<Bool>(false)
        let reads = Atomic<Int>(0)
    }

    /// Values say which key they belong to and how new they are; a reader may never see one go back.
    @Test func `readers see whole values and no older ones while segments come and go`() async throws {
        let files = SimulatedFileSystem(seed: 2)
        let writer = try simulated(files, maxBytes: 128 << 10, sync: .interval(milliseconds: 5))
        let tier = writer.tier
        let shared = Shared()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for reader in 0..<2 {
                group.addTask { [tier, shared] in
                    var random = SimulatedRandom(seed: UInt64(reader))
                    var newest: [Int: Int] = [:]
                    while !shared.isDone.load(ordering: .acquiring) {
                        for _ in 0..<50 {
                            let key = Int.random(in: 0..<120, using: &random)
                            switch tier.lookup("k\(key)") {
                            case .entry(let entry):
                                let parts = String(decoding: entry.value, as: UTF8.self).split(separator: ".")
                                #expect(parts[0] == "k\(key)")
                                let round = try #require(Int(parts[1]))
                                #expect(round >= newest[key] ?? 0)
                                newest[key] = round
                            case .absent, .tombstone: break
                            case .damaged: Issue.record("damaged")
                            case .failed(let error): Issue.record("\(error)")
                            }
                        }
                        _ = tier.scan(limit: 20, now: .at(1))
                        _ = tier.statistics
                        shared.reads.wrappingAdd(50, ordering: .relaxed)
                        await Task.yield()
                    }
                }
            }
            for round in 0..<400 {
                try writer.batch(now: .at(Int64(round))) { writer throws(WarmError) in
                    for number in 0..<4 {
                        let key = (round * 7 + number * 31) % 120
                        try writer.put("k\(key)", "k\(key).\(round)." + String(repeating: "v", count: 600))
                    }
                    try writer.delete("k\(round % 120)")
                }
                writer.maintain(now: .at(Int64(round)), budget: 8000)
                await Task.yield()
            }
            shared.isDone.store(true, ordering: .releasing)
            try await group.waitForAll()
        }
        let figures = tier.statistics
        #expect(figures.evicted + figures.compacted > 0)
        #expect(shared.reads.load(ordering: .relaxed) > 0)
    }
}
