// Arbitrary bytes as a segment file: recovery, inspection and reading neither crash nor return what was not written.
//
// The input is laid over a real segment, so that the fuzzer starts with checksums that pass: byte 0 chooses how, bytes
// 1 and 2 where. `.ci/scripts/fuzz` builds and runs it; it needs no corpus.

public import FuzzerDriver
import Primitives
import SegmentLog
import TestSupport
import WarmTier

/// A segment with a value that is overwritten, a deletion, and a group; and what each key may be read as.
private struct Original {
    let path: String
    let bytes: [UInt8]
    static let values: [(key: String, value: String)] = [
        ("a", "one"), ("a", "two"), ("b", "bee"), ("g", "group"), ("h", "group"),
        // Long enough to lie there compressed.
        ("z", String(repeating: "long ", count: 60)),
    ]

    init() throws {
        let files = SimulatedFileSystem(seed: 1)
        let writer = try WarmTier.open(Self.configuration, fileSystem: files, now: Self.now)
        for pair in Self.values.prefix(3) {
            writer.begin(now: Self.now)
            try Self.put(writer, pair)
            try writer.commit(now: Self.now)
        }
        writer.begin(now: Self.now)
        try writer.atomically { writer throws(WarmError) in
            try Self.put(writer, Self.values[3])
            try Self.put(writer, Self.values[4])
        }
        try Self.put(writer, Self.values[5])
        try writer.delete(Array("b".utf8), now: Self.now)
        try writer.commit(now: Self.now)
        guard let path = files.paths.first(where: { $0.hasSuffix(".segment") }), let bytes = files.contents(path) else {
            preconditionFailure("BUG: no segment was written")
        }
        self.path = path
        self.bytes = bytes
        guard writer.tier.statistics.compressed == 1 else { preconditionFailure("BUG: nothing lies compressed") }
    }

    static let configuration = WarmTierConfiguration(
        directory: "/warm", maxBytes: 1 << 20, sync: .always, compressMin: 64)
    static let now = Timestamp(milliseconds: 1)

    private static func put(_ writer: WarmWriter, _ pair: (key: String, value: String)) throws(WarmError) {
        try writer.put(Array(pair.key.utf8), Array(pair.value.utf8))
    }

    /// The input as a file: as it is, over the original at an offset, or inserted there.
    func file(_ input: [UInt8]) -> [UInt8] {
        guard input.count >= 3 else { return input }
        let body = input[3...]
        let offset = (Int(input[1]) | Int(input[2]) << 8) % (bytes.count + 1)
        switch input[0] % 4 {
        case 0: return Array(body)
        case 1: return Array((bytes[..<offset] + body + bytes[min(bytes.count, offset + body.count)...]))
        case 2: return Array(bytes[..<offset] + body + bytes[offset...])
        default: return Array(bytes[..<offset] + body)
        }
    }
}

private let original = try! Original()  // a fuzzer without its input has nothing to do

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzSegment(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let files = SimulatedFileSystem(seed: 1)
    files.setContents(original.path, original.file(Array(UnsafeBufferPointer(start: start, count: count))))
    do {
        _ = try WarmTier.inspect("/warm", fileSystem: files, now: Original.now)
        _ = try WarmTier.verify("/warm", fileSystem: files, now: Original.now)
        let writer = try WarmTier.open(Original.configuration, fileSystem: files, now: Original.now)
        for (key, _) in Original.values {
            guard case .entry(let entry) = writer.tier.read(Array(key.utf8), now: Original.now) else { continue }
            let found = String(decoding: entry.value, as: UTF8.self)
            precondition(
                Original.values.contains { $0 == (key, found) }, "BUG: \(key) is read as \(found), which nobody wrote")
        }
        for key in writer.tier.scan(limit: 100, now: Original.now).keys {
            precondition(
                Original.values.contains { Array($0.key.utf8) == key }, "BUG: the key \(key), which nobody wrote")
        }
        // What was recovered takes writes, and keeps them.
        writer.begin(now: Original.now)
        try writer.put(Array("new".utf8), [1, 2, 3])
        try writer.commit(now: Original.now)
        while writer.maintain(now: Original.now).hasMore {}
        guard case .entry = writer.tier.read(Array("new".utf8), now: Original.now) else {
            preconditionFailure("BUG: a committed value is not there")
        }
    } catch WarmError.log(.unsupportedVersion), WarmError.log(.wrongPurpose), WarmError.log(.mixedStores) {
        return 0  // refused, with a reason: as it should be
    } catch {
        preconditionFailure("BUG: \(error)")
    }
    return 0
}

@_cdecl("SegmentFuzzer_main")
public func begin(_ count: CInt, _ arguments: Arguments?) -> CInt { fuzz(count, arguments, fuzzSegment) }
