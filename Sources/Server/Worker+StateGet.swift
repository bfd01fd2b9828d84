// STATE.GET of a record that local memory can answer: copied from the arena straight behind the replies before it.
//
// DESIGN: what the reply needs stands at fixed places at the beginning of a record's bytes (`RecordHead`), so the
// record is not taken apart, and nothing is allocated. Whatever is not a fresh copy of a value in the form that its
// policy names, or has options, goes the way of every other command.

internal import LocalTier
internal import Primitives
internal import RESP
internal import State
internal import Tiers

extension Worker {
    /// The longest reply but for the value: fixed words, and numbers of 20 digits.
    private static let replyBytesMax = 384

    /// Whether a name of nine bytes is STATE.GET.
    @inline(__always)
    static func isStateGet(_ name: UnsafeMutableRawPointer) -> Bool {
        // "state.ge" in lower case, of which the dot has that bit already.
        name.loadUnaligned(as: UInt64.self) | 0x2020_2020_2020_2020 == UInt64(littleEndian: 0x6567_2E65_7461_7473)
            && name.load(fromByteOffset: 8, as: UInt8.self) | 0x20 == UInt8(ascii: "t")
    }

    private enum RecordHit {
        case answered
        /// This read has moved the life on by so many milliseconds, which the authority has to hear.
        case extended(Int64)
        /// It is for others to answer.
        case other
        case otherExtended(Int64)
    }

    /// Answers STATE.GET of a key, where local memory can; whether it did.
    func answerStateFromLocal(
        _ key: UnsafeRawBufferPointer, _ output: OutputBuffer, _ version: ProtocolVersion
    ) -> Bool {
        // Values that may be in another form than their policy's are looked at as a whole.
        if tiers.policies.hasSchemas,
            tiers.policies.policies[tiers.policies.index(for: key)].records.schema.current != nil
        {
            return false
        }
        let isResp3 = version == .resp3
        let now = batchNow
        let provedUntil = tiers.provedUntil ?? .distantPast
        let hit = local.read(key, hash: KeyHash(key), now: now, passing: output) { entry, output -> RecordHit in
            guard entry.kind == .record, entry.valueLength >= RecordLayout.headBytes else { return .other }
            let count = entry.valueLength
            // Where the reply will be: nothing of it lies there yet.
            let scratch = output.reserve(RecordLayout.headBytes)
            entry.copyValue(0..<RecordLayout.headBytes, to: scratch)
            guard let head = RecordHead(UnsafeRawBufferPointer(start: scratch, count: RecordLayout.headBytes)) else {
                return .other
            }
            let life = entry.isExtensionDue ? head.slidingFor : 0
            guard entry.freshness == .quiet || entry.freshness == .live, !head.isDeleted, head.hasValue,
                RecordLayout.headBytes &+ head.valueLength <= count
            else { return life > 0 ? .otherExtended(life) : .other }
            let place = output.reserve(Self.replyBytesMax &+ head.valueLength)
            var pen = Pen(place)
            pen.write(isResp3 ? "%9\r\n$5\r\nvalue\r\n$" : "*18\r\n$5\r\nvalue\r\n$")
            pen.write(Int64(head.valueLength))
            pen.write("\r\n")
            entry.copyValue(
                RecordLayout.headBytes..<(RecordLayout.headBytes &+ head.valueLength), to: pen.place)
            pen.place += head.valueLength
            pen.write("\r\n$7\r\nversion\r\n:")
            pen.write(head.version)
            pen.write("\r\n$6\r\nschema\r\n:")
            pen.write(head.schema)
            pen.write("\r\n$5\r\nfence\r\n:")
            pen.write(head.fence)
            pen.write("\r\n$6\r\nsource\r\n$5\r\nlocal\r\n$9\r\nfreshness\r\n$5\r\nfresh\r\n$6\r\nage_ms\r\n:")
            let verifiedAt = entry.freshness == .live ? max(entry.verifiedAt, provedUntil) : entry.verifiedAt
            pen.write(max(0, now.milliseconds(since: verifiedAt)))
            if entry.expiresAt == .never {
                pen.write(isResp3 ? "\r\n$6\r\nttl_ms\r\n_" : "\r\n$6\r\nttl_ms\r\n$-1")
            } else {
                pen.write("\r\n$6\r\nttl_ms\r\n:")
                pen.write(max(0, entry.expiresAt.milliseconds(since: now)))
            }
            pen.write("\r\n$6\r\nreason\r\n$0\r\n\r\n")
            output.commit(pen.place - place)
            return life > 0 ? .extended(life) : .answered
        }
        switch hit {
        case .answered:
            localRecordHits &+= 1
            return true
        case .extended(let life):
            localRecordHits &+= 1
            tiers.extend(Array(key), life: life)
            return true
        case .otherExtended(let life):
            // The read that answers will not see that the authority must hear of it.
            tiers.extend(Array(key), life: life)
            return false
        case .other, nil: return false
        }
    }
}

/// Writes where there is room for certain.
private struct Pen {
    var place: UnsafeMutableRawPointer

    @inline(__always)
    init(_ place: UnsafeMutableRawPointer) { self.place = place }

    @inline(__always)
    mutating func write(_ text: StaticString) {
        place.copyMemory(from: text.utf8Start, byteCount: text.utf8CodeUnitCount)
        place += text.utf8CodeUnitCount
    }

    /// The digits of a number that is not negative.
    @inline(__always)
    mutating func write(_ value: Int64) {
        if value < 10 {
            place.storeBytes(of: UInt8(truncatingIfNeeded: 48 &+ value), as: UInt8.self)
            place += 1
            return
        }
        var digits = 1
        var rest = value.magnitude
        while rest >= 10 {
            rest /= 10
            digits &+= 1
        }
        rest = value.magnitude
        var position = digits
        while position > 0 {
            position &-= 1
            place.storeBytes(of: UInt8(truncatingIfNeeded: 48 &+ rest % 10), toByteOffset: position, as: UInt8.self)
            rest /= 10
        }
        place += digits
    }
}
