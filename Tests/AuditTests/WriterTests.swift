// The chain as it is written: lines, lives of processes, rotation, and disks that fail.

import Audit
import Primitives
import SegmentLog
import TestSupport
import Testing

@Suite struct AuditWriterTests {
    @Test func `a line says who, for whom, what, which key and what came of it`() throws {
        let disk = SimulatedFileSystem()
        let audit = try disk.audit()
        try audit.append(
            [
                AuditAccess(
                    time: time(1), peer: .process(uid: 7, gid: 8, pid: 9), actor: Array("bob \"x\"".utf8),
                    command: "GET", key: Array("k\n".utf8), outcome: "ok", source: "local", freshness: "stale"),
                AuditAccess(
                    time: time(2), peer: .address("127.0.0.1:5"), actor: nil, command: "FLUSHDB", key: nil,
                    outcome: "UNAVAILABLE"),
                AuditAccess(
                    time: time(3), peer: .address("127.0.0.1:5"), actor: nil, command: "SET", key: [0xFF, 0x00],
                    outcome: "ok"),
            ], now: time(3))
        let lines = disk.lines(path)
        #expect(lines.count == 4)
        #expect(lines[0].hasPrefix("{\"seq\":1,\"prev\":\"\(String(repeating: "0", count: 64))\",\"time\":"))
        #expect(lines[0].contains("\"event\":\"opened\",\"after\":\"nothing\""))
        #expect(
            lines[1].contains(
                "\"time\":\"2026-01-01T00:00:01.000Z\",\"uid\":7,\"gid\":8,\"pid\":9,\"actor\":\"bob \\\"x\\\"\","
                    + "\"command\":\"GET\",\"key\":\"k\\n\",\"outcome\":\"ok\",\"source\":\"local\","
                    + "\"freshness\":\"stale\""))
        #expect(
            lines[2].contains(
                "\"address\":\"127.0.0.1:5\",\"actor\":null,\"command\":\"FLUSHDB\",\"keys\":\"all\","
                    + "\"outcome\":\"UNAVAILABLE\""))
        #expect(lines[3].contains("\"key_hex\":\"ff00\""))
    }

    @Test func `each line names the hash of the one before, which is that of its bytes`() throws {
        let disk = SimulatedFileSystem()
        let audit = try disk.audit()
        try audit.append((1...20).map { access($0) }, now: time(20))
        var before = String(repeating: "0", count: 64)
        for line in disk.lines(path) {
            #expect(line.contains("\"prev\":\"\(before)\""))
            let body = line.prefix(line.utf8.count - ",\"hash\":\"\"}".utf8.count - 64)
            before = String(decoding: SHA256Digest(Array(body.utf8)).hexadecimal, as: UTF8.self)
            #expect(line.hasSuffix(",\"hash\":\"\(before)\"}"))
        }
        #expect(String(decoding: audit.head.hash.hexadecimal, as: UTF8.self) == before)
        #expect(audit.head.sequence == 21)
    }

    @Test func `hashed keys are those of the log, and long keys are hashed always`() throws {
        let disk = SimulatedFileSystem()
        let long = [UInt8](repeating: 65, count: 1025)
        var audit = try disk.audit(keys: .hashed)
        try audit.append([access(1, key: "session:1")], now: time(1))
        try audit.close(now: time(1))
        audit = try disk.audit(keys: .plain)
        try audit.append(
            [AuditAccess(time: time(1), peer: .address("a"), actor: nil, command: "GET", key: long)], now: time(1))
        let hash = String(decoding: SHA1Digest(Array("session:1".utf8)).hexadecimal.prefix(16), as: UTF8.self)
        #expect(disk.lines(path)[1].contains("\"key_hash\":\"\(hash)\",\"key_bytes\":9"))
        #expect(!disk.text(path).contains("session:1"))
        #expect(disk.lines(path)[4].contains("\"key_bytes\":1025"))
        let fields = try #require(AuditFields(Array(disk.lines(path)[1].utf8)))
        #expect(fields.isAbout(key: Array("session:1".utf8)))
        #expect(!fields.isAbout(key: Array("session:2".utf8)))
    }

    @Test func `a process that ended in order is followed by one that says so`() throws {
        let disk = SimulatedFileSystem()
        for life in 0..<3 {
            let audit = try disk.audit()
            try audit.append([access(life)], now: time(1))
            try audit.close(now: time(2))
        }
        #expect(disk.lines(path).count == 9)
        #expect(disk.lines(path)[3].contains("\"after\":\"closed\""))
        let report = try disk.verify()
        #expect(report.isWhole, "\(report.findings)")
        #expect(report.accesses == 3)
        #expect(report.head.sequence == 9)
    }

    @Test func `two processes can't write one file`() throws {
        let disk = SimulatedFileSystem()
        let audit = try disk.audit()
        #expect(throws: AuditError.inUse(path: path)) { _ = try disk.audit() }
        try audit.close(now: time(1))
        _ = try disk.audit()
    }

    @Test func `a file that holds something else is left alone`() throws {
        let disk = SimulatedFileSystem()
        disk.setContents(path, Array("root:x:0:0\n".utf8))
        #expect(throws: AuditError.notAnAudit(path: path)) { _ = try disk.audit() }
        #expect(disk.text(path) == "root:x:0:0\n")
    }

    // MARK: Kills

    @Test func `a kill at any byte of the last write leaves a chain that goes on and says so`() throws {
        let disk = SimulatedFileSystem()
        let audit = try disk.audit()
        try audit.append([access(1), access(2)], now: time(2))
        let whole = try #require(disk.contents(path))
        for cut in 0..<whole.count {
            let disk = SimulatedFileSystem()
            disk.setContents(path, Array(whole[..<cut]))
            let next = try disk.audit()
            try next.append([access(3)], now: time(3))
            try next.close(now: time(4))
            let report = try disk.verify()
            #expect(report.isWhole, "cut at \(cut): \(report.findings)")
            if cut > 0 { #expect(disk.text(path).contains("\"after\":\"killed\""), "cut at \(cut)") }
            #expect(report.head == next.head)
        }
    }

    @Test func `zeros that a cut of the power left are explained like a torn line`() throws {
        let disk = SimulatedFileSystem()
        let audit = try disk.audit()
        try audit.append([access(1)], now: time(1))
        disk.endProcess()
        disk.setContents(path, (disk.contents(path) ?? []) + [UInt8](repeating: 0, count: 100_000))
        let next = try disk.audit()
        #expect(next.notes == [.continued(after: .killed, tornBytes: 100_000, isExpected: true)])
        try next.close(now: time(2))
        #expect(try disk.verify().isWhole)
    }

    @Test func `a last line that was altered while nobody wrote is kept, told of and found`() throws {
        let disk = SimulatedFileSystem()
        let audit = try disk.audit()
        try audit.append([access(1), access(2)], now: time(2))
        try audit.close(now: time(3))
        var bytes = try #require(disk.contents(path))
        bytes[bytes.count - 100] ^= 1
        bytes[bytes.count - 500] ^= 1
        disk.setContents(path, bytes)
        let next = try disk.audit()
        guard case .continued(.killed, _, false)? = next.notes.first else {
            Issue.record("\(next.notes)")
            return
        }
        try next.close(now: time(4))
        #expect(try !disk.verify().isWhole)
    }

    @Test func `a power cut at any call loses no line that was synchronised, and the chain goes on`() throws {
        for seed in 1...60 as ClosedRange<UInt64> {
            let disk = SimulatedFileSystem(seed: seed)
            var synchronised = AuditHead()
            var faults = SimulatedFaults()
            faults.failingCall = Int(seed)
            faults.isPersistent = true
            disk.faults = faults
            do {
                let audit = try disk.audit(maxBytes: 1500, keep: 2)
                for number in 1...20 {
                    try audit.append([access(number)], now: time(1))
                    try audit.synchronize()
                    synchronised = audit.head
                }
            } catch {
                // The power goes with the first call that fails.
            }
            disk.cutPower()
            disk.restorePower()
            let next = try disk.audit(maxBytes: 1500, keep: 2)
            try next.append([access(99)], now: time(2))
            try next.close(now: time(3))
            let report = try disk.verify()
            #expect(report.isWhole, "seed \(seed): \(report.findings)")
            #expect(next.head.sequence > synchronised.sequence, "seed \(seed)")
            let all = try AuditVerification.row(of: path, fileSystem: disk).map { disk.text($0) }.joined()
            if synchronised.sequence > 0 {
                let hash = String(decoding: synchronised.hash.hexadecimal, as: UTF8.self)
                #expect(all.contains("\"hash\":\"\(hash)\""), "seed \(seed)")
            }
        }
    }

    // MARK: Rotation

    @Test func `files are rotated by size, and the oldest go when there are too many`() throws {
        let disk = SimulatedFileSystem()
        let audit = try disk.audit(maxBytes: 2000, keep: 2)
        for number in 1...60 { try audit.append([access(number)], now: time(Int64(number))) }
        let paths = disk.paths
        #expect(paths.count == 3, "\(paths)")
        #expect(paths[0] == path)
        for rotated in paths.dropFirst() {
            #expect(disk.lines(rotated).last?.contains("\"event\":\"rotated\"") ?? false)
            #expect(disk.lines(rotated)[0].contains("\"after\":\"rotated\""))
            let digits = rotated.dropFirst(path.count + 1)
            #expect(disk.lines(rotated)[0].hasPrefix("{\"seq\":\(UInt64(digits) ?? 0),"))
        }
        try audit.close(now: time(99))
        let report = try disk.verify()
        #expect(report.isWhole, "\(report.findings)")
        #expect(report.notes.contains { $0.contains("removed to keep within audit.keep") })
        // What was removed by somebody else is found.
        try disk.remove(paths[1])
        #expect(try disk.verify().findings.contains { $0.contains("missing before line") })
    }

    @Test(arguments: [FileError.Operation.rename, .open, .synchronizeDirectory, .remove, .list, .lock])
    func `a rotation that fails loses nothing and is tried again`(operation: FileError.Operation) throws {
        for call in 1...4 {
            let disk = SimulatedFileSystem()
            let audit = try disk.audit(maxBytes: 1500, keep: 1)
            var faults = SimulatedFaults()
            faults.failingCall = call
            faults.failingOperation = operation
            disk.faults = faults
            for number in 1...40 { try audit.append([access(number)], now: time(1)) }
            disk.faults = SimulatedFaults()
            for number in 41...60 { try audit.append([access(number)], now: time(1)) }
            try audit.close(now: time(2))
            let report = try disk.verify()
            #expect(report.isWhole, "\(operation) \(call): \(report.findings)")
            #expect(report.head == audit.head)
            #expect(disk.paths.count <= 3, "\(disk.paths)")
            // The next process finds the end, whatever the files are called.
            let next = try disk.audit(maxBytes: 1500, keep: 1)
            try next.close(now: time(3))
            #expect(try disk.verify().isWhole)
        }
    }

    @Test func `a file that was moved away is closed by SIGHUP, and a new one begun`() throws {
        let disk = SimulatedFileSystem()
        let audit = try disk.audit()
        try audit.append([access(1)], now: time(1))
        try audit.reopen(now: time(1))
        #expect(disk.lines(path).count == 2, "nothing was moved, and nothing is to be done")
        try disk.rename(path, to: "\(path).1")
        try audit.append([access(2)], now: time(2))
        try audit.reopen(now: time(2))
        try audit.append([access(3)], now: time(3))
        #expect(disk.lines("\(path).1").last?.contains("\"event\":\"rotated\"") ?? false)
        #expect(disk.lines(path).count == 2)
        #expect(try disk.lines(path)[0].contains("\"prev\":\"\(hash(of: #require(disk.lines("\(path).1").last)))\""))
        try audit.close(now: time(4))
        #expect(try disk.verify().isWhole)
    }

    private func hash(of line: String) -> Substring { line.dropLast(2).suffix(64) }

    @Test func `a process that finds its file moved away goes on from the newest beside it`() throws {
        let disk = SimulatedFileSystem()
        for number in 1...3 {
            let audit = try disk.audit()
            try audit.append([access(number)], now: time(1))
            if number == 2 { disk.endProcess() } else { try audit.close(now: time(2)) }
            try disk.rename(path, to: "\(path).\(number)")
        }
        let audit = try disk.audit()
        try audit.close(now: time(3))
        let report = try disk.verify()
        #expect(report.isWhole, "\(report.findings)")
        #expect(report.files.count == 4)
        #expect(report.accesses == 3)
    }

    // MARK: Disks

    @Test func `what a failed write left behind is cut off before the next one`() throws {
        let disk = SimulatedFileSystem()
        let audit = try disk.audit()
        try audit.append([access(1)], now: time(1))
        var faults = SimulatedFaults()
        faults.capacity = disk.bytesUsed + 300
        disk.faults = faults
        let head = audit.head
        #expect(throws: AuditError.self) { try audit.append((2...9).map { access($0) }, now: time(2)) }
        #expect(audit.head == head)
        #expect(disk.lines(path).count == 2)
        disk.faults = SimulatedFaults()
        try audit.append([access(10)], gap: AuditGap(dropped: 8), now: time(3))
        try audit.close(now: time(4))
        let report = try disk.verify()
        #expect(report.isWhole, "\(report.findings)")
        #expect(report.dropped == 8)
    }

    @Test func `what can't be cut off at once is cut off later`() throws {
        let disk = SimulatedFileSystem()
        let audit = try disk.audit()
        var faults = SimulatedFaults()
        faults.capacity = disk.bytesUsed + 100
        faults.failingCall = 1
        faults.failingOperation = .truncate
        faults.isPersistent = true
        disk.faults = faults
        for _ in 0..<3 { #expect(throws: AuditError.self) { try audit.append([access(1)], now: time(2)) } }
        disk.faults = SimulatedFaults()
        try audit.append([access(2)], now: time(3))
        try audit.close(now: time(4))
        #expect(try disk.verify().isWhole)
    }

    @Test func `after a failed sync a new file is begun`() throws {
        let disk = SimulatedFileSystem()
        let audit = try disk.audit()
        var faults = SimulatedFaults()
        faults.failingCall = 1
        faults.failingOperation = .synchronize
        disk.faults = faults
        try audit.append([access(1)], now: time(1))
        #expect(throws: AuditError.self) { try audit.synchronize() }
        try audit.append([access(2)], now: time(2))
        try audit.synchronize()
        #expect(disk.paths.count == 2)
        try audit.close(now: time(3))
        let report = try disk.verify()
        #expect(report.isWhole, "\(report.findings)")
        #expect(report.notes.contains { $0.contains("or its disk failed") })
    }

    @Test func `any single failure of the disk leaves a chain that verifies`() throws {
        for call in 1...80 {
            let disk = SimulatedFileSystem()
            let audit = try disk.audit(maxBytes: 1500, keep: 2)
            var faults = SimulatedFaults()
            faults.failingCall = call
            disk.faults = faults
            var gap = AuditGap()
            for number in 1...25 {
                do {
                    try audit.append([access(number)], gap: gap, now: time(1))
                    gap = AuditGap()
                    try audit.synchronize()
                } catch {
                    gap.refused += 1
                }
            }
            disk.faults = SimulatedFaults()
            try audit.append([access(30)], gap: gap, now: time(2))
            try audit.close(now: time(2))
            let report = try disk.verify()
            #expect(report.isWhole, "call \(call): \(report.findings)")
        }
    }
}
