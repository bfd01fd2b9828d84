// Letting go: one segment, or all that was ever written.

public import Primitives

extension SegmentLog {
    /// Removes a segment's file, durably. Until this has succeeded the segment counts as existing.
    ///
    /// What replaces its records must be durable before. The active segment can't be removed.
    public func remove(_ sequence: UInt32) throws(SegmentLogError) { try letGo(sequence, keeping: false) }

    /// As `remove`, but the file stays under its name and `.damaged`, for a person to look at.
    public func setAside(_ sequence: UInt32) throws(SegmentLogError) { try letGo(sequence, keeping: true) }

    /// What `setAside` adds to a file's name.
    public static let setAsideSuffix = ".damaged"

    private func letGo(_ sequence: UInt32, keeping: Bool) throws(SegmentLogError) {
        guard let index = position(of: sequence), !(hasActive && index == segments.count - 1) else {
            preconditionFailure("BUG: removing segment \(sequence)")
        }
        do throws(FileError) {
            if !segments[index].isUnlinked {
                let path = segments[index].file.file.path
                if keeping {
                    try fileSystem.rename(path, to: path + Self.setAsideSuffix)
                } else {
                    try fileSystem.remove(path)
                }
                segments[index].isUnlinked = true
            }
            try fileSystem.synchronizeDirectory(options.directory)
        } catch {
            failure = error
            throw .file(error)
        }
        segments.remove(at: index)
    }

    /// Voids every record committed so far, durably, by opening a new segment that says so; the files go later.
    ///
    /// When it throws `.refused` without `isVoid`, the disk may hold that note all the same: the outcome is unknown.
    public func empty(now: Timestamp) throws(SegmentLogError) {
        let before = marks
        let wasActive = hasActive
        let summaries = activeSummaries
        marks = SegmentMarks()
        marks.floor = nextSequence
        hasActive = false
        activeSummaries = []
        do throws(SegmentLogError) {
            try openSegment(now: now)
        } catch {
            marks = before
            hasActive = wasActive
            activeSummaries = summaries
            guard case .file(let cause) = error else { throw error }
            throw .refused(cause, isVoid: strays.isEmpty)
        }
        for index in segments.indices.dropLast() {
            segments[index].isVoid = true
            segments[index].isUnsynchronized = false
        }
    }

    /// Removes files that could not be created whole.
    func removeStrays() {
        guard !strays.isEmpty else { return }
        var left: [String] = []
        for path in strays {
            do throws(FileError) {
                try fileSystem.remove(path)
            } catch {
                if error.code != .noSuchFile { left.append(path) }
            }
        }
        do throws(FileError) {
            if left.count < strays.count { try fileSystem.synchronizeDirectory(options.directory) }
            strays = left
        } catch {
            failure = error  // a name that may come back is still a stray
        }
    }
}
