// What the tests of the warm tier share: keys and values as text, seeds, and directories that go away.

import Primitives
import SegmentLog
import TestSupport
import WarmTier

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

extension Timestamp {
    static func at(_ milliseconds: Int64) -> Timestamp { Timestamp(milliseconds: milliseconds) }
}

extension WarmWriter {
    func put(_ key: String, _ value: [UInt8], _ metadata: WarmMetadata = WarmMetadata()) throws(WarmError) {
        try put(Array(key.utf8), value, metadata)
    }

    func put(_ key: String, _ value: String, _ metadata: WarmMetadata = WarmMetadata()) throws(WarmError) {
        try put(Array(key.utf8), Array(value.utf8), metadata)
    }

    func delete(_ key: String, remembered: WarmMetadata? = nil, now: Timestamp = .at(1)) throws(WarmError) {
        try delete(Array(key.utf8), remembered: remembered, now: now)
    }

    func value(_ key: String, now: Timestamp = .at(1)) -> String? { read(Array(key.utf8), now: now).text }

    /// One batch with what `body` stages.
    func batch(now: Timestamp = .at(1), _ body: (WarmWriter) throws(WarmError) -> Void) throws(WarmError) {
        begin(now: now)
        do throws(WarmError) {
            try body(self)
        } catch {
            rollback()
            throw error
        }
        try commit(now: now)
    }
}

extension WarmTier {
    func lookup(_ key: String, now: Timestamp = .at(1)) -> WarmLookup { read(Array(key.utf8), now: now) }
    func value(_ key: String, now: Timestamp = .at(1)) -> String? { lookup(key, now: now).text }
}

extension WarmLookup {
    var bytes: [UInt8]? { if case .entry(let entry) = self { Array(entry.value) } else { nil } }
    var text: String? { bytes.map { String(decoding: $0, as: UTF8.self) } }
    var isAbsent: Bool { if case .absent = self { true } else { false } }
    var isTombstone: Bool { if case .tombstone = self { true } else { false } }
}

/// A directory under the system's temporary one, removed with all in it at the end of `body`.
func withTemporaryDirectory<Result>(_ body: (String) throws -> Result) throws -> Result {
    let root = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    let path = "\(root)/hearth-warm-\(UInt64.random(in: 0 ... .max))"
    defer {
        let files = DiskFileSystem()
        for name in (try? files.list(path)) ?? [] { try? files.remove(path + "/" + name) }
        rmdir(path)
    }
    return try body(path)
}

func simulated(
    _ files: SimulatedFileSystem, maxBytes: Int = 256 << 10, sync: WarmTierConfiguration.Sync = .always,
    whenFull: WarmTierConfiguration.WhenFull = .evict, segmentBytes: Int? = nil, compressMin: Int? = nil,
    now: Timestamp = .at(1)
) throws -> WarmWriter {
    try WarmTier.open(
        WarmTierConfiguration(
            directory: "/warm", maxBytes: maxBytes, sync: sync, whenFull: whenFull, segmentBytes: segmentBytes,
            compressMin: compressMin),
        fileSystem: files, now: now)
}
