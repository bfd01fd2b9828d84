// Segments that are emptied while a synchronisation of others has failed: these are emptied first.

import Primitives
import SegmentLog
import TestSupport
import Testing
import WarmTier

@Suite struct `Emptying beside an uncertain segment` {
    private static let seed = SeededGenerator.seed()

    @Test func `what a synchronisation failed on is on the disk once the next process has read it`() throws {
        for seed in 1...20 {
            let files = SimulatedFileSystem(seed: UInt64(seed))
            do {
                let writer = try simulated(files, sync: .interval(milliseconds: 1000))
                try writer.batch { writer throws(WarmError) in try writer.put("k", "v") }
                files.faults.failingOperation = .synchronize
                files.faults.failingCall = 1
                #expect(throws: WarmError.self) { try writer.synchronize(now: .at(2)) }
                files.faults = SimulatedFaults()
                files.endProcess()
            }
            do {
                let writer = try simulated(files)
                #expect(writer.tier.value("k") == "v")
            }
            files.restorePower()
            let writer = try simulated(files)
            #expect(writer.tier.value("k") == "v", "seed \(seed)")
        }
    }

    @Test func `what was not synchronised when its segment was sealed is no less on the disk`() throws {
        for seed in 1...20 {
            let files = SimulatedFileSystem(seed: UInt64(seed))
            let large = String(repeating: "v", count: 6000)
            do {
                let writer = try simulated(files, maxBytes: 64 << 10, sync: .interval(milliseconds: 1000))
                try writer.batch { writer throws(WarmError) in try writer.put("k", large) }
                files.faults.failingOperation = .synchronize
                files.faults.failingCall = 1
                // The segment is sealed to make place, and the process ends before what it held is copied.
                _ = try? writer.batch { writer throws(WarmError) in try writer.put("other", large) }
                files.endProcess()
            }
            files.faults = SimulatedFaults()
            do {
                let writer = try simulated(files, maxBytes: 64 << 10)
                #expect(writer.tier.value("k") == large)
            }
            files.cutPower()
            files.restorePower()
            let writer = try simulated(files, maxBytes: 64 << 10)
            #expect(writer.tier.value("k") == large, "seed \(seed)")
        }
    }

    /// A segment that was made and whose name is not durable yet may stay behind, empty: the next process finds it.
    @Test func `what a process acknowledges survives, wherever the one before it lost the disk`() throws {
        for seed in 1...10 as ClosedRange<UInt64> {
            for call in 1...12 {
                let files = SimulatedFileSystem(seed: seed)
                do {
                    let writer = try simulated(files)
                    (files.faults.failingCall, files.faults.isPersistent) = (call, true)
                    _ = try? writer.batch { writer throws(WarmError) in try writer.put("k", "1") }
                    files.faults = SimulatedFaults()
                    files.endProcess()
                }
                do {
                    let writer = try simulated(files)
                    try writer.batch { writer throws(WarmError) in try writer.put("k", "2") }
                }
                files.cutPower()
                files.restorePower()
                let writer = try simulated(files)
                #expect(writer.tier.value("k") == "2", "seed \(seed), the disk is lost from call \(call) on")
            }
        }
    }

    @Test func `values stay the newest ones, whichever synchronisation fails`() throws {
        for round in 0..<6 {
            let place = "replay with HEARTH_SEED=\(Self.seed), round \(round)"
            var random = SeededGenerator(seed: Self.seed &+ UInt64(round))
            let files = SimulatedFileSystem(seed: random.next())
            let writer = try simulated(files, maxBytes: 64 << 10, sync: .interval(milliseconds: 1000))
            var newest: [String: String] = [:]
            var now: Int64 = 1
            for step in 0..<100 {
                if Int.random(in: 0..<6, using: &random) == 0 {
                    files.faults.failingOperation = .synchronize
                    files.faults.failingCall = Int.random(in: 1...2, using: &random)
                }
                for _ in 0..<Int.random(in: 1...6, using: &random) {
                    let key = "k\(Int.random(in: 0..<60, using: &random))"
                    let value = "\(key) \(step) " + String(repeating: "v", count: 300)
                    let isDone: Void? = try? writer.batch(now: .at(now)) { writer throws(WarmError) in
                        try writer.put(key, value)
                    }
                    // What was refused may come back, or not.
                    newest[key] = isDone == nil ? nil : value
                }
                now += Int64.random(in: 1...1500, using: &random)
                for _ in 0..<Int.random(in: 0...3, using: &random) { writer.maintain(now: .at(now)) }
                if Int.random(in: 0..<3, using: &random) == 0 { files.faults = SimulatedFaults() }
                guard step % 10 == 9 else { continue }
                for (key, value) in newest {
                    guard let found = writer.tier.value(key, now: .at(now)) else { continue }
                    #expect(found == value, "\(place), step \(step): \(key) is an older value")
                }
            }
            #expect(writer.tier.statistics.compacted > 0, "\(place): nothing was ever emptied")
        }
    }
}
