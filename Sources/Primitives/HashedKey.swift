// A key that knows its hash, for tables that are looked into on each request.

/// A key with its hash: hashed once, and compared by its bytes only where the hashes agree.
///
/// A dictionary by `[UInt8]` hashes the key byte by byte with each look-up: ten of those were a tenth of a miss.
public struct HashedKey: Sendable {
    public let bytes: [UInt8]
    public let hash: KeyHash

    @inlinable
    public init(_ bytes: [UInt8], _ hash: KeyHash) {
        self.bytes = bytes
        self.hash = hash
    }

    public init(_ bytes: [UInt8]) { self.init(bytes, bytes.withUnsafeBytes { KeyHash($0) }) }
}

extension HashedKey: Hashable {
    @inlinable
    public static func == (a: HashedKey, b: HashedKey) -> Bool { a.hash == b.hash && a.bytes == b.bytes }

    @inlinable
    public func hash(into hasher: inout Hasher) { hasher.combine(hash) }

    @inlinable
    public func _rawHashValue(seed: Int) -> Int { hash._rawHashValue(seed: seed) }
}
