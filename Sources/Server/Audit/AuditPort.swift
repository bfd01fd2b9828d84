// One worker's side of the audit: which requests are audited, and whose replies wait for their lines.
//
// DESIGN. Which keys a command touches, and whether it writes, is what the command tables say: Hearth's own (Command)
// and Redis's (RedisCommand). A new command is audited when it is in one of them. A request that is audited hangs on
// its connection until it takes its place among the replies (Connection.reserve, .immediate), and its line is made when
// its reply is known. Where nothing is audited this costs one comparison of a request that local memory did not answer;
// where reads are, a GET is looked up in the policies before local memory may answer it.

internal import Audit
internal import EventLoop
internal import Primitives
internal import RESP
internal import Tiers

/// Belongs to its worker's thread.
final class AuditPort {
    private let service: AuditService
    private let number: Int
    private var lastTicket: UInt64 = 0
    /// Replies that wait for their lines, in the order of their tickets.
    private var held: [(ticket: UInt64, connection: Connection, slot: Slot)] = []
    private var firstHeld = 0

    init(_ service: AuditService, mailbox: Mailbox<WorkerMessage>) {
        self.service = service
        number = service.register { ticket, failure in mailbox.send(.audited(through: ticket, failure: failure)) }
    }

    /// Hangs an audited request on its connection; why it can't be carried out now, counted, where it can't.
    func admit(_ touches: [AuditedTouch], _ c: Connection) -> String? {
        guard !touches.isEmpty else { return nil }
        if let refusal = refusal(touches) { return refusal }
        c.audited = request(touches, c)
        return nil
    }

    func refusal(_ touches: [AuditedTouch]) -> String? {
        guard !touches.isEmpty, let refusal = service.refusal() else { return nil }
        service.refused.add(UInt64(touches.count))
        return refusal
    }

    func request(_ touches: [AuditedTouch], _ c: Connection) -> AuditedRequest {
        let actor = c.actor.isEmpty ? c.name.isEmpty ? nil : c.name : c.actor
        return AuditedRequest(time: c.worker.batchNow, actor: actor, touches)
    }

    /// The reply of an audited request is known: hands its lines over. Whether the reply waits for them.
    func submit(_ request: AuditedRequest, _ c: Connection, _ slot: Slot) -> Bool {
        guard let reply = slot.reply else { preconditionFailure("BUG: an audited reply that was not held") }
        let accesses = request.accesses(by: c.peer.auditPeer, reply: reply.bytes)
        guard service.refuses else {
            service.submit(accesses, waiting: nil)
            return false
        }
        lastTicket += 1
        held.append((lastTicket, c, slot))
        service.submit(accesses, waiting: (number, lastTicket))
        return true
    }

    /// Lets the replies go whose lines were written up to a ticket, or replaces them by why they were not.
    func written(through ticket: UInt64, failure: String?) {
        while firstHeld < held.count, held[firstHeld].ticket <= ticket {
            let (_, connection, slot) = held[firstHeld]
            firstHeld += 1
            connection.release(slot, refusal: failure.map { Self.withheld($0) })
        }
        if firstHeld == held.count {
            held.removeAll(keepingCapacity: true)
            firstHeld = 0
        } else if firstHeld >= 1024 {
            held.removeFirst(firstHeld)
            firstHeld = 0
        }
    }

    private static func withheld(_ failure: String) -> String {
        "UNAVAILABLE not answered: audit: it was carried out, and its line could not be written: \(failure)"
    }
}

extension Peer {
    fileprivate var auditPeer: AuditPeer {
        address.map { .address($0) } ?? .process(uid: uid, gid: gid, pid: pid)
    }
}

// MARK: What a request touches

extension Worker {
    /// Whether anything is audited: looked at before everything else here.
    var auditsAnything: Bool { auditsReads || auditsWrites }

    /// Admits a native command; false where it was refused, and answered.
    func admitAudited(_ command: Command, _ c: Connection, _ a: Arguments) -> Bool {
        guard let audit, let refusal = audit.admit(touches(of: command, a.all), c) else { return true }
        counters.commands.add()
        tiers.counters.unavailable.add()
        c.immediate { $0.error("UNAVAILABLE \(refusal)") }
        return false
    }

