// How large values are: one size, or a mix in which each key keeps its size.

/// The sizes of values with their shares.
public struct ValueSizes: Equatable, Sendable {
    /// One size of a mix.
    public struct Share: Equatable, Sendable {
        /// Bytes.
        public let size: Int
        /// Its part of all keys, as a weight.
        public let weight: Int
    }

    /// The largest size that is accepted, in bytes.
    public static let sizeMax = 512 << 20

    public let shares: [Share]
    private let total: UInt64
    /// The size of all where there is but one, so that nobody has to look into the array.
    private let only: Int?

    /// Nil where there is none, a size is above ``sizeMax``, or a weight is not positive.
    public init?(_ shares: [Share]) {
        guard !shares.isEmpty,
            shares.allSatisfy({ (0...Self.sizeMax).contains($0.size) && (1...1_000_000).contains($0.weight) })
        else { return nil }
        self.shares = shares
        total = UInt64(shares.reduce(0) { $0 + $1.weight })
        only = shares.count == 1 ? shares[0].size : nil
    }

    /// One size for all.
    public init(_ size: Int) {
        shares = [Share(size: size, weight: 1)]
        total = 1
        only = size
    }

    /// The size of a key's value; `mixed` is the key, hashed.
    @inline(__always)
    func size(_ mixed: UInt64) -> Int {
        if let only { return only }
        var left = mixed.multipliedFullWidth(by: total).high
        for share in shares {
            if left < UInt64(share.weight) { return share.size }
            left -= UInt64(share.weight)
        }
        return shares[shares.count - 1].size
    }

    public var largest: Int { shares.map(\.size).max() ?? 0 }

    /// As it is given on the command line: `64`, or `64:50,1024:50`.
    public var text: String {
        shares.count == 1
            ? String(shares[0].size) : shares.map { "\($0.size):\($0.weight)" }.joined(separator: ",")
    }
}
