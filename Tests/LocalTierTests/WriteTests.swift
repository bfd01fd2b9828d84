// What writes do: replace, refuse, cancel fills, count; limits and configuration.

import Primitives
import Testing

@testable import LocalTier

@Suite struct WriteTests {
    let tier = try! LocalTier(LocalTierConfiguration(maxBytes: 1 << 20, shards: 1))

    // MARK: Fills

    @Test func `a fill is stored when nobody wrote meanwhile`() {
        #expect(tier.fill("k", "answer", token: tier.beginFill("k")) == .stored)
        #expect(tier.read("k")?.value == "answer")
    }

    @Test(arguments: ["put", "remove", "invalidate", "update", "removeAll", "invalidateAll", "requireThought"])
    func `a fill that began before a write, removal, invalidation or update is cancelled`(_ verb: String) {
        _ = tier.put("k", "old")
        let token = tier.beginFill("k")
        switch verb {
        case "put": _ = tier.put("k", "new")
        case "remove": tier.remove("k")
        case "invalidate": tier.invalidate("k")
        case "update": #expect(tier.update("k") { $0.expiresAt = at(9) })
        case "invalidateAll": tier.invalidateAll()
        case "requireThought": tier.requireThought()
        default: tier.removeAll()
        }
        #expect(tier.fill("k", "late", token: token) == .cancelled)
        #expect(tier.peek("k")?.value != "late")
        #expect(tier.statistics().fillsCancelled == 1)
    }

    @Test(arguments: ["remove", "invalidate", "update", "invalidateAll", "requireThought"])
    func `what is done to a key that is not held cancels its fill all the same`(_ verb: String) {
        let token = tier.beginFill("k")
        switch verb {
        case "remove": #expect(!tier.remove("k"))
        case "invalidate": #expect(!tier.invalidate("k"))
        case "invalidateAll": tier.invalidateAll()
        case "requireThought": tier.requireThought()
        default: #expect(!tier.update("k") { _ in })
        }
        #expect(tier.fill("k", "late", token: token) == .cancelled)
        #expect(tier.read("k") == nil)
    }

    @Test func `a re-verification that says so cancels nothing, nor does an eviction`() {
        _ = tier.put("k", "v")
        let token = tier.beginFill("k")
        #expect(tier.update("k", cancelsFills: false) { $0.verifiedAt = at(1) })
        #expect(tier.fill("k", "answer", EntryMetadata(verifiedAt: at(2)), now: 2, token: token) == .stored)
    }

    @Test func `of two fills the later question wins, in whichever order the answers come`() {
        let early = tier.beginFill("k")
        let late = tier.beginFill("k")
        #expect(tier.fill("k", "2", EntryMetadata(verifiedAt: at(20)), now: 30, token: late) == .stored)
        #expect(tier.fill("k", "1", EntryMetadata(verifiedAt: at(10)), now: 31, token: early) == .cancelled)
        #expect(tier.read("k", now: 31)?.value == "2")
    }

