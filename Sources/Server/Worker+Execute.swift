// From a request to its reply: the straight line for what local memory answers, the tiers for everything else.

internal import EventLoop
internal import LocalTier
internal import Primitives
internal import RESP
internal import State
internal import Tiers

extension Worker {
    /// Answers the plain GETs and STATE.GETs from `start` on that local memory can answer; where the first begins that
    /// it can't.
    func answerGets(
        _ connection: Connection, _ output: OutputBuffer, _ buffer: UnsafeRawBufferPointer, from start: Int
    ) -> Int {
        var offset = start
        let version = connection.version
        sampleStaleness(at: start, of: buffer)
        while let lookup = gets.take(at: offset, of: buffer, in: local) {
            let key = UnsafeRawBufferPointer(rebasing: buffer[lookup.get.key..<lookup.get.key &+ lookup.get.keyCount])
            let isAnswered =
                lookup.get.isOfState
                ? answerStateFromLocal(key, lookup.hash, output, version)
                : answerFromLocal(key, lookup.hash, output, version)
            guard isAnswered else {
                missedAt = offset
                gets.putBack()
                break
            }
            offset = lookup.get.end
            if output.count > Connection.unreadHigh { break }
        }
        return offset
    }

    /// Asks for what the plain GETs from `start` on name, which local memory could not answer or which stand behind
    /// such a one; where the first begins that is none, that has to wait, or that memory may answer again.
    func askGets(_ connection: Connection, _ buffer: UnsafeRawBufferPointer, from start: Int) -> Int {
        var offset = start
        while let lookup = gets.take(at: offset, of: buffer, in: local), !lookup.get.isOfState {
            let key = UnsafeRawBufferPointer(rebasing: buffer[lookup.get.key..<lookup.get.key &+ lookup.get.keyCount])
            guard ask(connection, key, lookup.hash) else {
                missedAt = offset
                break
            }
            offset = lookup.get.end
            guard connection.mayContinue, connection.directOutput == nil else { break }
        }
        return offset
    }

    /// A plain GET as `dispatch` would carry it out for a client about which there is nothing else to think; false when
    /// it must wait for requests before it, and nothing was done.
    private func ask(_ connection: Connection, _ key: UnsafeRawBufferPointer, _ hash: KeyHash) -> Bool {
        guard connection.mayStart(.one(hash), isWrite: false) else { return false }
        counters.commands.add()
        connection.lastCommand = "get"
        let key = Array(key)
        let slot = connection.reserve(keys: .one(hash), isWrite: false, operation: .get)
        let isTraced = process.slowLog.isOn
        if isTraced { slot.nameKey(key) }
        tiers.traced(isTraced ? slot : nil) { get(key, hash, slot, connection) }
        return true
    }

    private func get(_ key: [UInt8], _ hash: KeyHash, _ slot: Slot, _ connection: Connection) {
        tiers.read(key, hash: hash) { [self] reading in
            switch reading.content {
            case .value(let bytes, _):
                slot.audited?.note(reading)
                connection.complete(slot) { $0.bulk(bytes) }
            case .otherType:
                readOther(.get, key, hash, []) { reply in
                    connection.complete(slot) { $0.reply(reply, slot.version) }
                }
            default:
                slot.audited?.note(reading)
                let reply = StringRead.get.reply(for: reading, now: Loop.wallClock)
                connection.complete(slot) { $0.reply(reply, slot.version) }
            }
        }
    }

