// Turns that left a conversation's record for this host's disk: what is asked of an archive, and how it lies there.
//
// DESIGN: an archive is a *directory* under the record's key and *chunks* of many turns, all in the warm tier's key
// space for archives. The directory names the chunks and has the record's life; a chunk has none, and goes with its
// directory: in the same commit, or in a sweep where the directory's time was over or its segment was evicted. A turn
// is known by its sequence number, so that what is archived twice, by a write that had to be tried again, is there
// once. docs/records.md says what this means to those who read.

public import Primitives
public import State
internal import WarmTier

/// Turns on their way from a record into the archive of its conversation.
public struct LeavingTurns: Sendable, Equatable {
    public var key: [UInt8]
    /// The conversation: archives of others that had the key are not its.
    public var id: OperationID
    /// Oldest first.
    public var turns: [Turns.Turn]
    /// The record's end, and for how many seconds past it a copy may be served.
    public var expiresAt: Timestamp
    public var staleFor: UInt32

    public init(
        key: [UInt8], id: OperationID, turns: [Turns.Turn], expiresAt: Timestamp = .never, staleFor: UInt32 = 0
    ) {
        self.key = key
        self.id = id
        self.turns = turns
        self.expiresAt = expiresAt
        self.staleFor = staleFor
    }

    /// Bytes of the turns themselves.
    public var contentBytes: Int { turns.reduce(0) { $0 + $1.bytes.count } }
}

/// What this host's archive has of a conversation.
public enum ArchiveAnswer: Sendable, Equatable {
    /// Oldest first. `next`: from this turn on there may be more, which one answer does not take.
    case turns([Turns.Turn], next: Int64?)
    /// No turn of the conversation is archived on this host.
    case absent
    case failed(String)

    /// The most bytes of turns in one answer; the last chunk may pass it.
    public static let bytesMax = 4 << 20
}

/// A key of the warm tier's space for archives.
public enum ArchiveKey: Sendable, Equatable {
    case directory(of: [UInt8])
    case chunk(UInt64, of: [UInt8])

    private static let directoryMark = UInt8(ascii: "d")
    private static let chunkMark = UInt8(ascii: "c")

    public var bytes: [UInt8] {
        switch self {
        case .directory(let key): return ArchiveSpace.prefix + [Self.directoryMark] + key
        case .chunk(let number, let key):
            let digits = withUnsafeBytes(of: number.bigEndian) { Array($0) }
            return ArchiveSpace.prefix + [Self.chunkMark] + digits + key
        }
    }

    public init?(_ bytes: [UInt8]) {
        guard ArchiveSpace.contains(bytes), bytes.count > ArchiveSpace.prefix.count else { return nil }
        let rest = bytes.dropFirst(ArchiveSpace.prefix.count + 1)
        switch bytes[ArchiveSpace.prefix.count] {
        case Self.directoryMark: self = .directory(of: Array(rest))
        case Self.chunkMark where rest.count >= 8:
            let number = rest.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            self = .chunk(number, of: Array(rest.dropFirst(8)))
        default: return nil
        }
    }

    /// The record's key that a key of the warm tier belongs to: itself, unless it is an archive's.
    public static func subject(of key: [UInt8]) -> [UInt8] {
        switch ArchiveKey(key) {
        case .directory(let subject), .chunk(_, let subject): subject
        case nil: key
        }
    }
}

/// Which chunks a conversation has, in the order of their turns.
struct ArchiveDirectory: Equatable {
    struct Chunk: Equatable {
        var number: UInt64
        var first: Int64
        var last: Int64
        /// Bytes of its turns, with 20 for each.
        var bytes: Int
    }

    var id: OperationID
    /// The number of the next chunk.
    var next: UInt64 = 1
    var chunks: [Chunk] = []

    init(id: OperationID) { self.id = id }

    private static let format: UInt8 = 1

    /// The form, the conversation, the next number, a count; then number, first turn, last turn and bytes of each.
    var encoded: [UInt8] {
        var out = ArchiveBytes.Writer(format: Self.format)
        out.integer(id.rawValue)
        out.integer(next)
        out.integer(UInt64(chunks.count))
        for chunk in chunks {
            for number in [chunk.number, UInt64(chunk.first), UInt64(chunk.last), UInt64(chunk.bytes)] {
                out.integer(number)
            }
        }
        return out.bytes
    }

