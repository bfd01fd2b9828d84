// Which keys are being written to Redis by this process, and whether by more than one write at the same time.

internal import Primitives

/// Counts the writes under way of each key, for all workers; safe from any thread.
///
/// Two writes of one key on two connections may reach Redis in either order, so when they overlap nobody here knows
/// which of them Redis has now. On one connection they are carried out, and answered, in the order in which they were
/// sent. Keys are known by their 64-bit hash; a collision makes two keys look like one, and costs a copy.
final class WritesUnderWay: Sendable {
    private struct Key {
        var count = 0
        /// Over which the first of them was sent; nil where it is not settled in the order of the answers.
        var connection: ObjectIdentifier?
        /// More than one was under way at some moment since the first began, and their order is not known.
        var isContested = false

        mutating func begin(over connection: ObjectIdentifier?) {
            if count == 0 { self.connection = connection }
            count += 1
            if count > 1, connection == nil || connection != self.connection { isContested = true }
        }
    }

    private let keys = Locked<[KeyHash: Key]>([:])

    /// `connection` is the one over which they are sent, where they are settled in the order of its answers.
    func begin(_ hashes: some Sequence<KeyHash>, over connection: ObjectIdentifier?) {
        keys.withLock { keys in
            for hash in hashes { keys[hash, default: Key()].begin(over: connection) }
        }
    }

    /// Whether another write of the key was under way at the same time as this one, in an order that nobody knows; and
    /// whether a later one is under way still.
    func outlook(_ hash: KeyHash) -> (isContested: Bool, isFollowed: Bool) {
        keys.withLock { keys in
            guard let key = keys[hash] else { return (false, false) }
            return (key.isContested, key.count > 1)
        }
    }

    func end(_ hashes: some Sequence<KeyHash>) {
        keys.withLock { keys in
            for hash in hashes {
                guard let place = keys.index(forKey: hash) else {
                    preconditionFailure("BUG: a write ended that had not begun")
                }
                if keys.values[place].count == 1 { keys.remove(at: place) } else { keys.values[place].count -= 1 }
            }
        }
    }
}
