// What was done to a chain, and that it is found.

import Audit
import Primitives
import SegmentLog
import TestSupport
import Testing

@Suite struct AuditVerificationTests {
    /// A chain over three files, closed in order.
    private func chain() throws -> SimulatedFileSystem {
        let disk = SimulatedFileSystem()
        let audit = try disk.audit(maxBytes: 2000)
        for number in 1...18 { try audit.append([access(number)], now: time(Int64(number))) }
        try audit.close(now: time(99))
        #expect(disk.paths.count == 3)
        return disk
    }

    private func copy(_ disk: SimulatedFileSystem) -> SimulatedFileSystem {
        let copy = SimulatedFileSystem()
        for path in disk.paths { copy.setContents(path, disk.contents(path) ?? []) }
        return copy
    }

    @Test func `every bit that is turned is found`() throws {
        let disk = try chain()
        #expect(try disk.verify().isWhole)
        for path in disk.paths {
            let bytes = try #require(disk.contents(path))
            for place in stride(from: 0, to: bytes.count, by: 11) {
                let damaged = copy(disk)
                var changed = bytes
                changed[place] ^= UInt8(1 << (place % 8))
                damaged.setContents(path, changed)
                let row = disk.paths
                var verification = AuditVerification(fileSystem: damaged)
                let report = try verification.verify(try AuditVerification.ordered(row, fileSystem: damaged))
                #expect(!report.isWhole, "byte \(place) of \(path)")
            }
        }
    }

    @Test func `every line that is taken out, put in twice or moved is found, and its place told`() throws {
        let disk = try chain()
        for path in disk.paths {
            let lines = disk.lines(path)
            for place in lines.indices {
                var without = lines
                without.remove(at: place)
                var twice = lines
                twice.insert(lines[place], at: place)
                var moved = lines
                moved.swapAt(place, (place + 1) % lines.count)
                for (what, changed) in [("without", without), ("twice", twice), ("moved", moved)] {
                    let damaged = copy(disk)
                    damaged.setContents(path, Array((changed.joined(separator: "\n") + "\n").utf8))
                    let report = try damaged.verify()
                    #expect(!report.isWhole, "\(path), line \(place) \(what)")
                    #expect(report.findings.allSatisfy { $0.contains("line") }, "\(report.findings)")
                }
            }
        }
    }

    @Test func `a line of another chain that is put in is found`() throws {
        let disk = try chain()
        let other = SimulatedFileSystem()
        let audit = try other.audit()
        try audit.append((1...18).map { access($0, key: "forged:\($0)") }, now: time(1))
        let forged = other.lines(path)
        for place in 1..<4 {
            let damaged = copy(disk)
            var lines = disk.lines(disk.paths[1])
            lines[place] = forged[place]
            damaged.setContents(disk.paths[1], Array((lines.joined(separator: "\n") + "\n").utf8))
            #expect(try !damaged.verify().isWhole)
        }
    }

    @Test func `a file cut anywhere is found`() throws {
        let disk = try chain()
        for path in disk.paths {
            let bytes = try #require(disk.contents(path))
            for end in stride(from: 0, to: bytes.count, by: 5) {
                let damaged = copy(disk)
                damaged.setContents(path, Array(bytes[..<end]))
                #expect(try !damaged.verify().isWhole, "\(path) cut at \(end)")
            }
        }
    }

    @Test func `a file that is missing in the row is found`() throws {
        for missing in try chain().paths {
            let disk = try chain()
            try disk.remove(missing)
            let report = try disk.verify()
            #expect(!report.isWhole, "without \(missing)")
        }
        let disk = try chain()
        try disk.remove(disk.paths[1])
        let report = try disk.verify(isPartial: true)
        #expect(report.isWhole, "a later beginning is allowed where it is asked for: \(report.findings)")
    }

    @Test func `a chain that was written anew is found by a head that was kept elsewhere`() throws {
        let kept = try chain().verify().head
        let disk = SimulatedFileSystem()
        let audit = try disk.audit(maxBytes: 2000)
        for number in 1...18 { try audit.append([access(number, key: "forged")], now: time(Int64(number))) }
        try audit.close(now: time(99))
        #expect(try disk.verify().isWhole, "by itself it is a chain like any other")
        let report = try disk.verify(expecting: AuditVerification.Expectation(kept, mayGoOn: false))
        #expect(report.findings.contains { $0.contains("kept elsewhere") }, "\(report.findings)")
    }

    @Test func `a head from within a chain finds that its line was replaced, or is not there`() throws {
        func audited(_ key: String) throws -> (disk: SimulatedFileSystem, head: AuditHead) {
            let disk = SimulatedFileSystem()
            let audit = try disk.audit(maxBytes: 2000)
            try audit.append([access(1, key: key)], now: time(1))
            let head = audit.head
            for number in 2...18 { try audit.append([access(number, key: key)], now: time(Int64(number))) }
            try audit.close(now: time(99))
            return (disk, head)
        }
        let (disk, head) = try audited("session")
        let expected = AuditVerification.Expectation(head, mayGoOn: true)
        #expect(try disk.verify(expecting: expected).isWhole)
        let forged = try audited("forged").disk.verify(expecting: expected)
        #expect(forged.findings.count == 1, "\(forged.findings)")
        #expect(forged.findings.first?.contains("is not the one whose hash was kept elsewhere") ?? false)
        try disk.remove(disk.paths[1])
        let partial = try disk.verify(expecting: expected, isPartial: true)
        #expect(partial.findings.count == 1, "\(partial.findings)")
        #expect(partial.findings.first?.contains("is in none of the files") ?? false)
    }

