// The small map of a unit of work, against a dictionary and a list.

import TestSupport
import Testing

@testable import Tiers

@Suite struct FewKeysTests {
    @Test(arguments: [1, 3, 8, 9, 10, 200])
    func `keys are found and kept in the order in which they were first named`(_ keyCount: Int) {
        var random = SeededGenerator()
        var few = FewKeys<Int>()
        var expected: [[UInt8]: Int] = [:]
        var order: [[UInt8]] = []
        for step in 0..<keyCount * 4 {
            let key = Array("key:\(Int.random(in: 0..<keyCount, using: &random))".utf8)
            if expected.updateValue(step, forKey: key) == nil { order.append(key) }
            few.set(key, step)
            #expect(few.count == expected.count && !few.isEmpty, "\(random.replay)")
        }
        #expect(few.elements.map(\.key) == order, "\(random.replay)")
        for (key, value) in expected { #expect(few[key] == value, "\(random.replay)") }
        #expect(few[Array("nobody".utf8)] == nil)
        #expect(FewKeys<Int>()[[]] == nil && FewKeys<Int>().isEmpty)
    }
}
