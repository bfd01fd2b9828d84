// Opening the audit: where the chain stood, what a crash left, and the first line of a new life.

internal import Metrics
public import Primitives
public import SegmentLog

extension AuditWriter {
    /// Opens the audit and writes the line with which this process begins.
    ///
    /// The chain goes on from the last whole line of the file, or of the newest file beside it. Throws where another
    /// process writes it, and where the file holds something else.
    public static func open(
        _ options: AuditOptions, fileSystem: any FileSystem, now: Timestamp
    ) throws(AuditError) -> AuditWriter {
        let file = try attempt { () throws(FileError) in try fileSystem.open(options.path, .createOrOpen) }
        guard try attempt({ () throws(FileError) in try fileSystem.lock(file) }) else {
            try? fileSystem.close(file)
            throw .inUse(path: options.path)
        }
        do throws(AuditError) {
            let size = try attempt { () throws(FileError) in try fileSystem.size(file) }
            let ending = try attempt { () throws(FileError) in try AuditEnding.find(file, size, fileSystem) }
            let writer: AuditWriter
            if let ending {
                writer = try continued(options, fileSystem, file, size, ending, now)
            } else {
                writer = try begun(options, fileSystem, file, size, now)
            }
            try writer.synchronize()
            try attempt { () throws(FileError) in
                try fileSystem.synchronizeDirectory(split(options.path).directory)
            }
            return writer
        } catch {
            try? fileSystem.close(file)
            throw error
        }
    }

    /// Goes on in a file that has lines.
    private static func continued(
        _ options: AuditOptions, _ fileSystem: any FileSystem, _ file: OpenFile, _ size: Int, _ ending: AuditEnding,
        _ now: Timestamp
    ) throws(AuditError) -> AuditWriter {
        let first = try attempt { () throws(FileError) in
            AuditEnding.firstSequence(try fileSystem.contents(file, from: 0, to: min(size, 64)))
        }
        let writer = AuditWriter(
            options, fileSystem, file, firstSequence: first ?? ending.last.sequence, size: size, head: ending.last.head)
        let isTorn = !ending.torn.isEmpty
        if ending.last.event == .rotated, !isTorn {
            // The process ended between the last line and the new name.
            try writer.beginFile(after: .rotated, now: now)
            return writer
        }
        let after: AuditEvent.After = ending.last.event == .closed && !isTorn ? .closed : .killed
        try writer.beginLife(after, ending.torn, needsLineEnd: isTorn || !ending.hasLineEnd, now)
        return writer
    }

    /// Begins a file that has no line, where the newest file beside it ends.
    private static func begun(
        _ options: AuditOptions, _ fileSystem: any FileSystem, _ file: OpenFile, _ size: Int, _ now: Timestamp
    ) throws(AuditError) -> AuditWriter {
        let torn = try attempt { () throws(FileError) in try fileSystem.contents(file, from: 0, to: size) }
        guard torn.isEmpty || AuditLine.mayBeTorn(torn) else { throw .notAnAudit(path: options.path) }
        let before = try attempt { () throws(FileError) in
            try AuditEnding.newest(beside: options.path, fileSystem)
        }
        let head = before?.last.head ?? AuditHead()
        let writer = AuditWriter(
            options, fileSystem, file, firstSequence: head.sequence + 1, size: size, head: head)
        let after: AuditEvent.After =
            if !torn.isEmpty {
                .killed
            } else {
                switch before?.last.event {
                case .rotated where before?.torn == []: .rotated
                case .closed where before?.torn == []: .closed
                default: before == nil ? .nothing : .killed
                }
            }
        try writer.beginLife(after, torn.isEmpty ? before?.torn ?? [] : torn, needsLineEnd: !torn.isEmpty, now)
        return writer
    }

    /// Writes the line that says how this process found the chain.
    private func beginLife(
        _ after: AuditEvent.After, _ torn: [UInt8], needsLineEnd: Bool, _ now: Timestamp
    ) throws(AuditError) {
        var text: [UInt8] = needsLineEnd ? [10] : []
        var next = head
        let hash = torn.isEmpty ? nil : SHA256Digest(torn)
        AuditLine.append(.opened(after, tornBytes: torn.count, tornHash: hash), to: &text, &next, time: now)
        try write(text, next)
        if after != .nothing {
            let isExpected = torn.isEmpty || AuditLine.mayBeTorn(torn)
            notes.append(.continued(after: after, tornBytes: torn.count, isExpected: isExpected))
        }
    }
}

/// What the end of a file says.
struct AuditEnding {
    /// The last whole line.
    let last: AuditLine.Reading
    let hasLineEnd: Bool
    /// What lies behind it.
    let torn: [UInt8]

    /// Finds the last whole line of a file; nil where it has none.
    static func find(_ file: OpenFile, _ size: Int, _ fileSystem: any FileSystem) throws(FileError) -> AuditEnding? {
        // Lines have a few hundred bytes, and ten thousand at most: more is read only where the end is damaged.
        var window = min(size, 64 << 10)
        while window > 0 {
            let bytes = try fileSystem.contents(file, from: size - window, to: size)
            if let ending = find(in: bytes) { return ending }
            guard window < size else { return nil }
            window = min(size, window * 16)
        }
        return nil
    }

    private static func find(in bytes: [UInt8]) -> AuditEnding? {
        var end = bytes.count
        while true {
            // What stands between the line end before and this one.
            let start = (bytes[..<end].lastIndex(of: 10) ?? -1) + 1
            if start < end, let line = AuditLine.read(Array(bytes[start..<end])) {
                let hasLineEnd = end < bytes.count
                return AuditEnding(
                    last: line, hasLineEnd: hasLineEnd, torn: hasLineEnd ? Array(bytes[(end + 1)...]) : [])
            }
            guard start > 0 else { return nil }
            end = start - 1
        }
    }

    /// The ending with the highest number among the files beside `path` whose names begin with its name and a dot.
    static func newest(beside path: String, _ fileSystem: any FileSystem) throws(FileError) -> AuditEnding? {
        var newest: AuditEnding?
        for sibling in try siblings(of: path, fileSystem) {
            let file = try fileSystem.open(sibling, .readOnly)
            defer { try? fileSystem.close(file) }
            guard let ending = try find(file, try fileSystem.size(file), fileSystem) else { continue }
            if ending.last.sequence > newest?.last.sequence ?? 0 { newest = ending }
        }
        return newest
    }

    /// The paths of the files beside `path` whose names begin with its name and a dot, in the order of their names.
    static func siblings(of path: String, _ fileSystem: any FileSystem) throws(FileError) -> [String] {
        let (directory, name) = split(path)
        return try fileSystem.list(directory).filter { $0.hasPrefix(name + ".") }.sorted().map {
            path.contains("/") ? (directory == "/" ? "/\($0)" : "\(directory)/\($0)") : $0
        }
    }

    /// The number with which a file begins.
    static func firstSequence(_ bytes: [UInt8]) -> UInt64? {
        guard bytes.starts(with: "{\"seq\":".utf8) else { return nil }
        return UInt64(String(decoding: bytes.dropFirst(7).prefix { $0 >= 48 && $0 <= 57 }.prefix(18), as: UTF8.self))
    }
}
