// Commands over one key or several, in a space of keys: by hand, and at random against a dictionary.

import Primitives
import State
import TestSupport
import Testing

private struct Space: KeySpace {
    var values: [[UInt8]: HeldValue] = [:]
    var time = now

    func read(_ key: [UInt8]) -> HeldValue? { values[key].flatMap { $0.isAlive(at: time) ? $0 : nil } }

    mutating func apply(_ change: Change, to key: [UInt8]) {
        switch change {
        case .none: break
        case .put(let value): values[key] = value
        case .remove: values[key] = nil
        }
    }

    func countKeys() -> Int { values.values.count { $0.isAlive(at: time) } }
    mutating func removeAll() { values = [:] }
}

@Suite struct StringCommandTests {
    private func perform(_ command: StringCommand, _ space: inout Space, life: Int64? = nil, maxValue: Int = 1 << 20)
        -> Reply
    {
        command.perform(in: &space, now: space.time) { _ in WriteRules(maxValue: maxValue, life: life) }
    }

    private func space(_ values: [String: HeldValue]) -> Space {
        var space = Space()
        for (key, value) in values { space.values[bytes(key)] = value }
        return space
    }

    @Test func `keys that repeat count each time, and are deleted once`() {
        var space = space(["a": held("1"), "b": held("2")])
        #expect(perform(.count([bytes("a"), bytes("a"), bytes("x")]), &space) == .integer(2))
        #expect(
            perform(.getMany([bytes("a"), bytes("x"), bytes("b")]), &space)
                == .array([.string(bytes("1")), .null, .string(bytes("2"))]))
        #expect(perform(.deleteMany([bytes("a"), bytes("a"), bytes("x")]), &space) == .integer(1))
    }

    @Test func `MSET sets the last of a repeated key, MSETNX all or none`() {
        var space = space(["a": held("1", 50)])
        #expect(
            perform(.setMany([bytes("a"), bytes("a")], values: [bytes("2"), bytes("3")], onlyIfNone: false), &space)
                == .ok)
        #expect(space.values[bytes("a")] == held("3"))
        #expect(
            perform(.setMany([bytes("n"), bytes("a")], values: [bytes("2"), bytes("3")], onlyIfNone: true), &space)
                == .integer(0))
        #expect(space.values[bytes("n")] == nil)
        #expect(
            perform(.setMany([bytes("n"), bytes("m")], values: [bytes("2"), bytes("3")], onlyIfNone: true), &space)
                == .integer(1))
    }

    @Test func `RENAME takes value and life along`() {
        var space = space(["a": held("1", 50), "b": held("2")])
        #expect(perform(.rename(bytes("x"), to: bytes("a"), onlyIfNone: false), &space) == .error("ERR no such key"))
        #expect(perform(.rename(bytes("a"), to: bytes("b"), onlyIfNone: true), &space) == .integer(0))
        #expect(perform(.rename(bytes("a"), to: bytes("a"), onlyIfNone: true), &space) == .integer(0))
        #expect(perform(.rename(bytes("a"), to: bytes("a"), onlyIfNone: false), &space) == .ok)
        #expect(perform(.rename(bytes("a"), to: bytes("b"), onlyIfNone: false), &space) == .ok)
        #expect(space.values == [bytes("b"): held("1", 50)])
        #expect(perform(.rename(bytes("b"), to: bytes("c"), onlyIfNone: true), &space) == .integer(1))
    }

    @Test func `DBSIZE and FLUSHDB`() {
        var space = space(["a": held("1"), "b": held("2", -1)])
        #expect(perform(.countAll, &space) == .integer(1))
        #expect(perform(.removeAll, &space) == .ok)
        #expect(perform(.countAll, &space) == .integer(0))
    }

    @Test func `a policy's life goes to SETs that give none, and to nothing else`() {
        var space = space(["i": held("1"), "k": held("1", 30)])
        let set = StringWrite.set(bytes("v"), expiry: .clear, condition: .always, reply: .ok)
        #expect(perform(.write(set, key: bytes("a")), &space, life: 100) == .ok)
        #expect(space.values[bytes("a")] == held("v", 100))
        _ = perform(.setMany([bytes("b")], values: [bytes("v")], onlyIfNone: false), &space, life: 100)
        #expect(space.values[bytes("b")] == held("v", 100))
        _ = perform(
            .write(.set(bytes("v"), expiry: .at(at(7)), condition: .always, reply: .ok), key: bytes("c")), &space,
            life: 100)
        #expect(space.values[bytes("c")] == held("v", 7))
        _ = perform(
            .write(.set(bytes("v"), expiry: .keep, condition: .always, reply: .ok), key: bytes("k")), &space, life: 100)
        #expect(space.values[bytes("k")] == held("v", 30))
        _ = perform(.write(.increment(1), key: bytes("i")), &space, life: 100)
        #expect(space.values[bytes("i")] == held("2"))
        _ = perform(.write(.persist, key: bytes("k")), &space, life: 100)
        #expect(space.values[bytes("k")] == held("v"))
    }

    @Test func `which commands write, and which keys they name`() {
        #expect(!StringCommand.read(.get, key: []).isWrite && !StringCommand.countAll.isWrite)
        #expect(StringCommand.removeAll.isWrite && StringCommand.rename([1], to: [2], onlyIfNone: true).isWrite)
        #expect(StringCommand.rename([1], to: [2], onlyIfNone: true).keys == [[1], [2]])
        #expect(StringCommand.setMany([[1], [2]], values: [[3], [4]], onlyIfNone: false).keys == [[1], [2]])
    }

    @Test func `keys are shown one by one as they are listed, up to the first that does not do`() {
        let commands: [StringCommand] = [
            .read(.get, key: [1]), .write(.delete, key: [1]), .count([[1], [2], [1]]), .getMany([[1], [2]]),
            .deleteMany([[3]]), .setMany([[1], [2]], values: [[3], [4]], onlyIfNone: false),
            .rename([1], to: [2], onlyIfNone: false), .countAll, .removeAll,
        ]
        for command in commands {
            var shown: [[UInt8]] = []
            let areAll = command.allKeys { key in
                shown.append(key)
                return true
            }
            #expect(areAll && shown == command.keys)
            let isFirst = command.allKeys { _ in false }
            #expect(isFirst == command.keys.isEmpty)
        }
    }

    @Test func `random commands keep to a dictionary of strings`() {
        var random = SeededGenerator()
        for _ in 0..<30 {
            var space = Space()
            var model: [String: (value: String, life: Int64?)] = [:]
            for _ in 0..<300 {
                if random.oneIn(5) {
                    space.time = space.time.advanced(byMilliseconds: Int64.random(in: 0...30, using: &random))
                }
                let clock = space.time.milliseconds
                model = model.filter { $0.value.life.map { $0 > clock } ?? true }
                let name = ["a", "b", "c"].randomElement(using: &random)!
                let key = bytes(name)
                let old = model[name]
                let text = String(Int.random(in: -20...20, using: &random))
                let life = Int64.random(in: -2...60, using: &random)
                let reply: Reply
                let expected: Reply
                switch Int.random(in: 0..<8, using: &random) {
                case 0:
                    reply = perform(.read(.get, key: key), &space)
                    expected = old.map { .string(bytes($0.value)) } ?? .null
                case 1:
                    reply = perform(
                        .write(.set(bytes(text), expiry: .clear, condition: .ifAbsent, reply: .flag), key: key), &space)
                    expected = .integer(old == nil ? 1 : 0)
                    if old == nil { model[name] = (text, nil) }
                case 2:
                    let time = space.time.advanced(byMilliseconds: life)
                    reply = perform(
                        .write(.set(bytes(text), expiry: .at(time), condition: .always, reply: .old), key: key), &space)
                    expected = old.map { .string(bytes($0.value)) } ?? .null
                    model[name] = life > 0 ? (text, clock + life) : nil
                case 3:
                    reply = perform(.write(.increment(3), key: key), &space)
                    if let number = Int(old?.value ?? "0") {
                        model[name] = (String(number + 3), old?.life)
                        expected = .integer(Int64(number + 3))
                    } else {
                        expected = .error("ERR value is not an integer or out of range")
                    }
                case 4:
                    reply = perform(.write(.append(bytes("x")), key: key), &space)
                    let value = (old?.value ?? "") + "x"
                    model[name] = (value, old?.life)
                    expected = .integer(Int64(value.utf8.count))
                case 5:
                    reply = perform(
                        .write(.expire(at: space.time.advanced(byMilliseconds: life), .ifGreater), key: key), &space)
                    let isDone = old?.life.map { clock + life > $0 } ?? false
                    expected = .integer(isDone ? 1 : 0)
                    if isDone, let old { model[name] = (old.value, clock + life) }
                case 6:
                    reply = perform(.write(.delete, key: key), &space)
                    expected = .integer(old == nil ? 0 : 1)
                    model[name] = nil
                default:
                    reply = perform(.read(.timeToLive(.milliseconds, absolute: false), key: key), &space)
                    expected = .integer(old.map { $0.life.map { $0 - clock } ?? -1 } ?? -2)
                }
                #expect(reply == expected, "\(random.replay)")
            }
        }
    }
}
