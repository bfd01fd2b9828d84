// The seam between the log and the disk: every call that the log makes, so that each of them can be made to fail.
//
// DESIGN. Each method is one system call, no more: what to do about a short transfer is in FileTransfer.swift, what to
// do about a failure is the log's. A simulated disk (TestSupport) therefore sees every call at which power may be lost.

/// How a file is opened.
public enum OpenMode: Sendable {
    /// Must exist; only read.
    case readOnly
    /// Must exist; read and written.
    case readWrite
    /// Must not exist; created, read and written.
    case createNew
    /// Created if it does not exist; read and written.
    case createOrOpen
}

/// An open file: a descriptor of the file system that opened it, and the path for error messages.
public struct OpenFile: Sendable {
    public var descriptor: Int32
    public var path: String

    public init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }
}

/// The calls on files that the log makes, each of which may fail.
///
/// `read` may be called from any thread, on any open file; the others are called by the one thread that owns the log.
public protocol FileSystem: Sendable {
    /// Creates one directory; the parent must exist. An existing one is an error (`fileExists`).
    func makeDirectory(_ path: String) throws(FileError)
    func open(_ path: String, _ mode: OpenMode) throws(FileError) -> OpenFile
    func close(_ file: OpenFile) throws(FileError)
    /// Reads at most `buffer.count` bytes at `offset`; fewer may come, 0 means the end of the file.
    func read(_ file: OpenFile, into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) -> Int
    /// Writes at most `buffer.count` bytes at `offset`; fewer may be taken.
    func write(_ file: OpenFile, from buffer: UnsafeRawBufferPointer, at offset: Int) throws(FileError) -> Int
    /// Makes contents and size durable. After a failure nothing is known of what was written since the last success.
    func synchronize(_ file: OpenFile) throws(FileError)
    /// Makes the names in a directory durable: those created, renamed and removed.
    func synchronizeDirectory(_ path: String) throws(FileError)
    func truncate(_ file: OpenFile, to size: Int) throws(FileError)
    func size(_ file: OpenFile) throws(FileError) -> Int
    func rename(_ path: String, to newPath: String) throws(FileError)
    func remove(_ path: String) throws(FileError)
    /// The names in a directory, without "." and "..", in no particular order.
    func list(_ directory: String) throws(FileError) -> [String]
    /// Takes an exclusive lock that ends with the descriptor; false when another holder has it.
    func lock(_ file: OpenFile) throws(FileError) -> Bool
    /// An unpredictable number for the seed of a new store.
    func randomSeed() -> UInt64
}
