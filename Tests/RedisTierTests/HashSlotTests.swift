// Slots as Redis's cluster specification has them, and names that belong to the slot of a key.

import RedisTier
import TestSupport
import Testing

@Suite struct HashSlotTests {
    private func slot(_ key: String) -> UInt16 { HashSlot(of: Array(key.utf8)).rawValue }

    @Test func `a key has the slot that CLUSTER KEYSLOT tells`() {
        // The first is the check value of the specification's CRC-16, 0x31C3; the others are a redis-server's answers.
        #expect(slot("123456789") == 0x31c3)
        #expect(slot("foo") == 12_182 && slot("bar") == 5061 && slot("hello") == 866)
        #expect(slot("") == 0)
    }

    @Test func `what stands in the first braces decides, if that is not nothing`() {
        #expect(slot("{user1000}.following") == slot("user1000"))
        #expect(slot("foo{bar}{zap}") == slot("bar"))
        #expect(slot("foo{{bar}}zap") == slot("{bar"))
        #expect(slot("foo{}{bar}") != slot("bar") && slot("foo{}{bar}") != slot("{bar}"))
    }

    @Test func `a name with the companion's tag lies in the slot of its key, whatever the key is`() {
        var random = SeededGenerator()
        var keys = ["", "k", "}", "a}b", "{", "{}", "{x}y", "a{x}b{y}", "}{", String(repeating: "long", count: 200)]
            .map { Array($0.utf8) }
        for _ in 0..<200 {
            keys.append(
                (0..<Int.random(in: 0...12, using: &random)).map { _ in
                    Array("{}ab\0".utf8).randomElement(using: &random)!
                })
        }
        for key in keys {
            let name = Array("hearth:op:1:{".utf8) + HashSlot.companionTag(of: key) + Array("}:0".utf8)
            #expect(HashSlot(of: name) == HashSlot(of: key), "\(random.replay): \(key)")
        }
    }
}
