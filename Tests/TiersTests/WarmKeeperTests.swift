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

    private func keeper(_ disk: SimulatedFileSystem) throws -> WarmKeeper {
        let local = try LocalTier(LocalTierConfiguration(maxBytes: 1 << 20, shards: 1))
        let writer = try WarmTier.open(
            WarmTierConfiguration(directory: "/warm", maxBytes: 1 << 20, sync: .always), fileSystem: disk, now: now)
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
}
