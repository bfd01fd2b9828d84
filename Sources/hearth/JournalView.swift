// What a journal holds, as people are shown it: asked of a running Hearth, or read from the files of one that is gone.

internal import Journal
internal import Primitives
internal import Tiers

/// The entries that wait and the conflicts that are kept.
struct JournalView {
    struct Operation {
        let name: String
        let key: [UInt8]
        let value: [UInt8]?
    }

    struct Entry {
        let sequence: Int64
        let ageMilliseconds: Int64
        /// Redis may have it already.
        let mayBeDone: Bool
        let operations: [Operation]
    }

    struct Collision {
        let id: Int64
        let sequence: Int64
        let verdict: String
        let operation: String
        let key: [UInt8]
        let ours: [UInt8]?
        let theirType: String
        let theirs: [UInt8]?
    }

    var entries: [Entry] = []
    var conflicts: [Collision] = []

    // MARK: Of a running Hearth

    private static func maps(_ reply: Reply) -> [ReplyMap] {
        guard case .array(let elements) = reply else { return [] }
        return elements.compactMap { ReplyMap($0) }
    }

    /// The reply to HEARTH JOURNAL LIST.
    mutating func takeEntries(_ reply: Reply) {
        entries = Self.maps(reply).map { entry in
            Entry(
                sequence: entry.number("sequence"), ageMilliseconds: entry.number("age_ms"),
                mayBeDone: entry.text("may_be_done") != "no",
                operations: Self.maps(entry["operations"] ?? .null).map {
                    Operation(name: $0.text("operation"), key: $0.bytes("key") ?? [], value: $0.bytes("value"))
                })
        }
    }

    /// The reply to HEARTH JOURNAL CONFLICTS.
    mutating func takeConflicts(_ reply: Reply) {
        conflicts = Self.maps(reply).map {
            Collision(
                id: $0.number("id"), sequence: $0.number("sequence"), verdict: $0.text("verdict"),
                operation: $0.text("operation"), key: $0.bytes("key") ?? [], ours: $0.bytes("ours"),
                theirType: $0.text("their_type"), theirs: $0.bytes("theirs"))
        }
    }

    // MARK: Of files

    init() {}

    /// What a directory holds; entries that another version wrote are told in `unreadable`.
    init(_ report: JournalInspection.Report, now: Timestamp, unreadable: inout [String]) {
        for entry in report.entries {
            do throws(UnreadablePayload) {
                let write = try JournaledWrite(payload: entry.payload)
                entries.append(
                    Entry(
                        sequence: Int64(entry.sequence), ageMilliseconds: now.milliseconds(since: entry.acceptedAt),
                        mayBeDone: write.wasSent,
                        operations: write.operations.map {
                            Operation(name: $0.write.name, key: $0.key, value: $0.write.setValue)
                        }))
            } catch {
                unreadable.append("entry \(entry.sequence): \(error)")
            }
        }
        for note in report.notes {
            guard let conflict = Conflict(payload: note.payload) else {
                unreadable.append("conflict \(note.id): of another version")
                continue
            }
            conflicts.append(
                Collision(
                    id: Int64(note.id), sequence: Int64(conflict.sequence), verdict: conflict.verdict.label,
                    operation: conflict.operation, key: conflict.key, ours: conflict.ours,
                    theirType: conflict.theirType, theirs: conflict.theirs))
        }
    }
}
