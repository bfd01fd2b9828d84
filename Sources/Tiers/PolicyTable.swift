// Which policy rules a key: the one with the longest prefix that the key begins with.

internal import Primitives
internal import State

/// Policies by prefix; the longest matching prefix wins, and the empty prefix always matches.
///
/// A look-up hashes the key once per distinct prefix length, so its cost grows with the number of lengths in use, not
/// with the number of policies. Reads that local memory can answer by an entry's own fields don't come here.
///
/// One reference: requests that go to another thread take their policies with them.
public struct PolicyTable: Sendable {
    private final class Contents: Sendable {
        let policies: [Policy]
        let rulings: [Ruling]
        let auditsReads: Bool
        let auditsWrites: Bool
        let waitsForReplicas: Bool
        let hasSchemas: Bool
        let hasViolations: Bool
        let lengths: [Int]
        let byHash: [UInt64: Int]

        init(_ policies: [Policy], byHash: [UInt64: Int]) {
            self.policies = policies
            self.byHash = byHash
            rulings = policies.map { Ruling($0) }
            waitsForReplicas = policies.contains { $0.waitReplicas > 0 }
            hasSchemas = policies.contains { $0.records.schema.current != nil }
            hasViolations = policies.contains { $0.residency.violation != nil }
            auditsReads = policies.contains { $0.audit == .all }
            auditsWrites = policies.contains { $0.audit != .off }
            lengths = Set(policies.map(\.prefix.count)).filter { $0 > 0 }.sorted(by: >)
        }
    }

    private let contents: Contents

    /// All policies, that of the empty prefix first, then in byte order of their prefixes.
    public var policies: [Policy] { contents.policies }
    /// Whether any policy has reads, and any has writes, audited.
    public var auditsReads: Bool { contents.auditsReads }
    public var auditsWrites: Bool { contents.auditsWrites }
    /// Whether any policy's writes wait for replicas.
    var waitsForReplicas: Bool { contents.waitsForReplicas }
    /// Whether any policy names the schema of its values.
    public var hasSchemas: Bool { contents.hasSchemas }
    /// Whether a tier of any policy lies where its keys may not be.
    public var hasViolations: Bool { contents.hasViolations }

    /// Policies with distinct prefixes; one for the empty prefix is added with every default where none is given.
    public init(_ given: [Policy] = []) {
        var policies = given.sorted { $0.prefix.lexicographicallyPrecedes($1.prefix) }
        if policies.first?.prefix.isEmpty != true { policies.insert(Policy(), at: 0) }
        var byHash: [UInt64: Int] = [:]
        for (index, policy) in policies.enumerated() where !policy.prefix.isEmpty {
            // Two prefixes of one hash would take a 64-bit collision within one file; the second is then refused below.
            let previous = byHash.updateValue(index, forKey: policy.prefix.withUnsafeBytes { xxh3($0) })
            precondition(previous == nil, "BUG: two policies for one prefix reached the table")
        }
        contents = Contents(policies, byHash: byHash)
    }

    /// The policy that rules `key`.
    public func policy(for key: [UInt8]) -> Policy { contents.policies[index(for: key)] }

    /// The largest value that a write may give `key`, in bytes.
    public func maxValue(for key: [UInt8]) -> Int { ruling(for: key).policy.maxValue }

    /// The policy that rules `key` and what follows from it, as one reference.
    func ruling(for key: [UInt8]) -> Ruling { contents.rulings[index(for: key)] }

    /// The position in ``policies`` of the policy that rules `key`.
    public func index(for key: [UInt8]) -> Int { key.withUnsafeBytes { index(for: $0) } }

    /// The position in ``policies`` of the policy that rules `key`.
    public func index(for key: UnsafeRawBufferPointer) -> Int {
        for length in contents.lengths where length <= key.count {
            let head = UnsafeRawBufferPointer(rebasing: key[..<length])
            guard let index = contents.byHash[xxh3(head)] else { continue }
            let matches = contents.policies[index].prefix.withUnsafeBytes { $0.elementsEqual(head) }
            if matches { return index }
        }
        return 0
    }
}

/// A policy and what follows from it for writes, computed once.
///
/// A policy has two dozen references: who copied it for each key of each write paid more for that than for the write.
final class Ruling: Sendable {
    let policy: Policy
    /// What the policy adds to writes that the journal keeps.
    let journaled: WriteRules
    // Durations in milliseconds: to make a number of one takes a division of 128 bits.
    let staleIfError: Int64
    let retention: Int64?
    let slidingLife: Int64?

    init(_ policy: Policy) {
        self.policy = policy
        staleIfError = policy.staleIfError.milliseconds
        retention = policy.retention?.milliseconds
        slidingLife = policy.slidingLife
        var journaled = policy.writeRules
        journaled.committed = .journal
        self.journaled = journaled
    }
}