    init?(_ bytes: ArraySlice<UInt8>) {
        guard var input = ArchiveBytes.Reader(bytes, format: Self.format), let id = input.integer(),
            let next = input.integer(), let count = input.integer(), count <= bytes.count / 32
        else { return nil }
        self.init(id: OperationID(rawValue: id))
        self.next = next
        for _ in 0..<count {
            guard let number = input.integer(), let first = input.signed(), let last = input.signed(),
                let bytes = input.signed(), first <= last, bytes < 1 << 40
            else { return nil }
            chunks.append(Chunk(number: number, first: first, last: last, bytes: Int(bytes)))
        }
        guard input.isAtEnd else { return nil }
    }
}

/// The turns of a chunk, oldest first.
struct ArchiveChunk {
    /// Turns go into the newest chunk until it has so many bytes or turns: it is written anew with each of them.
    static let bytesMax = 64 << 10
    static let turnsMax = 512
    static let itemBytes = 20

    var id: OperationID
    var turns: [Turns.Turn] = []

    init(id: OperationID) { self.id = id }

    var byteCount: Int { turns.reduce(0) { $0 + $1.bytes.count + Self.itemBytes } }

    /// Puts a turn in its place; false where it is there already.
    mutating func put(_ turn: Turns.Turn) -> Bool {
        var place = turns.endIndex
        while place > 0, turns[place - 1].sequence >= turn.sequence { place -= 1 }
        guard place < turns.endIndex, turns[place].sequence == turn.sequence else {
            turns.insert(turn, at: place)
            return true
        }
        guard turns[place] != turn else { return false }
        turns[place] = turn
        return true
    }

    private static let format: UInt8 = 1

    /// The form, the conversation, a count; then sequence number, time, length and bytes of each turn.
    var encoded: [UInt8] {
        var out = ArchiveBytes.Writer(format: Self.format)
        out.integer(id.rawValue)
        out.integer(UInt64(turns.count))
        for turn in turns {
            out.integer(UInt64(turn.sequence))
            out.integer(UInt64(bitPattern: turn.at.milliseconds))
            out.content(turn.bytes)
        }
        return out.bytes
    }

    init?(_ bytes: ArraySlice<UInt8>) {
        guard var input = ArchiveBytes.Reader(bytes, format: Self.format), let id = input.integer(),
            let count = input.integer(), count <= bytes.count / Self.itemBytes
        else { return nil }
        self.init(id: OperationID(rawValue: id))
        for _ in 0..<count {
            guard let sequence = input.signed(), let at = input.integer(), let content = input.content() else {
                return nil
            }
            let time = Timestamp(milliseconds: Int64(bitPattern: at))
            turns.append(Turns.Turn(sequence: sequence, at: time, bytes: content))
        }
        guard input.isAtEnd else { return nil }
    }
}

/// Integers of 8 bytes and contents with their length in 4, little endian, behind one byte that names the form.
private enum ArchiveBytes {
    struct Writer {
        private(set) var bytes: [UInt8]

        init(format: UInt8) { bytes = [format] }

        mutating func integer(_ value: UInt64) {
            withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
        }

        mutating func content(_ content: [UInt8]) {
            withUnsafeBytes(of: UInt32(content.count).littleEndian) { bytes.append(contentsOf: $0) }
            bytes += content
        }
    }

    struct Reader {
        private var rest: ArraySlice<UInt8>

        init?(_ bytes: ArraySlice<UInt8>, format: UInt8) {
            guard bytes.first == format else { return nil }
            rest = bytes.dropFirst()
        }

        var isAtEnd: Bool { rest.isEmpty }

        mutating func integer() -> UInt64? {
            guard rest.count >= 8 else { return nil }
            defer { rest = rest.dropFirst(8) }
            return rest.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
        }

        mutating func signed() -> Int64? { integer().flatMap { Int64(exactly: $0) } }

        mutating func content() -> [UInt8]? {
            guard rest.count >= 4 else { return nil }
            let count = Int(rest.withUnsafeBytes { UInt32(littleEndian: $0.loadUnaligned(as: UInt32.self)) })
            guard rest.count - 4 >= count else { return nil }
            defer { rest = rest.dropFirst(4 + count) }
            return Array(rest.dropFirst(4).prefix(count))
        }
    }
}
