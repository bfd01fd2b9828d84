// Marks of doubt among changes on their way to the disk: none makes an older copy pass for the newest.

import Primitives
import State
import TestSupport
import Testing
import WarmTier

@testable import Tiers

@Suite struct WarmChangesTests {
    private let key = bytes("k")
    private let now = Timestamp(milliseconds: 1_700_000_000_000)

    private func put(_ text: String, isSuspect: Bool = false) -> WarmChange {
        .put(WarmCopy(HeldValue(bytes(text)), verifiedAt: now, isSuspect: isSuspect), staleFor: 0)
    }

    @Test func `a mark leaves a key distrusted whose newest copy did not reach the disk`() {
        let changes = WarmChanges(localBytes: 1 << 20)
        _ = changes.take(key, put("newest"), now: now)
        _ = changes.begin()
        changes.end(failed: [HashedKey(key)], removed: [], now: now)
        #expect(changes.sizes.distrusted == 1)
        _ = changes.take(key, .suspect, now: now)
        #expect(changes.sizes.distrusted == 1)
        _ = changes.take(key, put("another"), now: now)
        #expect(changes.sizes.distrusted == 0)
    }

    @Test func `of a distrusted key nothing is read from the disk`() throws {
        let changes = WarmChanges(localBytes: 1 << 20)
        let writer = try WarmTier.open(
            WarmTierConfiguration(directory: "/warm", maxBytes: 1 << 20, sync: .always),
            fileSystem: SimulatedFileSystem(), now: now)
        writer.begin(now: now)
        try writer.put(key, bytes("older"), WarmMetadata(verifiedAt: now))
        try writer.commit(now: now)
        #expect(changes.answer(key, from: writer.tier, now: now) != .absent)
        _ = changes.take(key, put("newest"), now: now)
        _ = changes.begin()
        changes.end(failed: [HashedKey(key)], removed: [], now: now)
        #expect(changes.answer(key, from: writer.tier, now: now) == .absent)
    }

    @Test func `a mark on what is being committed goes with its value, should the commit fail`() {
        let changes = WarmChanges(localBytes: 1 << 20)
        _ = changes.take(key, put("newest"), now: now)
        _ = changes.begin()
        _ = changes.take(key, .suspect, now: now)
        changes.end(failed: [HashedKey(key)], removed: [], now: now)
        #expect(changes.begin().changes[HashedKey(key)] == put("newest", isSuspect: true))
    }

    @Test func `a mark on a deletion leaves it a deletion`() {
        let changes = WarmChanges(localBytes: 1 << 20)
        _ = changes.take(key, .remove, now: now)
        _ = changes.begin()
        _ = changes.take(key, .suspect, now: now)
        #expect(changes.begin().changes[HashedKey(key)] == .remove)
    }

    @Test func `beyond the keys that may wait one is distrusted, and beyond those all that is older`() throws {
        let changes = WarmChanges(localBytes: 1 << 20)
        let writer = try WarmTier.open(
            WarmTierConfiguration(directory: "/warm", maxBytes: 1 << 20, sync: .always),
            fileSystem: SimulatedFileSystem(), now: now)
        let later = now.advanced(byMilliseconds: 1000)
        writer.begin(now: now)
        for (key, verifiedAt) in [("beyond", now), ("older", now), ("newer", later)] {
            try writer.put(bytes(key), bytes("v"), WarmMetadata(verifiedAt: verifiedAt))
        }
        try writer.commit(now: now)
        func isRead(_ key: String) -> Bool {
            if case .copy = changes.answer(bytes(key), from: writer.tier, now: later) { true } else { false }
        }
        for number in 0..<WarmChanges.keysMax { _ = changes.take(bytes("k\(number)"), .remove, now: now) }
        #expect(isRead("beyond"))
        #expect(!changes.take(bytes("beyond"), put("newest"), now: now))
        #expect(!isRead("beyond"))
        for number in 1..<WarmChanges.keysMax { _ = changes.take(bytes("more\(number)"), .remove, now: now) }
        #expect(changes.sizes == (WarmChanges.keysMax, 0, WarmChanges.keysMax))
        #expect(isRead("older") && isRead("newer"))
        _ = changes.take(bytes("one more"), .remove, now: later)
        #expect(!isRead("beyond") && !isRead("older") && isRead("newer"))
    }
}
