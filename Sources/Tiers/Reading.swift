// What a read found, and how it is known.

public import Primitives
public import State

/// The answer to a read, with its provenance.
public struct Reading: Sendable, Equatable {
    /// What was found.
    public enum Content: Sendable, Equatable {
        case value(bytes: [UInt8], expiresAt: Timestamp)
        /// A record (`HeldValue.kind`), and none that is deleted.
        case record(HeldValue)
        /// The policy's default context: nobody who knows could be asked, and nobody holds the key.
        case defaultContext([UInt8])
        /// The authority said that there is no such key.
        case absent
        /// Nobody who knows could be asked, and the policy has no default.
        case unknown
        /// The key holds something that is neither a plain string nor a record, which only Redis can read; of a read of
        /// a plain string, also a record.
        case otherType
        /// The policy forbids an answer without the authority.
        case unavailable
        /// The authority answered with an error that is the request's own, as -NOPERM.
        case refused([UInt8])

        /// What a key holds, as a reader finds it.
        init(_ held: HeldValue) {
            switch held.kind {
            case .string: self = .value(bytes: held.bytes, expiresAt: held.expiresAt)
            case .record: self = held.isTombstone ? .absent : .record(held)
            }
        }
    }

    /// Which tier gave the answer.
    public enum Source: String, Sendable, CaseIterable {
        case local, redis, warm, journal
        case policy = "default"
        case none
    }

    /// Whether the answer is within the policy's contract.
    public enum Freshness: String, Sendable, CaseIterable {
        case fresh, stale
        case contextual = "default"
        case absent, unknown
    }

    public var content: Content
    public var source: Source
    public var freshness: Freshness
    /// When the value was last compared with its authority; nil where there is no value.
    public var verifiedAt: Timestamp?
    /// Why the authority did not answer, where it did not; empty otherwise.
    public var reason = ""

    /// What the key holds, alive at the time of reading; nil for all but values.
    public var value: (bytes: [UInt8], expiresAt: Timestamp)? {
        if case .value(let bytes, let expiresAt) = content { (bytes, expiresAt) } else { nil }
    }

    /// Whether there is such a key.
    public var isThere: Bool {
        switch content {
        case .value, .record, .otherType: true
        case .defaultContext, .absent, .unknown, .unavailable, .refused: false
        }
    }

    /// What a tier holds, with how it is known; a tombstone is absent, and says nothing of when.
    static func found(
        _ held: HeldValue, _ source: Source, _ freshness: Freshness, verifiedAt: Timestamp?, reason: String = ""
    ) -> Reading {
        if held.isTombstone { return .absent(source) }
        return Reading(
            content: Content(held), source: source, freshness: freshness, verifiedAt: verifiedAt, reason: reason)
    }

    static func absent(_ source: Source) -> Reading { Reading(content: .absent, source: source, freshness: .absent) }

    static func unavailable(_ reason: String) -> Reading {
        Reading(content: .unavailable, source: .none, freshness: .unknown, reason: reason)
    }
}
