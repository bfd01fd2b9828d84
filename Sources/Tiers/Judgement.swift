// What a policy makes of an entry's times: pure decisions, for reads and for fills alike.

internal import LocalTier
internal import Primitives
internal import State

extension Policy {
    /// The end of the contract for a copy: until then it is fresh, and from then on stale.
    func contractEnd(verifiedAt: Timestamp, expiresAt: Timestamp, authority: Authority) -> Timestamp {
        switch (authority, consistency) {
        case (.redis, .bounded): min(expiresAt, verifiedAt.advanced(byMilliseconds: times.maxStaleness))
        case (.redis, .strong): min(expiresAt, verifiedAt)
        case (.redis, .eventual), (.warm, _), (.local, _): expiresAt
        }
    }

    /// Whether a copy may be served in an outage at `now`.
    func mayServeStale(verifiedAt: Timestamp, expiresAt: Timestamp, now: Timestamp, authority: Authority) -> Bool {
        guard consistency != .strong && !strict else { return false }
        // A copy verified in the future tells that the clock was set back: its age is unknown, its expiry is not.
        let verified = verifiedAt > now ? .distantPast : verifiedAt
        let end = contractEnd(verifiedAt: verified, expiresAt: expiresAt, authority: authority)
        return now < end.advanced(byMilliseconds: times.staleIfError)
    }

    /// How long after verification reads are answered without any thought, in milliseconds.
    func quietFor(verifiedAt: Timestamp, expiresAt: Timestamp, authority: Authority) -> UInt32 {
        let end = contractEnd(verifiedAt: verifiedAt, expiresAt: expiresAt, authority: authority)
        guard end > verifiedAt else { return 0 }
        var quiet = end == .never ? Int64(UInt32.max) : end.milliseconds(since: verifiedAt)
        if authority == .redis {
            if let share = refreshAhead, end != .never { quiet = Int64(Double(quiet) * share) }
        }
        return UInt32(clamping: quiet)
    }

    /// The moment from which a read of a fresh copy refreshes it in the background.
    func refreshAt(verifiedAt: Timestamp, expiresAt: Timestamp, authority: Authority) -> Timestamp {
        guard authority == .redis else { return .never }
        let end = contractEnd(verifiedAt: verifiedAt, expiresAt: expiresAt, authority: authority)
        guard let share = refreshAhead, end != .never, end > verifiedAt else { return .never }
        return verifiedAt.advanced(byMilliseconds: Int64(Double(end.milliseconds(since: verifiedAt)) * share))
    }

    /// The life that each read of a plain value gives again, in milliseconds; nil where reads don't extend.
    ///
    /// Under a retention they don't: nobody knows when a plain value was created.
    var slidingLife: Int64? { sliding && retention == nil ? times.ttl : nil }

    /// The end that nothing moves to later; `.never` without a retention.
    func hardEnd(of held: HeldValue) -> Timestamp { held.hardEnd(retention: times.retention) }

    /// The life of a plain value whose writer gives none, in milliseconds; nil for one without end.
    var lifeOfValues: Int64? { times.ttl ?? times.retention }

    /// What is held, with its end at the hard one at the latest.
    func retained(_ held: HeldValue) -> HeldValue { held.retained(times.retention) }

    /// Until when it may be served past its expiry in an outage: never beyond its hard end.
    func staleEnd(of held: HeldValue) -> Timestamp {
        min(held.expiresAt.advanced(byMilliseconds: times.staleIfError), hardEnd(of: held))
    }

    /// For how many seconds past its expiry a copy is kept for an outage: never beyond its hard end.
    func staleSeconds(of held: HeldValue) -> UInt32 {
        Self.staleSeconds(of: held, whole: times.staleIfError, hardEnd: hardEnd(of: held))
    }

