// What tests of the audit share: accesses to write, and files in the simulated file system.

import Audit
import Primitives
import TestSupport

let path = "/log/audit.log"

func time(_ second: Int64) -> Timestamp { Timestamp(milliseconds: 1_767_225_600_000 + second * 1000) }

func access(_ number: Int, key: String? = nil) -> AuditAccess {
    AuditAccess(
        time: time(Int64(number)), peer: .process(uid: 1000, gid: 1000, pid: 4242),
        actor: number % 2 == 0 ? Array("alice".utf8) : nil, command: number % 3 == 0 ? "SET" : "GET",
        key: Array((key ?? "session:\(number)").utf8), outcome: number % 5 == 0 ? "nil" : "ok")
}

extension SimulatedFileSystem {
    func text(_ path: String) -> String { String(decoding: contents(path) ?? [], as: UTF8.self) }

    func lines(_ path: String) -> [String] { text(path).split(separator: "\n").map(String.init) }

    /// The audit as a process would open it.
    func audit(maxBytes: Int = 1 << 20, keep: Int? = nil, keys: AuditKeys = .plain) throws -> AuditWriter {
        try AuditWriter.open(
            AuditOptions(path: path, maxBytes: maxBytes, keep: keep, keys: keys), fileSystem: self, now: time(0))
    }

    func verify(
        expecting: AuditVerification.Expectation? = nil, isPartial: Bool = false
    ) throws -> AuditReport {
        let row = try AuditVerification.row(of: path, fileSystem: self)
        var verification = AuditVerification(fileSystem: self, expecting: expecting, isPartial: isPartial)
        return try verification.verify(try AuditVerification.ordered(row, fileSystem: self))
    }
}
