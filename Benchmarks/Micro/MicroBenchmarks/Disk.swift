// This host's file system, with store seeds that are the same in every run: what is hashed then falls the same way.

internal import SegmentLog
internal import Synchronization

/// `DiskFileSystem` with numbers for seeds, and without waiting for the disk: what is counted is this process's work.
final class Disk: FileSystem {
    private let real = DiskFileSystem()

    func randomSeed() -> UInt64 { 0x5EED }
    func synchronize(_ file: OpenFile) throws(FileError) {}
    func synchronizeDirectory(_ path: String) throws(FileError) {}

    func makeDirectory(_ path: String) throws(FileError) { try real.makeDirectory(path) }
    func open(_ path: String, _ mode: OpenMode) throws(FileError) -> OpenFile { try real.open(path, mode) }
    func close(_ file: OpenFile) throws(FileError) { try real.close(file) }
    func read(_ file: OpenFile, into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) -> Int {
        try real.read(file, into: buffer, at: offset)
    }
    func write(_ file: OpenFile, from buffer: UnsafeRawBufferPointer, at offset: Int) throws(FileError) -> Int {
        try real.write(file, from: buffer, at: offset)
    }
    func truncate(_ file: OpenFile, to size: Int) throws(FileError) { try real.truncate(file, to: size) }
    func size(_ file: OpenFile) throws(FileError) -> Int { try real.size(file) }
    func rename(_ path: String, to newPath: String) throws(FileError) { try real.rename(path, to: newPath) }
    func remove(_ path: String) throws(FileError) { try real.remove(path) }
    func list(_ directory: String) throws(FileError) -> [String] { try real.list(directory) }
    func lock(_ file: OpenFile) throws(FileError) -> Bool { try real.lock(file) }

    private static let count = Atomic<Int>(0)

    /// A directory that no other preparation has; names are of one length.
    static func directory() -> String {
        let number = count.wrappingAdd(1, ordering: .relaxed).newValue
        return "store-" + String(10_000 + number)
    }
}
