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
    }

    private let keys = Locked<[KeyHash: Key]>([:])

    func begin(_ hashes: some Sequence<KeyHash>) {
        keys.withLock { keys in
            for hash in hashes {
                var key = keys[hash] ?? Key()
                key.count += 1
                key.isContested = key.isContested || key.count > 1
                keys[hash] = key
            }
        }
    }

    /// Whether another write of the key was under way at the same time as this one.
    func isContested(_ hash: KeyHash) -> Bool { keys.withLock { $0[hash]?.isContested ?? false } }

    func end(_ hashes: some Sequence<KeyHash>) {
        keys.withLock { keys in
            for hash in hashes {
                guard var key = keys[hash] else { preconditionFailure("BUG: a write ended that had not begun") }
                key.count -= 1
                keys[hash] = key.count == 0 ? nil : key
            }
        }
    }
}
