// Which invalidations a worker has made itself.
//
// DESIGN. Redis tells who has read a key of its next change, once, and then has forgotten the reader; it remembers only
// reads for which it is asked to. So while the last of a key's tracked reads and writes is a write, nothing that Redis
// tells of the key can be a change after that write: it is the write itself, or one before it, which the write has
// replaced. The copy on disk is the write's, and as good as it was.
//
// Whether Redis tells of a write at all nobody here knows (the key may not have been tracked), which is why no message
// can be counted off against a write. What can be known is what was asked since.

internal import Primitives

/// The keys whose last word to Redis was a write, as far as they are remembered; belongs to its worker's thread.
///
/// Keys are known by their 64-bit hash. A later key takes the place of one with which it shares the last bits: what is
/// forgotten is treated as somebody else's change.
struct OwnWrites {
    /// How many are remembered, at most: messages come within milliseconds of their write.
    static let placesCount = 4096

    /// Hashes; in the lowest bit, which the place tells, whether Redis has answered the write.
    private var places: [UInt64] = []

    /// Nothing is remembered where nothing is tracked.
    var isEnabled: Bool {
        get { !places.isEmpty }
        set { places = newValue ? [UInt64](repeating: 0, count: Self.placesCount) : [] }
    }

    private func place(_ hash: KeyHash) -> Int { Int(hash.rawValue & UInt64(Self.placesCount - 1)) }
    private func word(_ hash: KeyHash, isAnswered: Bool) -> UInt64 { hash.rawValue & ~1 | (isAnswered ? 1 : 0) }

    /// A write is sent.
    mutating func begin(_ hash: KeyHash) {
        guard isEnabled else { return }
        places[place(hash)] = word(hash, isAnswered: false)
    }

    /// The write was done, and what it wrote is what is held here.
    mutating func settle(_ hash: KeyHash) {
        guard isEnabled, places[place(hash)] == word(hash, isAnswered: false) else { return }
        places[place(hash)] = word(hash, isAnswered: true)
    }

    /// A question is sent that has Redis tell of the key's next change.
    mutating func ask(_ hash: KeyHash) {
        guard isEnabled, places[place(hash)] & ~1 == word(hash, isAnswered: false) else { return }
        places[place(hash)] = 0
    }

    /// Nothing is known any more of what was sent.
    mutating func removeAll() { for index in places.indices { places[index] = 0 } }

    /// Whether a change of the key of which Redis tells now is this worker's last write, or one before it.
    func explains(_ hash: KeyHash) -> Bool {
        isEnabled && places[place(hash)] == word(hash, isAnswered: true)
    }
}
