// Arbitrary bytes as a journal's segment file: opening and inspecting neither crash nor tell of an entry that was not
// written.
//
// The input is laid over a real segment, so that the fuzzer starts with checksums that pass: byte 0 chooses how, bytes
// 1 and 2 where. `.ci/scripts/fuzz` builds and runs it; it needs no corpus.

public import FuzzerDriver
import Journal
import Primitives
import SegmentLog
import TestSupport

/// A segment with entries, one settled, one superseded, and notes; and what each may be read as.
private struct Original {
    let path: String
    let bytes: [UInt8]
    private(set) var entries: [UInt64: [UInt8]] = [:]
    static let note: [UInt8] = [7, 7, 7]
    static let options = JournalOptions(directory: "/journal", maxBytes: 1 << 20)
    static let now = Timestamp(milliseconds: 1)

    init() throws {
        let files = SimulatedFileSystem(seed: 1)
        let (journal, _) = try Journal.open(Self.options, fileSystem: files, now: Self.now)
        for payload: [UInt8] in [[], [1], [2, 2, 2, 2, 2, 2, 2, 2, 2], [3]] {
            journal.begin()
            entries[try journal.append(payload, superseding: payload == [3] ? [1] : [], now: Self.now)] = payload
            try journal.commit(synchronously: true, now: Self.now)
        }
        journal.begin()
        _ = try journal.note(Self.note, now: Self.now)
        try journal.settle([2])
        try journal.commit(synchronously: true, now: Self.now)
        guard let path = files.paths.first(where: { $0.hasSuffix(".segment") }), let bytes = files.contents(path) else {
            preconditionFailure("BUG: no segment was written")
        }
        self.path = path
        self.bytes = bytes
    }

    /// The input as a file: as it is, over the original at an offset, or inserted there.
    func file(_ input: [UInt8]) -> [UInt8] {
        guard input.count >= 3 else { return input }
        let body = input[3...]
        let offset = (Int(input[1]) | Int(input[2]) << 8) % (bytes.count + 1)
        switch input[0] % 4 {
        case 0: return Array(body)
        case 1: return Array(bytes[..<offset] + body + bytes[min(bytes.count, offset + body.count)...])
        case 2: return Array(bytes[..<offset] + body + bytes[offset...])
        default: return Array(bytes[..<offset] + body)
        }
    }

    func check(_ found: [JournalEntry], _ notes: [JournalNote]) {
        for entry in found {
            precondition(
                entries[entry.sequence] == entry.payload,
                "BUG: entry \(entry.sequence) of \(entry.payload) was not written")
        }
        precondition(notes.allSatisfy { $0.id == 1 && $0.payload == Self.note }, "BUG: a note that was not written")
    }
}

private let original = try! Original()  // a fuzzer without its input has nothing to do

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzJournal(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let files = SimulatedFileSystem(seed: 1)
    files.setContents(original.path, original.file(Array(UnsafeBufferPointer(start: start, count: count))))
    do {
        let report = try JournalInspection.run("/journal", fileSystem: files)
        original.check(report.entries, report.notes)
        var held: [JournalEntry]
        do {
            let (journal, recovery) = try Journal.open(Original.options, fileSystem: files, now: Original.now)
            original.check(recovery.entries, recovery.notes)
            precondition(report.entries == recovery.entries, "BUG: inspection and opening differ")
            // What was recovered takes entries, and keeps them.
            journal.begin()
            _ = try journal.append([9, 9], superseding: [], now: Original.now)
            try journal.commit(synchronously: true, now: Original.now)
            while try journal.maintain(now: Original.now) {}
            held = journal.entries
            precondition(held.last?.payload == [9, 9], "BUG: a committed entry is not there")
        }
        files.restorePower()
        let (_, again) = try Journal.open(Original.options, fileSystem: files, now: Original.now)
        precondition(again.entries == held && again.skipped.isEmpty, "BUG: reopened, the journal is another")
    } catch JournalError.log(.unsupportedVersion), JournalError.log(.wrongPurpose), JournalError.log(.mixedStores) {
        return 0  // refused, with a reason: as it should be
    } catch {
        preconditionFailure("BUG: \(error)")
    }
    return 0
}

@_cdecl("JournalFuzzer_main")
public func begin(_ count: CInt, _ arguments: Arguments?) -> CInt { fuzz(count, arguments, fuzzJournal) }
