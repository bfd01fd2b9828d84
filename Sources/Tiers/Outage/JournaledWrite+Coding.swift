// A journaled write as bytes, and back: what the journal keeps of it. docs/journal-format.md has the table.
//
// DESIGN: little-endian, lengths before bytes, a version first. Bytes that are not what `encoded` wrote are refused as
// a whole: the journal's own checksum has been checked by then, so that only another version can be the reason.

internal import Primitives
internal import State

/// Why the payload of an entry can't be understood.
public struct UnreadablePayload: Error, CustomStringConvertible {
    public let description: String
}

extension JournaledWrite {
    private static let version: UInt8 = 1

    func encoded() -> [UInt8] {
        var out = PayloadWriter(capacity: encodedBytes)
        out.byte(Self.version)
        out.byte(wasSent ? 1 : 0)
        out.integer(redisProcess)
        out.integer(redisAddress)
        out.count(bases.count)
        for (key, base) in bases {
            out.bytes(key)
            out.byte((base.isUnknown ? 1 : 0) | (base.mayBeOurs ? 2 : 0))
            out.count(base.states.count)
            for state in base.states {
                switch state {
                case .absent: out.byte(0)
                case .value(let digest):
                    out.byte(1)
                    digest.withBytes { out.raw($0) }
                }
            }
            out.byte(base.held?.kind.rawValue ?? 0)
            if let held = base.held {
                out.integer(UInt64(bitPattern: held.expiresAt.milliseconds))
                out.bytes(held.bytes)
            }
        }
        out.count(operations.count)
        if bases.count == 1, operations.count == 1 {
            out.count(0)
            out.write(operations[0].write)
            return out.storage
        }
        var places = FewKeys<Int>()
        for (index, base) in bases.enumerated() { places.set(base.key, index) }
        for operation in operations {
            guard let index = places[operation.key] else {
                preconditionFailure("BUG: an operation on a key without a base")
            }
            out.count(index)
            out.write(operation.write)
        }
        return out.storage
    }

    /// About how many bytes `encoded` has: enough for all but records and floats.
    private var encodedBytes: Int {
        var bytes = 2 + 8 + 8 + 4 + 4
        for (key, base) in bases {
            bytes += 4 + key.count + 1 + 4 + 21 * base.states.count + 1
            if let held = base.held { bytes += 8 + 4 + held.bytes.count }
        }
        for operation in operations { bytes += 4 + 1 + 9 + 8 + 4 + operation.write.valueBytes }
        return bytes
    }

    /// The write that `encoded` wrote; throws for bytes of another version, and for what is none.
    public init(payload: [UInt8]) throws(UnreadablePayload) {
        var input = PayloadReader(payload)
        let version = try input.byte()
        guard version == Self.version else {
            throw UnreadablePayload(description: "an entry of version \(version), which this Hearth does not know")
        }
        wasSent = try input.byte() != 0
        redisProcess = try input.integer()
        redisAddress = try input.integer()
        bases = []
        for _ in 0..<(try input.count()) {
            let key = try input.bytes()
            let flags = try input.byte()
            var states: [KnownState] = []
            for _ in 0..<(try input.count()) { states.append(try input.state()) }
            var held: HeldValue?
            let kind = try input.byte()
            if kind != 0 {
                guard let kind = HeldValue.Kind(rawValue: kind) else { throw .damaged }
                let expiresAt = Timestamp(milliseconds: Int64(bitPattern: try input.integer()))
                held = HeldValue(try input.bytes(), kind: kind, expiresAt: expiresAt)
            }
            bases.append((key, Base(states: states, isUnknown: flags & 1 != 0, mayBeOurs: flags & 2 != 0, held: held)))
        }
        operations = []
        for _ in 0..<(try input.count()) {
            let index = try input.count()
            guard index < bases.count else { throw .damaged }
            operations.append(Operation(bases[index].key, try input.write()))
        }
        guard input.isAtEnd, !operations.isEmpty else { throw .damaged }
    }
}

extension UnreadablePayload {
    static var damaged: UnreadablePayload { UnreadablePayload(description: "not the bytes of an entry") }
}

/// The kinds of writes that are ever journaled, as they are stored.
private enum WriteCode: UInt8 {
    case set = 1
    case delete, expire, persist, increment, incrementFloat, append, setRange, record
    /// A write of a record with its message behind it.
    case emittingRecord
}

/// Writes payloads.
struct PayloadWriter {
    private(set) var storage: [UInt8] = []

    /// With room for `capacity` bytes, beyond which it grows.
    init(capacity: Int = 0) { storage.reserveCapacity(capacity) }