    /// Carries out a request; false when it must wait for requests before it, and nothing was done. `wasMissed` says
    /// that it was looked for in local memory just now.
    func execute(
        _ connection: Connection, _ base: UnsafeMutableRawPointer, _ ranges: [ArgumentRange], wasMissed: Bool
    ) -> Bool {
        if !wasMissed, ranges.count == 2, ranges[0].count == 3, connection.isPlain,
            Self.isGet(base + ranges[0].offset), let output = connection.directOutput
        {
            let key = UnsafeRawBufferPointer(start: base + ranges[1].offset, count: ranges[1].count)
            if answerFromLocal(key, KeyHash(key), output, connection.version) { return true }
        }
        guard !ranges.isEmpty else { return true }
        if !wasMissed, ranges.count == 2, ranges[0].count == 9, connection.isPlain,
            Self.isStateGet(base + ranges[0].offset), let output = connection.directOutput
        {
            let key = UnsafeRawBufferPointer(start: base + ranges[1].offset, count: ranges[1].count)
            if answerStateFromLocal(key, KeyHash(key), output, connection.version) { return true }
        }
        if ranges.count == 3, ranges[0].count == 3, connection.isPlain, !auditsAnything,
            Self.isSet(base + ranges[0].offset)
        {
            return set(connection, Arguments(base: base, ranges: ranges))
        }
        if auditsReads, answerUnaudited(connection, base, ranges) { return true }
        return dispatch(connection, Arguments(base: base, ranges: ranges))
    }

    /// Where some reads are audited, the others are answered by local memory all the same.
    private func answerUnaudited(
        _ connection: Connection, _ base: UnsafeMutableRawPointer, _ ranges: [ArgumentRange]
    ) -> Bool {
        guard ranges.count == 2, ranges[0].count == 3, connection.isOrdinary, Self.isGet(base + ranges[0].offset),
            let output = connection.directOutput
        else { return false }
        let key = UnsafeRawBufferPointer(start: base + ranges[1].offset, count: ranges[1].count)
        guard tiers.policies.policies[tiers.policies.index(for: key)].audit != .all else { return false }
        return answerFromLocal(key, KeyHash(key), output, connection.version)
    }

    @inline(__always)
    private static func isGet(_ name: UnsafeMutableRawPointer) -> Bool {
        let bytes = name.assumingMemoryBound(to: UInt8.self)
        return bytes[0] | 0x20 == UInt8(ascii: "g") && bytes[1] | 0x20 == UInt8(ascii: "e")
            && bytes[2] | 0x20 == UInt8(ascii: "t")
    }

    @inline(__always)
    private static func isSet(_ name: UnsafeMutableRawPointer) -> Bool {
        let bytes = name.assumingMemoryBound(to: UInt8.self)
        return bytes[0] | 0x20 == UInt8(ascii: "s") && bytes[1] | 0x20 == UInt8(ascii: "e")
            && bytes[2] | 0x20 == UInt8(ascii: "t")
    }

    /// A SET without options as `dispatch` would carry it out for a client about which there is nothing else to think;
    /// false when it must wait for requests before it, and nothing was done.
    private func set(_ connection: Connection, _ arguments: Arguments) -> Bool {
        connection.lastCommand = "set"
        let write = StringWrite.set(arguments.bytes(2), expiry: .clear, condition: .always, reply: .ok)
        return perform(NativeRequest(write, arguments.bytes(1)), connection, arguments)
    }

    private enum LocalHit { case value, extended, absent, other, otherExtended }

    /// The hot path: a hit that needs no thought is copied from the arena straight behind the replies before it.
    @inline(__always)
    private func answerFromLocal(
        _ key: UnsafeRawBufferPointer, _ hash: KeyHash, _ output: OutputBuffer, _ version: ProtocolVersion
    ) -> Bool {
        let hit = local.read(key, hash: hash, now: batchNow, passing: output) { entry, output -> LocalHit in
            guard entry.freshness == .quiet || entry.freshness == .live else {
                return entry.isExtensionDue ? .otherExtended : .other
            }
            switch entry.kind {
            case .absent: return .absent
            case .record: return .other
            case .string: break
            }
            Self.write(entry, to: output)
            return entry.isExtensionDue ? .extended : .value
        }
        switch hit {
        case .value: localHits &+= 1
        case .extended:
            localHits &+= 1
            tiers.extend(Array(key))
        case .absent:
            output.null(version)
            localAbsents &+= 1
        case .other: return answerStale(key, hash, output)
        case .otherExtended:
            // This read has moved the life on: the one that answers will not see that the authority must hear of it.
            tiers.extend(Array(key))
            return answerStale(key, hash, output)
        case nil: return false
        }
        return true
    }

