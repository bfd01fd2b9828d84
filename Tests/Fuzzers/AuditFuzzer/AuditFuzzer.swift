// Arbitrary bytes as an audit, and arbitrary changes of one that is whole: nothing traps, and no change goes unseen.
//
// An input that begins with an even byte is a file; one that begins with an odd byte is a list of changes, each of two
// bytes for the place and one for what is there.

import Audit
public import FuzzerDriver
import Primitives
import SegmentLog
import TestSupport

private let path = "/audit.log"
private let now = Timestamp(milliseconds: 1_767_225_600_000)

/// A chain that was closed in order.
private nonisolated(unsafe) let whole: [UInt8] = {
    let disk = SimulatedFileSystem()
    guard let audit = try? AuditWriter.open(AuditOptions(path: path), fileSystem: disk, now: now) else {
        preconditionFailure("BUG: no audit on an empty disk")
    }
    for number in 0..<5 {
        let access = AuditAccess(
            time: now, peer: .process(uid: 1, gid: 2, pid: 3), actor: Array("ada".utf8), command: "GET",
            key: Array("session:\(number)".utf8))
        try? audit.append([access], now: now)
    }
    try? audit.close(now: now)
    return disk.contents(path) ?? []
}()

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzAudit(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: start, count: count))
    guard let first = input.first else { return 0 }
    if first % 2 == 0 { takeFile(Array(input.dropFirst())) } else { change(Array(input.dropFirst())) }
    return 0
}

private func verify(_ disk: SimulatedFileSystem) -> AuditReport? {
    var verification = AuditVerification(fileSystem: disk)
    return try? verification.verify([path])
}

private func takeFile(_ bytes: [UInt8]) {
    for line in bytes.split(separator: 10) { _ = AuditFields(Array(line)) }
    let disk = SimulatedFileSystem()
    disk.setContents(path, bytes)
    _ = verify(disk)
    guard let audit = try? AuditWriter.open(AuditOptions(path: path), fileSystem: disk, now: now) else {
        precondition(disk.contents(path) == bytes, "BUG: a file that was refused was changed")
        return
    }
    precondition(disk.contents(path)?.starts(with: bytes) ?? false, "BUG: what stood in the file is gone")
    try? audit.close(now: now)
    _ = verify(disk)
}

private func change(_ changes: [UInt8]) {
    var bytes = whole
    for index in stride(from: 0, to: changes.count - 2, by: 3) {
        bytes[(Int(changes[index]) << 8 | Int(changes[index + 1])) % bytes.count] = changes[index + 2]
    }
    let disk = SimulatedFileSystem()
    disk.setContents(path, bytes)
    let isWhole = verify(disk)?.isWhole ?? false
    precondition(isWhole == (bytes == whole), "BUG: a change was not seen")
}

@_cdecl("AuditFuzzer_main")
public func begin(_ count: CInt, _ arguments: Arguments?) -> CInt { fuzz(count, arguments, fuzzAudit) }
