// Whole transfers from calls that may be short: the one place that knows of short reads and writes.

extension FileSystem {
    /// Reads until `buffer` is full or the file ends; returns how many bytes came.
    public func readFully(
        _ file: OpenFile, into buffer: UnsafeMutableRawBufferPointer, at offset: Int
    ) throws(FileError) -> Int {
        var done = 0
        while done < buffer.count {
            let count = try read(
                file, into: UnsafeMutableRawBufferPointer(rebasing: buffer[done...]), at: offset + done)
            precondition(count >= 0 && count <= buffer.count - done, "BUG: read of \(count) bytes into \(buffer.count)")
            if count == 0 { break }
            done += count
        }
        return done
    }

    /// Writes all of `buffer`. A call that takes nothing is a full device.
    public func writeFully(_ file: OpenFile, from buffer: UnsafeRawBufferPointer, at offset: Int) throws(FileError) {
        var done = 0
        while done < buffer.count {
            let count = try write(file, from: UnsafeRawBufferPointer(rebasing: buffer[done...]), at: offset + done)
            if count == 0 { throw FileError(operation: .write, path: file.path, code: .noSpace) }
            done += count
        }
    }

    /// Creates `path` and whatever is missing above it, and makes each new name durable.
    func makeDirectories(_ path: String) throws(FileError) {
        do {
            try makeDirectory(path)
        } catch {
            switch error.code {
            case .fileExists: return
            case .noSuchFile where parent(of: path) != path:
                try makeDirectories(parent(of: path))
                try makeDirectory(path)
            default: throw error
            }
        }
        try synchronizeDirectory(parent(of: path))
    }

    private func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
