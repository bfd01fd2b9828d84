// What a process counts of turns that went into archives on its host, and of reads of them.

public import Metrics

/// Figures of archives, of all threads together.
public final class ArchiveFigures: Sendable {
    /// Turns that are on disk, durably, and their bytes; one that is archived again by another try counts again.
    public let turns = SharedCounter()
    public let bytes = SharedCounter()
    /// Times at which turns stayed in their record, since the disk did not take them.
    public let refused = SharedCounter()
    /// Reads that found turns, none of the conversation, or a disk that failed.
    public let readsFound = SharedCounter()
    public let readsAbsent = SharedCounter()
    public let readsFailed = SharedCounter()

    init() {}

    func note(_ answer: ArchiveAnswer) {
        switch answer {
        case .turns: readsFound.add()
        case .absent: readsAbsent.add()
        case .failed: readsFailed.add()
        }
    }
}
