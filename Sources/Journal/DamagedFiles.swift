// Files in which damage was found, kept beside the segments for a person to look at; the oldest go first.

internal import SegmentLog

struct DamagedFiles {
    struct Kept: Equatable {
        var segment: UInt32
        var path: String
        var bytes: Int
    }

    static let suffix = SegmentLog.setAsideSuffix

    private let directory: String
    /// Oldest first.
    private(set) var files: [Kept] = []
    private(set) var bytes = 0

    init(directory: String) { self.directory = directory }

    var isEmpty: Bool { files.isEmpty }

    /// Whether there are more than are kept. The last one stays, whatever its size.
    func isOver(_ countMax: Int, _ bytesMax: Int) -> Bool {
        files.count > countMax || files.count > 1 && bytes > bytesMax
    }

    mutating func add(segment: UInt32, path: String, bytes size: Int) {
        files.append(Kept(segment: segment, path: path, bytes: size))
        files.sort { $0.segment < $1.segment }
        bytes += size
    }

    /// Finds those that earlier openings kept.
    mutating func find(_ fileSystem: any FileSystem) throws(FileError) {
        for name in try fileSystem.list(directory) where name.hasSuffix(Self.suffix) {
            guard let identity = SegmentIdentity(fileName: String(name.dropLast(Self.suffix.count))) else { continue }
            let path = directory + "/" + name
            let file = try fileSystem.open(path, .readOnly)
            var size: Int?
            defer { try? fileSystem.close(file) }  // only read: its close can lose nothing
            size = try fileSystem.size(file)
            add(segment: identity.sequence, path: path, bytes: size ?? 0)
        }
    }

    mutating func removeOldest(_ fileSystem: any FileSystem) throws(FileError) {
        guard let oldest = files.first else { return }
        do throws(FileError) {
            try fileSystem.remove(oldest.path)
        } catch {
            guard error.code == .noSuchFile else { throw error }
        }
        files.removeFirst()
        bytes -= oldest.bytes
        try fileSystem.synchronizeDirectory(directory)
    }
}
