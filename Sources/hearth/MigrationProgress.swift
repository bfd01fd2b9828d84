// How far a migration is and what it has found, and the file from which an interrupted one goes on.

internal import Primitives

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// What a walk has found so far.
struct MigrationProgress: Equatable {
    /// A step's operation, as the policies name it.
    struct Operation: Hashable {
        var to: Int64
        var text: String
    }

    struct Effect: Equatable {
        /// Records in which the operation changed something, places there, and places in which a value is lost.
        var records: Int64 = 0
        var places: Int64 = 0
        var lost: Int64 = 0
    }

    struct Failure: Equatable {
        /// The key's hash, or the key.
        var name: String
        var outcome: String
        var reason: String
    }

    /// The Redis process and the schemas for which `cursor` counts; empty before the first page.
    var process = ""
    var fingerprint = ""
    /// Where SCAN goes on.
    var cursor = "0"
    var isDone = false
    /// How often the walk had to begin anew.
    var beginnings: Int64 = 0
    var looked: Int64 = 0
    /// Keys that hold something else, or nothing any more.
    var notRecords: Int64 = 0
    /// Records by the outcome that STATE.MIGRATE answers, and `error` for its errors.
    var outcomes: [String: Int64] = [:]
    var effects: [Operation: Effect] = [:]
    /// The first thousand.
    var failures: [Failure] = []

    static let failuresMax = 1000
    static let failing = ["failed", "newer", "too_big", "error"]

    var failureCount: Int64 { Self.failing.reduce(0) { $0 + count($1) } }

    func count(_ outcome: String) -> Int64 { outcomes[outcome] ?? 0 }

    /// The share of the keyspace that is walked, from 0 to 1.
    ///
    /// Redis counts its cursor from the highest bit down (dictScan, by Pieter Noordhuis), so that reversed it grows
    /// from 0 to 2⁶⁴ whatever the table's size; the warm tier's grows to 2³⁸.
    var share: Double {
        if isDone { return 1 }
        guard let cursor = UInt64(cursor) else { return 0 }
        if process == "none" { return min(1, Double(cursor) / Double(1 << 38 as UInt64)) }
        var (reversed, left) = (UInt64(0), cursor)
        for _ in 0..<64 {
            reversed = reversed << 1 | left & 1
            left >>= 1
        }
        return Double(reversed) / 0x1p64
    }

    /// The cursor means nothing any more: what was counted stays counted.
    mutating func beginAnew() {
        cursor = "0"
        beginnings += 1
    }

    /// Counts the reply to STATE.MIGRATE or STATE.MIGRATION of one key.
    mutating func note(_ reply: Reply, name: String) {
        looked += 1
        switch reply {
        case .null: notRecords += 1
        case .error(let text) where text.starts(with: "WRONGTYPE".utf8): notRecords += 1
        case .error(let text): fail("error", String(decoding: text, as: UTF8.self), name)
        default:
            guard let map = ReplyMap(reply) else { return fail("error", "answered with something else", name) }
            let outcome = map.text("outcome")
            if Self.failing.contains(outcome) { return fail(outcome, map.text("reason"), name) }
            outcomes[outcome, default: 0] += 1
            if outcome == "migrated", case .array(let effects) = map["effects"] { note(effects) }
        }
    }

    private mutating func note(_ listed: [Reply]) {
        for case .array(let parts) in listed {
            guard parts.count == 4, case .integer(let to) = parts[0], case .string(let text) = parts[1],
                case .integer(let places) = parts[2], case .integer(let lost) = parts[3]
            else { continue }
            let operation = Operation(to: to, text: String(decoding: text, as: UTF8.self))
            effects[operation, default: Effect()].records += 1
            effects[operation, default: Effect()].places += places
            effects[operation, default: Effect()].lost += lost
        }
    }

    private mutating func fail(_ outcome: String, _ reason: String, _ name: String) {
        outcomes[outcome, default: 0] += 1
        guard failures.count < Self.failuresMax else { return }
        failures.append(Failure(name: name, outcome: outcome, reason: reason))
    }
}

/// The file that holds the progress of one run, replaced as a whole after each page.
struct MigrationStore {
    let path: String
    /// What the run is asked for: another run's file is not gone on with.
    private let purpose: [String]

    init(path: String, _ options: MigrationOptions) {
        self.path = path
        purpose = [
            "prefix \(Hexadecimal.text(options.prefix))", "dry_run \(options.isDryRun)", "held \(options.includesHeld)",
        ]
    }

    private static let head = "hearth migrate 1"
    private static let end = "end"

