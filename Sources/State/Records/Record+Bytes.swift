// A record as bytes: what memory, disk and journal hold of it. docs/records.md has the table.
//
// DESIGN: little-endian. What every read of a value needs stands first and at fixed places (`RecordHead`), so that a
// hit in memory can be answered from where it lies, without taking the record apart.

internal import Primitives

/// Where the fixed fields of a record's bytes lie.
public enum RecordLayout {
    /// The version of the form.
    public static let format: UInt8 = 1
    /// Bytes before the value.
    @inlinable public static var headBytes: Int { 56 }
    static let hasValue: UInt8 = 1
    static let isDeleted: UInt8 = 2
    static let hasTurns: UInt8 = 4
    static let hasCheckpoints: UInt8 = 8
    static let hasLease: UInt8 = 16
    static let hasArchive: UInt8 = 32
    /// Bytes of what a conversation knows of its archive, which stand at the end.
    private static let archiveBytes = 24

    /// The conversation of a record's archive, from its bytes where they lie.
    static func archiveID(in bytes: UnsafeRawBufferPointer) -> OperationID? {
        guard bytes.count >= headBytes + archiveBytes, bytes[0] == format, bytes[1] & hasArchive != 0 else {
            return nil
        }
        let id = bytes.loadUnaligned(fromByteOffset: bytes.count - archiveBytes, as: UInt64.self)
        return OperationID(rawValue: UInt64(littleEndian: id))
    }
}

/// The fixed fields of a record, read from its bytes where they lie.
public struct RecordHead {
    public let valueLength: Int
    /// Nil where there is no value, which is not the same as an empty one.
    public let hasValue: Bool
    public let isDeleted: Bool
    public let version: Int64
    public let schema: Int64
    public let fence: Int64
    /// Milliseconds since 1970.
    public let created: Int64
    public let slidingFor: Int64

    /// Nil for bytes that are too short, or of another form. `bytes` are at least the first 56 of the record.
    @inlinable @inline(__always)
    public init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= 56, bytes[0] == 1 else { return nil }
        let flags = bytes[1]
        hasValue = flags & 1 != 0
        isDeleted = flags & 2 != 0
        valueLength = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self)))
        version = Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: Int64.self))
        schema = Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: 16, as: Int64.self))
        fence = Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: 24, as: Int64.self))
        created = Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: 32, as: Int64.self))
        slidingFor = Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: 48, as: Int64.self))
    }
}

extension Record {
    /// The record as bytes. Complexity: O(size).
    public var encoded: [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(RecordLayout.headBytes + contentBytes + 256)
        var flags: UInt8 = 0
        if value != nil { flags |= RecordLayout.hasValue }
        if isDeleted { flags |= RecordLayout.isDeleted }
        if turns != nil { flags |= RecordLayout.hasTurns }
        if checkpoints != nil { flags |= RecordLayout.hasCheckpoints }
        if lease != nil { flags |= RecordLayout.hasLease }
        if turns?.archive != nil { flags |= RecordLayout.hasArchive }
        out += [RecordLayout.format, flags, 0, 0]
        out.append(UInt32(value?.count ?? 0))
        for number in [version, schema, fence, createdAt.milliseconds, updatedAt.milliseconds, slidingFor] {
            out.append(number)
        }
        out += value ?? []
        out.append(UInt32(operations.count))
        for operation in operations { out.append(Int64(bitPattern: operation.rawValue)) }
        if let turns { out.append(turns) }
        if let checkpoints {
            out.append(UInt32(checkpoints.steps.count))
            for step in checkpoints.steps { out.append(step.number, step.at, step.bytes) }
        }
        if let lease {
            out.append(lease.epoch, lease.until, lease.owner)
        }
        if let archive = turns?.archive {
            for number in [Int64(bitPattern: archive.id.rawValue), archive.count, archive.upTo] { out.append(number) }
        }
        return out
    }

