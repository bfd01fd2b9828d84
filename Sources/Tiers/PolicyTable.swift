// Which policy rules a key: the one with the longest prefix that the key begins with.

internal import Primitives

/// Policies by prefix; the longest matching prefix wins, and the empty prefix always matches.
///
/// A look-up hashes the key once per distinct prefix length, so its cost grows with the number of lengths in use, not
/// with the number of policies. Reads that local memory can answer by an entry's own fields don't come here.
public struct PolicyTable: Sendable {
    /// All policies, that of the empty prefix first, then in byte order of their prefixes.
    public let policies: [Policy]
    /// Whether any policy has reads, and any has writes, audited.
    public let auditsReads: Bool
    public let auditsWrites: Bool
    /// Whether any policy's writes wait for replicas.
    let waitsForReplicas: Bool
    /// Whether any policy names the schema of its values.
    public let hasSchemas: Bool
    /// Whether a tier of any policy lies where its keys may not be.
    public let hasViolations: Bool
    private let lengths: [Int]
    private let byHash: [UInt64: Int]

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
        self.policies = policies
        waitsForReplicas = policies.contains { $0.waitReplicas > 0 }
        hasSchemas = policies.contains { $0.records.schema.current != nil }
        hasViolations = policies.contains { $0.residency.violation != nil }
        auditsReads = policies.contains { $0.audit == .all }
        auditsWrites = policies.contains { $0.audit != .off }
        self.byHash = byHash
        lengths = Set(policies.map(\.prefix.count)).filter { $0 > 0 }.sorted(by: >)
    }

    /// The policy that rules `key`.
    public func policy(for key: [UInt8]) -> Policy { policies[index(for: key)] }

    /// The position in ``policies`` of the policy that rules `key`.
    public func index(for key: [UInt8]) -> Int { key.withUnsafeBytes { index(for: $0) } }

    /// The position in ``policies`` of the policy that rules `key`.
    public func index(for key: UnsafeRawBufferPointer) -> Int {
        for length in lengths where length <= key.count {
            let head = UnsafeRawBufferPointer(rebasing: key[..<length])
            guard let index = byHash[xxh3(head)] else { continue }
            let matches = policies[index].prefix.withUnsafeBytes { $0.elementsEqual(head) }
            if matches { return index }
        }
        return 0
    }
}
