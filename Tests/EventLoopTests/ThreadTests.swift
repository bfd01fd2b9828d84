// Mailboxes and queues between threads; to be run under the thread sanitizer as well.

import EventLoop
import Synchronization
import Testing

@Suite struct MailboxTests {
    @Test func `each sender's messages come in its order, and all of them`() {
        let loop = Loop()
        final class Inbox {
            var next = [0, 0, 0, 0]
            var isOrdered = true
            var calls = 0
        }
        let inbox = Inbox()
        let mailbox = Mailbox<(sender: Int, number: Int)>(on: loop) { messages in
            inbox.calls += 1
            for message in messages {
                if inbox.next[message.sender] != message.number { inbox.isOrdered = false }
                inbox.next[message.sender] += 1
            }
        }
        let count = 20_000
        for sender in 0..<4 {
            startThread("sender\(sender)") { for number in 0..<count { mailbox.send((sender, number)) } }
        }
        #expect(loop.run { inbox.next.allSatisfy { $0 == count } })
        #expect(inbox.isOrdered)
        mailbox.close()
        loop.drain()
    }

    @Test func `what is sent together comes together`() {
        let loop = Loop()
        final class Inbox { var batches: [[Int]] = [] }
        let inbox = Inbox()
        let mailbox = Mailbox<Int>(on: loop) { inbox.batches.append($0) }
        mailbox.send(contentsOf: [1, 2, 3])
        mailbox.send(4)
        mailbox.send(contentsOf: [])
        loop.run { !inbox.batches.isEmpty }
        #expect(inbox.batches == [[1, 2, 3, 4]])
        mailbox.close()
        #expect(!mailbox.send(5))
        #expect(!mailbox.send(contentsOf: [6]))
        loop.drain()
        #expect(inbox.batches.count == 1)
    }

    @Test func `a message sent while others are received is not lost`() {
        let loop = Loop()
        final class Inbox {
            var count = 0
            var mailbox: Mailbox<Int>?
        }
        let inbox = Inbox()
        let mailbox = Mailbox<Int>(on: loop) { messages in
            for message in messages {
                inbox.count += 1
                if message > 0 { inbox.mailbox?.send(message - 1) }
            }
        }
        inbox.mailbox = mailbox
        mailbox.send(100)
        #expect(loop.run { inbox.count == 101 })
        inbox.mailbox = nil
        mailbox.close()
        loop.drain()
    }

    @Test func `an unreferenced mailbox does not hold the loop`() {
        let loop = Loop()
        let mailbox = Mailbox<Int>(on: loop) { _ in }
        mailbox.unreference()
        loop.run()
        mailbox.close()
        loop.drain()
    }
}

@Suite struct BlockingQueueTests {
    @Test func `many senders and takers: each message once`() {
        let queue = BlockingQueue<Int>(capacity: 100_000)
        final class Shared: Sendable {
            let queue: BlockingQueue<Int>
            let sum = Atomic<Int>(0)
            let taken = Atomic<Int>(0)
            let sendersDone = Atomic<Int>(0)
            let takersDone = Atomic<Int>(0)
            init(_ queue: BlockingQueue<Int>) { self.queue = queue }
        }
        let shared = Shared(queue)
        for _ in 0..<3 {
            startThread("taker") {
                while let messages = shared.queue.take(limit: 7, waitingUpToMilliseconds: 1000) {
                    shared.sum.add(messages.reduce(0, +), ordering: .relaxed)
                    shared.taken.add(messages.count, ordering: .relaxed)
                }
                shared.takersDone.add(1, ordering: .sequentiallyConsistent)
            }
        }
        let each = 5_000
        for sender in 0..<3 {
            startThread("sender") {
                for number in 0..<each { while !shared.queue.send(sender * each + number) {} }
                shared.sendersDone.add(1, ordering: .sequentiallyConsistent)
            }
        }
        let end = Loop.monotonicNanoseconds + 60_000_000_000
        while shared.sendersDone.load(ordering: .sequentiallyConsistent) < 3, Loop.monotonicNanoseconds < end {}
        queue.close()
        while shared.takersDone.load(ordering: .sequentiallyConsistent) < 3, Loop.monotonicNanoseconds < end {}
        #expect(shared.takersDone.load(ordering: .sequentiallyConsistent) == 3)
        #expect(shared.taken.load(ordering: .relaxed) == 3 * each)
        #expect(shared.sum.load(ordering: .relaxed) == (0..<3 * each).reduce(0, +))
    }

    @Test func `a full queue says so, and a closed one takes no more`() {
        let queue = BlockingQueue<Int>(capacity: 2)
        #expect(queue.send(1) && queue.send(2))
        #expect(!queue.send(3))
        #expect(queue.count == 2)
        #expect(queue.take(limit: 1, waitingUpToMilliseconds: 0) == [1])
        #expect(queue.send(4))
        queue.close()
        #expect(!queue.send(5))
        #expect(queue.take(waitingUpToMilliseconds: 10_000) == [2, 4])
        #expect(queue.take(waitingUpToMilliseconds: 10_000) == nil)
    }

    @Test func `of several that are sent together those go in for which there is room`() {
        let queue = BlockingQueue<Int>(capacity: 3)
        #expect(queue.send(contentsOf: [1, 2]) == 2)
        #expect(queue.send(contentsOf: [3, 4]) == 1)
        #expect(queue.send(contentsOf: [5]) == 0)
        #expect(queue.send(6, beyondCapacity: true))
        #expect(queue.send(contentsOf: [7]) == 0)
        #expect(queue.take(waitingUpToMilliseconds: 10_000) == [1, 2, 3, 6])
        #expect(queue.send(contentsOf: []) == 0)
        queue.close()
        #expect(queue.send(contentsOf: [8]) == 0)
    }

    @Test func `nothing within the time is an empty answer`() {
        let queue = BlockingQueue<Int>(capacity: 1)
        let start = Loop.monotonicNanoseconds
        #expect(queue.take(waitingUpToMilliseconds: 20) == [])
        #expect(Loop.monotonicNanoseconds - start >= 20_000_000)
    }
}
