// STATE.GET of a record that local memory can answer: copied from the arena straight behind the replies before it.
//
// DESIGN: what the reply needs stands at fixed places at the beginning of a record's bytes (`RecordHead`), so the
// record is not taken apart, and nothing is allocated. Of the nine fields all but seven numbers and the value are
// constants, which are joined into as few pieces as there are numbers between them: each piece has a length that the
// compiler knows, and is a handful of moves. Whatever is not a fresh copy of a value in the form that its policy names,
// or has options, goes the way of every other command.

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
        // "state.ge" in lower case, which the dot does not have.
        name.loadUnaligned(as: UInt64.self) | UInt64(littleEndian: 0x2020_0020_2020_2020)
            == UInt64(littleEndian: 0x6567_2E65_7461_7473)
            && name.load(fromByteOffset: 8, as: UInt8.self) | 0x20 == UInt8(ascii: "t")
    }

    /// Answers STATE.GET of a key, where local memory can; whether it did.
    @inline(__always)
    func answerStateFromLocal(
        _ key: UnsafeRawBufferPointer, _ hash: KeyHash, _ output: OutputBuffer, _ version: ProtocolVersion
    ) -> Bool {
        // Values that may be in another form than their policy's are looked at as a whole.
        if hasSchemas, namesSchema(key) { return false }
        var needed = Self.replyBytesMax
        while true {
            let query = StateQuery(
                place: output.reserve(needed), room: output.room, now: batchNow, provedUntil: recordsProvedUntil,
                isResp3: version == .resp3)
            guard let hit = local.read(key, hash: hash, now: batchNow, passing: query, Self.answer)
            else { return false }
            // Whoever reads it next will not see that the authority must hear of it.
            if hit.life > 0 { tiers.extend(Array(key), life: hit.life) }
            switch hit.outcome {
            case .answered(let count):
                output.commit(count)
                localRecordHits &+= 1
                return true
            case .larger(let count): needed = count
            case .other: return false
            }
        }
    }

    /// Writes the reply, where the entry is a fresh record that has a value.
    ///
    /// A function that is given all it needs, where a closure would capture it: so it is compiled as a part of the
    /// read, and no reference is counted.
    @inline(__always)
    private static func answer(_ entry: borrowing LocalEntry, _ query: StateQuery) -> StateHit {
        guard entry.kind == .record, entry.valueLength >= RecordLayout.headBytes,
            let head = head(of: entry, query.place)
        else { return StateHit(outcome: .other, life: 0) }
        let life = entry.isExtensionDue ? head.slidingFor : 0
        guard entry.freshness == .quiet || entry.freshness == .live, !head.isDeleted, head.hasValue,
            RecordLayout.headBytes &+ head.valueLength <= entry.valueLength
        else { return StateHit(outcome: .other, life: life) }
        guard replyBytesMax &+ head.valueLength <= query.room else {
            return StateHit(outcome: .larger(replyBytesMax &+ head.valueLength), life: life)
        }
        let verifiedAt = entry.freshness == .live ? max(entry.verifiedAt, query.provedUntil) : entry.verifiedAt
        var pen = Pen(query.place)
        pen.beginMap(isResp3: query.isResp3)
        pen.write(Int64(head.valueLength))
        pen.lineEnd()
        entry.copyValue(RecordLayout.headBytes..<(RecordLayout.headBytes &+ head.valueLength), to: pen.place)
        pen.place += head.valueLength
        pen.write("\r\n+version\r\n:")
        pen.write(head.version)
        pen.write(schema: head.schema, fence: head.fence)
        pen.write(max(0, query.now.milliseconds(since: verifiedAt)))
        pen.end(
            milliseconds: entry.expiresAt == .never ? nil : max(0, entry.expiresAt.milliseconds(since: query.now)),
            isResp3: query.isResp3)
        return StateHit(outcome: .answered(pen.place - query.place), life: life)
    }

    @inline(never)
    private func namesSchema(_ key: UnsafeRawBufferPointer) -> Bool {
        tiers.policies.policies[tiers.policies.index(for: key)].records.schema.current != nil
    }

    /// The fixed fields of a record, of which there are as many bytes at least; read where they lie, if in one piece,
    /// else from `scratch`, where the reply will be: nothing of it lies there yet.
    @inline(__always)
    private static func head(of entry: borrowing LocalEntry, _ scratch: UnsafeMutableRawPointer) -> RecordHead? {
        if let head = entry.withValueInPlace({ RecordHead($0) }) { return head }
        entry.copyValue(0..<RecordLayout.headBytes, to: scratch)
        return RecordHead(UnsafeRawBufferPointer(start: scratch, count: RecordLayout.headBytes))
    }
}

/// What a reply needs besides its entry.
private struct StateQuery {
    /// Where it is written, and how many bytes have room there: those of a reply without its value at least.
    let place: UnsafeMutableRawPointer
    let room: Int
    let now: Timestamp
    let provedUntil: Timestamp
    let isResp3: Bool
}

/// What a read made of an entry.
private struct StateHit {
    enum Outcome {
        /// So many bytes were written.
        case answered(Int)
        /// So much room is needed.
        case larger(Int)
        /// It is for others to answer.
        case other
    }
    let outcome: Outcome
    /// The read has moved the life on by so many milliseconds, which the authority has to hear; 0 where it has not.
    let life: Int64
}

/// Writes where there is room for certain.
private struct Pen {
    var place: UnsafeMutableRawPointer

    @inline(__always)
    init(_ place: UnsafeMutableRawPointer) { self.place = place }

