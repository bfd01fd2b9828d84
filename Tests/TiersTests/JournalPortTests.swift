// How a worker's writes travel to the journal's thread and back: together, in order, and none of them lost.

import Primitives
import State
import Testing

@testable import Tiers

@Suite struct JournalPortTests {
    /// A queue that is looked into.
    private final class Queue: JobQueue, @unchecked Sendable {
        var jobs: [JournalJob] = []
        let capacity: Int

        init(capacity: Int) { self.capacity = capacity }

        func send(_ job: JournalJob, beyondCapacity: Bool) -> Bool {
            guard beyondCapacity || jobs.count < capacity else { return false }
            jobs.append(job)
            return true
        }
    }

    /// A way back that is taken when it is told to.
    private final class Way: Courier, @unchecked Sendable {
        var bodies: [@Sendable () -> Void] = []

        func run(_ body: @escaping @Sendable () -> Void) { bodies.append(body) }
    }

    private final class Heard: @unchecked Sendable { var words: [String] = [] }

    private let queue = Queue(capacity: 2)
    private let way = Way()
    private let heard = Heard()

    private func port() -> JournalPort {
        let port = JournalPort(PendingWrites(), jobs: queue, courier: way)
        port.gathersUntilFlush = true
        return port
    }

    private func append(_ name: String, to port: JournalPort) {
        let request = JournalRequest(
            commands: [], wasSent: false, policies: PolicyTable(), warm: [:], redisProcess: 0, redisAddress: 0)
        port.append(request) { [heard] outcome in
            switch outcome {
            case .done: heard.words.append("\(name) done")
            case .refused, .unknown: heard.words.append("\(name) refused")
            }
        }
    }

    private func answerAll() {
        for case .write(_, let answer) in queue.jobs { answer.deliver(.done([], sequence: nil)) }
    }

    @Test func `writes of an iteration go as one, and their answers come as one`() {
        let port = port()
        append("a", to: port)
        append("b", to: port)
        #expect(queue.jobs.isEmpty && port.hasGathered)
        port.flush()
        #expect(queue.jobs.count == 2 && !port.hasGathered)
        answerAll()
        #expect(way.bodies.count == 1 && heard.words.isEmpty)
        way.bodies[0]()
        #expect(heard.words == ["a done", "b done"])
        answerAll()
        #expect(way.bodies.count == 2)
    }

    @Test func `what finds no room is refused, and what was before it is not`() {
        let port = port()
        for name in ["a", "b", "c"] { append(name, to: port) }
        port.flush()
        #expect(queue.jobs.count == 2 && heard.words == ["c refused"])
    }

    @Test func `what is settled goes behind the writes that were made before it`() {
        let port = port()
        append("a", to: port)
        port.settle(Settlement(sequences: [1])) { [heard] _ in heard.words.append("settled") }
        guard queue.jobs.count == 2, case .write(_, let answer) = queue.jobs[0],
            case .settle(_, let deliver) = queue.jobs[1]
        else {
            Issue.record("not a write and a settlement, in this order")
            return
        }
        answer.deliver(.done([], sequence: 1))
        deliver(true)
        for body in way.bodies { body() }
        #expect(heard.words == ["a done", "settled"])
    }

    @Test func `without gathering each write goes at once`() {
        let port = port()
        port.gathersUntilFlush = false
        append("a", to: port)
        #expect(queue.jobs.count == 1)
    }
}
