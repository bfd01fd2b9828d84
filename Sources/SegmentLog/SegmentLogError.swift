// Why a log could not be opened, or did not take what it was given.

public enum SegmentLogError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Another process, or another log of this one, holds the directory.
    case locked(directory: String)
    /// Written by a newer Hearth; nothing was touched.
    case unsupportedVersion(path: String, version: UInt32)
    /// A log of another purpose lies here (warm, journal); nothing was touched.
    case wrongPurpose(path: String, purpose: UInt32)
    /// Files of two stores lie in one directory; nothing was touched.
    case mixedStores(path: String)
    /// The call failed; nothing of the batch was written.
    case file(FileError)
    /// A commit failed: nothing of the batch is acknowledged.
    ///
    /// `isVoid` says that none of it will be recovered, whatever happens. Otherwise the disk did not even take that
    /// note: the log refuses until it does, and a crash before then may bring the batch back (the outcome is unknown).
    case refused(FileError, isVoid: Bool)

    public var description: String {
        switch self {
        case .locked(let directory):
            "\(directory) is in use by another process: stop it, or configure another directory"
        case .unsupportedVersion(let path, let version):
            "\(path) is of format version \(version), which this build can't read: run the Hearth that wrote it, "
                + "or configure another directory"
        case .wrongPurpose(let path, let purpose):
            "\(path) belongs to a log of another kind (\(purpose)): warm tier and journal need directories of their own"
        case .mixedStores(let path):
            "\(path) belongs to another store than the rest of its directory: move it away"
        case .file(let error): "\(error); nothing was written"
        case .refused(let error, isVoid: true): "\(error); nothing of the batch is kept"
        case .refused(let error, isVoid: false):
            "\(error); the batch is refused, but the disk did not take the note that it is void: "
                + "it may come back after a crash"
        }
    }
}
