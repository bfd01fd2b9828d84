// The audit's files: lines are appended to one, which is rotated by its size; belongs to one thread.
//
// DESIGN. What is written together is one write. After a failed write what it left behind is cut off again, so the
// chain in memory and the one in the file stay the same. After a failed sync nothing is known of what was written since
// the last one: the file is left as it is, and a new one is begun. A rotated file is named after the number of its
// first line (`audit.log.0000000000000017`) and never renamed again: one rename is all that a crash can come between.
//
// Opening is in AuditWriter+Open.swift, rotation and retention in AuditWriter+Rotate.swift.

public import Primitives
public import SegmentLog

/// What an audit is opened with.
public struct AuditOptions: Sendable, Equatable {
    public var path: String
    /// A file of more bytes is rotated.
    public var maxBytes: Int
    /// Rotated files beyond so many are removed, the oldest first; nil keeps all.
    public var keep: Int?
    public var keys: AuditKeys

    public init(path: String, maxBytes: Int = 64 << 20, keep: Int? = 16, keys: AuditKeys = .plain) {
        precondition(maxBytes > 0 && keep ?? 1 > 0)
        self.path = path
        self.maxBytes = maxBytes
        self.keep = keep
        self.keys = keys
    }
}

/// Why an audit can't be had or kept.
public enum AuditError: Error, Equatable, Sendable, CustomStringConvertible {
    case file(FileError)
    /// Another process writes it.
    case inUse(path: String)
    /// The file holds something else.
    case notAnAudit(path: String)

    public var description: String {
        switch self {
        case .file(let error): "\(error)"
        case .inUse(let path): "\(path) is being written by another process: give each its own audit.path"
        case .notAnAudit(let path):
            "\(path) holds something that is no audit, and is left alone: move it away, or set audit.path"
        }
    }
}

/// What happened to the files, for whoever tells the log.
public enum AuditNote: Sendable, Equatable {
    /// The chain of an earlier process goes on. So many bytes lie torn behind its last line; `isExpected` where they
    /// are no more than a kill explains.
    case continued(after: AuditEvent.After, tornBytes: Int, isExpected: Bool)
    case rotated(to: String)
    case removed(String)
    /// SIGHUP, and the path names another file than before.
    case reopened
    /// The old file could not be named anew or removed; it is tried again with the next rotation.
    case maintenanceFailed(FileError)
}

/// Appends to the chain.
public final class AuditWriter {
    public let options: AuditOptions
    let fileSystem: any FileSystem
    var file: OpenFile
    /// The number of the file's first line.
    var firstSequence: UInt64
    /// Where the next line goes; what lies behind is not ours.
    var size: Int
    /// Where the chain stands.
    public internal(set) var head: AuditHead
    /// A write left something behind `size` that could not be cut off yet.
    var hasRemains = false
    /// The last line says that the file is over, and it goes on.
    var mustOpen = false
    /// A sync failed: what was written last may be gone.
    var isDoubtful = false
    /// A file of so many bytes is rotated: `maxBytes`, or more where its last rotation failed.
    var rotateAt: Int
    /// Written and not synchronised.
    public internal(set) var isUnsynchronised = false
    public internal(set) var notes: [AuditNote] = []
    /// Lines and bytes since this process began.
    public internal(set) var lines: UInt64 = 0
    public internal(set) var bytes: UInt64 = 0
    public internal(set) var rotations: UInt64 = 0

    init(
        _ options: AuditOptions, _ fileSystem: any FileSystem, _ file: OpenFile, firstSequence: UInt64, size: Int,
        head: AuditHead
    ) {
        self.options = options
        self.fileSystem = fileSystem
        self.file = file
        self.firstSequence = firstSequence
        self.size = size
        self.head = head
        rotateAt = options.maxBytes
    }

    /// Takes what there is to tell.
    public func takeNotes() -> [AuditNote] {
        defer { notes = [] }
        return notes
    }

    /// Writes a line for each access, after one for the gap before them; all of it, or nothing.
    ///
    /// A file that is full is rotated before, one whose sync failed is left behind.
    public func append(_ accesses: [AuditAccess], gap: AuditGap = AuditGap(), now: Timestamp) throws(AuditError) {
        if isDoubtful || size >= rotateAt { try rotate(now: now) }
        var text: [UInt8] = []
        text.reserveCapacity(accesses.count * 400)
        var next = head
        open(&text, &next, now)
        if !gap.isEmpty { AuditLine.append(.gap(gap), to: &text, &next, time: now) }
        for access in accesses { AuditLine.append(access, keys: options.keys, to: &text, &next) }
        try write(text, next)
    }

    func append(_ event: AuditEvent, now: Timestamp) throws(AuditError) {
        var text: [UInt8] = []
        var next = head
        open(&text, &next, now)
        AuditLine.append(event, to: &text, &next, time: now)
        try write(text, next)
    }

    /// What follows a last line that was not the last, since no other file was to be had.
    private func open(_ text: inout [UInt8], _ next: inout AuditHead, _ now: Timestamp) {
        guard mustOpen else { return }
        AuditLine.append(.opened(.rotated, tornBytes: 0, tornHash: nil), to: &text, &next, time: now)
    }

    /// Writes whole lines and moves the head on to `next`.
    func write(_ text: [UInt8], _ next: AuditHead) throws(AuditError) {
        guard !text.isEmpty else { return }
        try cutRemains()
        hasRemains = true
        do throws(FileError) {
            try text.withTyped { (bytes) throws(FileError) in
                try fileSystem.writeFully(file, from: bytes, at: size)
            }
        } catch {
            // A failure to cut it off now is tried again before the next write.
            try? cutRemains()
            throw .file(error)
        }
        hasRemains = false
        mustOpen = false
        isUnsynchronised = true
        size += text.count
        lines += next.sequence - head.sequence
        bytes += UInt64(text.count)
        head = next
    }

    private func cutRemains() throws(AuditError) {
        guard hasRemains else { return }
        try attempt { () throws(FileError) in try fileSystem.truncate(file, to: size) }
        hasRemains = false
    }

    /// Makes everything that was written durable. After a failure a new file is begun with the next line.
    public func synchronize() throws(AuditError) {
        guard isUnsynchronised else { return }
        do throws(FileError) {
            try fileSystem.synchronize(file)
        } catch {
            isDoubtful = true
            throw .file(error)
        }
        isUnsynchronised = false
    }

    /// Ends the chain for this process: the last line says that it ended in order.
    public func close(now: Timestamp) throws(AuditError) {
        try append(.closed, now: now)
        try synchronize()
        try? fileSystem.close(file)
    }
}

/// Runs calls on files, whose failures are the audit's.
func attempt<Result>(_ body: () throws(FileError) -> Result) throws(AuditError) -> Result {
    do throws(FileError) {
        return try body()
    } catch {
        throw .file(error)
    }
}

extension FileSystem {
    /// The bytes of a file from `offset` on.
    func contents(_ file: OpenFile, from offset: Int, to end: Int) throws(FileError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: max(0, end - offset))
        var count = 0
        var failure: FileError?
        bytes.withUnsafeMutableBytes { buffer in
            do throws(FileError) {
                count = try readFully(file, into: buffer, at: offset)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return Array(bytes.prefix(count))
    }
}

/// The directory of a file, and its name there.
func split(_ path: String) -> (directory: String, name: String) {
    guard let slash = path.lastIndex(of: "/") else { return (".", path) }
    let directory = path[..<slash]
    return (directory.isEmpty ? "/" : String(directory), String(path[path.index(after: slash)...]))
}
