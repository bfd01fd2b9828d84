// Values by number, for tables that are looked into on each request.

/// A number of a count, as a table wants it: hashed by one multiplication.
///
/// Numbers that this process gives itself can't be chosen by anybody, so that SipHash over them would protect against
/// nothing.
public struct Ordinal: Hashable, Sendable {
    public let number: UInt64

    @inlinable @inline(__always)
    public init(_ number: UInt64) { self.number = number }

    @inlinable @inline(__always)
    public func _rawHashValue(seed: Int) -> Int { KeyHash(rawValue: number)._rawHashValue(seed: seed) }
}

/// A dictionary by numbers of a count.
public struct NumberTable<Value> {
    @usableFromInline var table: [Ordinal: Value] = [:]

    @inlinable
    public init() {}

    @inlinable public var count: Int { table.count }
    @inlinable public var isEmpty: Bool { table.isEmpty }
    @inlinable public var values: some Collection<Value> { table.values }
    /// In no order.
    @inlinable public var numbers: some Collection<UInt64> { table.keys.lazy.map(\.number) }

    @inlinable
    public subscript(number: UInt64) -> Value? {
        get { table[Ordinal(number)] }
        _modify { yield &table[Ordinal(number)] }
    }

    @inlinable
    public mutating func removeValue(forNumber number: UInt64) -> Value? { table.removeValue(forKey: Ordinal(number)) }
}

extension NumberTable: Sendable where Value: Sendable {}