    /// In an outage a copy that the policy still allows is answered as directly as a hit.
    private func answerStale(_ key: UnsafeRawBufferPointer, _ hash: KeyHash, _ output: OutputBuffer) -> Bool {
        guard tiers.refusesRedisReads else { return false }
        let isServed = tiers.withServableCopy(key, hash: hash, now: batchNow) { entry in
            Self.write(entry, to: output)
        }
        if isServed { localStales &+= 1 }
        return isServed
    }

    @inline(__always)
    private static func write(_ entry: borrowing LocalEntry, to output: OutputBuffer) {
        let count = entry.valueLength
        output.bulkHead(count)
        let place = output.reserve(count &+ 2)
        entry.copyValue(to: place)
        (place + count).storeBytes(of: UInt16(littleEndian: 0x0A0D), as: UInt16.self)
        output.commit(count &+ 2)
    }

    private func dispatch(_ connection: Connection, _ arguments: Arguments) -> Bool {
        let command = CommandTable.shared[arguments[0]]
        guard mayAnswer(connection, arguments, command?.flags ?? .init()) else { return true }
        if let command, !command.accepts(arguments.count) {
            TransactionCommands.refuse(connection, command)
            return true
        }
        if let passage, let pin = connection.pin {
            if pin.subscribing > 0, connection.version == .resp2 { return false }
            if pin.isRelaying, let isDone = passage.restrict(connection, pin, command, arguments) { return isDone }
        }
        if let command, command.isAboutRecord, connection.transaction != nil || connection.watch != .none {
            connection.transaction?.isAborted = true
            fail(connection, .notInTransaction(command.name))
            return true
        }
        if connection.transaction != nil, command.map({ !$0.flags.contains(.notQueued) }) ?? true {
            return TransactionCommands.queue(connection, command, arguments, batchNow)
        }
        guard let command, !passesOn(command, arguments, connection) else { return pass(connection, arguments) }
        // A MULTI under a WATCH that is still under way would overtake it.
        let waits = command.flags.contains(.barrier) || connection.watch == .set && command.name == "multi"
        if waits, !connection.isIdle { return false }
        if auditsAnything, !admitAudited(command, connection, arguments) { return true }
        defer { connection.audited = nil }
        connection.lastCommand = command.name
        do {
            switch command.action {
            case .native(let parse):
                let native = try parse(arguments, batchNow)
                return perform(native, connection, arguments)
            case .recordRead(let parse): return read(try parse(arguments), connection)
            case .immediate(let action):
                counters.commands.add()
                try action(connection, arguments)
            case .ordered(let action): return try action(connection, arguments)
            }
        } catch {
            fail(connection, error)
        }
        return true
    }

    private func mayAnswer(_ connection: Connection, _ arguments: Arguments, _ flags: CommandFlags) -> Bool {
        guard !connection.isAuthenticated, !flags.contains(.beforeAuthentication) else { return true }
        connection.immediate { $0.error("NOAUTH Authentication required.") }
        return false
    }

    func fail(_ connection: Connection, _ error: CommandError) {
        counters.commandErrors.add()
        connection.immediate { $0.error(error.text) }
    }

    /// Redis's text for a command that nobody knows, with the beginning of its arguments.
    static func unknown(_ arguments: Arguments) -> String {
        var text = "ERR unknown command '\(arguments.text(0).prefix(128))', with args beginning with: "
        // Of all arguments together, not of each.
        var room = 128
        for index in 1..<max(1, arguments.count) where room > 0 {
            let word = "'\(arguments.text(index).prefix(room))' "
            text += word
            room -= word.utf8.count
        }
        return text
    }

    // MARK: Native commands

