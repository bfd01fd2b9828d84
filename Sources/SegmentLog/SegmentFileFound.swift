// The segment files of a directory, each opened and its first bytes read, before anything is touched.

/// A segment file as found.
struct SegmentFileFound {
    var file: SegmentFile
    var size: Int
    var opening: SegmentOpening

    var sequence: UInt32 { file.identity.sequence }

    /// The segment files of a directory, oldest first; other files are not looked at.
    ///
    /// Throws on a file that must not be touched: of a newer version, another purpose or another store.
    static func all(
        in directory: String, purpose: SegmentPurpose, fileSystem: any FileSystem, readOnly: Bool = false
    ) throws(SegmentLogError) -> [SegmentFileFound] {
        let names = try reporting { () throws(FileError) in try fileSystem.list(directory) }
        let identities = names.compactMap { SegmentIdentity(fileName: $0) }
            .sorted { ($0.sequence, $0.storeSeed) < ($1.sequence, $1.storeSeed) }
        var found: [SegmentFileFound] = []
        found.reserveCapacity(identities.count)
        for identity in identities {
            let path = directory + "/" + identity.fileName
            guard identity.storeSeed == identities[0].storeSeed else { throw .mixedStores(path: path) }
            let segment = try reporting { () throws(FileError) in
                try SegmentFileFound(identity, path, readOnly: readOnly, fileSystem: fileSystem)
            }
            if let header = segment.opening.header {
                guard header.identity == identity else { throw .mixedStores(path: path) }
                guard (1...purpose.version).contains(header.version) else {
                    throw .unsupportedVersion(path: path, version: header.version)
                }
                guard header.purpose == purpose.rawValue else {
                    throw .wrongPurpose(path: path, purpose: header.purpose)
                }
            }
            found.append(segment)
        }
        return found
    }

    private init(
        _ identity: SegmentIdentity, _ path: String, readOnly: Bool, fileSystem: any FileSystem
    ) throws(FileError) {
        let open = try Self.open(path, readOnly: readOnly, fileSystem)
        file = SegmentFile(identity: identity, file: open, fileSystem: fileSystem)
        size = try fileSystem.size(open)
        do {
            do { opening = try file.opening() } catch { opening = try file.opening() }
        } catch {
            // Tried twice. As a damaged header: the name says whose the file is, the scan reports what it misses.
            opening = SegmentOpening()
        }
    }

    /// For writing where that is possible; a file on a medium that can't be written to is still read.
    private static func open(
        _ path: String, readOnly: Bool, _ fileSystem: any FileSystem
    ) throws(FileError) -> OpenFile {
        if readOnly { return try fileSystem.open(path, .readOnly) }
        do {
            return try fileSystem.open(path, .readWrite)
        } catch {
            guard error.code == .readOnlyFileSystem || error.code == .permissionDenied else { throw error }
            return try fileSystem.open(path, .readOnly)
        }
    }
}

/// Runs a call and reports its failure as the log's: nothing was written.
func reporting<Result>(_ call: () throws(FileError) -> Result) throws(SegmentLogError) -> Result {
    do {
        return try call()
    } catch {
        throw .file(error)
    }
}