    /// The progress of the file; nil where there is none.
    func read() throws(ControlError) -> MigrationProgress? {
        guard let bytes = CommandLineTool.content(of: path) else {
            if errno == ENOENT { return nil }
            throw trouble("can't be read: \(String(cString: strerror(errno)))")
        }
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
        guard lines.first == Self.head, lines.last == Self.end, lines.count >= 2 + purpose.count else {
            throw trouble("is no state of a migration: name another file, or remove it")
        }
        guard Array(lines[1...purpose.count]) == purpose else {
            throw trouble(
                "belongs to a run with another --prefix, --dry-run or --held: give the same, or another --state")
        }
        var progress = MigrationProgress()
        for line in lines[(1 + purpose.count)...].dropLast() {
            guard progress.take(line) else { throw trouble("has a line that can't be read (\(line)): remove the file") }
        }
        return progress
    }

    private func trouble(_ text: String) -> ControlError { ControlError(.usage, "hearth: --state \(path) \(text)") }

    /// Replaces the file; it is the old one or the new one, whenever the process or the machine ends.
    func write(_ progress: MigrationProgress) throws(ControlError) {
        let text = ([Self.head] + purpose + progress.lines + [Self.end]).joined(separator: "\n") + "\n"
        let beside = path + ".new"
        let descriptor = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw unwritten() }
        var left = Array(text.utf8)[...]
        while !left.isEmpty {
            let count = left.withUnsafeBytes { writeTo(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                defer { close(descriptor) }
                throw unwritten()
            }
            left = left.dropFirst(count)
        }
        guard fsync(descriptor) == 0 else {
            defer { close(descriptor) }
            throw unwritten()
        }
        close(descriptor)
        guard rename(beside, path) == 0 else { throw unwritten() }
    }

    private func unwritten() -> ControlError {
        ControlError(
            .usage, "hearth: --state \(path) can't be written (\(String(cString: strerror(errno)))): name another file")
    }

    func remove() { unlink(path) }
}

extension MigrationProgress {
    /// A line for each figure: a word, and what belongs to it.
    fileprivate var lines: [String] {
        var lines = [
            "process \(process)", "fingerprint \(fingerprint)", "cursor \(cursor)", "beginnings \(beginnings)",
            "looked \(looked)", "not_records \(notRecords)",
        ]
        lines += outcomes.sorted { $0.key < $1.key }.map { "outcome \($0.key) \($0.value)" }
        lines += effects.sorted { ($0.key.to, $0.key.text) < ($1.key.to, $1.key.text) }.map { operation, effect in
            "effect \(operation.to) \(effect.records) \(effect.places) \(effect.lost) \(operation.text)"
        }
        return lines
            + failures.map {
                "failure \($0.outcome) \(Hexadecimal.text(Array($0.name.utf8))) \(Figures.printable(Array($0.reason.utf8)))"
            }
    }

    /// Takes a line of `lines`; false where it is none.
    fileprivate mutating func take(_ line: String) -> Bool {
        let parts = line.split(separator: " ", maxSplits: 5, omittingEmptySubsequences: false).map(String.init)
        let rest = parts.dropFirst().first ?? ""
        switch parts[0] {
        case "process": process = rest
        case "fingerprint": fingerprint = rest
        case "cursor":
            guard UInt64(rest) != nil else { return false }
            cursor = rest
        case "beginnings": return Int64(rest).map { beginnings = $0 } != nil
        case "looked": return Int64(rest).map { looked = $0 } != nil
        case "not_records": return Int64(rest).map { notRecords = $0 } != nil
        case "outcome":
            guard parts.count == 3, let count = Int64(parts[2]) else { return false }
            outcomes[parts[1]] = count
        case "effect":
            guard parts.count == 6, let to = Int64(parts[1]), let records = Int64(parts[2]),
                let places = Int64(parts[3]), let lost = Int64(parts[4])
            else { return false }
            effects[Operation(to: to, text: parts[5])] = Effect(records: records, places: places, lost: lost)
        case "failure":
            let parts = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 4, let name = Hexadecimal.bytes(parts[2]) else { return false }
            failures.append(
                Failure(name: String(decoding: name, as: UTF8.self), outcome: parts[1], reason: parts[3]))
        default: return false
        }
        return true
    }
}

/// Bytes as hexadecimal digits in lower case.
enum Hexadecimal {
    static func text(_ bytes: [UInt8]) -> String {
        bytes.map { Figures.right(String($0, radix: 16), 2).replacing(" ", with: "0") }.joined()
    }

    /// Nil where the text is not pairs of digits.
    static func bytes(_ text: String) -> [UInt8]? {
        let digits = Array(text)
        guard digits.count.isMultiple(of: 2) else { return nil }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let byte = UInt8(String(digits[index...index + 1]), radix: 16) else { return nil }
            bytes.append(byte)
        }
        return bytes
    }
}

/// write(2), under a name that no method hides.
private func writeTo(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
    write(descriptor, bytes, count)
}