    private func perform(_ native: NativeRequest, _ connection: Connection, _ arguments: Arguments) -> Bool {
        var command = native.command
        if case .write(.record(var write), let key) = command {
            write.id = tiers.makeOperationID()
            command = .write(.record(write), key: key)
        }
        let hashes = Self.hashes(of: command)
        guard connection.mayStart(hashes, isWrite: command.isWrite) else { return false }
        counters.commands.add()
        var isBarrier = false
        if case .removeAll = command { isBarrier = true }
        let slot = connection.reserve(
            keys: hashes, isWrite: command.isWrite, isBarrier: isBarrier, operation: command.operation,
            requestBytes: command.isWrite ? arguments.ranges.reduce(0) { $0 + $1.count } : 0)
        tiers.traced(trace(slot, command)) { start(command, hashes, slot, connection, arguments) }
        return true
    }

    /// What hears of the way of an answer; nil where there is no slow log.
    private func trace(_ slot: Slot, _ command: StringCommand) -> Slot? {
        guard process.slowLog.isOn else { return nil }
        switch command {
        case .read(_, let key), .write(_, let key): slot.nameKey(key)
        default: slot.nameKeys(command.keys)
        }
        return slot
    }

    private func start(
        _ command: StringCommand, _ hashes: SlotKeys, _ slot: Slot, _ connection: Connection, _ arguments: Arguments
    ) {
        switch (command, hashes) {
        case (.read(.get, let key), .one(let hash)): get(key, hash, slot, connection)
        case (.read(let read, let key), .one(let hash)): self.read(read, key, hash, slot, connection, arguments)
        case (.count(let keys), _), (.getMany(let keys), _):
            readMany(command, keys, keys.map { $0.withUnsafeBytes { KeyHash($0) } }, slot, connection)
        default:
            if let refusal = refusal(of: command) {
                connection.complete(slot) { $0.error(refusal) }
            } else {
                let action = command.recordAction
                let native = NativeCommand(command, arguments: arguments.all)
                tiers.perform([native], isTransaction: false) {
                    [tiers, counters] replies in
                    if tiers.answersFromJournal { slot.audited?.noteJournaled() }
                    if let action { counters.note(action, replies[0]) }
                    connection.complete(slot) { $0.reply(replies[0], slot.version) }
                }
            }
        }
    }

    private func read(_ query: RecordQuery, _ connection: Connection) -> Bool {
        let hash = KeyHash(query.key)
        guard connection.mayStart([hash], isWrite: false) else { return false }
        counters.commands.add()
        let slot = connection.reserve(keys: [hash], isWrite: false, operation: .recordRead)
        slot.nameKey(query.key)
        tiers.traced(process.slowLog.isOn ? slot : nil) {
            tiers.read(query.key, hash: hash, form: .record, strong: query.isStrong, maxAge: query.maxAge) {
                [self] reading in
                slot.audited?.note(reading)
                func complete(_ archived: ArchiveAnswer?) {
                    let reply = self.reply(to: query, reading, archived)
                    connection.complete(slot) { $0.reply(reply, slot.version) }
                }
                guard let wanted = query.turnsWanted, case .record(let held) = reading.content else {
                    return complete(nil)
                }
                tiers.readArchive(
                    of: query.key, held, from: wanted.from, last: wanted.last, completion: complete)
            }
        }
        return true
    }

