// One request that is audited, from when it is understood until its reply is known.

internal import Audit
internal import Primitives
internal import RESP
internal import Tiers

/// One command's touch of one key, before anything came of it.
struct AuditedTouch {
    /// In upper case, with the subcommand where there is one.
    let command: String
    /// Nil for every key.
    let key: [UInt8]?
    /// Which element of the reply is about it; nil where the whole reply is.
    let element: Int?
}

/// What a request touches that has to be told; belongs to its connection.
final class AuditedRequest {
    let time: Timestamp
    let actor: [UInt8]?
    let touches: [AuditedTouch]
    /// Where answers came from: by element, or of the whole under -1.
    private var provenance: [Int: (source: String?, freshness: String?)] = [:]

    init(time: Timestamp, actor: [UInt8]?, _ touches: [AuditedTouch]) {
        self.time = time
        self.actor = actor
        self.touches = touches
    }

    func note(_ reading: Reading) { provenance[-1] = Self.provenance(of: reading) }

    func note(_ readings: [Reading]) {
        for (index, reading) in readings.enumerated() { provenance[index] = Self.provenance(of: reading) }
    }

    /// The journal took the write, not Redis.
    func noteJournaled() { provenance[-1] = (Reading.Source.journal.rawValue, nil) }

    private static func provenance(of reading: Reading) -> (String?, String?) {
        switch reading.content {
        case .unavailable, .refused, .otherType: (nil, nil)
        case .value, .record, .defaultContext, .absent, .unknown: (reading.source.rawValue, reading.freshness.rawValue)
        }
    }

    /// An access for each touch, as the reply tells what came of it.
    func accesses(by peer: AuditPeer, reply: UnsafeRawBufferPointer) -> [AuditAccess] {
        let whole = ReplyOutcome.of(reply)
        let elements = touches.contains { $0.element != nil } ? ReplyOutcome.elements(of: reply) : nil
        return touches.map { touch in
            var outcome = whole
            var place = -1
            if let element = touch.element {
                place = element
                if let elements {
                    outcome = element < elements.count ? elements[element] : whole
                } else if whole == ReplyOutcome.null {
                    // EXEC of a transaction that was not carried out.
                    outcome = "aborted"
                }
            }
            let known = provenance[place] ?? provenance[-1]
            return AuditAccess(
                time: time, peer: peer, actor: actor, command: touch.command, key: touch.key, outcome: outcome,
                source: known?.source, freshness: known?.freshness)
        }
    }
}

/// What came of a request, by the bytes of its reply.
enum ReplyOutcome {
    static let done = "ok"
    static let null = "nil"

    /// `ok`, `nil`, or what an error begins with: its code, and of -UNAVAILABLE what became of the request.
    static func of(_ reply: UnsafeRawBufferPointer) -> String {
        guard let mark = reply.first else { return done }
        switch mark {
        case UInt8(ascii: "-"): return code(reply.dropFirst())
        case UInt8(ascii: "!"): return code(reply.dropFirst((reply.firstIndex(of: 10) ?? 0) + 1))
        case UInt8(ascii: "_"): return null
        case UInt8(ascii: "$") where reply.starts(with: "$-1".utf8): return null
        case UInt8(ascii: "*") where reply.starts(with: "*-1".utf8): return null
        default: return done
        }
    }

    private static func code(_ text: Slice<UnsafeRawBufferPointer>) -> String {
        let line = text.prefix { $0 != 13 }
        let code = line.prefix { $0 != 32 }
        let isUnavailable = code.elementsEqual("UNAVAILABLE".utf8)
        return String(
            decoding: (isUnavailable ? line.prefix { $0 != UInt8(ascii: ":") } : code).prefix(64), as: UTF8.self)
    }

    /// The outcomes of an array's elements; nil where the reply is no array.
    static func elements(of reply: UnsafeRawBufferPointer) -> [String]? {
        guard reply.first == UInt8(ascii: "*"), of(reply) != null, let end = reply.firstIndex(of: 10) else {
            return nil
        }
        var outcomes: [String] = []
        var framer = ReplyFramer()
        var rest = UnsafeRawBufferPointer(rebasing: reply[(end + 1)...])
        while !rest.isEmpty, let (count, isWhole) = try? framer.follow(rest), isWhole {
            outcomes.append(of(UnsafeRawBufferPointer(rebasing: rest[..<count])))
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
        return outcomes
    }
}
