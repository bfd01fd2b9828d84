// Reads the stream of deletions, for the whole process: from where this sidecar stopped, over a connection of its own.
//
// DESIGN. Twice a second one XRANGE from the last entry that was read: that entry itself comes first, which proves that
// the stream is the same one and reaches back. What is read means something at once (tombstones in memory), and is
// written to the disk with the place in the stream, as one group, synchronised; a disk that fails leaves the older
// place there, and it is read again in the next life. Polled, not blocked on: invalidations tell of a change within a
// millisecond, a promotion looks for itself, and a thousand sidecars that are woken by each deletion would cost Redis
// more than the deletions.
//
// Where the last entry is not in the stream any more, `Deletions.join` says what that means. The new stream is told
// what was deleted through this sidecar, and by the one that began it what it knows of others, who may be gone:
// somebody else may not have heard of it.

internal import Primitives
public import RedisTier
internal import State

/// What the log is told of the stream of deletions.
public enum DeletionEvent: Sendable, Equatable {
    /// It can be read; `remembered` deletions are known.
    case joined(remembered: Int)
    /// Redis has lost it with its data; so many deletions that are known here were told to the new one.
    case beganAnew(told: Int)
    /// Deletions may have been missed: copies from before are not given to Redis before they were verified.
    case missed(String)
    /// Redis refuses what it takes (a permission, a key of another type); said once until it works.
    case refused(String)
    /// The disk does not take what was read; said once until it does.
    case notKept
}

/// The reader of a process; belongs to its worker's thread.
public final class DeletionReader {
    private let tiers: Tiers
    private let connection: RedisConnection
    private let onEvent: (DeletionEvent) -> Void
    private var deletions: Deletions { tiers.share.deletions }

    private var hasLoaded = false
    private var isUnderWay = false
    private var isKeeping = false
    private var dueAt: Int64 = 0
    /// Whether the stream was read to its end since the connection, or the stream, began.
    private var hasJoined = false
    /// What is known here has still to be told to the stream, with what is known of others or without; and what is then
    /// told to the log.
    private var toTell: (ofOthers: Bool, isNew: Bool)?
    /// Since when the connection stands, in monotonic nanoseconds.
    private var connectedAt: Int64 = 0
    private var wasRefused = false
    private var wasNotKept = false
    /// Tombstones up to this number are on the disk.
    private var keptTotal: UInt64 = 0
    /// Whether the disk has less than is known, and when it was last written to.
    private var isDirty = false
    private var keptAt: Int64 = 0

    private static let pause: Int64 = 500_000_000
    private static let refusedPause: Int64 = 10_000_000_000
    /// How often the disk hears that the stream was read though nothing came.
    private static let keepPause: Int64 = 60_000_000_000
    /// Entries of one request.
    private static let batchMax = 1000

    private var now: Int64 { tiers.scheduler.monotonicNanoseconds }
    private var patience: Int64 { max(tiers.limits.timeout, 1_000_000_000) }

    /// `connection` is the reader's alone and has not been started.
    public init(
        _ tiers: Tiers, connection: RedisConnection, onEvent: @escaping (DeletionEvent) -> Void
    ) {
        self.tiers = tiers
        self.connection = connection
        self.onEvent = onEvent
        connection.onReady = { [unowned self] _ in
            self.hasJoined = false
            self.connectedAt = self.now
            self.dueAt = 0
            // At once: of a Redis that is lost before the stream was joined nobody knows what was deleted from it.
            self.step()
        }
    }

    /// Connects; on the worker's thread.
    public func start() { connection.start() }

    public func reconfigure(_ configuration: RedisConfiguration) { connection.reconfigure(configuration) }
    public func close() { connection.close() }