    @Test func `the outlook of a fill tells what is held, and whether anybody has written`() {
        func outlook(now: Int64 = 1, _ token: borrowing FillToken) -> (isCurrent: Bool, heldSince: Timestamp?) {
            withKey("k") { key, hash in tier.outlook(of: key, hash: hash, now: at(now), token: token) }
        }
        let early = tier.beginFill("k")
        #expect(outlook(early) == (true, nil))
        #expect(
            tier.fill("k", "v", EntryMetadata(expiresAt: at(50), verifiedAt: at(7)), token: tier.beginFill("k"))
                == .stored)
        #expect(outlook(early) == (true, at(7)))
        // What is over is not held.
        #expect(outlook(now: 50, early) == (true, nil))
        _ = tier.put("k", "w", EntryMetadata(verifiedAt: at(9)))
        #expect(outlook(early) == (false, at(9)))
    }

    @Test func `an entry verified in the future, by a clock since put right, does not block fills`() {
        _ = tier.put("k", "future", EntryMetadata(verifiedAt: at(1_000_000)))
        #expect(
            tier.fill("k", "now", EntryMetadata(verifiedAt: at(50)), now: 60, token: tier.beginFill("k")) == .stored)
    }

    @Test func `a fill carries the epoch in which it began, so that a gap meanwhile leaves it unverified`() {
        let token = {
            tier.beginLiveEpoch()
            return tier.beginFill("k")
        }()
        let epoch = token.epoch
        tier.endLiveEpoch()
        tier.beginLiveEpoch()
        #expect(tier.fill("k", "v", EntryMetadata(verifiedAt: at(1), epoch: epoch), now: 10, token: token) == .stored)
        #expect(tier.read("k", now: 10)?.freshness == .due)
    }

    // MARK: Metadata

    @Test func `an invalidated entry stays as a stale copy, neither quiet nor live`() {
        let epoch = tier.beginLiveEpoch()
        _ = tier.put("k", "v", EntryMetadata(expiresAt: at(1000), verifiedAt: at(1), quietFor: 500, epoch: epoch))
        #expect(tier.read("k", now: 10)?.freshness == .quiet)
        #expect(tier.invalidate("k"))
        #expect(tier.read("k", now: 10)?.freshness == .due)
        #expect(tier.read("k", now: 10)?.metadata.verifiedAt == .distantPast)
    }

    @Test func `an update leaves kind and hard end as they were written`() {
        _ = tier.put("k", "v", EntryMetadata(hardEnd: at(500), kind: .record))
        #expect(tier.update("k") { ($0.kind, $0.hardEnd, $0.mark) = (.string, .never, 3) })
        let metadata = tier.peek("k")!.metadata
        #expect(metadata.kind == .record)
        #expect(metadata.hardEnd == at(500))
        #expect(metadata.mark == 3)
    }

    @Test func `an expiry made earlier or taken away takes effect in the sweep, too`() {
        _ = tier.put("a", "v", EntryMetadata(expiresAt: at(100_000)))
        _ = tier.put("b", "v", EntryMetadata(expiresAt: at(100)))
        #expect(tier.update("a") { $0.expiresAt = at(50) })
        #expect(tier.update("b") { $0.expiresAt = .never })
        tier.sweep(now: at(200), budget: 100)
        #expect(tier.peek("a", now: 10) == nil)
        #expect(tier.peek("b", now: 10) != nil)
    }

    // MARK: Limits

    @Test func `the largest entry that may be stored can be, one byte more cannot, and takes the old value with it`() {
        let most = tier.entryBytesMax
        #expect(tier.put("k", String(repeating: "x", count: most - 1)) == .stored)
        #expect(tier.read("k")?.value.utf8.count == most - 1)
        #expect(tier.put("k", String(repeating: "x", count: most)) == .tooLarge)
        #expect(tier.read("k") == nil)
        #expect(tier.statistics().tooLarge == 1)
        #expect(tier.statistics().bytesUsed == 0)
    }

    @Test func `a long key is a key like any other`() {
        let key = String(repeating: "k", count: 10_000)
        #expect(tier.put(key, "v") == .stored)
        #expect(tier.read(key)?.value == "v")
        #expect(tier.read(String(repeating: "k", count: 9_999)) == nil)
        #expect(tier.remove(key))
    }

    @Test func `keys of the same hash are told apart by their bytes`() {
        let hash = KeyHash(rawValue: 0x1234_5678_9abc_def0)
        for name in ["a", "b", "cc", "cd"] {
            let result = withBytes(name) { key in
                tier.put(key, hash: hash, value: key, metadata: EntryMetadata(), now: at(1))
            }
            #expect(result == .stored)
        }
        for name in ["a", "b", "cc", "cd"] {
            let value = withBytes(name) { tier.read($0, hash: hash, now: at(1)) { Copy($0).value } }
            #expect(value == Array(name.utf8))
        }
        #expect(withBytes("b") { tier.remove($0, hash: hash) })
        #expect(withBytes("b") { tier.read($0, hash: hash, now: at(1)) { _ in true } } == nil)
        #expect(withBytes("a") { tier.read($0, hash: hash, now: at(1)) { _ in true } } == true)
        #expect(tier.statistics().entries == 3)
    }

    @Test func `limits are refused with what is allowed`() {
        func error(_ bytes: Int, _ shards: Int) -> LocalTierError? {
            do throws(LocalTierError) {
                _ = try LocalTier(LocalTierConfiguration(maxBytes: bytes, shards: shards))
                return nil
            } catch { return error }
        }
        #expect(error(1 << 20, 0) == .shardsOutOfRange(0, allowed: 1...256))
        #expect(error(1 << 20, 3) == .shardsNotPowerOfTwo(3))
        #expect(error(100, 1) == .tooSmall(maxBytes: 100, least: 20480, shards: 1))
        #expect(error(1 << 20, 64) == .tooSmall(maxBytes: 1 << 20, least: 64 * 16384 + 4096, shards: 64))
        #expect(error(1 << 40, 1) == .tooLarge(maxBytes: 1 << 40, most: 64 << 30, shards: 1))
        #expect(error(20480, 1) == nil)
        #expect("\(LocalTierError.shardsNotPowerOfTwo(3))".contains("choose 1, 2, 4"))
    }

    @Test(arguments: [20480, 65536, 1_000_000, 1 << 20, (64 << 20) + 5])
    func `the arena never exceeds its budget, and wastes less than a page of it`(_ bytes: Int) throws {
        let tier = try LocalTier(LocalTierConfiguration(maxBytes: bytes, shards: 1))
        #expect(tier.arenaBytes <= bytes)
        #expect(tier.arenaBytes > bytes - 4096)
        let layout = tier.arena.layout
        #expect(layout.shardBytes <= layout.shardStride)
        #expect(layout.shardBytes + ArenaHeader.bytes + 256 >= tier.arenaBytes, "no block that would fit is missing")
    }
}