    /// What a passed-through request touches that is audited.
    func touches(
        _ words: [[UInt8]], _ understood: UnderstoodRequest, _ keys: [[UInt8]]?, element: Int? = nil
    ) -> [AuditedTouch] {
        guard understood.isAudited else { return [] }
        return touches(
            Self.auditName(words, understood.subcommand), isWrite: understood.isWrite || understood.changesKeys,
            keys: keys, reachesAll: understood.reachesAll, element: element)
    }

    /// What a native command touches that is audited.
    func touches(of command: Command, _ words: [[UInt8]], element: Int? = nil) -> [AuditedTouch] {
        if command.name == "hearth" { return ownTouches(words) }
        if command.name == "state.erase" { return erasureTouches(words) }
        guard command.isAboutKeys, command.name != "dbsize" else { return [] }
        let keys = command.keys(of: words)
        return touches(
            Self.auditName(words, nil), isWrite: command.flags.contains(.write), keys: keys, reachesAll: keys.isEmpty,
            isMany: command.name == "mget", element: element)
    }

    /// HEARTH EXPLAIN tells of a key, and HEARTH JOURNAL shows, or forgets, writes of any.
    private func ownTouches(_ words: [[UInt8]]) -> [AuditedTouch] {
        guard words.count > 2 else { return [] }
        let subcommand = words[1].lowercasedText
        let name = Self.auditName(words, subcommand)
        switch (subcommand, words[2].lowercasedText) {
        case ("explain", _): return touches(name, isWrite: false, keys: [words[2]], reachesAll: false)
        case ("journal", "list"), ("journal", "conflicts"):
            return touches(name, isWrite: false, keys: [], reachesAll: true)
        case ("journal", "discard"), ("journal", "forget"):
            return touches(name, isWrite: true, keys: [], reachesAll: true)
        default: return []
        }
    }

    /// STATE.ERASE is audited under its prefix, where any key that it may touch is.
    private func erasureTouches(_ words: [[UInt8]]) -> [AuditedTouch] {
        guard auditsWrites, words.count == 2 else { return [] }
        let policies = tiers.policies
        let isAudited =
            policies.policy(for: words[1]).audit != .off
            || policies.policies.contains { $0.audit != .off && $0.prefix.starts(with: words[1]) }
        return isAudited ? [AuditedTouch(command: "STATE.ERASE", key: words[1], element: nil)] : []
    }

    private func touches(
        _ name: String, isWrite: Bool, keys: [[UInt8]]?, reachesAll: Bool, isMany: Bool = false, element: Int? = nil
    ) -> [AuditedTouch] {
        guard isWrite ? auditsWrites : auditsReads else { return [] }
        if reachesAll || keys == nil { return [AuditedTouch(command: name, key: nil, element: element)] }
        let policies = tiers.policies
        return (keys ?? []).enumerated().compactMap { index, key in
            let level = policies.policies[policies.index(for: key)].audit
            guard level == .all || isWrite && level == .writes else { return nil }
            return AuditedTouch(command: name, key: key, element: isMany && element == nil ? index : element)
        }
    }

    private static func auditName(_ words: [[UInt8]], _ subcommand: String?) -> String {
        let name = String(decoding: words[0].prefix(64), as: UTF8.self).uppercased()
        return subcommand.map { "\(name) \($0.uppercased())" } ?? name
    }
}

extension Command {
    /// The keys among the words of a request, by their positions.
    func keys(of words: [[UInt8]]) -> [[UInt8]] {
        guard firstKey > 0 else { return [] }
        let last = min(lastKey < 0 ? words.count + lastKey : lastKey, words.count - 1)
        guard firstKey <= last else { return [] }
        return stride(from: firstKey, through: last, by: keyStep).map { words[$0] }
    }
}

extension Transaction {
    /// What the queued commands touch that is audited, each by its place in EXEC's reply.
    func touches(_ worker: Worker) -> [AuditedTouch] {
        guard !isPinned else { return pinnedTouches }
        let places = (0..<count).filter { failures[$0] == nil }
        return zip(places, commands).flatMap { place, native in
            guard
                let command = native.arguments[0].withUnsafeBytes({ CommandTable.shared[$0] })
            else { return [AuditedTouch]() }
            return worker.touches(of: command, native.arguments, element: place)
        }
    }
}