    /// Does what is due; to be called often.
    public func step() {
        guard deletions.maxEntries > 0 else { return }
        let isWanted = deletions.takeHaste()
        guard !isUnderWay, isWanted && !wasRefused || now >= dueAt else { return }
        guard hasLoaded else { return load() }
        guard connection.state == .ready else { return deletions.noteLag() }
        if toTell != nil { return tell() }
        if let position = deletions.position { read(from: position.0) } else { join() }
    }

    private func rest(_ pause: Int64 = pause) {
        isUnderWay = false
        dueAt = now + pause
    }

    /// xxh3 of the run id of the process that answers; 0 where it does not tell.
    private var process: UInt64 {
        guard let client = connection.client, !client.runID.isEmpty else { return 0 }
        return Replay.process(client)
    }

    // MARK: The disk

    /// Takes over what an earlier life has left.
    private func load() {
        guard let warm = tiers.warm else { preconditionFailure("BUG: deletions are read for no copies") }
        isUnderWay = true
        warm.read(DeletionState.key) { [self] answer in
            guard case .copy(let copy) = answer, let kept = DeletionState(copy.value.bytes) else {
                return loaded(nil, [])
            }
            var table = TombstoneTable()
            table.restore([], total: kept.total)
            load(kept, table.allPieces[...], [], warm)
        }
    }

    private func load(
        _ kept: DeletionState, _ pieces: ArraySlice<UInt64>, _ tombstones: [TombstoneTable.Tombstone],
        _ warm: any WarmAccess
    ) {
        guard let number = pieces.first else { return loaded(kept, tombstones) }
        warm.read(DeletionState.key(ofPiece: number)) { [self] answer in
            let oldest = kept.total > UInt64(TombstoneTable.capacity) ? kept.total - UInt64(TombstoneTable.capacity) : 0
            let size = UInt64(TombstoneTable.pieceCapacity)
            let (from, end) = (max(number * size, oldest), min((number + 1) * size, kept.total))
            guard case .copy(let copy) = answer,
                let found = DeletionRecord.tombstones(copy.value.bytes, from: from, to: end)
            else { return loaded(nil, []) }
            load(kept, pieces.dropFirst(), tombstones + found, warm)
        }
    }

    private func loaded(_ kept: DeletionState?, _ tombstones: [TombstoneTable.Tombstone]) {
        if let kept {
            deletions.restore(kept, tombstones)
            keptTotal = kept.total
        }
        hasLoaded = true
        isUnderWay = false
        step()
    }

    /// Writes what the disk does not have.
    private func keep() {
        guard !isKeeping, isDirty || now - keptAt >= Self.keepPause, let warm = tiers.warm,
            let (records, total) = deletions.records(from: keptTotal)
        else { return }
        isKeeping = true
        isDirty = false
        keptAt = now
        warm.keep(records) { [self] isKept in
            isKeeping = false
            if isKept {
                keptTotal = total
                wasNotKept = false
            } else {
                isDirty = true
                if !wasNotKept { onEvent(.notKept) }
                wasNotKept = true
            }
        }
    }

    // MARK: The stream

    private func read(from position: StreamPosition) {
        let asked = tiers.scheduler.now
        var request = RequestEncoder()
        request.append(
            "XRANGE", DeletionScript.stream, position.text, [UInt8(ascii: "+")], Array("COUNT".utf8),
            DeletionScript.decimal(Self.batchMax + 1))
        send(request) { [self] reply in
            guard case .array(let elements) = reply else { return rest() }
            let entries = elements.compactMap { DeletionEntry($0) }
            guard entries.first?.position == position else { return join() }
            take(entries.dropFirst(), isAll: elements.count <= Self.batchMax, asked: asked)
        }
    }

