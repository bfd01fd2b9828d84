// A key space of its own beside the keys of applications: archives, of which no walk over keys tells.
//
// DESIGN: records of the kind `archive` lie among all others in the same segments, within the same `max_bytes`, and go
// the way of all when room is needed. Their keys begin with bytes that no application may use here, so that neither
// sees the other's; they are not counted as keys, and their values are always compressed where that pays.

/// The keys of archives.
public enum ArchiveSpace {
    /// What they begin with: a byte that hardly any key begins with, so that all others are told apart by it.
    public static let prefix: [UInt8] = [0] + Array("hearth archive".utf8) + [0]

    /// Whether a key is an archive's.
    @inline(__always)
    static func contains(_ key: UnsafeRawBufferPointer) -> Bool {
        key.count >= prefix.count && key[0] == 0 && key.prefix(prefix.count).elementsEqual(prefix)
    }

    /// The same of a key in an array.
    public static func contains(_ key: [UInt8]) -> Bool { key.withUnsafeBytes { contains($0) } }
}
