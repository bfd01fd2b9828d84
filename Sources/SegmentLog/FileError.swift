// What went wrong with a file, as a value: the operation, the path and the errno by its name.

#if canImport(Glibc)
    private import Glibc
#elseif canImport(Darwin)
    private import Darwin
#endif

/// A failed call to the file system: what was tried, on what, and why it failed.
public struct FileError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The call that failed, named for what it does; the C function is in the comment.
    public enum Operation: String, Sendable, CaseIterable {
        case makeDirectory  // mkdir
        case open
        case close
        case read  // pread
        case write  // pwrite
        case synchronize  // fdatasync
        case synchronizeDirectory  // fsync of a directory
        case truncate  // ftruncate
        case size  // fstat
        case rename
        case remove  // unlink
        case list  // opendir, readdir
        case lock  // flock
    }

    public var operation: Operation
    public var path: String
    public var code: FileErrorCode

    public init(operation: Operation, path: String, code: FileErrorCode) {
        self.operation = operation
        self.path = path
        self.code = code
    }

    public var description: String { "\(operation.rawValue) of \(path) failed: \(code)" }
}

/// An errno with a name.
public struct FileErrorCode: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public var rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// The C error is ENOSPC.
    public static let noSpace = FileErrorCode(rawValue: ENOSPC)
    /// The C error is EDQUOT.
    public static let quotaExceeded = FileErrorCode(rawValue: EDQUOT)
    /// The C error is EIO.
    public static let inputOutput = FileErrorCode(rawValue: EIO)
    /// The C error is EROFS.
    public static let readOnlyFileSystem = FileErrorCode(rawValue: EROFS)
    /// The C error is EACCES.
    public static let permissionDenied = FileErrorCode(rawValue: EACCES)
    /// The C error is ENOENT.
    public static let noSuchFile = FileErrorCode(rawValue: ENOENT)
    /// The C error is EEXIST.
    public static let fileExists = FileErrorCode(rawValue: EEXIST)
    /// The C error is EMFILE.
    public static let tooManyOpenFiles = FileErrorCode(rawValue: EMFILE)
    /// The C error is EWOULDBLOCK.
    public static let wouldBlock = FileErrorCode(rawValue: EWOULDBLOCK)
    /// The C error is EBADF.
    public static let badDescriptor = FileErrorCode(rawValue: EBADF)

    /// The symbolic names that a store is likely to meet; others print as a number.
    private static let names: [Int32: String] = [
        ENOSPC: "ENOSPC (no space left on device)", EDQUOT: "EDQUOT (disk quota exceeded)",
        EIO: "EIO (input/output error)", EROFS: "EROFS (read-only file system)",
        EACCES: "EACCES (permission denied)", EPERM: "EPERM (operation not permitted)",
        ENOENT: "ENOENT (no such file or directory)", EEXIST: "EEXIST (file exists)",
        EMFILE: "EMFILE (too many open files in this process)", ENFILE: "ENFILE (too many open files)",
        ENOTDIR: "ENOTDIR (not a directory)", EISDIR: "EISDIR (is a directory)", EINVAL: "EINVAL (invalid argument)",
        EFBIG: "EFBIG (file too large)", ENOMEM: "ENOMEM (out of memory)", EBADF: "EBADF (bad file descriptor)",
        EWOULDBLOCK: "EWOULDBLOCK (would block)", ENXIO: "ENXIO (no such device)", EBUSY: "EBUSY (busy)",
        ENAMETOOLONG: "ENAMETOOLONG (file name too long)", ENOTEMPTY: "ENOTEMPTY (directory not empty)",
    ]

    public var description: String { Self.names[rawValue] ?? "errno \(rawValue)" }
}