    private func take(_ entries: ArraySlice<DeletionEntry>, isAll: Bool, asked: Timestamp) {
        let taken = deletions.take(entries, now: tiers.scheduler.now)
        if taken > 0 { isDirty = true }
        guard taken == entries.count, isAll else {
            deletions.noteLag()
            keep()
            // Behind a deletion of ours that is not answered yet, or with more to come.
            return rest(taken == entries.count ? 0 : Self.pause / 10)
        }
        let lacksOurs = deletions.noteEnd(process: process, connectedAt: connectedAt, now: asked, monotonic: now)
        if !hasJoined {
            hasJoined = true
            isDirty = true
            onEvent(.joined(remembered: deletions.figures.remembered))
        }
        keep()
        if lacksOurs { toTell = (false, false) }
        rest(lacksOurs ? 0 : Self.pause)
    }

    /// The last entry that was read is not there, or none was ever read.
    private func join() {
        var request = RequestEncoder()
        request.append(
            DeletionScript.words(DeletionScript.join, keys: [DeletionScript.stream], [connection.client?.runID ?? []]))
        send(request) { [self] reply in
            guard case .array(let parts) = reply, parts.count == 4, case .string(let first) = parts[0],
                case .string(let begunIn) = parts[1], case .string(let last) = parts[2],
                let first = StreamPosition(first), let last = StreamPosition(last)
            else { return rest() }
            let isFirstEver = deletions.position == nil
            let beginning = deletions.join(
                first: first, begins: !begunIn.isEmpty, last: last, process: process, now: tiers.scheduler.now,
                monotonic: now)
            isDirty = true
            hasJoined = false
            keep()
            if !isFirstEver { toTell = (ofOthers: parts[3] == .integer(1), isNew: beginning == .lost) }
            if case .missed(let reason) = beginning, !isFirstEver { onEvent(.missed(reason)) }
            isUnderWay = false
            dueAt = now
            step()
        }
    }

    /// Tells a stream that lacks it what is known here.
    private func tell() {
        guard let wanted = toTell else { return }
        let (groups, ageOfAll) = deletions.known(ofOthers: wanted.ofOthers, now: tiers.scheduler.now)
        let by = deletions.words()[0]
        var request = RequestEncoder()
        func add(_ name: String, _ value: [UInt8], _ age: Int64) {
            let head = [Array("XADD".utf8), DeletionScript.stream, Array("MAXLEN".utf8), [UInt8(ascii: "~")]]
            let length = DeletionScript.decimal(deletions.maxEntries)
            let fields = ["by", name, "age"].map { Array($0.utf8) }
            request.append(
                head + [length, [UInt8(ascii: "*")], fields[0], by, fields[1], value, fields[2]]
                    + [Array(String(age).utf8)])
        }
        if let ageOfAll { add("all", [UInt8(ascii: "1")], ageOfAll) }
        for group in groups { add("keys", group.keys.flatMap(\.hexadecimal), group.age) }
        let told = groups.reduce(0) { $0 + $1.keys.count }
        func didTell() {
            toTell = nil
            if wanted.isNew { onEvent(.beganAnew(told: told)) }
            isUnderWay = false
            dueAt = now
            step()
        }
        guard ageOfAll != nil || !groups.isEmpty else { return didTell() }
        send(request) { _ in didTell() }
    }

    /// Sends, and hears the first reply, where Redis has answered.
    private func send(_ request: RequestEncoder, _ completion: @escaping (Reply) -> Void) {
        isUnderWay = true
        connection.send(request, timeoutNanoseconds: patience) { [self] result in
            guard case .success(let replies) = result else {
                deletions.noteLag()
                return rest()
            }
            guard case .error(let text)? = replies.first(where: \.isError) else {
                wasRefused = false
                return completion(replies[0])
            }
            guard ["NOPERM", "WRONGTYPE", "ERR"].contains(where: { text.starts(with: $0.utf8) }) else {
                // It takes no writes now, or loads its data.
                deletions.noteLag()
                return rest()
            }
            deletions.noteRefusal()
            if !wasRefused { onEvent(.refused(String(decoding: text, as: UTF8.self))) }
            wasRefused = true
            rest(Self.refusedPause)
        }
    }
}