    private func reply(to query: RecordQuery, _ reading: Reading, _ archived: ArchiveAnswer?) -> Reply {
        guard case .record(let held) = reading.content else {
            // A default context is a plain value's; a record that nobody knows is not there.
            if case .defaultContext = reading.content { return .null }
            if case .value = reading.content { return StringWrite.wrongType }
            return StringRead.get.reply(for: reading, now: Loop.wallClock)
        }
        guard var record = held.record else { return StringWrite.unreadableRecord }
        if case .migration(let includesHeld) = query.foretells {
            let policy = tiers.policies.policy(for: query.key)
            let answer = MigrationAnswer.of(
                record, to: policy.records.schema, maxValue: policy.maxValue, includesHeld: includesHeld
            ).answer
            return answer.map { answer in
                .map(answer.fields.flatMap { [.string(Array($0.0.utf8)), $0.1] })
            } ?? .null
        }
        var note = ""
        if query.isAboutValue {
            switch tiers.present(record, of: query.key, reading) {
            case .refused(let refusal):
                counters.note(refusal.reply)
                return refusal.reply
            case .record(let presented, let why): (record, note) = (presented, why)
            }
        }
        var stepInMemory: Int64?
        if query.isAboutSteps, let found = tiers.withStepInMemory(record, of: query.key) {
            record = found.record
            stepInMemory = found.step
        }
        return query.reply(
            RecordFound(
                record: record, expiresAt: held.expiresAt, reading: reading, now: Loop.wallClock, note: note,
                stepInMemory: stepInMemory, archived: archived))
    }

    private static func hashes(of command: StringCommand) -> SlotKeys {
        switch command {
        case .read(_, let key), .write(_, let key): .one(KeyHash(key))
        default: SlotKeys(command.keys.map { KeyHash($0) })
        }
    }

    /// Why a write is refused before anybody is asked: a value larger than its policy allows.
    func refusal(of command: StringCommand) -> String? {
        func check(_ key: [UInt8], _ count: Int) -> String? {
            let limit = tiers.policies.maxValue(for: key)
            guard count > limit, case .error(let text) = StringWrite.tooBig(count, limit) else { return nil }
            counters.tooBig.add()
            return String(decoding: text, as: UTF8.self)
        }
        switch command {
        case .write(.set(let bytes, _, _, _), let key), .write(.append(let bytes), let key):
            return check(key, bytes.count)
        case .write(.setRange(let offset, let bytes), let key):
            let (end, overflow) = offset.addingReportingOverflow(Int64(bytes.count))
            return check(key, overflow ? .max : Int(end))
        case .setMany(let keys, let values, _):
            return zip(keys, values).lazy.compactMap { check($0, $1.count) }.first
        case .write(.record(let write), let key):
            let rules = tiers.policies.policy(for: key).outbox
            guard let count = write.emission?.payload.count, count > rules.maxPayload else { return nil }
            counters.recordsTooBig.add()
            return rules.tooBig(count)
        default: return nil
        }
    }

    private func read(
        _ read: StringRead, _ key: [UInt8], _ hash: KeyHash, _ slot: Slot, _ connection: Connection,
        _ arguments: Arguments
    ) {
        // Copied before the buffer goes: only Redis can answer for a key of another type.
        let all = read.needsString ? [] : arguments.all
        tiers.read(key, hash: hash) { [self] reading in
            if case .otherType = reading.content {
                return readOther(read, key, hash, all) { reply in
                    connection.complete(slot) { $0.reply(reply, slot.version) }
                }
            }
            slot.audited?.note(reading)
            let reply = read.reply(for: reading, now: Loop.wallClock)
            connection.complete(slot) { $0.reply(reply, slot.version) }
        }
    }

    /// A key that holds no plain value, by Redis's word: a record, or what is left of a deleted one, is answered for
    /// here.
    private func readOther(
        _ read: StringRead, _ key: [UInt8], _ hash: KeyHash, _ words: [[UInt8]], _ completion: @escaping (Reply) -> Void
    ) {
        tiers.read(key, hash: hash, form: .record) { [self] reading in
            switch reading.content {
            case .otherType where !read.needsString: tiers.forward(words, isWrite: false, completion: completion)
            default: completion(read.reply(for: reading, now: Loop.wallClock))
            }
        }
    }

