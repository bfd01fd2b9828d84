// What a read may make of an entry: freshness, sliding, absence, ends.

import Primitives
import Testing

@testable import LocalTier

@Suite struct ReadTests {
    let tier = try! LocalTier(LocalTierConfiguration(maxBytes: 1 << 20, shards: 1))

    @Test func `what was put is read, and what was not is a miss`() {
        #expect(tier.put("a", "alpha") == .stored)
        #expect(tier.read("a")?.value == "alpha")
        #expect(tier.read("b") == nil)
    }

    @Test func `an empty key and an empty value are an entry like any other`() {
        #expect(tier.put("", "") == .stored)
        #expect(tier.read("")?.value == "")
        #expect(tier.put("", "x") == .stored)
        #expect(tier.read("")?.value == "x")
    }

    @Test func `within its quiet time an entry is quiet, from the millisecond of its verification to the last`() {
        _ = tier.put("k", "v", EntryMetadata(verifiedAt: at(100), quietFor: 50))
        #expect(tier.read("k", now: 99)?.freshness == .due, "verified in the future is unverified")
        #expect(tier.read("k", now: 100)?.freshness == .quiet)
        #expect(tier.read("k", now: 149)?.freshness == .quiet)
        #expect(tier.read("k", now: 150)?.freshness == .due)
    }

    @Test func `an entry of the live epoch is live past its quiet time, until a gap and not after`() {
        let epoch = tier.beginLiveEpoch()
        _ = tier.put("k", "v", EntryMetadata(expiresAt: at(1000), verifiedAt: at(100), quietFor: 50, epoch: epoch))
        #expect(tier.read("k", now: 120)?.freshness == .quiet)
        #expect(tier.read("k", now: 999)?.freshness == .live)
        #expect(tier.read("k", now: 1000) == nil)
        tier.endLiveEpoch()
        #expect(tier.read("k", now: 120)?.freshness == .quiet, "within its own time it stays quiet")
        #expect(tier.read("k", now: 200)?.freshness == .due)
        tier.beginLiveEpoch()
        #expect(tier.read("k", now: 200)?.freshness == .due, "a new epoch does not vouch for the old")
    }

    @Test func `an entry without an epoch is not live while none is`() {
        _ = tier.put("k", "v", EntryMetadata(verifiedAt: at(100)))
        #expect(tier.read("k", now: 200)?.freshness == .due)
    }

    @Test func `when the epochs come round, no old entry becomes live again`() {
        let first = tier.beginLiveEpoch()
        _ = tier.put("k", "v", EntryMetadata(epoch: first))
        for _ in 0..<65_535 { tier.beginLiveEpoch() }
        #expect(tier.liveEpoch == first)
        #expect(tier.read("k", now: 200)?.freshness == .due)
    }

    @Test func `an expired entry is a miss even before the sweep`() {
        _ = tier.put("k", "v", EntryMetadata(expiresAt: at(100)))
        #expect(tier.read("k", now: 99) != nil)
        #expect(tier.read("k", now: 100) == nil)
        #expect(tier.statistics().entries == 1)
    }

    @Test func `an expired entry is kept for an outage as long as it says, and handed as expired`() {
        _ = tier.put("k", "v", EntryMetadata(expiresAt: at(100), verifiedAt: at(1), quietFor: 5000, staleFor: 2))
        #expect(tier.read("k", now: 99)?.freshness == .quiet)
        #expect(tier.read("k", now: 100)?.freshness == .expired)
        tier.sweep(now: at(150), budget: 10)
        #expect(tier.read("k", now: 2099)?.freshness == .expired)
        #expect(tier.read("k", now: 2100) == nil)
    }

    @Test func `a read slides the expiry, never back, never past the hard end`() {
        let metadata = EntryMetadata(expiresAt: at(1000), slidingFor: 1000, hardEnd: at(2500))
        _ = tier.put("k", "v", metadata)
        #expect(tier.read("k", now: 500)?.metadata.expiresAt == at(1500))
        #expect(tier.read("k", now: 400)?.metadata.expiresAt == at(1500))
        #expect(tier.read("k", now: 1400)?.metadata.expiresAt == at(2400))
        #expect(tier.read("k", now: 2000)?.metadata.expiresAt == at(2500))
        #expect(tier.read("k", now: 2499) != nil)
        #expect(tier.read("k", now: 2500) == nil)
    }

    @Test func `the authority is to be told of an extension once per tenth of the sliding time`() {
        _ = tier.put("k", "v", EntryMetadata(expiresAt: at(1000), slidingFor: 1000))
        var told = 0
        for now in Int64(1)...1000 where tier.read("k", now: now)!.isExtensionDue { told += 1 }
        #expect(told == 10)
    }

    @Test func `a peek neither slides nor counts as a use`() {
        _ = tier.put("k", "v", EntryMetadata(expiresAt: at(1000), slidingFor: 1000))
        #expect(tier.peek("k", now: 500)?.metadata.expiresAt == at(1000))
        withKey("k") { key, hash in
            #expect(tier.peek(key, hash: hash, now: at(1)) { $0.wasReadSinceWritten } == false)
            #expect(tier.read(key, hash: hash, now: at(1)) { $0.wasReadSinceWritten } == true)
            #expect(tier.peek(key, hash: hash, now: at(1)) { $0.wasReadSinceWritten } == true)
        }
    }

    @Test func `the expiry is bounded by the hard end when written and when updated`() {
        _ = tier.put("k", "v", EntryMetadata(expiresAt: .never, hardEnd: at(50)))
        #expect(tier.peek("k")?.metadata.expiresAt == at(50))
        #expect(tier.peek("k")?.metadata.hardEnd == at(50))
        #expect(tier.update("k") { $0.expiresAt = at(80) })
        #expect(tier.peek("k")?.metadata.expiresAt == at(50))
    }

    @Test func `absent is remembered as such and has no value`() {
        _ = tier.put("k", "", EntryMetadata(expiresAt: at(100), kind: .absent))
        #expect(tier.read("k", now: 50)?.metadata.kind == .absent)
        #expect(tier.read("k", now: 50)?.value == "")
        #expect(tier.read("k", now: 100) == nil)
    }

    @Test func `metadata comes back field by field`() {
        let metadata = EntryMetadata(
            expiresAt: at(1_000_000), verifiedAt: at(3), quietFor: 4, staleFor: 5, slidingFor: 0,
            hardEnd: at(2_000_000),
            kind: .record, epoch: 7, mark: 9)
        _ = tier.put("k", "v", metadata)
        #expect(tier.peek("k")?.metadata == metadata)
    }

    @Test func `a part of a value is copied from within pieces and runs alike`() {
        let value = String((0..<1000).map { Character(UnicodeScalar(UInt8(97 + $0 % 26))) })
        _ = tier.put("k", value)
        withKey("k") { key, hash in
            let part = tier.read(key, hash: hash, now: at(1)) { entry in
                [UInt8](unsafeUninitializedCapacity: 100) { buffer, count in
                    entry.copyValue(333..<433, to: buffer.baseAddress!)
                    count = 100
                }
            }
            #expect(String(decoding: part!, as: UTF8.self) == String(Array(value)[333..<433]))
        }
    }
}
