// The real file system, by POSIX calls.

#if canImport(Glibc)
    private import Glibc
#elseif canImport(Darwin)
    private import Darwin
#endif

/// The file system of this host.
public struct DiskFileSystem: FileSystem {
    public init() {}

    /// Repeats a call that a signal interrupted: the one place that knows EINTR.
    private func uninterrupted<Result: SignedInteger>(
        _ operation: FileError.Operation, _ path: String, _ call: () -> Result
    ) throws(FileError) -> Result {
        while true {
            let result = call()
            if result >= 0 { return result }
            let code = errno
            if code != EINTR { throw FileError(operation: operation, path: path, code: FileErrorCode(rawValue: code)) }
        }
    }

    public func makeDirectory(_ path: String) throws(FileError) {
        _ = try uninterrupted(.makeDirectory, path) { mkdir(path, 0o700) }
    }

    public func open(_ path: String, _ mode: OpenMode) throws(FileError) -> OpenFile {
        let flags: Int32 =
            switch mode {
            case .readOnly: O_RDONLY
            case .readWrite: O_RDWR
            case .createNew: O_RDWR | O_CREAT | O_EXCL
            case .createOrOpen: O_RDWR | O_CREAT
            }
        let descriptor = try uninterrupted(.open, path) { posixOpen(path, flags | O_CLOEXEC, 0o600) }
        return OpenFile(descriptor: descriptor, path: path)
    }

    public func close(_ file: OpenFile) throws(FileError) {
        // Linux frees the descriptor even when close fails: it must not be repeated, not even after EINTR.
        if posixClose(file.descriptor) != 0, errno != EINTR {
            throw FileError(operation: .close, path: file.path, code: FileErrorCode(rawValue: errno))
        }
    }

    public func read(
        _ file: OpenFile, into buffer: UnsafeMutableRawBufferPointer, at offset: Int
    ) throws(FileError) -> Int {
        try uninterrupted(.read, file.path) {
            pread(file.descriptor, buffer.baseAddress, buffer.count, off_t(offset))
        }
    }

    public func write(_ file: OpenFile, from buffer: UnsafeRawBufferPointer, at offset: Int) throws(FileError) -> Int {
        try uninterrupted(.write, file.path) {
            pwrite(file.descriptor, buffer.baseAddress, buffer.count, off_t(offset))
        }
    }

    public func synchronize(_ file: OpenFile) throws(FileError) {
        #if canImport(Darwin)
            // fsync on macOS does not reach the medium; F_FULLFSYNC does.
            _ = try uninterrupted(.synchronize, file.path) { fcntl(file.descriptor, F_FULLFSYNC) }
        #else
            _ = try uninterrupted(.synchronize, file.path) { fdatasync(file.descriptor) }
        #endif
    }

    public func synchronizeDirectory(_ path: String) throws(FileError) {
        let descriptor = try uninterrupted(.synchronizeDirectory, path) {
            posixOpen(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
        }
        defer { _ = posixClose(descriptor) }  // nothing was written through it: its close can lose nothing
        _ = try uninterrupted(.synchronizeDirectory, path) { fsync(descriptor) }
    }

    public func truncate(_ file: OpenFile, to size: Int) throws(FileError) {
        _ = try uninterrupted(.truncate, file.path) { ftruncate(file.descriptor, off_t(size)) }
    }

    public func size(_ file: OpenFile) throws(FileError) -> Int {
        var status = stat()
        _ = try uninterrupted(.size, file.path) { fstat(file.descriptor, &status) }
        return Int(status.st_size)
    }

    public func rename(_ path: String, to newPath: String) throws(FileError) {
        _ = try uninterrupted(.rename, path) { posixRename(path, newPath) }
    }

    public func remove(_ path: String) throws(FileError) {
        _ = try uninterrupted(.remove, path) { unlink(path) }
    }

    public func list(_ directory: String) throws(FileError) -> [String] {
        guard let stream = opendir(directory) else {
            throw FileError(operation: .list, path: directory, code: FileErrorCode(rawValue: errno))
        }
        defer { closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let item = readdir(stream) else {
                if errno == 0 { return names }
                throw FileError(operation: .list, path: directory, code: FileErrorCode(rawValue: errno))
            }
            let name = withUnsafeBytes(of: &item.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
    }

    public func lock(_ file: OpenFile) throws(FileError) -> Bool {
        do {
            _ = try uninterrupted(.lock, file.path) { flock(file.descriptor, LOCK_EX | LOCK_NB) }
            return true
        } catch {
            if error.code == .wouldBlock { return false }
            throw error
        }
    }

    public func randomSeed() -> UInt64 { UInt64.random(in: .min ... .max) }
}

// Inside the type the C functions are hidden by the methods of the same name.
private func posixOpen(_ path: String, _ flags: Int32, _ mode: mode_t) -> Int32 { open(path, flags, mode) }
private func posixClose(_ descriptor: Int32) -> Int32 { close(descriptor) }
private func posixRename(_ from: String, _ to: String) -> Int32 { rename(from, to) }