    /// A text that is known when this is compiled, and with it how many bytes are moved.
    @inline(__always)
    mutating func write(_ text: StaticString) {
        place.copyMemory(from: text.utf8Start, byteCount: text.utf8CodeUnitCount)
        place += text.utf8CodeUnitCount
    }

    @inline(__always)
    mutating func lineEnd() {
        place.storeBytes(of: UInt16(littleEndian: 0x0A0D), as: UInt16.self)
        place += 2
    }

    /// Up to the length of the value.
    @inline(__always)
    mutating func beginMap(isResp3: Bool) {
        if isResp3 { write("%9\r\n+value\r\n$") } else { write("*18\r\n+value\r\n$") }
    }

    /// From behind the version up to the age.
    @inline(__always)
    mutating func write(schema: Int64, fence: Int64) {
        // As a rule both are small: then all of it is one piece, in which two digits are set.
        if schema | fence >= 0, schema < 10, fence < 10 {
            let start = place
            write(
                """
                \r\n+schema\r\n:0\r\n+fence\r\n:0\
                \r\n+source\r\n+local\r\n+freshness\r\n+fresh\r\n+age_ms\r\n:
                """)
            start.storeBytes(of: UInt8(truncatingIfNeeded: 48 &+ schema), toByteOffset: 12, as: UInt8.self)
            start.storeBytes(of: UInt8(truncatingIfNeeded: 48 &+ fence), toByteOffset: 24, as: UInt8.self)
            return
        }
        place = Self.writeAtLength(schema: schema, fence: fence, at: place)
    }

    @inline(never)
    private static func writeAtLength(
        schema: Int64, fence: Int64, at place: UnsafeMutableRawPointer
    ) -> UnsafeMutableRawPointer {
        var pen = Pen(place)
        pen.write("\r\n+schema\r\n:")
        pen.write(schema)
        pen.write("\r\n+fence\r\n:")
        pen.write(fence)
        pen.write("\r\n+source\r\n+local\r\n+freshness\r\n+fresh\r\n+age_ms\r\n:")
        return pen.place
    }

    /// From behind the age to the end; nil for no end of life.
    @inline(__always)
    mutating func end(milliseconds: Int64?, isResp3: Bool) {
        if let milliseconds {
            write("\r\n+ttl_ms\r\n:")
            write(milliseconds)
            write("\r\n+reason\r\n$0\r\n\r\n")
        } else if isResp3 {
            write("\r\n+ttl_ms\r\n_\r\n+reason\r\n$0\r\n\r\n")
        } else {
            write("\r\n+ttl_ms\r\n$-1\r\n+reason\r\n$0\r\n\r\n")
        }
    }

    /// The digits of a number that is not negative.
    @inline(__always)
    mutating func write(_ value: Int64) {
        if value < 10 {
            place.storeBytes(of: UInt8(truncatingIfNeeded: 48 &+ value), as: UInt8.self)
            place += 1
        } else if value < 100 {
            Self.store(UInt64(truncatingIfNeeded: value), at: place)
            place += 2
        } else if value < 100_000_000 {
            writeEight(UInt64(truncatingIfNeeded: value))
        } else {
            place = Self.writeDigits(value.magnitude, at: place)
        }
    }

    /// The digits of a number of at most eight and above 0, found all at once: halves of four digits in a word, then
    /// pairs in its quarters, then each in its byte, the first in the lowest.
    ///
    /// Writes eight bytes, those behind the digits to be written over. Dividing by a constant is a product and a shift:
    /// x / 100 = x × 10,486 / 2²⁰ for x < 43,690, and x / 10 = x × 103 / 2¹⁰ for x < 179.
    @inline(__always)
    private mutating func writeEight(_ value: UInt64) {
        let upper = value / 10_000
        let halves = upper | (value &- upper &* 10_000) &<< 32
        let hundreds = (halves &* 10_486) &>> 20 & 0x0000_007F_0000_007F
        let pairs = hundreds | (halves &- hundreds &* 100) &<< 16
        let tens = (pairs &* 103) &>> 10 & 0x000F_000F_000F_000F
        let digits = tens | (pairs &- tens &* 10) &<< 8
        let zeros = digits.trailingZeroBitCount &>> 3
        let text = (digits | 0x3030_3030_3030_3030) &>> UInt64(truncatingIfNeeded: zeros &<< 3)
        place.storeBytes(of: text.littleEndian, as: UInt64.self)
        place += 8 &- zeros
    }

    /// The digits of a number that has two at least and was an Int64, two by two from the last; where they end.
    ///
    /// Is given a copy of the place: were the pen lent, it would stand in memory all the while.
    @inline(never)
    private static func writeDigits(_ value: UInt64, at place: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer {
        var digits = 2
        var bound: UInt64 = 100
        while value >= bound {
            bound &*= 10
            digits &+= 1
        }
        var rest = value
        var position = digits
        while rest >= 100 {
            position &-= 2
            let (quotient, pair) = rest.quotientAndRemainder(dividingBy: 100)
            store(pair, at: place + position)
            rest = quotient
        }
        if rest >= 10 {
            store(rest, at: place)
        } else {
            place.storeBytes(of: UInt8(truncatingIfNeeded: 48 &+ rest), as: UInt8.self)
        }
        return place + digits
    }

    /// Two digits.
    @inline(__always)
    private static func store(_ pair: UInt64, at place: UnsafeMutableRawPointer) {
        let tens = (pair &* 103) &>> 10
        let ones = pair &- tens &* 10
        place.storeBytes(
            of: UInt16(littleEndian: UInt16(truncatingIfNeeded: 0x3030 &+ tens &+ ones << 8)), as: UInt16.self)
    }
}
