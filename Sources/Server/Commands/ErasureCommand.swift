// STATE.ERASE: everything under a prefix, from every place where this sidecar and its Redis have it.
//
// docs/erasure.md says what that is, what it is not, and what to do after each answer.

internal import Primitives
internal import Tiers

enum ErasureCommand {
    /// The longest prefix, in bytes.
    private static let prefixBytesMax = 1024

    nonisolated(unsafe) static let all: [Command] = [
        Command(
            "state.erase", arity: 2, [.write, .barrier], .immediate { (c, a) throws(CommandError) in try run(c, a) })
    ]

    private static func run(_ c: Connection, _ a: Arguments) throws(CommandError) {
        let prefix = try prefix(a.bytes(1))
        let slot = c.reserve(keys: [], isWrite: true, isBarrier: true)
        let worker = c.worker
        worker.tiers.erase(prefix) { [unowned worker] outcome in
            worker.log.note(outcome, prefix)
            c.complete(slot) { output in
                switch outcome {
                case .done(let count): output.map(fields(count), slot.version)
                case .refused(let reason):
                    output.error(
                        "UNAVAILABLE not done: \(reason): nothing was erased; send it again when that is over")
                case .incomplete(let count, let reason):
                    output.error(
                        "UNAVAILABLE erased in part (\(text(count))): \(reason); what is left may be read, and what was "
                            + "erased may come back from there: send it again")
                }
            }
        }
    }

    private static func prefix(_ bytes: [UInt8]) throws(CommandError) -> [UInt8] {
        guard !bytes.isEmpty else {
            throw CommandError(
                "ERR STATE.ERASE needs a prefix of 1 to \(prefixBytesMax) bytes: an empty one is every key, and that is "
                    + "FLUSHDB")
        }
        guard bytes.count <= prefixBytesMax else {
            throw CommandError(
                "ERR STATE.ERASE needs a prefix of 1 to \(prefixBytesMax) bytes; this one has \(bytes.count)")
        }
        guard !bytes.starts(with: "hearth:".utf8) else {
            throw CommandError("ERR keys that begin with hearth: are Hearth's own; STATE.ERASE needs another prefix")
        }
        return bytes
    }

    private static func fields(_ count: ErasureCount) -> [(String, Field)] {
        count.parts.map { ($0.name, $0.count.map { .integer(Int64($0)) } ?? .null) }
    }

    /// What was removed, in words: `local 3, warm 5, redis 120`.
    static func text(_ count: ErasureCount) -> String {
        count.parts.compactMap { part in part.count.map { "\(part.name) \($0)" } }.joined(separator: ", ")
    }
}

extension Log {
    /// Tells of an erasure; its prefix is as good as a key, and so hashed.
    fileprivate func note(_ outcome: ErasureOutcome, _ prefix: [UInt8]) {
        let hash = String(decoding: SHA1Digest(prefix).hexadecimal.prefix(16), as: UTF8.self)
        switch outcome {
        case .done(let count):
            write(.info, "erased") {
                $0.member("prefix_hash", hash)
                for part in count.parts { $0.member(part.name, part.count ?? 0) }
            }
        case .incomplete(let count, let reason):
            write(.error, "erasure_incomplete") {
                $0.member("prefix_hash", hash)
                for part in count.parts { $0.member(part.name, part.count ?? 0) }
                $0.member("reason", reason)
                $0.member("what_to_do", "send STATE.ERASE again: what is left may be read")
            }
        case .refused(let reason):
            write(.warning, "erasure_refused") {
                $0.member("prefix_hash", hash)
                $0.member("reason", reason)
            }
        }
    }
}
