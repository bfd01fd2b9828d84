// Commands on strings against what Redis's documentation says of them; expectations are written by hand.

import Primitives
import State
import TestSupport
import Testing

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
let now = Timestamp(milliseconds: 1_700_000_000_000)
func at(_ milliseconds: Int64) -> Timestamp { now.advanced(byMilliseconds: milliseconds) }
func held(_ text: String, _ life: Int64? = nil) -> HeldValue {
    HeldValue(bytes(text), expiresAt: life.map { at($0) } ?? .never)
}

extension StringWrite {
    func on(_ value: HeldValue?, maxValue: Int = 1 << 20) -> (Change, Reply) {
        perform(on: value, now: now, rules: WriteRules(maxValue: maxValue, life: nil))
    }
}

@Suite struct StringReadTests {
    @Test(arguments: [
        (0, 3, "This"), (-3, -1, "ing"), (0, -1, "This is a string"), (10, 100, "string"), (5, 3, ""), (-1, -5, ""),
        (-100, 3, "This"), (100, 200, ""), (-100, -90, "T"), (0, 0, "T"), (0, -100, "T"),
        (.min, .max, "This is a string"),
        (.max, .min, ""), (-5, -5, "t"),
    ])
    func `GETRANGE counts from both ends and clips`(_ start: Int64, _ end: Int64, _ expected: String) {
        #expect(StringRead.range(start, end).reply(for: held("This is a string"), now: now) == .string(bytes(expected)))
    }

    @Test func `what is not there`() {
        #expect(StringRead.get.reply(for: nil, now: now) == .null)
        #expect(StringRead.length.reply(for: nil, now: now) == .integer(0))
        #expect(StringRead.range(0, -1).reply(for: nil, now: now) == .string([]))
        #expect(StringRead.range(0, -1).reply(for: held(""), now: now) == .string([]))
        #expect(StringRead.type.reply(for: nil, now: now) == .status("none"))
        #expect(StringRead.exists.reply(for: nil, now: now) == .integer(0))
        #expect(StringRead.timeToLive(.seconds, absolute: false).reply(for: nil, now: now) == .integer(-2))
    }

    @Test func `what is there`() {
        #expect(StringRead.get.reply(for: held("v"), now: now) == .string(bytes("v")))
        #expect(StringRead.length.reply(for: held("Hello world"), now: now) == .integer(11))
        #expect(StringRead.type.reply(for: held("v"), now: now) == .status("string"))
        #expect(StringRead.exists.reply(for: held(""), now: now) == .integer(1))
        #expect(StringRead.timeToLive(.milliseconds, absolute: true).reply(for: held("v"), now: now) == .integer(-1))
    }

    @Test(arguments: [(1, 0), (499, 0), (500, 1), (1_499, 1), (1_500, 2), (10_000, 10)] as [(Int64, Int64)])
    func `TTL is rounded to the nearest second`(_ life: Int64, _ seconds: Int64) {
        #expect(
            StringRead.timeToLive(.seconds, absolute: false).reply(for: held("v", life), now: now) == .integer(seconds))
        #expect(
            StringRead.timeToLive(.milliseconds, absolute: false).reply(for: held("v", life), now: now)
                == .integer(life))
        // Redis 7.0: SET k v PXAT 33177117420700, EXPIRETIME k is 33177117421.
        #expect(
            StringRead.timeToLive(.seconds, absolute: true).reply(for: held("v", life), now: now)
                == .integer(1_700_000_000 + seconds))
    }

    @Test func `the latest times overflow nothing`() {
        let last = HeldValue([], expiresAt: Timestamp(milliseconds: .max - 1))
        let seconds = (Int64.max - 1) / 1000 + ((Int64.max - 1) % 1000 >= 500 ? 1 : 0)
        #expect(StringRead.timeToLive(.seconds, absolute: true).reply(for: last, now: now) == .integer(seconds))
        #expect(StringRead.timeToLive(.milliseconds, absolute: true).reply(for: last, now: now) == .integer(.max - 1))
    }
}

@Suite struct StringWriteTests {
    // MARK: SET

