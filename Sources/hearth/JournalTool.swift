// `hearth journal`: what waits for Redis, which conflicts a replay found, and what a person decides about both.

internal import Configuration
internal import Journal
internal import Metrics
internal import Primitives
internal import SegmentLog

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

extension CommandLineTool {
    private static let journalUsage = """
        usage: hearth journal list|conflicts [--count N] | replay | discard ALL|SEQUENCE… | forget ALL|ID…
               hearth journal inspect [DIR] | export [DIR]
        """

    func journal() -> Never {
        let words = words(options: ["--count"])
        let count = words.options["--count"] ?? "100"
        guard (Int(count) ?? 0) > 0 else { fail(.usage, "hearth: --count takes a number above 0") }
        guard let action = words.rest.first else { fail(.usage, Self.journalUsage) }
        let rest = Array(words.rest.dropFirst())
        switch (action, rest.count) {
        case ("list", 0): showEntries(words, count)
        case ("conflicts", 0): showConflicts(words, count)
        case ("replay", 0): replay(words)
        case ("discard", 1...): tellJournal(words, ["DISCARD"] + rest, "forgotten, not done")
        case ("forget", 1...): tellJournal(words, ["FORGET"] + rest, "forgotten")
        case ("inspect", 0...1): inspectJournal(words, rest.first)
        case ("export", 0): exportOfProcess(words)
        case ("export", 1): exportOfFiles(rest[0])
        default: fail(.usage, Self.journalUsage)
        }
    }

    // MARK: list and conflicts

    private func showEntries(_ words: Words, _ count: String) -> Never {
        talk(words) { (client) throws(ControlError) in
            var view = JournalView()
            view.takeEntries(try client.ask("HEARTH", "JOURNAL", "LIST", count))
            for line in Self.lines(view.entries) { print(line) }
            guard let all = ReplyMap(try client.ask("HEARTH", "JOURNAL")) else { return }
            let total = all.number("journal_entries")
            let more = total > view.entries.count ? ", the oldest of which are above" : ""
            print("\(total) entries wait for Redis\(more); the journal is \(all.text("journal_state"))")
        }
    }

    private func showConflicts(_ words: Words, _ count: String) -> Never {
        talk(words) { (client) throws(ControlError) in
            var view = JournalView()
            view.takeConflicts(try client.ask("HEARTH", "JOURNAL", "CONFLICTS", count))
            for line in Self.lines(view.conflicts) { print(line) }
            let hint = view.conflicts.isEmpty ? "" : "; hearth journal forget ID… when they have been looked at"
            print("\(view.conflicts.count) conflicts\(hint)")
        }
    }

    private static func lines(_ entries: [JournalView.Entry]) -> [String] {
        entries.flatMap { entry in
            let head =
                Figures.right(String(entry.sequence), 10)
                + Figures.right(Figures.duration(milliseconds: entry.ageMilliseconds), 10)
            let tail = entry.mayBeDone ? "  (may be done already)" : ""
            return entry.operations.map { "\(head)  \($0.name) \(printable($0.key))\(tail)" }
        }
    }

    private static func lines(_ conflicts: [JournalView.Collision]) -> [String] {
        conflicts.flatMap { conflict in
            let what =
                switch conflict.verdict {
                case "overwrote": "ours replaced theirs"
                case "kept": "theirs stayed"
                default: "Redis refused ours"
                }
            return [
                "\(conflict.id): \(printable(conflict.key)): \(what)",
                "    ours    \(conflict.operation)\(conflict.ours.map { " " + printable($0) } ?? "")",
                "    theirs  \(conflict.theirType)\(conflict.theirs.map { " " + printable($0) } ?? "")",
            ]
        }
    }

    /// The first hundred bytes of a value, so that a line stays a line.
    private static func printable(_ bytes: [UInt8]) -> String {
        let text = Figures.printable(Array(bytes.prefix(100)))
        return bytes.count > 100 ? "\(text)… (\(bytes.count) bytes)" : text
    }

    // MARK: replay, discard, forget

    private func replay(_ words: Words) -> Never {
        talk(words) { (client) throws(ControlError) in
            guard case .integer(let waiting) = try client.ask("HEARTH", "JOURNAL", "REPLAY") else { return }
            guard waiting > 0, let breaker = ReplyMap(try client.ask("HEARTH", "BREAKER")) else {
                return print("nothing waits for Redis")
            }
            let isClosed = breaker.text("writes").hasSuffix("closed")
            let state = isClosed ? "they are on their way" : "the breaker is \(breaker.text("writes")) for writes"
            print("\(waiting) entries wait for Redis: \(state)")
        }
    }