    fileprivate static func staleSeconds(of held: HeldValue, whole: Int64, hardEnd: Timestamp) -> UInt32 {
        let milliseconds = hardEnd == .never ? whole : min(whole, max(0, hardEnd.milliseconds(since: held.expiresAt)))
        return UInt32(clamping: milliseconds / 1000)
    }

    /// The life that a SET gets in Redis where the writer gives none: a tenth longer than the local one where reads
    /// extend it, so that Redis does not expire first.
    var lifeInRedis: Int64? {
        guard let life = times.ttl else { return times.retention }
        return min(slidingLife == nil ? life : life + life / 10, times.retention ?? .max)
    }

    /// The times with which local memory holds a value or a record.
    func metadata(
        of held: HeldValue, verifiedAt: Timestamp, authority: Authority, epoch: UInt16 = 0, mark: UInt8 = 0
    ) -> EntryMetadata {
        let hardEnd = hardEnd(of: held)
        let quietFor = quietFor(
            verifiedAt: verifiedAt, expiresAt: min(held.expiresAt, hardEnd), authority: authority)
        return Self.metadata(
            of: held, verifiedAt: verifiedAt, hardEnd: hardEnd, life: life(of: held), quietFor: quietFor,
            staleFor: authority == .redis ? staleSeconds(of: held) : 0, epoch: epoch, mark: mark)
    }

    fileprivate static func metadata(
        of held: HeldValue, verifiedAt: Timestamp, hardEnd: Timestamp, life: Int64?, quietFor: UInt32, staleFor: UInt32,
        epoch: UInt16, mark: UInt8
    ) -> EntryMetadata {
        let expiresAt = min(held.expiresAt, hardEnd)
        let slides = expiresAt != .never ? life.map { UInt32(clamping: $0) } ?? 0 : 0
        return EntryMetadata(
            expiresAt: expiresAt, verifiedAt: verifiedAt, quietFor: quietFor, staleFor: staleFor, slidingFor: slides,
            hardEnd: slides == 0 ? .never : hardEnd, kind: held.kind == .record ? .record : .string, epoch: epoch,
            mark: mark)
    }

    /// Milliseconds by which a read extends the life of what is held: a plain value's by its policy, a record's by its
    /// own word.
    func life(of held: HeldValue) -> Int64? {
        switch held.kind {
        case .string: slidingLife
        case .record: held.recordSlidingFor
        }
    }

    /// The times with which local memory remembers that there is no such key.
    func absentMetadata(verifiedAt: Timestamp, epoch: UInt16 = 0) -> EntryMetadata {
        // What is absent is bounded like what is there.
        let life =
            consistency == .bounded ? min(negativeTTL, maxStaleness).milliseconds : negativeTTL.milliseconds
        return EntryMetadata(
            expiresAt: verifiedAt.advanced(byMilliseconds: life), verifiedAt: verifiedAt,
            quietFor: consistency == .strong ? 0 : UInt32(clamping: life), staleFor: 0, kind: .absent, epoch: 0)
    }
}

extension Ruling {
    /// For how many seconds past its expiry a copy is kept for an outage: as its policy says.
    func staleSeconds(of held: HeldValue) -> UInt32 {
        Policy.staleSeconds(of: held, whole: staleIfError, hardEnd: held.hardEnd(retention: retention))
    }

    /// The times with which local memory holds what waits for Redis: what may be served in an outage, and never fresh.
    func waitingMetadata(of held: HeldValue, now: Timestamp) -> EntryMetadata {
        Policy.metadata(
            of: held, verifiedAt: now, hardEnd: held.hardEnd(retention: retention),
            life: held.kind == .record ? held.recordSlidingFor : slidingLife, quietFor: 0,
            staleFor: staleSeconds(of: held), epoch: 0, mark: EntryMark.suspect | EntryMark.journaled)
    }
}

/// Whoever decides what is true of a key.
public enum Authority: String, Sendable {
    case redis, warm
    /// Neither Redis nor disk may hold the key: local memory is all there is, and eviction is the end.
    case local
}