    /// The record of `encoded`; nil for bytes that are none.
    public init?(_ bytes: [UInt8]) {
        guard let head = bytes.withUnsafeBytes({ RecordHead($0) }) else { return nil }
        var input = RecordReader(bytes, at: 32)
        guard let created = input.integer(), let updated = input.integer() else { return nil }
        self.init(
            version: head.version, createdAt: Timestamp(milliseconds: created),
            updatedAt: Timestamp(milliseconds: updated))
        (schema, fence, slidingFor, isDeleted) = (head.schema, head.fence, head.slidingFor, head.isDeleted)
        input.skip(8)
        guard let content = input.take(head.valueLength), let count = input.count() else { return nil }
        value = head.hasValue ? content : nil
        for _ in 0..<count {
            guard let id = input.integer() else { return nil }
            operations.append(OperationID(rawValue: UInt64(bitPattern: id)))
        }
        let flags = bytes[1]
        if flags & RecordLayout.hasTurns != 0 {
            guard let turns = input.turns() else { return nil }
            self.turns = turns
        }
        if flags & RecordLayout.hasCheckpoints != 0 {
            guard let count = input.count() else { return nil }
            var checkpoints = Checkpoints()
            for _ in 0..<count {
                guard let (number, at, bytes) = input.item() else { return nil }
                checkpoints.steps.append(Checkpoints.Step(number: number, at: at, bytes: bytes))
            }
            // None are no checkpoints, as in the fields of Redis.
            self.checkpoints = count > 0 ? checkpoints : nil
        }
        if flags & RecordLayout.hasLease != 0 {
            guard let (epoch, until, owner) = input.item() else { return nil }
            lease = Lease(owner: owner, epoch: epoch, until: until)
        }
        if flags & RecordLayout.hasArchive != 0 {
            guard turns != nil, let id = input.integer(), let count = input.integer(), let upTo = input.integer() else {
                return nil
            }
            turns?.archive = Turns.Archive(id: OperationID(rawValue: UInt64(bitPattern: id)), count: count, upTo: upTo)
        }
        guard input.isAtEnd, isSound else { return nil }
    }
}

extension [UInt8] {
    fileprivate mutating func append(_ value: UInt32) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }

    fileprivate mutating func append(_ value: Int64) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }

    fileprivate mutating func append(_ number: Int64, _ at: Timestamp, _ bytes: [UInt8]) {
        append(number)
        append(at.milliseconds)
        append(UInt32(bytes.count))
        self += bytes
    }

    fileprivate mutating func append(_ turns: Turns) {
        for number in [turns.next, turns.foldedTo, Int64(turns.keep), turns.dropped] { append(number) }
        append(UInt8(turns.summary == nil ? 0 : 1))
        append(UInt32(turns.summary?.count ?? 0))
        self += turns.summary ?? []
        append(UInt32(turns.items.count))
        for turn in turns.items { append(turn.sequence, turn.at, turn.bytes) }
    }
}

/// Reads what `encoded` wrote; nil when there is nothing more.
private struct RecordReader {
    private let bytes: [UInt8]
    private var position: Int

    init(_ bytes: [UInt8], at position: Int) {
        self.bytes = bytes
        self.position = position
    }

    var isAtEnd: Bool { position == bytes.count }

    mutating func skip(_ count: Int) { position += count }

    mutating func take(_ count: Int) -> [UInt8]? {
        guard count <= bytes.count - position else { return nil }
        defer { position += count }
        return Array(bytes[position..<position + count])
    }

    mutating func integer() -> Int64? {
        guard bytes.count - position >= 8 else { return nil }
        defer { position += 8 }
        return bytes.withUnsafeBytes { Int64(littleEndian: $0.loadUnaligned(fromByteOffset: position, as: Int64.self)) }
    }

    mutating func count() -> Int? {
        guard bytes.count - position >= 4 else { return nil }
        defer { position += 4 }
        return bytes.withUnsafeBytes {
            Int(UInt32(littleEndian: $0.loadUnaligned(fromByteOffset: position, as: UInt32.self)))
        }
    }

    mutating func item() -> (Int64, Timestamp, [UInt8])? {
        guard let number = integer(), let at = integer(), let count = count(), let bytes = take(count) else {
            return nil
        }
        return (number, Timestamp(milliseconds: at), bytes)
    }

    mutating func turns() -> Turns? {
        guard let next = integer(), let foldedTo = integer(), let keep = integer(), let dropped = integer(),
            let mark = take(1), let length = count(), let summary = take(length), let count = count(), keep > 0,
            keep <= Int32.max
        else { return nil }
        var turns = Turns(keep: Int(keep))
        (turns.next, turns.foldedTo, turns.dropped) = (next, foldedTo, dropped)
        turns.summary = mark[0] == 0 ? nil : summary
        for _ in 0..<count {
            guard let (sequence, at, bytes) = item() else { return nil }
            turns.items.append(Turns.Turn(sequence: sequence, at: at, bytes: bytes))
        }
        return turns
    }
}
