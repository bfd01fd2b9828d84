// `hearth audit verify` and `hearth audit show`: whether the audit is whole, and what it tells of a key or an actor.

internal import Audit
internal import Configuration
internal import Primitives
internal import SegmentLog

extension CommandLineTool {
    private static let auditUsage = """
        usage: hearth audit verify [FILE…] [--head SEQUENCE:HASH] [--partial]
               hearth audit show [FILE…] [--key KEY] [--actor NAME] [--command NAME] [--since TIME]
        """

    func audit() -> Never {
        let words = words(
            switches: ["--partial"], options: ["--head", "--key", "--actor", "--command", "--since"])
        let files = Array(words.rest.dropFirst())
        switch words.rest.first {
        case "verify": verifyAudit(words, files)
        case "show": showAudit(words, files)
        default: fail(.usage, Self.auditUsage)
        }
    }

    // MARK: verify

    private func verifyAudit(_ words: Words, _ files: [String]) -> Never {
        let expecting: AuditVerification.Expectation?
        if let text = words.options["--head"] {
            guard let head = AuditHead(text) else {
                fail(.usage, "hearth: --head takes a line's number and its hash, as 1234:<64 hexadecimal digits>")
            }
            expecting = AuditVerification.Expectation(head, mayGoOn: false)
        } else if files.isEmpty {
            // Asked before the files are read: what it has written by then must be in them.
            expecting = headOfProcess(words).map { AuditVerification.Expectation($0, mayGoOn: true) }
        } else {
            expecting = nil
        }
        let paths = row(words, files)
        var verification = AuditVerification(
            expecting: expecting, isPartial: words.switches.contains("--partial"))
        do throws(AuditError) {
            let report = try verification.verify(paths)
            for line in Self.lines(report) { print(line) }
            guard !report.isWhole else { finish(.clean) }
            fail(.unavailable, "hearth: the audit is not whole: \(report.findingCount) findings, listed above")
        } catch {
            fail(.unavailable, "hearth: the audit can't be read: \(error)")
        }
    }

    /// Where the running Hearth's audit stands; nil where none runs, or none answers.
    private func headOfProcess(_ words: Words) -> AuditHead? {
        do throws(ControlError) {
            var client = try ControlClient.connect(load(words.file, words.flags).configuration)
            guard let map = ReplyMap(try client.ask("HEARTH", "STATUS")) else { return nil }
            return AuditHead("\(map.number("audit_sequence")):\(map.text("audit_head"))")
        } catch {
            return nil
        }
    }

    /// The files that were named, or the configured audit's, in the order of their lines; ends the process where there
    /// is none.
    private func row(_ words: Words, _ files: [String]) -> [String] {
        do throws(AuditError) {
            var paths = files
            if paths.isEmpty {
                guard let path = load(words.file, words.flags).configuration.audit.path else {
                    fail(.usage, "hearth: no audit is configured: name its files, or give --audit-path or --config")
                }
                paths = try AuditVerification.row(of: path)
                guard !paths.isEmpty else { fail(.unavailable, "hearth: there is no audit at \(path)") }
            }
            return try AuditVerification.ordered(paths)
        } catch {
            fail(.unavailable, "hearth: the audit can't be read: \(error)")
        }
    }

    private static func lines(_ report: AuditReport) -> [String] {
        var lines = report.files.map { file in
            file.lines == 0
                ? "\(file.path): no whole line" : "\(file.path): lines \(file.first) to \(file.last)"
        }
        lines += report.notes.map { "note: \($0)" }
        lines += report.findings.map { "BROKEN: \($0)" }
        if report.findings.count < report.findingCount {
            lines.append("BROKEN: and \(report.findingCount - report.findings.count) more")
        }
        let state = report.isWhole ? "whole" : "NOT whole"
        lines.append("\(report.accesses) accesses; the chain is \(state)")
        lines.append("head \(report.head.sequence):\(String(decoding: report.head.hash.hexadecimal, as: UTF8.self))")
        return lines
    }

    // MARK: show

    private func showAudit(_ words: Words, _ files: [String]) -> Never {
        let since = words.options["--since"].map { text in
            guard Self.isTime(text) else {
                fail(
                    .usage,
                    "hearth: --since takes a moment in UTC, as 2026-01-31, 2026-01-31T23:00 or 2026-01-31T23:00:00Z")
            }
            // Moments of one form are ordered as their texts are; this one is the beginning of such a text.
            return text.hasSuffix("Z") ? String(text.dropLast()) : text
        }
        let filter = AuditFilter(
            key: words.options["--key"].map { Array($0.utf8) }, actor: words.options["--actor"],
            command: words.options["--command"]?.uppercased(), since: since)
        do throws(AuditError) {
            for path in row(words, files) {
                try AuditVerification.forEachLine(of: path) { line in
                    guard let fields = AuditFields(line), filter.matches(fields) else { return }
                    print(String(decoding: line, as: UTF8.self))
                }
            }
            finish(.clean)
        } catch {
            fail(.unavailable, "hearth: the audit can't be read: \(error)")
        }
    }

    private static func isTime(_ text: String) -> Bool {
        let pattern = Array("0000-00-00T00:00:00.000Z".utf8)
        let bytes = Array(text.utf8)
        let body = bytes.last == UInt8(ascii: "Z") ? Array(bytes.dropLast()) : bytes
        guard (10...23).contains(body.count) else { return false }
        return zip(body, pattern).allSatisfy { $0 >= 48 && $0 <= 57 ? $1 == 48 : $0 == $1 }
    }
}

/// Which lines are shown: those to which all that is given applies.
struct AuditFilter {
    let key: [UInt8]?
    let actor: String?
    let command: String?
    /// The beginning of a moment as lines have it.
    let since: String?

    func matches(_ fields: AuditFields) -> Bool {
        if let key, fields["command"] == nil || !fields.isAbout(key: key) { return false }
        if let actor, fields["actor"] != actor { return false }
        if let command, fields["command"] != command { return false }
        if let since, let time = fields["time"], time < since { return false }
        return true
    }
}

extension AuditHead {
    /// A head as it is printed, `1234:<64 hexadecimal digits>`.
    init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let sequence = UInt64(parts[0]),
            let hash = SHA256Digest(hexadecimal: Array(parts[1].utf8))
        else { return nil }
        self.init(sequence: sequence, hash: hash)
    }
}
