// Why the journal could not be opened, or refused what it was given.

public import SegmentLog

public enum JournalError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A setting is out of its range.
    case configuration(String)
    /// No room until entries are settled; both in bytes, of record and footer.
    case full(needed: Int, free: Int)
    /// More than the journal could hold if it were empty, in bytes.
    case tooLarge(count: Int, limit: Int)
    /// The disk failed and has not taken again what must be written first; nothing was done.
    case degraded(FileError)
    /// A commit failed: nothing of the batch happened. Without `isVoid` a crash may bring it back.
    case refused(FileError, isVoid: Bool)
    /// The directory could not be opened.
    case log(SegmentLogError)

    public var description: String {
        switch self {
        case .configuration(let text): text
        case .full(let needed, let free):
            "the journal is full: \(needed) bytes are needed, \(free) are free; writes are refused until some have been "
                + "replayed or discarded (hearth journal), or raise journal.max_bytes"
        case .tooLarge(let count, let limit):
            "the entry takes \(count) bytes; the journal takes up to \(limit): raise journal.max_bytes"
        case .degraded(let error):
            "the journal is degraded (\(error)) and refuses until the disk takes writes again"
        case .refused(let error, isVoid: true): "journal: \(error); nothing of the batch is kept"
        case .refused(let error, isVoid: false):
            "journal: \(error); the batch is refused, but the disk did not take the note that it is void: "
                + "it may come back after a crash"
        case .log(let error): "journal: \(error)"
        }
    }

    /// The failure of a commit, as the log reports it.
    init(commit error: SegmentLogError) {
        switch error {
        case .refused(let cause, let isVoid): self = .refused(cause, isVoid: isVoid)
        case .file(let cause): self = .refused(cause, isVoid: true)
        default: self = .log(error)
        }
    }
}
