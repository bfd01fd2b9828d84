// Which keys are being written to Redis by this process, and whether by more than one write at the same time.

internal import Primitives

/// Counts the writes under way of each key, for all workers; safe from any thread.
///
/// Two writes of one key on two connections may reach Redis in either order, so when they overlap nobody here knows
/// which of them Redis has now. Keys are known by their 64-bit hash; a collision makes two keys look like one, and
/// costs a copy.
final class WritesUnderWay: Sendable {
    private struct Key {
        var count = 0
        /// More than one was under way at some moment since the first began.
        var isContested = false

        mutating func begin() {
            count += 1
            if count > 1 { isContested = true }
        }
    }

    private let keys = Locked<[KeyHash: Key]>([:])

    func begin(_ hashes: some Sequence<KeyHash>) {
        keys.withLock { keys in
            for hash in hashes { keys[hash, default: Key()].begin() }
        }
    }

    /// Whether another write of the key was under way at the same time as this one.
    func isContested(_ hash: KeyHash) -> Bool { keys.withLock { $0[hash]?.isContested ?? false } }

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
