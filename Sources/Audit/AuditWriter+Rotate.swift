// One file after another: by size, by a disk that failed, and by SIGHUP when somebody has moved the file.

public import Primitives
internal import SegmentLog

extension AuditWriter {
    /// The digits of the number in a rotated file's name.
    static let nameDigits = 16

    /// Ends the file and begins another. Where that can't be, lines go on into the same one, unless it is doubtful.
    func rotate(now: Timestamp) throws(AuditError) {
        guard !isDoubtful else { return try beginFile(after: .killed, now: now) }
        try append(.rotated, now: now)
        mustOpen = true
        try synchronize()
        do throws(AuditError) {
            try beginFile(after: .rotated, now: now)
        } catch {
            notes.append(.maintenanceFailed(error.fileError))
            rotateAt = size + options.maxBytes
        }
    }

    /// Gives the file its own name, and begins another in its place.
    func beginFile(after: AuditEvent.After, now: Timestamp) throws(AuditError) {
        let name = try attempt { () throws(FileError) in try freeName() }
        try attempt { () throws(FileError) in try fileSystem.rename(options.path, to: name) }
        let old = file
        do throws(AuditError) {
            // The new name first: a new file in the place of one that is known by no other name would be its end.
            try attempt { () throws(FileError) in
                try fileSystem.synchronizeDirectory(split(options.path).directory)
            }
            try take(try attempt { () throws(FileError) in try fileSystem.open(options.path, .createNew) }, after, now)
        } catch {
            try? fileSystem.rename(name, to: options.path)
            throw error
        }
        try? fileSystem.close(old)
        rotations += 1
        notes.append(.rotated(to: name))
        removeOldest(now)
    }

    /// Goes on in a new, empty file; in the old one where the first line can't be written.
    private func take(_ new: OpenFile, _ after: AuditEvent.After, _ now: Timestamp) throws(AuditError) {
        let old = (file, firstSequence, size, rotateAt)
        let flags = (isDoubtful, hasRemains, isUnsynchronised, mustOpen)
        (file, firstSequence, size, rotateAt) = (new, head.sequence + 1, 0, options.maxBytes)
        (isDoubtful, hasRemains, isUnsynchronised, mustOpen) = (false, false, false, false)
        do throws(AuditError) {
            try attempt { () throws(FileError) in _ = try fileSystem.lock(new) }
            try append(.opened(after, tornBytes: 0, tornHash: nil), now: now)
            try attempt { () throws(FileError) in
                try fileSystem.synchronizeDirectory(split(options.path).directory)
            }
        } catch {
            let isWritten = size > 0
            // The line stands in the new file, and the chain has moved on: it must not go on in the old one.
            guard !isWritten else { return notes.append(.maintenanceFailed(error.fileError)) }
            (file, firstSequence, size, rotateAt) = old
            (isDoubtful, hasRemains, isUnsynchronised, mustOpen) = flags
            try? fileSystem.remove(new.path)
            try? fileSystem.close(new)
            throw error
        }
    }

    /// The name of the file under way when it is rotated; another where that is taken.
    private func freeName() throws(FileError) -> String {
        let digits = String(firstSequence)
        let padded = String(repeating: "0", count: max(0, Self.nameDigits - digits.utf8.count)) + digits
        let taken = Set(try AuditEnding.siblings(of: options.path, fileSystem))
        let name = "\(options.path).\(padded)"
        guard taken.contains(name) else { return name }
        return (1...).lazy.map { "\(name)-\($0)" }.first { !taken.contains($0) }!
    }

    /// Removes rotated files beyond `keep`, each after a line that says so.
    private func removeOldest(_ now: Timestamp) {
        guard let keep = options.keep else { return }
        do throws(AuditError) {
            let siblings = try attempt { () throws(FileError) in
                try AuditEnding.siblings(of: options.path, fileSystem)
            }
            let rotated = siblings.filter { path in
                let digits = path.dropFirst(options.path.count + 1).utf8
                return digits.count == Self.nameDigits && digits.allSatisfy { $0 >= 48 && $0 <= 57 }
            }
            for (index, path) in rotated.dropLast(keep).enumerated() {
                let next =
                    index + 1 < rotated.count
                    ? UInt64(rotated[index + 1].suffix(Self.nameDigits)) ?? firstSequence : firstSequence
                try append(.removed(file: split(path).name, through: next - 1), now: now)
                try attempt { () throws(FileError) in try fileSystem.remove(path) }
                notes.append(.removed(path))
            }
        } catch {
            notes.append(.maintenanceFailed(error.fileError))
        }
    }

    /// Goes on in the file that the path names now, where somebody has moved the one under way (SIGHUP, logrotate).
    public func reopen(now: Timestamp) throws(AuditError) {
        let new: OpenFile
        do throws(FileError) {
            new = try fileSystem.open(options.path, .readWrite)
        } catch {
            guard error.code == .noSuchFile else { throw .file(error) }
            return try change(
                to: try attempt { () throws(FileError) in try fileSystem.open(options.path, .createNew) }, now)
        }
        do throws(AuditError) {
            // The lock is refused where it is still the same file.
            guard try attempt({ () throws(FileError) in try fileSystem.lock(new) }) else {
                try? fileSystem.close(new)
                return
            }
            guard try attempt({ () throws(FileError) in try fileSystem.size(new) }) == 0 else {
                throw AuditError.notAnAudit(path: options.path)
            }
        } catch {
            try? fileSystem.close(new)
            throw error
        }
        try change(to: new, now)
    }

    private func change(to new: OpenFile, _ now: Timestamp) throws(AuditError) {
        let old = file
        if !isDoubtful {
            try append(.rotated, now: now)
            mustOpen = true
            try synchronize()
        }
        try take(new, isDoubtful ? .killed : .rotated, now)
        try? fileSystem.close(old)
        rotations += 1
        notes.append(.reopened)
    }
}

extension AuditError {
    /// The failed call behind it.
    var fileError: FileError {
        switch self {
        case .file(let error): error
        case .inUse(let path), .notAnAudit(let path): FileError(operation: .open, path: path, code: .fileExists)
        }
    }
}