    @Test(
        arguments: [
            (SetCondition.always, nil, true), (.always, "old", true), (.ifAbsent, nil, true), (.ifAbsent, "old", false),
            (.ifPresent, nil, false), (.ifPresent, "old", true),
        ] as [(SetCondition, String?, Bool)])
    func `SET with NX and XX, and its three kinds of reply`(
        _ condition: SetCondition, _ before: String?, _ isDone: Bool
    ) {
        let value = before.map { held($0) }
        let change: Change = isDone ? .put(held("new")) : .none
        #expect(
            StringWrite.set(bytes("new"), expiry: .clear, condition: condition, reply: .ok).on(value) == (
                change, isDone ? .ok : .null
            ))
        #expect(
            StringWrite.set(bytes("new"), expiry: .clear, condition: condition, reply: .flag).on(value) == (
                change, .integer(isDone ? 1 : 0)
            ))
        #expect(
            StringWrite.set(bytes("new"), expiry: .clear, condition: condition, reply: .old).on(value)
                == (change, before.map { .string(bytes($0)) } ?? .null))
    }

    @Test func `SET takes a life away unless told otherwise`() {
        func set(_ expiry: ExpiryChange) -> StringWrite {
            .set(bytes("n"), expiry: expiry, condition: .always, reply: .ok)
        }
        #expect(set(.clear).on(held("o", 100)) == (.put(held("n")), .ok))
        #expect(set(.keep).on(held("o", 100)) == (.put(held("n", 100)), .ok))
        #expect(set(.keep).on(nil) == (.put(held("n")), .ok))
        #expect(set(.at(at(50))).on(held("o", 100)) == (.put(held("n", 50)), .ok))
        #expect(set(.at(at(0))).on(held("o")) == (.remove, .ok))
        #expect(set(.at(at(-1))).on(nil) == (.remove, .ok))
    }

    // MARK: Deletions and lives

    @Test func `DEL, GETDEL and GETEX`() {
        #expect(StringWrite.delete.on(nil) == (.none, .integer(0)))
        #expect(StringWrite.delete.on(held("v")) == (.remove, .integer(1)))
        #expect(StringWrite.getDelete.on(nil) == (.none, .null))
        #expect(StringWrite.getDelete.on(held("v")) == (.remove, .string(bytes("v"))))
        #expect(StringWrite.getExpire(.keep).on(held("v", 9)) == (.none, .string(bytes("v"))))
        #expect(StringWrite.getExpire(.clear).on(held("v", 9)) == (.put(held("v")), .string(bytes("v"))))
        #expect(StringWrite.getExpire(.clear).on(held("v")) == (.none, .string(bytes("v"))))
        #expect(StringWrite.getExpire(.at(at(7))).on(held("v", 9)) == (.put(held("v", 7)), .string(bytes("v"))))
        #expect(StringWrite.getExpire(.at(at(-7))).on(held("v", 9)) == (.remove, .string(bytes("v"))))
        #expect(StringWrite.getExpire(.at(at(7))).on(nil) == (.none, .null))
    }

    @Test func `PERSIST`() {
        #expect(StringWrite.persist.on(nil) == (.none, .integer(0)))
        #expect(StringWrite.persist.on(held("v")) == (.none, .integer(0)))
        #expect(StringWrite.persist.on(held("v", 5)) == (.put(held("v")), .integer(1)))
    }

    @Test(
        arguments: [
            ([], 100, true, true), ([], 300, true, true), ([.ifNone], 100, true, false), ([.ifSome], 100, false, true),
            ([.ifGreater], 100, false, false), ([.ifGreater], 200, false, false), ([.ifGreater], 300, false, true),
            ([.ifLess], 100, true, true), ([.ifLess], 200, true, false), ([.ifLess], 300, true, false),
            ([.ifSome, .ifGreater], 300, false, true), ([.ifSome, .ifLess], 100, false, true),
        ] as [(ExpireCondition, Int64, Bool, Bool)])
    func `EXPIRE with NX, XX, GT and LT, of a key without life and of one of 200`(
        _ condition: ExpireCondition, _ time: Int64, _ withoutLife: Bool, _ withLife: Bool
    ) {
        let write = StringWrite.expire(at: at(time), condition)
        #expect(write.on(held("v")) == (withoutLife ? (.put(held("v", time)), .integer(1)) : (.none, .integer(0))))
        #expect(write.on(held("v", 200)) == (withLife ? (.put(held("v", time)), .integer(1)) : (.none, .integer(0))))
        #expect(write.on(nil) == (.none, .integer(0)))
    }

    @Test func `EXPIRE into the past deletes`() {
        #expect(StringWrite.expire(at: at(0), []).on(held("v")) == (.remove, .integer(1)))
        #expect(StringWrite.expire(at: at(-5), .ifGreater).on(held("v", 5)) == (.none, .integer(0)))
    }

    // MARK: Numbers

    @Test(
        arguments: [
            (nil, 1, 1), (nil, -1, -1), ("10", 5, 15), ("-5", 5, 0), ("9223372036854775806", 1, .max),
            ("-9223372036854775807", -1, .min), ("0", .min, .min),
        ] as [(String?, Int64, Int64)])
    func `INCRBY adds and keeps the life`(_ before: String?, _ step: Int64, _ sum: Int64) {
        #expect(
            StringWrite.increment(step).on(before.map { held($0, 77) }) == (
                .put(held(String(sum), before == nil ? nil : 77)), .integer(sum)
            ))
    }

    @Test(arguments: [
        "", " 1", "1 ", "+1", "01", "-0", "--1", "-", "1.0", "1e3", "abc", "9223372036854775808",
        "-9223372036854775809", "١",
    ])
    func `INCR of what is no integer`(_ value: String) {
        #expect(
            StringWrite.increment(1).on(held(value)) == (.none, .error("ERR value is not an integer or out of range")))
        #expect(StringWrite.integer(bytes(value)) == nil)
    }

    @Test func `INCR beyond the ends`() {
        let error = Reply.error("ERR increment or decrement would overflow")
        #expect(StringWrite.increment(1).on(held("9223372036854775807")) == (.none, error))
        #expect(StringWrite.increment(-1).on(held("-9223372036854775808")) == (.none, error))
        #expect(StringWrite.increment(.min).on(held("-1")) == (.none, error))
    }

    @Test(arguments: [
        ("10.50", "0.1", "10.6"), ("5.0e3", "2.0e2", "5200"), ("0", "0", "0"), ("1", "-1", "0"), ("-1", "1", "0"),
        ("3.0", "1", "4"), ("1e10", "0", "10000000000"), ("0.1", "0.2", "0.3"), ("-0", "0", "0"),
        ("1", "0.00000000000000001", "1.00000000000000001"),
        ("1e-20", "0", "0"), ("100", "-0.5", "99.5"), ("0x10", "1", "17"), ("+5", "0", "5"),
        ("1e17", "1", "100000000000000001"),
    ])
    func `INCRBYFLOAT prints as Redis does`(_ value: String, _ step: String, _ sum: String) {
        #expect(StringWrite.incrementFloat(bytes(step)).on(held(value, 5)) == (.put(held(sum, 5)), .string(bytes(sum))))
    }

    @Test(arguments: ["", " 1", "1 ", "abc", "1.2.3", "nan", "1,5", "--1", "1e", "1\0"])
    func `INCRBYFLOAT of what is no float`(_ value: String) {
        let error = Reply.error("ERR value is not a valid float")
        #expect(StringWrite.incrementFloat(bytes("1")).on(held(value)) == (.none, error))
        #expect(StringWrite.incrementFloat(bytes(value)).on(held("1")) == (.none, error))
        #expect(!StringWrite.isFloat(bytes(value)))
    }

    @Test func `INCRBYFLOAT beyond the ends`() {
        let error = Reply.error("ERR increment would produce NaN or Infinity")
        #expect(StringWrite.incrementFloat(bytes("inf")).on(held("1")) == (.none, error))
        #expect(StringWrite.incrementFloat(bytes("1.1e4932")).on(held("1.1e4932")) == (.none, error))
        #expect(StringWrite.incrementFloat(bytes("-inf")).on(held("inf")) == (.none, error))
        #expect(StringWrite.isFloat(bytes("inf")))
    }

    // MARK: Bytes

    @Test func `APPEND`() {
        #expect(StringWrite.append(bytes("x")).on(nil) == (.put(held("x")), .integer(1)))
        #expect(
            StringWrite.append(bytes(" World")).on(held("Hello", 9)) == (.put(held("Hello World", 9)), .integer(11)))
        #expect(StringWrite.append(bytes("x")).on(held("abc"), maxValue: 4) == (.put(held("abcx")), .integer(4)))
        guard case (.none, .error(let text)) = StringWrite.append(bytes("xy")).on(held("abc"), maxValue: 4) else {
            Issue.record("taken")
            return
        }
        #expect(
            String(decoding: text, as: UTF8.self).hasPrefix(
                "TOOBIG the value would have 5 bytes and max_value of its policy allows 4"))
    }

    @Test(
        arguments: [
            (nil, 0, "", nil, 0), ("abc", 5, "", nil, 3), ("Hello World", 6, "Redis", "Hello Redis", 11),
            (nil, 3, "x", "\0\0\0x", 4), ("ab", 4, "c", "ab\0\0c", 5), ("abc", 0, "xyzw", "xyzw", 4),
            ("abc", 1, "x", "axc", 3),
        ] as [(String?, Int64, String, String?, Int64)])
    func `SETRANGE fills with zeros`(
        _ before: String?, _ offset: Int64, _ part: String, _ after: String?, _ length: Int64
    ) {
        let change: Change = after.map { .put(held($0, before == nil ? nil : 9)) } ?? .none
        #expect(StringWrite.setRange(offset, bytes(part)).on(before.map { held($0, 9) }) == (change, .integer(length)))
    }

    @Test func `SETRANGE beyond the limit is refused before memory is taken`() {
        for offset in [Int64(100), 1 << 40, .max] {
            guard case (.none, .error(let text)) = StringWrite.setRange(offset, bytes("x")).on(nil, maxValue: 100)
            else {
                Issue.record("taken at \(offset)")
                return
            }
            #expect(text.starts(with: bytes("TOOBIG ")))
        }
        #expect(StringWrite.setRange(99, bytes("x")).on(nil, maxValue: 100).1 == .integer(100))
    }

    @Test func `which writes depend on what is held`() {
        #expect(!StringWrite.set([], expiry: .clear, condition: .always, reply: .ok).needsHeld)
        #expect(StringWrite.set([], expiry: .keep, condition: .always, reply: .ok).needsHeld)
        #expect(StringWrite.set([], expiry: .clear, condition: .ifAbsent, reply: .flag).needsHeld)
        #expect(StringWrite.set([], expiry: .clear, condition: .always, reply: .old).needsHeld)
        #expect(StringWrite.delete.needsHeld)
    }
}
