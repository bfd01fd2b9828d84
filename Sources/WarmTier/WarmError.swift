// Why the warm tier could not be opened, or refused what it was given.

public import SegmentLog

public enum WarmError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Two settings contradict each other, or one is out of its range.
    case configuration(String)
    case keyTooLong(count: Int, limit: Int)
    case valueTooLarge(count: Int, limit: Int)
    /// The key is one of `ArchiveSpace`, which no application may write.
    case reservedKey
    /// No room, even after compaction (and, where that is allowed, eviction).
    case full(needed: Int, limit: Int)
    /// The disk failed a moment ago and the tier does not try again yet; nothing was written.
    case degraded(FileError)
    /// The log could not be opened, or did not take a commit: `.refused` tells whether that is certain.
    case log(SegmentLogError)

    public var description: String {
        switch self {
        case .configuration(let text): text
        case .keyTooLong(let count, let limit):
            "the key is \(count) bytes long; the warm tier takes up to \(limit)"
        case .valueTooLarge(let count, let limit):
            "the value is \(count) bytes long; the warm tier takes up to \(limit)"
        case .reservedKey:
            "keys that begin with \\x00hearth archive\\x00 are the archive's own in the warm tier; choose another key"
        case .full(let needed, let limit):
            "the warm tier is full: \(needed) more bytes do not fit into warm.max_bytes (\(limit)); "
                + "delete keys, let them expire, or raise it"
        case .degraded(let error):
            "the warm tier is degraded (\(error)) and refuses writes until the disk takes them again"
        case .log(let error): "warm tier: \(error)"
        }
    }
}
