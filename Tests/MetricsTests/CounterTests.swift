// Counters and gauges: their arithmetic, and that another thread may read them.

import Metrics
import Synchronization
import Testing

private final class Board: Sendable {
    let single = Counter()
    let shared = SharedCounter()
    let gauge = Gauge(7)
}

@Suite struct CounterTests {
    @Test func `a counter adds what it is given`() {
        let board = Board()
        board.single.add()
        board.single.add(41)
        #expect(board.single.value == 42)
    }

    @Test func `a gauge is set, changed and may be negative`() {
        let board = Board()
        #expect(board.gauge.value == 7)
        board.gauge.set(2)
        board.gauge.add(-5)
        #expect(board.gauge.value == -3)
    }

    @Test func `no increment of a shared counter is lost between threads`() async {
        let board = Board()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<10_000 { board.shared.add() }
                }
            }
        }
        #expect(board.shared.value == 80_000)
    }

    @Test func `a reader on another thread never sees a counter go back`() async {
        let board = Board()
        await withTaskGroup(of: Bool.self) { group in
            group.addTask {
                for _ in 0..<200_000 { board.single.add() }
                return true
            }
            group.addTask {
                var last: UInt64 = 0
                for _ in 0..<20_000 {
                    let now = board.single.value
                    if now < last { return false }
                    last = now
                }
                return true
            }
            for await held in group { #expect(held) }
        }
        #expect(board.single.value == 200_000)
    }
}
