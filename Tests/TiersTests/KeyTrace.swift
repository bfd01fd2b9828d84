// The history of one key of a seed, line by line.
//
// HEARTH_TRACE=r1 HEARTH_SEED=… swift test --filter JournalModelTests

import Primitives
import State
import TestSupport

@testable import Tiers

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Prints what clients, the journal, its disk and Redis made of one key, as it happens.
final class KeyTrace {
    private let key: [UInt8]
    private let scheduler: SimulatedScheduler
    private var entries: [UInt64: String] = [:]
    private var onDisk: Set<UInt64> = []
    private var momentsTold = 0
    private var held = ""

    /// Nil where nobody asked for a trace.
    init?(_ scheduler: SimulatedScheduler) {
        guard let name = getenv("HEARTH_TRACE") else { return nil }
        key = bytes(String(cString: name))
        self.scheduler = scheduler
    }

    func tell(_ text: String) { print("\(scheduler.monotonicNanoseconds / 1000) us: \(text)") }

    /// What a client did or heard, where it is about this key.
    func tell(_ key: String, _ text: @autoclosure () -> String) { if bytes(key) == self.key { tell(text()) } }

    /// Looks at the process and at Redis, and tells what is new; to be called after each event.
    func look(at car: Sidecar) {
        let moments = car.redis.history[key] ?? []
        for moment in moments[min(momentsTold, moments.count)...] {
            tell("  redis: \(moment.value.map(text) ?? "(absent)")")
        }
        momentsTold = moments.count
        let copy = car.held(text(key))
        let copyTold =
            copy.map { "\(text(bytes($0.value))), mark \($0.metadata.mark), quiet \($0.metadata.quietFor)" }
            ?? "nothing"
        if copyTold != held { tell("  memory: \(copyTold)") }
        held = copyTold
        guard let journal = car.journal else { return }
        var now: [UInt64: String] = [:]
        for (sequence, _, write) in journal.pending.list(after: 0, limit: .max, bytesMax: .max) {
            guard let base = write.bases.first(where: { $0.key == key })?.base else { continue }
            now[sequence] = describe(write, base)
        }
        for (sequence, what) in now.sorted(by: { $0.key < $1.key }) where entries[sequence] != what {
            tell("  pending \(sequence): \(what)")
        }
        for sequence in entries.keys.sorted() where now[sequence] == nil { tell("  pending \(sequence) is gone") }
        entries = now
        for sequence in onDisk where journal.keeper.journal.entry(sequence) == nil {
            tell("  journal \(sequence) is ended")
            onDisk.remove(sequence)
        }
        for sequence in now.keys where journal.keeper.journal.entry(sequence) != nil { onDisk.insert(sequence) }
    }

    /// Another process begins: it knows what the journal told it.
    func forgetProcess() {
        entries = [:]
        onDisk = []
    }

    private func describe(_ write: JournaledWrite, _ base: Base) -> String {
        let writes = write.operations.filter { $0.key == key }.map(\.write)
        let operations = writes.map { write in write.setValue.map { "SET \(text($0))" } ?? write.name }
        let states = base.states.map { state in String(text(state.word).prefix(8)) }
        let notes = [
            write.wasSent ? "was sent" : "", base.isUnknown ? "unknown base" : "", base.mayBeOurs ? "may be ours" : "",
        ]
        return ([operations.joined(separator: ", "), "\(states)"] + notes.filter { !$0.isEmpty })
            .joined(separator: ", ")
    }

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes.prefix(24), as: UTF8.self) }
}
