// Timers, streams over real sockets, and addresses.

import EventLoop
import Primitives
import Testing

@Suite struct TimerTests {
    @Test func `timers run in the order of their times, once each`() {
        let loop = Loop()
        final class Log { var names: [String] = [] }
        let log = Log()
        let late = Timer(on: loop) { log.names.append("late") }
        let early = Timer(on: loop) { log.names.append("early") }
        let never = Timer(on: loop) { log.names.append("never") }
        late.start(afterMilliseconds: 15)
        early.start(afterMilliseconds: 5)
        never.start(afterMilliseconds: 1)
        never.stop()
        #expect(!never.isActive && late.isActive)
        loop.run { log.names.count == 2 }
        #expect(log.names == ["early", "late"])
        for timer in [late, early, never] { timer.close() }
        loop.drain()
    }

    @Test func `started again it runs at the new time only, and dropped never`() {
        let loop = Loop()
        final class Log { var times: [Int64] = [] }
        let log = Log()
        let start = Loop.monotonicNanoseconds
        let timer = Timer(on: loop) { log.times.append(Loop.monotonicNanoseconds - start) }
        timer.start(afterMilliseconds: 1)
        timer.start(afterMilliseconds: 20)
        do {
            let dropped = Timer(on: loop) { log.times.append(0) }
            dropped.start(afterMilliseconds: 1)
        }
        loop.run { !log.times.isEmpty }
        #expect(log.times.count == 1)
        #expect(log.times.allSatisfy { $0 >= 19_000_000 })
        timer.close()
        loop.drain()
    }

    @Test func `a repeating timer repeats until it is closed, from within as well`() {
        let loop = Loop()
        final class Log {
            var count = 0
            var timer: Timer?
        }
        let log = Log()
        log.timer = Timer(on: loop) {
            log.count += 1
            if log.count == 3 { log.timer?.close() }
        }
        log.timer?.start(afterMilliseconds: 1, repeatMilliseconds: 1)
        loop.run { log.count == 3 }
        loop.drain()
        #expect(log.count == 3)
        log.timer = nil
    }

    @Test func `a scheduler's timers and clocks are the loop's`() {
        let loop = Loop()
        // Its timers don't hold the loop by themselves.
        let mailbox = Mailbox<Int>(on: loop) { _ in }
        defer { mailbox.close() }
        let scheduler = LoopScheduler(loop)
        let wall = scheduler.now
        let start = scheduler.monotonicNanoseconds
        final class Log { var count = 0 }
        let log = Log()
        let timer = scheduler.makeTimer { log.count += 1 }
        timer.start(afterMilliseconds: 5)
        loop.run { log.count == 1 }
        #expect(log.count == 1)
        #expect(scheduler.monotonicNanoseconds - start >= 4_000_000)
        #expect(scheduler.now.milliseconds(since: wall) < 10_000)
        timer.stop()
    }

    @Test func `the end of an iteration comes after a timer without waiting for anything else`() {
        let loop = Loop()
        final class Log { var order: [String] = [] }
        let log = Log()
        let end = IterationEnd(on: loop) { if log.order == ["timer"] { log.order.append("end") } }
        let timer = Timer(on: loop) { log.order.append("timer") }
        timer.start(afterMilliseconds: 1)
        loop.run { log.order.count == 2 }
        #expect(log.order == ["timer", "end"])
        end.close()
        timer.close()
        loop.drain()
    }
}

@Suite struct StreamTests {
    @Test func `what is written arrives, and what is sent is read`() throws {
        let loop = Loop()
        let pair = SocketPair()
        let listener = Listener()
        let stream = try Stream.open(descriptor: pair.theirs, isUnix: true, on: loop)
        stream.delegate = listener
        stream.resumeReading()
        let hello = bytes("hello")
        #expect(hello.withUnsafeBytes { stream.tryWrite($0) } == 5)
        #expect(pair.receive(10) == hello)
        pair.send(bytes("back"))
        loop.run { listener.received.count == 4 }
        #expect(listener.received == bytes("back"))
        pair.closeMine()
        loop.run { !listener.ends.isEmpty }
        #expect(listener.ends.count == 1)
        #expect(listener.ends.allSatisfy { $0 == nil })
        stream.close()
        loop.drain()
    }

