// Commands whose authority is the disk, on a disk that fails.

import LocalTier
import Primitives
import State
import TestSupport
import Testing
import WarmTier

@testable import Tiers

@Suite struct WarmKeeperTests {
    private let now = Timestamp(milliseconds: 1_700_000_000_000)

    private func keeper(_ disk: SimulatedFileSystem, maxBytes: Int = 1 << 20) throws -> WarmKeeper {
        let local = try LocalTier(LocalTierConfiguration(maxBytes: 1 << 20, shards: 1))
        let writer = try WarmTier.open(
            WarmTierConfiguration(directory: "/warm", maxBytes: maxBytes, sync: .always), fileSystem: disk, now: now)
        return WarmKeeper(writer, changes: WarmChanges(localBytes: local.arenaBytes), local: local) { _ in }
    }

    private final class Heard: @unchecked Sendable { var outcome: WarmOutcome? }

    private func perform(_ commands: [NativeCommand], on keeper: WarmKeeper, at time: Timestamp) -> WarmOutcome? {
        let heard = Heard()
        _ = keeper.turn(
            [.perform(commands.map(\.command), PolicyTable()) { heard.outcome = $0 }], now: time)
        return heard.outcome
    }

    /// Whether the process that comes after the power was cut has the key.
    private func survives(_ key: String, on disk: SimulatedFileSystem) throws -> Bool {
        disk.cutPower()
        disk.restorePower()
        if case .entry = try keeper(disk).tier.read(bytes(key), now: now) { return true }
        return false
    }

    /// While a disk can't say durably that a refused write is void, nobody may be told that its key holds nothing.
    @Test(arguments: [true, false])
    func `a deletion that found nothing is acknowledged where no refused write can come back`(
        _ stillFails: Bool
    ) throws {
        var comebacks = 0
        for seed in 0..<30 as Range<UInt64> {
            let disk = SimulatedFileSystem(seed: seed)
            let keeper = try keeper(disk)
            _ = perform([.set("other", "v")], on: keeper, at: now)
            var faults = SimulatedFaults()
            (faults.failingOperation, faults.failingCall, faults.isPersistent) = (.synchronize, 1, true)
            disk.faults = faults
            guard case .unknown? = perform([.set("k", "v")], on: keeper, at: now) else {
                Issue.record("a SET whose every synchronisation fails was not told of as unknown")
                continue
            }
            if !stillFails { disk.faults = SimulatedFaults() }
            // The disk is left alone for a while after a failure.
            let later = now.advanced(byMilliseconds: 1000)
            let outcome = perform([.del("k")], on: keeper, at: later)
            let isBack = try survives("k", on: disk)
            if isBack { comebacks += 1 }
            guard case .done(let replies)? = outcome else {
                #expect(stillFails, "\(String(describing: outcome))")
                continue
            }
            #expect(replies == [.integer(0)])
            #expect(!isBack, "seed \(seed)")
        }
        #expect((comebacks > 0) == stillFails, "\(comebacks) of 30: whether anything was tried")
    }

    private func isRefused(_ outcome: WarmOutcome?) -> Bool { if case .refused? = outcome { true } else { false } }

    private func isDone(_ outcome: WarmOutcome?) -> Bool { if case .done? = outcome { true } else { false } }

    @Test func `an INCR of a number that is damaged is refused, and does not begin at 0`() throws {
        let disk = SimulatedFileSystem()
        let keeper = try keeper(disk)
        #expect(isDone(perform([.set("k", "5151515151")], on: keeper, at: now)))
        let path = try #require(disk.paths.first { $0.hasSuffix(".segment") })
        var damaged = try #require(disk.contents(path))
        let place = try #require(damaged.indices.first { damaged[$0...].starts(with: bytes("5151515151")) })
        damaged[place] ^= 1
        disk.setContents(path, damaged)
        #expect(isRefused(perform([.incr("k")], on: keeper, at: now)))
        // What replaces all of it needs nothing of it.
        #expect(isDone(perform([.set("k", "7")], on: keeper, at: now)))
        guard case .done(let replies)? = perform([.incr("k")], on: keeper, at: now) else {
            Issue.record("INCR of what was written anew is refused")
            return
        }
        #expect(replies == [.integer(8)])
    }

    @Test func `an INCR of a number that can't be read now is refused, and goes on once it can`() throws {
        let disk = SimulatedFileSystem()
        let keeper = try keeper(disk)
        #expect(isDone(perform([.set("k", "5")], on: keeper, at: now)))
        var faults = SimulatedFaults()
        (faults.failingOperation, faults.failingCall) = (.read, 1)
        disk.faults = faults
        #expect(isRefused(perform([.incr("k")], on: keeper, at: now)))
        disk.faults = SimulatedFaults()
        guard case .done(let replies)? = perform([.incr("k")], on: keeper, at: now) else {
            Issue.record("INCR is refused on a disk that works again")
            return
        }
        #expect(replies == [.integer(6)])
    }

    @Test(arguments: [false, true])
    func `a FLUSHDB that the disk does not take is refused, and removes nothing`(_ isTransaction: Bool) throws {
        let disk = SimulatedFileSystem()
        let keeper = try keeper(disk)
        #expect(isDone(perform([.set("k", "v")], on: keeper, at: now)))
        var faults = SimulatedFaults()
        (faults.failingOperation, faults.failingCall, faults.isPersistent) =
            (isTransaction ? .write : .open, 1, true)
        disk.faults = faults
        let heard = Heard()
        let job: WarmJob =
            isTransaction
            ? .perform([.write(.persist, key: bytes("other")), .removeAll], PolicyTable()) { heard.outcome = $0 }
            : .removeAll { heard.outcome = $0 }
        _ = keeper.turn([job], now: now)
        #expect(isRefused(heard.outcome), "\(String(describing: heard.outcome))")
        guard case .entry = keeper.tier.read(bytes("k"), now: now) else {
            Issue.record("the key is gone")
            return
        }
        disk.faults = SimulatedFaults()
        // The next segment's beginning says what is void: not this.
        let later = now.advanced(byMilliseconds: 1000)
        let segments = keeper.tier.statistics.segments
        var number = 0
        while keeper.tier.statistics.segments == segments {
            number += 1
            try #require(number < 100)
            let value = String(repeating: "v", count: 20_000)
            #expect(isDone(perform([.set("other\(number)", value)], on: keeper, at: later)))
        }
        #expect(try survives("k", on: disk))
    }

    @Test func `commands of more bytes than one commit takes are done in several, in their order`() throws {
        let disk = SimulatedFileSystem()
        let keeper = try keeper(disk, maxBytes: 32 << 20)
        let value = String(repeating: "v", count: 3 << 20)
        let outcomes = (0..<3).map { _ in Heard() }
        let before = keeper.tier.statistics.syncs
        _ = keeper.turn(
            outcomes.enumerated().map { number, heard in
                .perform([NativeCommand.set("k", "\(number)" + value).command], PolicyTable()) { heard.outcome = $0 }
            }, now: now)
        #expect(outcomes.allSatisfy { isDone($0.outcome) })
        #expect(keeper.tier.statistics.syncs - before >= 3)
        guard case .entry(let entry) = keeper.tier.read(bytes("k"), now: now) else {
            Issue.record("it is not there")
            return
        }
        #expect(entry.value.first == UInt8(ascii: "2"))
    }
}
