// The timing wheel and the map of free blocks, each against the plainest thing that does the same.

import Primitives
import TestSupport
import Testing

@testable import LocalTier

@Suite struct TimingWheelTests {
    /// A wheel over headers of its own, without a shard.
    private final class Wheel {
        let memory: UnsafeMutableRawPointer
        let state: UnsafeMutablePointer<WheelState>
        let wheel: TimingWheel
        let count: Int

        init(count: Int) {
            self.count = count
            memory = .allocate(byteCount: TimingWheel.tableBytes + 64 * (count + 1), alignment: 64)
            memory.initializeMemory(as: UInt8.self, repeating: 0, count: TimingWheel.tableBytes + 64 * (count + 1))
            state = .allocate(capacity: 1)
            wheel = TimingWheel(state: state, slots: memory, blocks: memory + TimingWheel.tableBytes)
            wheel.reset()
        }

        deinit {
            memory.deallocate()
            state.deallocate()
        }

        func header(_ block: Int) -> UnsafeMutablePointer<EntryHeader> {
            (memory + TimingWheel.tableBytes + 64 * block).assumingMemoryBound(to: EntryHeader.self)
        }
    }

    @Test(arguments: [50, 5_000, 500_000, 50_000_000, 50_000_000_000, 5_000_000_000_000])
    func `entries come out as from a sorted list, whatever the spans and whenever it is interrupted`(_ span: Int64) {
        var random = SeededGenerator()
        let subject = Wheel(count: 200)
        var list: [(due: Int64, order: Int, block: Int)] = []
        var idle = Set(1...200)
        var now: Int64 = 1_700_000_000_000
        var order = 0
        for _ in 0..<5000 {
            if let block = idle.randomElement(using: &random), !random.oneIn(3) {
                let due = random.oneIn(20) ? now - 5 : now + Int64.random(in: 0...span, using: &random)
                subject.header(block).pointee.expiresAt = at(due)
                subject.wheel.schedule(Block(UInt32(block)), now: at(now))
                list.append((max(due, subject.wheel.elapsed), order, block))
                order += 1
                idle.remove(block)
            } else if random.oneIn(3), let index = list.indices.randomElement(using: &random) {
                let block = list.remove(at: index).block
                subject.wheel.cancel(Block(UInt32(block)))
                idle.insert(block)
            } else {
                now += Int64.random(in: 0...max(1, span / 50), using: &random)
                var steps = random.oneIn(2) ? Int.random(in: 1...5, using: &random) : .max
                let isUnbounded = steps > 5
                while let block = subject.wheel.popDue(now: at(now), steps: &steps) {
                    list.sort { ($0.due, $0.order) < ($1.due, $1.order) }
                    #expect(list[0].block == Int(block.number), "\(random.replay)")
                    #expect(list[0].due <= now, "\(random.replay)")
                    guard let index = list.firstIndex(where: { $0.block == Int(block.number) }) else { return }
                    idle.insert(list.remove(at: index).block)
                }
                if isUnbounded { #expect(list.allSatisfy { $0.due > now }, "\(random.replay)") }
            }
            #expect(subject.wheel.count == list.count, "\(random.replay)")
        }
    }

    @Test func `what never comes is not scheduled`() {
        let subject = Wheel(count: 1)
        subject.header(1).pointee.expiresAt = .never
        subject.wheel.schedule(Block(1), now: at(5))
        #expect(subject.wheel.count == 0)
        var steps = 10
        #expect(subject.wheel.popDue(now: at(.max - 1), steps: &steps) == nil)
    }

    @Test func `no step is long: a slot full of entries is spread a few at a time`() {
        let subject = Wheel(count: 100)
        for block in 1...100 {
            subject.header(block).pointee.expiresAt = at(1_000_000)
            subject.wheel.schedule(Block(UInt32(block)), now: at(1))
        }
        var calls = 0
        var popped: [UInt32] = []
        while popped.count < 100, calls < 10_000 {
            var steps = 3
            while let block = subject.wheel.popDue(now: at(1_000_000), steps: &steps) { popped.append(block.number) }
            #expect(steps >= 0)
            calls += 1
        }
        #expect(popped == Array(1...100), "in the order in which they were scheduled")
        #expect(calls <= 100 * TimingWheel.levels / 3 + 1)
    }

    @Test(arguments: [1, 62, 63, 64, 65, 4095, 4096, 4097, 10_000])
    func `the map of free blocks is that of an array of booleans`(_ blocks: Int) {
        var random = SeededGenerator()
        let bytes = FreeMap.tableBytes(blocks: blocks)
        let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
        defer { memory.deallocate() }
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
        let map = FreeMap(at: memory, blocks: blocks)
        map.reset(blocks: blocks)
        var free = [Bool](repeating: true, count: blocks + 1)
        free[0] = false
        for _ in 0..<2000 {
            let from = Int.random(in: 1...blocks, using: &random)
            #expect(map.nextFree(from: from) == free[from...].firstIndex(of: true), "\(random.replay)")
            guard let start = map.nextFree(from: from) else {
                for block in 1...blocks where !free[block] { map.release(block, count: 1) }
                free = [false] + [Bool](repeating: true, count: blocks)
                continue
            }
            let run = free[start...].firstIndex(of: false).map { $0 - start } ?? blocks + 1 - start
            let limit = Int.random(in: 1...200, using: &random)
            #expect(map.freeRun(at: start, limit: limit) == min(run, limit), "\(random.replay)")
            let taken = min(run, limit)
            map.take(start, count: taken)
            for block in start..<start + taken { free[block] = false }
            if random.oneIn(3), free[start] == false {
                let back = Int.random(in: 1...taken, using: &random)
                map.release(start, count: back)
                for block in start..<start + back { free[block] = true }
            }
        }
    }
}