    mutating func byte(_ value: UInt8) { storage.append(value) }
    mutating func raw(_ bytes: UnsafeRawBufferPointer) { storage.append(contentsOf: bytes) }
    mutating func integer(_ value: UInt64) {
        withUnsafeBytes(of: value.littleEndian) { storage.append(contentsOf: $0) }
    }
    mutating func count(_ value: Int) {
        withUnsafeBytes(of: UInt32(value).littleEndian) { storage.append(contentsOf: $0) }
    }
    mutating func bytes(_ bytes: [UInt8]) {
        count(bytes.count)
        storage += bytes
    }

    fileprivate mutating func time(_ expiry: ExpiryChange) {
        switch expiry {
        case .keep: byte(0)
        case .clear: byte(1)
        case .at(let time):
            byte(2)
            integer(UInt64(bitPattern: time.milliseconds))
        }
    }

    fileprivate mutating func write(_ write: StringWrite) {
        switch write {
        case .set(let value, let expiry, .always, .ok):
            byte(WriteCode.set.rawValue)
            time(expiry)
            bytes(value)
        case .delete: byte(WriteCode.delete.rawValue)
        case .expire(let time, []):
            byte(WriteCode.expire.rawValue)
            integer(UInt64(bitPattern: time.milliseconds))
        case .persist: byte(WriteCode.persist.rawValue)
        case .increment(let step):
            byte(WriteCode.increment.rawValue)
            integer(UInt64(bitPattern: step))
        case .incrementFloat(let step):
            byte(WriteCode.incrementFloat.rawValue)
            bytes(step)
        case .append(let value):
            byte(WriteCode.append.rawValue)
            bytes(value)
        case .setRange(let offset, let value):
            byte(WriteCode.setRange.rawValue)
            integer(UInt64(bitPattern: offset))
            bytes(value)
        case .record(let write):
            byte((write.emission == nil ? WriteCode.record : .emittingRecord).rawValue)
            record(write)
            if let emission = write.emission {
                bytes(emission.stream)
                bytes(emission.payload)
            }
        case .set, .getDelete, .getExpire, .expire, .throttle:
            preconditionFailure("BUG: a conditional write in the journal")
        }
    }
}

/// Reads payloads; every read says when there is nothing more.
struct PayloadReader {
    private let storage: [UInt8]
    private var position = 0

    init(_ storage: [UInt8]) { self.storage = storage }

    var isAtEnd: Bool { position == storage.count }

    mutating func raw(_ count: Int) throws(UnreadablePayload) -> ArraySlice<UInt8> {
        guard count <= storage.count - position else { throw .damaged }
        defer { position += count }
        return storage[position..<position + count]
    }

    mutating func byte() throws(UnreadablePayload) -> UInt8 {
        guard let byte = try raw(1).first else { throw .damaged }
        return byte
    }

    mutating func integer() throws(UnreadablePayload) -> UInt64 {
        try raw(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    mutating func count() throws(UnreadablePayload) -> Int {
        Int(try raw(4).reversed().reduce(0) { $0 << 8 | UInt32($1) })
    }

    mutating func bytes() throws(UnreadablePayload) -> [UInt8] { Array(try raw(try count())) }

    fileprivate mutating func state() throws(UnreadablePayload) -> KnownState {
        if try byte() == 0 { return .absent }
        guard let digest = SHA1Digest(stored: try raw(20)) else { throw .damaged }
        return .value(digest)
    }

    mutating func signed() throws(UnreadablePayload) -> Int64 { Int64(bitPattern: try integer()) }

    private mutating func expiry() throws(UnreadablePayload) -> ExpiryChange {
        switch try byte() {
        case 0: return .keep
        case 1: return .clear
        case 2: return .at(Timestamp(milliseconds: try signed()))
        default: throw .damaged
        }
    }

    fileprivate mutating func write() throws(UnreadablePayload) -> StringWrite {
        guard let code = WriteCode(rawValue: try byte()) else { throw .damaged }
        switch code {
        case .set:
            let expiry = try expiry()
            return .set(try bytes(), expiry: expiry, condition: .always, reply: .ok)
        case .delete: return .delete
        case .expire: return .expire(at: Timestamp(milliseconds: try signed()), [])
        case .persist: return .persist
        case .increment: return .increment(try signed())
        case .incrementFloat: return .incrementFloat(try bytes())
        case .append: return .append(try bytes())
        case .setRange:
            let offset = try signed()
            return .setRange(offset, try bytes())
        case .record: return .record(try record())
        case .emittingRecord:
            var write = try record()
            let stream = try bytes()
            write.emission = Emission(stream: stream, payload: try bytes())
            return .record(write)
        }
    }
}