    private func tellJournal(_ words: Words, _ arguments: [String], _ done: String) -> Never {
        talk(words) { (client) throws(ControlError) in
            let request = ["HEARTH", "JOURNAL"] + arguments
            guard case .integer(let count) = try client.ask(request.map { Array($0.utf8) }) else { return }
            print("\(count) \(done)")
        }
    }

    // MARK: Files

    /// What a directory holds, whether or not a process has it; ends this one where it can't be read.
    private func viewOfFiles(_ directory: String) -> (JournalView, JournalInspection.Report, unreadable: [String]) {
        do throws(JournalError) {
            let report = try JournalInspection.run(directory)
            var unreadable: [String] = []
            let now = Timestamp(milliseconds: Int64(time(nil)) * 1000)
            return (JournalView(report, now: now, unreadable: &unreadable), report, unreadable)
        } catch {
            fail(.unavailable, "hearth: \(directory) can't be read: \(error); give the journal's directory")
        }
    }

    private func inspectJournal(_ words: Words, _ directory: String?) -> Never {
        let directory = directory ?? load(words.file, words.flags).configuration.journal.path
        let (view, report, unreadable) = viewOfFiles(directory)
        if report.segments == 0, report.damagedFiles.isEmpty { noSegments(in: directory, isInUse: report.isInUse) }
        let damage = report.skipped.map { "damage: \($0)" } + unreadable.map { "damage: \($0)" }
        for line in Self.lines(view.entries) + Self.lines(view.conflicts) + damage { print(line) }
        for path in report.damagedFiles { print("kept after damage: \(path)") }
        let inUse = report.isInUse ? "; a process has it open, and what it writes now may look torn" : ""
        print(
            "\(directory): \(view.entries.count) entries wait for Redis, \(view.conflicts.count) conflicts, "
                + "\(Figures.bytes(Int64(report.diskBytes))) on disk\(inUse)")
        guard !damage.isEmpty else { finish(.clean) }
        fail(.unavailable, "hearth: \(directory) has damage, listed above; every whole entry is kept")
    }

    // MARK: export

    /// Everything as JSON lines, bytes in base 64: to be kept, or written elsewhere by other means.
    private func exportOfProcess(_ words: Words) -> Never {
        talk(words) { (client) throws(ControlError) in
            var view = JournalView()
            var last: Int64 = 0
            while true {
                view.takeEntries(try client.ask("HEARTH", "JOURNAL", "LIST", "1000", String(last)))
                guard let end = view.entries.last else { break }
                Self.export(view)
                last = end.sequence
            }
            view.takeConflicts(try client.ask("HEARTH", "JOURNAL", "CONFLICTS", String(Int32.max)))
            Self.export(view)
        }
    }

    private func exportOfFiles(_ directory: String) -> Never {
        let (view, report, unreadable) = viewOfFiles(directory)
        if report.segments == 0, report.damagedFiles.isEmpty { noSegments(in: directory, isInUse: report.isInUse) }
        Self.export(view)
        for text in unreadable { printError("hearth: \(text)") }
        finish(unreadable.isEmpty ? .clean : .unavailable)
    }

    private static func export(_ view: JournalView) {
        for entry in view.entries {
            for operation in entry.operations {
                printLine { json in
                    json.member("kind", "entry")
                    json.member("sequence", entry.sequence)
                    json.member("age_ms", entry.ageMilliseconds)
                    json.member("operation", operation.name)
                    member(&json, "key", operation.key)
                    member(&json, "value", operation.value)
                }
            }
        }
        for conflict in view.conflicts {
            printLine { json in
                json.member("kind", "conflict")
                json.member("id", conflict.id)
                json.member("sequence", conflict.sequence)
                json.member("verdict", conflict.verdict)
                json.member("operation", conflict.operation)
                json.member("their_type", conflict.theirType)
                member(&json, "key", conflict.key)
                member(&json, "ours", conflict.ours)
                member(&json, "theirs", conflict.theirs)
            }
        }
    }

    private static func printLine(_ body: (inout JSONWriter) -> Void) {
        var json = JSONWriter()
        json.object(body)
        print(String(decoding: json.bytes, as: UTF8.self))
    }

    private static func member(_ json: inout JSONWriter, _ name: String, _ bytes: [UInt8]?) {
        if let bytes { json.member("\(name)_base64", Base64.text(bytes)) }
    }
}

/// Base 64 with padding (RFC 4648, section 4).
enum Base64 {
    static func text(_ bytes: [UInt8]) -> String {
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let part = bytes[start..<min(start + 3, bytes.count)]
            let word = (0..<3).reduce(UInt32(0)) { $0 << 8 | UInt32($1 < part.count ? part[start + $1] : 0) }
            for index in 0..<4 {
                let digit = digits[Int(word >> (18 - 6 * UInt32(index)) & 63)]
                text.append(index <= part.count ? digit : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