    private func readMany(
        _ command: StringCommand, _ keys: [[UInt8]], _ hashes: [KeyHash], _ slot: Slot, _ connection: Connection
    ) {
        let bytesMax = configuration.maxOutput
        let gathering = Gathering(count: keys.count, bytesMax: bytesMax) { readings in
            let now = Loop.wallClock
            if let readings { slot.audited?.note(readings) }
            connection.complete(slot) { output in
                guard let readings else {
                    return output.error(
                        "ERR this reply would be larger than limits.max_output (\(bytesMax) bytes); ask for fewer keys")
                }
                output.reply(Self.combine(command, readings, now), slot.version)
            }
        }
        for (index, key) in keys.enumerated() {
            tiers.read(key, hash: hashes[index]) { [tiers] reading in
                guard case .count = command, reading.content == .otherType else {
                    return gathering.take(reading, at: index)
                }
                // What is left of a deleted record does not exist.
                tiers.read(key, hash: hashes[index], form: .record) { gathering.take($0, at: index) }
            }
        }
    }

    private static func combine(_ command: StringCommand, _ readings: [Reading], _ now: Timestamp) -> Reply {
        if let refused = readings.first(where: \.isWithoutAnswer) {
            return StringRead.get.reply(for: refused, now: now)
        }
        if case .count = command {
            return .integer(Int64(readings.count { $0.isThere }))
        }
        // MGET answers nil for a key that holds something else.
        return .array(
            readings.map { reading in
                switch reading.content {
                case .otherType, .record: .null
                default: StringRead.get.reply(for: reading, now: now)
                }
            })
    }
}

/// Readings of several keys, until all are there.
private final class Gathering {
    private var readings: [Reading?]
    private var missing: Int
    private var bytesLeft: Int
    private let completion: ([Reading]?) -> Void

    /// The completion hears nil when the values have more than `bytesMax` bytes together: none of them is kept then.
    init(count: Int, bytesMax: Int, completion: @escaping ([Reading]?) -> Void) {
        bytesLeft = bytesMax
        readings = Array(repeating: nil, count: count)
        missing = count
        self.completion = completion
    }

    func take(_ reading: Reading, at index: Int) {
        bytesLeft -= reading.value?.bytes.count ?? 0
        if bytesLeft >= 0 { readings[index] = reading } else { readings = [] }
        missing -= 1
        if missing == 0 { completion(bytesLeft >= 0 ? readings.compactMap { $0 } : nil) }
    }
}

extension Reading {
    /// Whether the policy or the authority refuses an answer.
    var isWithoutAnswer: Bool {
        switch content {
        case .unavailable, .refused: true
        case .value, .record, .defaultContext, .absent, .unknown, .otherType: false
        }
    }
}

extension StringRead {
    /// Whether Redis answers -WRONGTYPE where the key holds something else than a string.
    var needsString: Bool {
        switch self {
        case .get, .length, .range, .refusal: true
        case .timeToLive, .type, .exists: false
        }
    }

    /// The reply for what the tiers found. A default context has a value, and no life of its own: it does not exist.
    func reply(for reading: Reading, now: Timestamp) -> Reply {
        switch reading.content {
        case .value(let bytes, let expiresAt): reply(for: HeldValue(bytes, expiresAt: expiresAt), now: now)
        case .record(let held): reply(for: held, now: now)
        case .defaultContext(let bytes): reply(for: needsString ? HeldValue(bytes) : nil, now: now)
        case .absent, .unknown: reply(for: nil, now: now)
        case .otherType: .error("WRONGTYPE Operation against a key holding the wrong kind of value")
        case .unavailable:
            .error("UNAVAILABLE not answered: \(reading.reason): nobody else may answer, try again later")
        case .refused(let text): .error(text)
        }
    }
}

extension OutputBuffer {
    /// Writes a reply in the protocol that the client speaks.
    func reply(_ reply: Reply, _ version: ProtocolVersion) {
        switch reply {
        case .string(let bytes): bulk(bytes)
        case .status(let text): simple(bytes: text)
        case .error(let text): error(bytes: text)
        case .integer(let value): integer(value)
        case .null: null(version)
        case .array(let elements):
            arrayHead(elements.count)
            for element in elements { self.reply(element, version) }
        case .map(let elements):
            mapHead(elements.count / 2, version)
            for element in elements { self.reply(element, version) }
        case .framed(let bytes): append(bytes)
        }
    }
}
