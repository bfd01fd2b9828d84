// The journal: an entry from its payload to the acknowledgement, and to its end.

internal import Journal
internal import Primitives

extension MicroBenchmark {
    static var journal: [MicroBenchmark] {
        [
            MicroBenchmark("journal: entry of 100 B, committed alone", operations: 2_000) {
                let pending = try Pending()
                return { operations in for _ in 0..<operations { try pending.commit(1) } }
            },
            MicroBenchmark("journal: entry of 100 B, one of 64 in a commit", operations: 6_400) {
                let pending = try Pending()
                return { operations in for _ in 0..<max(1, operations / 64) { try pending.commit(64) } }
            },
            MicroBenchmark("journal: entry that supersedes another, one of 64 in a commit", operations: 6_400) {
                let pending = try Pending()
                try pending.commit(64)
                return { operations in for _ in 0..<max(1, operations / 64) { try pending.supersede() } }
            },
            MicroBenchmark("journal: entry appended and settled, one of 64 in a commit", operations: 6_400) {
                let pending = try Pending()
                return { operations in
                    for _ in 0..<max(1, operations / 64) {
                        try pending.commit(64)
                        try pending.settle()
                    }
                }
            },
            MicroBenchmark("journal: pending entry found at opening", operations: 5_000) {
                { operations in
                    let pending = try Pending()
                    for start in stride(from: 0, to: operations, by: 50) {
                        try pending.commit(min(50, operations - start))
                    }
                    try pending.reopen(expecting: operations)
                }
            },
        ]
    }
}

/// A journal, and the entries of the last batch.
private final class Pending {
    private let options = JournalOptions(directory: Disk.directory(), maxBytes: 64 << 20)
    private var journal: Journal?
    private let payload = value(100)
    private var last: [UInt64] = []

    init() throws { journal = try Journal.open(options, fileSystem: Disk(), now: moment).journal }

    private func open() throws(WrongResult) -> Journal {
        guard let journal else { throw WrongResult("the journal is closed") }
        return journal
    }

    func commit(_ count: Int) throws {
        let journal = try open()
        last.removeAll(keepingCapacity: true)
        journal.begin()
        for _ in 0..<count { last.append(try journal.append(payload, superseding: [], now: moment)) }
        try journal.commit(synchronously: true, now: moment)
    }

    func supersede() throws {
        let journal = try open()
        journal.begin()
        for index in last.indices {
            last[index] = try journal.append(payload, superseding: [last[index]], now: moment)
        }
        try journal.commit(synchronously: true, now: moment)
    }

    func settle() throws {
        let journal = try open()
        journal.begin()
        try journal.settle(last)
        try journal.commit(synchronously: true, now: moment)
        while try journal.maintain(now: moment) {}
    }

    func reopen(expecting count: Int) throws {
        journal = nil
        let (_, recovery) = try Journal.open(options, fileSystem: Disk(), now: moment)
        try expect(recovery.entries.count == count, "\(recovery.entries.count) of \(count) entries were found")
    }
}