    @Test func `a large write leaves in parts, in order, and is told of once`() throws {
        let loop = Loop()
        let pair = SocketPair(bufferBytes: 8192)
        let listener = Listener()
        let stream = try Stream.open(descriptor: pair.theirs, isUnix: true, on: loop)
        stream.delegate = listener
        let all = (0..<400_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        var arrived: [UInt8] = []
        var partial = Set<Int>()
        try all.withUnsafeBytes { raw in
            stream.write(raw)
            #expect(stream.isWriting)
            #expect(raw.withMemoryRebound(to: UInt8.self) { _ in stream.tryWrite(raw) } == 0)
            loop.run {
                arrived += pair.receive(5000)
                // What the kernel has taken is never less than what has come out at the other end.
                #expect(all.count - stream.unwrittenBytes >= arrived.count)
                partial.insert(stream.unwrittenBytes)
                return arrived.count == all.count
            }
            try #require(loop.run { listener.writes.count == 1 })
        }
        #expect(arrived == all)
        #expect(partial.count > 5)
        #expect(listener.writes.allSatisfy { $0 == nil })
        #expect(!stream.isWriting)
        stream.close()
        pair.closeMine()
        loop.drain()
    }

    @Test func `closed during a write, the delegate hears of the write once and of nothing else`() throws {
        let loop = Loop()
        let pair = SocketPair(bufferBytes: 4096)
        let listener = Listener()
        let stream = try Stream.open(descriptor: pair.theirs, isUnix: true, on: loop)
        stream.delegate = listener
        stream.resumeReading()
        let all = [UInt8](repeating: 1, count: 1 << 20)
        all.withUnsafeBytes { raw in
            stream.write(raw)
            pair.send(bytes("unheard"))
            stream.close()
            stream.close()
            loop.run { !listener.writes.isEmpty }
        }
        loop.drain()
        #expect(listener.writes.count == 1)
        #expect(listener.writes.allSatisfy { $0 != nil })
        #expect(listener.received.isEmpty && listener.ends.isEmpty)
        pair.closeMine()
    }

    @Test func `closed from within a read, nothing more is heard`() throws {
        let loop = Loop()
        let pair = SocketPair()
        let listener = Listener()
        let stream = try Stream.open(descriptor: pair.theirs, isUnix: true, on: loop)
        stream.delegate = listener
        listener.onRead = { stream.close() }
        stream.resumeReading()
        pair.send([UInt8](repeating: 7, count: 100_000))
        loop.run { !listener.received.isEmpty }
        let count = listener.received.count
        loop.drain()
        #expect(listener.received.count == count)
        #expect(stream.isClosed)
        listener.onRead = {}
        pair.closeMine()
    }

    @Test func `paused, it reads nothing until it is resumed`() throws {
        let loop = Loop()
        let pair = SocketPair()
        let listener = Listener()
        let stream = try Stream.open(descriptor: pair.theirs, isUnix: true, on: loop)
        stream.delegate = listener
        stream.resumeReading()
        stream.pauseReading()
        pair.send(bytes("later"))
        for _ in 0..<20 { loop.runOnce() }
        #expect(listener.received.isEmpty)
        stream.resumeReading()
        loop.run { !listener.received.isEmpty }
        #expect(listener.received == bytes("later"))
        stream.close()
        pair.closeMine()
        loop.drain()
    }

    @Test func `a path where nobody listens fails, later and once`() {
        let loop = Loop()
        let listener = Listener()
        let stream = Stream.connect(toUnixPath: "/nonexistent/socket", on: loop, delegate: listener)
        #expect(listener.connects.isEmpty)
        loop.run { !listener.connects.isEmpty }
        #expect(listener.connects.count == 1)
        #expect(listener.connects.first??.name == "ENOENT")
        stream.close()
        loop.drain()
    }

    @Test func `a write to a peer that is gone fails, where the process ignores SIGPIPE`() throws {
        ignoreBrokenPipes()
        let loop = Loop()
        let pair = SocketPair()
        let listener = Listener()
        let stream = try Stream.open(descriptor: pair.theirs, isUnix: true, on: loop)
        stream.delegate = listener
        pair.closeMine()
        let hello = bytes("hello")
        #expect(hello.withUnsafeBytes { stream.tryWrite($0) } == 0)
        hello.withUnsafeBytes { raw in
            stream.write(raw)
            loop.run { !listener.writes.isEmpty }
        }
        #expect(listener.writes.first??.name == "EPIPE")
        stream.close()
        loop.drain()
    }
}

@Suite struct ResolverTests {
    @Test(arguments: [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("0.0.0.0", "0.0.0.0")])
    func `a numeric address is answered at once`(_ host: String, _ text: String) {
        let loop = Loop()
        let resolver = Resolver(on: loop)
        var answers: [String] = []
        resolver.resolve(host: host, port: 80) { answer in
            if case .resolved(let address) = answer { answers.append(address.description) }
        }
        #expect(answers == [text])
    }

    @Test(arguments: ["localhost.", "256.1.1.1", "", "1.2.3", "::g"])
    func `a name is not an address`(_ host: String) { #expect(SocketAddress(numeric: host, port: 1) == nil) }

    @Test func `one name at a time, and an abandoned answer reaches nobody`() {
        let loop = Loop()
        let resolver = Resolver(on: loop)
        final class Log { var answers: [String] = [] }
        let log = Log()
        func note(_ answer: Resolver.Answer) {
            switch answer {
            case .resolved: log.answers.append("resolved")
            case .failed: log.answers.append("failed")
            case .busy: log.answers.append("busy")
            }
        }
        resolver.resolve(host: "localhost", port: 80) { note($0) }
        resolver.resolve(host: "localhost", port: 80) { note($0) }
        #expect(log.answers == ["busy"])
        resolver.abandon()
        loop.run()
        #expect(log.answers == ["busy"])
        resolver.resolve(host: "localhost", port: 80) { note($0) }
        loop.run()
        #expect(log.answers.count == 2)
    }
}