    @Test func `a first line that names one before it, and a beginning behind others, are found`() throws {
        /// A line with other bytes, and its own hash over them.
        func sealed(_ line: String, _ old: String, _ new: String) throws -> String {
            let end = try #require(line.firstRange(of: ",\"hash\""))
            let text = line[..<end.lowerBound].replacing(old, with: new)
            let hash = String(decoding: SHA256Digest(Array(text.utf8)).hexadecimal, as: UTF8.self)
            return "\(text),\"hash\":\"\(hash)\"}"
        }
        let none = String(decoding: SHA256Digest.none.hexadecimal, as: UTF8.self)
        for (old, new, finding) in [
            (none, String(none.dropLast()) + "1", "line 1 names a line before it"),
            ("\"seq\":1,", "\"seq\":7,", "line 7 begins a chain, and is not its first line"),
        ] {
            let disk = SimulatedFileSystem()
            let audit = try disk.audit()
            try audit.close(now: time(1))
            let first = try sealed(disk.lines(path)[0], old, new)
            disk.setContents(path, Array((first + "\n").utf8))
            let report = try disk.verify(isPartial: true)
            #expect(report.findings.contains { $0.contains(finding) }, "\(report.findings)")
        }
    }

    @Test func `a key that is no plain text is found in its line`() throws {
        for keys in [AuditKeys.plain, .hashed] {
            let disk = SimulatedFileSystem()
            let audit = try disk.audit(keys: keys)
            try audit.append([access(1, key: "a\u{1}\u{7f}é\"\\\n")], now: time(1))
            let line = try #require(disk.lines(path).first { $0.contains("GET") })
            let fields = try #require(AuditFields(Array(line.utf8)))
            #expect(fields.isAbout(key: Array("a\u{1}\u{7f}é\"\\\n".utf8)), "\(line)")
            #expect(!fields.isAbout(key: Array("a".utf8)))
        }
    }

    @Test func `lines cut off behind an orderly end are found by a head alone`() throws {
        let disk = SimulatedFileSystem()
        var audit = try disk.audit()
        try audit.append([access(1)], now: time(1))
        try audit.close(now: time(1))
        let early = try #require(disk.contents(path))
        audit = try disk.audit()
        try audit.append([access(2)], now: time(2))
        try audit.close(now: time(2))
        let head = audit.head
        #expect(try disk.verify(expecting: AuditVerification.Expectation(head, mayGoOn: false)).isWhole)
        disk.setContents(path, early)
        #expect(try disk.verify().isWhole)
        let report = try disk.verify(expecting: AuditVerification.Expectation(head, mayGoOn: false))
        #expect(report.findings.contains { $0.contains("missing at the end") }, "\(report.findings)")
    }

    @Test func `an open end is a finding, unless the process that writes it says where it stands`() throws {
        let disk = SimulatedFileSystem()
        let audit = try disk.audit()
        try audit.append([access(1)], now: time(1))
        let head = audit.head
        try audit.append([access(2)], now: time(2))
        let report = try disk.verify()
        #expect(report.findings.count == 1)
        #expect(report.findings[0].contains("no line says that the process or its file ended there"))
        #expect(try disk.verify(expecting: AuditVerification.Expectation(head, mayGoOn: true)).isWhole)
        // A line that is being written while it is read.
        let whole = try #require(disk.contents(path))
        disk.setContents(path, whole + Array("{\"seq\":4,\"prev".utf8))
        #expect(try disk.verify(expecting: AuditVerification.Expectation(head, mayGoOn: true)).isWhole)
        #expect(try !disk.verify().isWhole)
    }

    @Test func `damage is one finding, and the chain is taken up behind it`() throws {
        let disk = try chain()
        var lines = disk.lines(disk.paths[1])
        lines[2] = "{\"seq\":3}"
        disk.setContents(disk.paths[1], Array((lines.joined(separator: "\n") + "\n").utf8))
        let report = try disk.verify()
        #expect(report.findings.count == 1, "\(report.findings)")
        #expect(report.findings[0].contains("before line 4"))
    }

    @Test func `files are read in the order of their lines, however they are named`() throws {
        let disk = try chain()
        for (name, path) in zip(["c", "a", "b"], disk.paths) { try disk.rename(path, to: "/log/\(name)") }
        var verification = AuditVerification(fileSystem: disk)
        let ordered = try AuditVerification.ordered(disk.paths, fileSystem: disk)
        #expect(ordered == ["/log/a", "/log/b", "/log/c"])
        #expect(try verification.verify(ordered).isWhole)
    }

    @Test func `no bytes make the reader of lines stumble`() throws {
        var random = SimulatedRandom(seed: 5)
        let line = try #require(try chain().lines(path).first)
        for _ in 0..<2000 {
            var bytes = Array(line.utf8)
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            bytes = Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &random)))
            _ = AuditFields(bytes)
            let disk = SimulatedFileSystem()
            disk.setContents(path, bytes + [10])
            _ = try disk.verify()
        }
    }
}
