// One connection to Redis over virtual time: deadlines, generations, reconnecting, and the truth about what was sent.

import Primitives
import RedisTier
import TestSupport
import Testing

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

/// A connection with a simulated Redis, and what its requests came to.
final class Line: RedisConnectionDelegate {
    let scheduler = SimulatedScheduler()
    let redis: SimulatedRedis
    let connection: RedisConnection
    var connects = 0
    var failures: [RedisFailure] = []
    var onConnect: () -> Void = {}

    init(_ change: (inout RedisConfiguration) -> Void = { _ in }, seed: UInt64 = 1) {
        var configuration = RedisConfiguration()
        change(&configuration)
        let redis = SimulatedRedis(scheduler, seed: seed)
        self.redis = redis
        connection = RedisConnection(configuration, scheduler: scheduler, seed: seed) { redis.makeTransport($0) }
        connection.delegate = self
    }

    func redisDidConnect(_ connection: RedisConnection) {
        connects += 1
        onConnect()
    }

    func redisDidDisconnect(_ connection: RedisConnection, _ failure: RedisFailure) { failures.append(failure) }

    func open() -> Line {
        connection.start()
        scheduler.run { connection.state == .ready }
        return self
    }

    final class Box {
        var results: [RedisResult] = []
        var replies: [Reply]? { if case .success(let replies)? = results.first { replies } else { nil } }
        var failure: RedisFailure? { if case .failure(let failure)? = results.first { failure } else { nil } }
    }

    @discardableResult
    func send(_ commands: [String]..., timeout: Duration = .milliseconds(100)) -> Box {
        var request = RequestEncoder()
        for words in commands { request.append(words.map { bytes($0) }) }
        let box = Box()
        connection.send(request, timeoutNanoseconds: timeout.nanoseconds) { box.results.append($0) }
        return box
    }

    func run(_ duration: Duration) { scheduler.run(for: duration) }
}

@Suite struct ConnectionTests {
    @Test func `replies come to their requests, several commands as one`() {
        let line = Line().open()
        let boxes = (0..<100).map { line.send(["SET", "k\($0)", "\($0)"], ["GET", "k\($0)"]) }
        line.run(.milliseconds(10))
        for (index, box) in boxes.enumerated() {
            #expect(box.replies == [.ok, .string(bytes("\(index)"))])
            #expect(box.results.count == 1)
        }
        #expect(line.connection.pipelineDepth == 0)
    }

    @Test func `requests made while it connects leave when it stands`() {
        let line = Line()
        line.connection.start()
        let box = line.send(["PING"])
        #expect(line.connection.state == .connecting)
        line.run(.milliseconds(10))
        #expect(box.replies == [.status("PONG")])
    }

    @Test func `before start and after close a request fails at once, not sent`() {
        let line = Line()
        #expect(line.send(["PING"]).failure?.cause == .notConnected)
        _ = line.open()
        line.connection.close()
        let failure = line.send(["PING"]).failure
        #expect(failure?.cause == .notConnected)
        #expect(failure?.mayHaveBeenSent == false)
        line.run(.seconds(60))
        #expect(line.redis.connectionsOpened == 1)
    }

    // MARK: Deadlines and generations

    @Test func `a deadline is kept to the millisecond, and the late reply reaches nobody`() {
        let line = Line().open()
        line.redis.latency = .milliseconds(150)
        let start = line.scheduler.monotonicNanoseconds
        let late = line.send(["ECHO", "late"])
        line.scheduler.run { !late.results.isEmpty }
        let waited = line.scheduler.monotonicNanoseconds - start
        #expect((100_000_000...101_000_000).contains(waited))
        #expect(late.failure?.cause == .timedOut)
        #expect(late.failure?.mayHaveBeenSent == true)
        line.redis.latency = .microseconds(200)
        let next = line.send(["ECHO", "next"])
        line.run(.milliseconds(99))
        #expect(next.replies == [.string(bytes("next"))])
        #expect(late.results.count == 1)
        #expect(line.connects == 1)
    }

    @Test func `shorter deadlines behind longer ones are kept too`() {
        let line = Line().open()
        line.redis.isHung = true
        let long = line.send(["PING"], timeout: .milliseconds(90))
        let short = line.send(["PING"], timeout: .milliseconds(10))
        line.run(.milliseconds(11))
        #expect(short.results.count == 1)
        #expect(long.results.isEmpty)
        line.run(.milliseconds(80))
        #expect(long.results.count == 1)
    }

    @Test func `a deadline that passes while it connects was not sent, and never is`() {
        let line = Line()
        line.redis.latency = .milliseconds(150)
        line.connection.start()
        let box = line.send(["SET", "k", "v"])
        line.run(.milliseconds(101))
        #expect(box.failure?.cause == .timedOut)
        #expect(box.failure?.mayHaveBeenSent == false)
        line.run(.seconds(2))
        #expect(line.connection.state == .ready)
        #expect(line.redis.execute("GET", "k") == .null)
        #expect(line.connection.pipelineDepth == 0)
    }

    @Test func `what an ended connection still says is not heard by the next`() {
        let line = Line { $0.timeout = .milliseconds(100) }.open()
        line.redis.isHung = true
        let lost = line.send(["ECHO", "old"])
        // Hung for longer than a second: the next deadline that passes ends it.
        line.run(.milliseconds(1_100))
        line.send(["PING"])
        line.run(.milliseconds(101))
        #expect(line.failures.count == 1)
        line.redis.isHung = false
        line.scheduler.run { line.connection.state == .ready }
        let new = line.send(["ECHO", "new"])
        line.run(.milliseconds(50))
        #expect(new.replies == [.string(bytes("new"))])
        #expect(lost.results.count == 1)
    }

    @Test func `a connection whose oldest reply is overdue is made anew`() {
        let line = Line().open()
        line.redis.isHung = true
        for _ in 0..<11 {
            line.send(["PING"])
            line.run(.milliseconds(110))
        }
        #expect(line.failures.first?.cause == .timedOut)
        #expect(line.redis.attempts >= 2)
        line.redis.isHung = false
        line.scheduler.run { line.connection.state == .ready }
        #expect(line.connection.state == .ready)
    }

    // MARK: Sent or not

    @Test func `a connection that does not answer is made anew though nobody asks anything more`() {
        let line = Line().open()
        line.redis.holdsOldConnections = true
        let box = line.send(["SET", "k", "1"])
        line.run(.milliseconds(101))
        #expect(box.failure?.cause == .timedOut)
        #expect(box.failure?.hasEnded == false)
        line.run(.milliseconds(890))
        #expect(line.connects == 1)
        line.run(.milliseconds(30))
        #expect(line.connects == 2)
    }

    @Test func `other connections are ended ahead of what is sent next, each once`() {
        let line = Line().open()
        line.redis.holdsOldConnections = true
        line.send(["SET", "k", "1"])
        var ended: [RedisClient] = []
        line.connection.onEnded = { ended.append($0) }
        let client = line.connection.client
        line.run(.milliseconds(1_100))
        #expect(ended == [client].compactMap { $0 })
        var heard: [[RedisClient]] = []
        for _ in 0..<2 {
            line.connection.end(ended, timeoutNanoseconds: 100_000_000) { heard.append($0) }
            line.send(["SET", "k", "2"])
        }
        line.run(.milliseconds(10))
        #expect(heard == [ended])
        line.redis.holdsOldConnections = false
        line.run(.seconds(1))
        #expect(line.redis.execute("GET", "k") == .string(bytes("2")))
    }

    @Test func `what has to be ended first goes ahead of what waited for the connection`() {
        let line = Line().open()
        line.redis.holdsOldConnections = true
        line.send(["SET", "k", "1"])
        var ended: [RedisClient] = []
        line.connection.onEnded = { ended.append($0) }
        line.connection.onReady = { $0.end(ended, timeoutNanoseconds: 100_000_000) { _ in } }
        line.scheduler.run { line.connection.state == .connecting }
        let box = line.send(["SET", "k", "2"])
        line.run(.milliseconds(10))
        #expect(box.replies == [.ok])
        line.redis.holdsOldConnections = false
        line.run(.seconds(1))
        #expect(line.redis.execute("GET", "k") == .string(bytes("2")))
    }

    @Test func `ids of another Redis process are nobody's to end`() throws {
        let line = Line().open()
        let client = try #require(line.connection.client)
        let stranger = RedisClient(id: client.id + 1, runID: bytes("another"))
        line.connection.end([stranger, client], timeoutNanoseconds: 100_000_000) { _ in Issue.record("ended") }
        #expect(line.connection.pipelineDepth == 0)
    }

    @Test func `what the kernel did not take was not sent, and does not leave after its deadline`() {
        let line = Line().open()
        line.redis.takesNoBytes = true
        let box = line.send(["SET", "k", "v"])
        line.run(.milliseconds(101))
        #expect(box.failure?.mayHaveBeenSent == false)
        line.redis.takesNoBytes = false
        line.run(.seconds(3))
        #expect(line.redis.execute("GET", "k") == .null)
        #expect(line.connection.state == .ready)
    }

    @Test func `of two requests one taken and one not, each hears the truth`() {
        let line = Line().open()
        line.redis.isHung = true
        let taken = line.send(["SET", "a", "1"])
        line.redis.takesNoBytes = true
        let kept = line.send(["SET", "b", "1"])
        line.redis.cutAll()
        line.run(.milliseconds(10))
        #expect(taken.failure?.cause == .connectionLost)
        #expect(taken.failure?.mayHaveBeenSent == true)
        #expect(kept.failure?.mayHaveBeenSent == false)
    }

    @Test func `the pipeline is bounded, abandoned places included`() {
        let line = Line { $0.pipelineMax = 10 }.open()
        line.redis.isHung = true
        let boxes = (0..<10).map { _ in line.send(["PING"]) }
        #expect(line.send(["PING"]).failure?.cause == .overloaded)
        line.run(.milliseconds(150))
        #expect(boxes.allSatisfy { $0.failure?.cause == .timedOut })
        let refused = line.send(["PING"])
        #expect(refused.failure?.cause == .overloaded)
        #expect(refused.failure?.mayHaveBeenSent == false)
        line.redis.isHung = false
        line.run(.milliseconds(10))
        #expect(line.send(["PING"]).failure == nil)
    }

    @Test func `bytes that the kernel does not take are bounded`() {
        let line = Line { $0.unsentBytesMax = 1000 }.open()
        line.redis.takesNoBytes = true
        let first = line.send(["ECHO", String(repeating: "x", count: 900)])
        #expect(first.results.isEmpty)
        #expect(line.send(["ECHO", String(repeating: "x", count: 100)]).failure?.cause == .overloaded)
    }

    @Test func `bytes that wait for a connection are bounded`() {
        let line = Line { $0.unsentBytesMax = 1000 }
        line.connection.start()
        line.send(["ECHO", String(repeating: "x", count: 900)])
        #expect(line.send(["ECHO", String(repeating: "x", count: 100)]).failure?.cause == .overloaded)
    }

    // MARK: Reconnecting

    @Test func `attempts are spread with full jitter, one at a time`() {
        let line = Line { ($0.reconnectMin, $0.reconnectMax) = (.milliseconds(50), .seconds(1)) }
        line.redis.refusesConnections = true
        line.connection.start()
        line.run(.seconds(60))
        // Each wait is at most a second, and half of that on average, after a few shorter ones.
        #expect((70...200).contains(line.redis.attempts), "\(line.redis.attempts)")
        #expect(line.failures.count == line.redis.attempts)
        line.redis.refusesConnections = false
        line.run(.milliseconds(1_100))
        #expect(line.connection.state == .ready)
        #expect(line.redis.connectionCount == 1)
    }

    @Test func `two sidecars don't come back in step`() {
        let attempts = [UInt64(1), 2].map { seed in
            let line = Line(seed: seed)
            line.redis.refusesConnections = true
            line.connection.start()
            line.run(.seconds(30))
            return line.redis.attempts
        }
        #expect(attempts[0] != attempts[1])
    }

    @Test func `a connection that has worked is made anew at once`() {
        let line = Line().open()
        line.run(.seconds(2))
        line.redis.cutAll()
        line.run(.milliseconds(2))
        #expect(line.connection.state == .ready)
        #expect(line.connects == 2)
    }

    @Test func `a Redis that takes connections and ends them at once is not hammered`() {
        let line = Line()
        line.onConnect = { line.redis.cutAll() }
        line.connection.start()
        line.run(.seconds(10))
        #expect((100...2000).contains(line.redis.attempts), "\(line.redis.attempts)")
    }

    @Test func `an attempt that hangs is given up after connect_timeout`() {
        let line = Line { $0.connectTimeout = .milliseconds(300) }
        line.redis.isHung = true
        line.connection.start()
        let box = line.send(["PING"], timeout: .seconds(5))
        line.run(.milliseconds(301))
        #expect(line.failures.first?.cause == .timedOut)
        #expect(box.failure?.mayHaveBeenSent == false)
        line.redis.isHung = false
        line.run(.seconds(1))
        #expect(line.connection.state == .ready)
        #expect(line.redis.connectionCount == 1)
    }

    @Test func `everything that waits is answered once when the connection breaks`() {
        let line = Line().open()
        line.redis.isHung = true
        let boxes = (0..<50).map { _ in line.send(["PING"]) }
        line.redis.cutAll()
        line.run(.seconds(1))
        #expect(boxes.allSatisfy { $0.results.count == 1 && $0.failure?.cause == .connectionLost })
    }

    @Test func `what a completion sends on a breaking connection is answered too`() {
        let line = Line().open()
        line.redis.isHung = true
        var second: Line.Box?
        var request = RequestEncoder()
        request.append("PING")
        line.connection.send(request, timeoutNanoseconds: 1_000_000_000) { _ in second = line.send(["PING"]) }
        line.redis.cutAll()
        line.redis.isHung = false
        line.run(.seconds(1))
        #expect(second?.results.count == 1)
    }

    @Test func `closed by a completion it stays closed`() {
        let line = Line().open()
        line.redis.isHung = true
        var request = RequestEncoder()
        request.append("PING")
        line.connection.send(request, timeoutNanoseconds: 1_000_000_000) { _ in line.connection.close() }
        let other = line.send(["PING"])
        line.redis.cutAll()
        line.run(.seconds(5))
        #expect(line.connection.state == .closed)
        #expect(line.redis.attempts == 1)
        #expect(other.results.count == 1)
    }

    @Test func `closed by its delegate on connecting, what waited is answered`() {
        let line = Line()
        line.onConnect = { line.connection.close() }
        line.connection.start()
        let box = line.send(["SET", "k", "v"])
        line.run(.seconds(5))
        #expect(box.results.count == 1)
        #expect(box.failure?.mayHaveBeenSent == false)
        #expect(line.redis.execute("GET", "k") == .null)
        #expect(line.redis.attempts == 1)
    }

    @Test func `a new address or password reconnects, new limits don't`() {
        let line = Line().open()
        var configuration = line.connection.configuration
        configuration.timeout = .milliseconds(50)
        line.connection.reconfigure(configuration)
        line.run(.seconds(1))
        #expect(line.connects == 1)
        configuration.endpoint = .unix(path: "/other")
        line.connection.reconfigure(configuration)
        line.run(.seconds(1))
        #expect(line.connects == 2)
        #expect(line.redis.connectionCount == 1)
    }

    @Test func `close fails what waits, and nothing is tried again`() {
        let line = Line().open()
        line.redis.isHung = true
        let box = line.send(["PING"])
        line.connection.close()
        #expect(box.failure?.mayHaveBeenSent == true)
        line.redis.isHung = false
        line.run(.seconds(60))
        #expect(box.results.count == 1)
        #expect(line.redis.attempts == 1)
    }

    @Test func `gathered requests leave together, and a lost connection says they did not`() {
        let line = Line().open()
        line.connection.gathersUntilFlush = true
        let boxes = (0..<3).map { _ in line.send(["PING"]) }
        line.run(.milliseconds(10))
        #expect(boxes.allSatisfy { $0.results.isEmpty })
        line.connection.flush()
        line.run(.milliseconds(10))
        #expect(boxes.allSatisfy { $0.replies == [.status("PONG")] })
        let box = line.send(["SET", "k", "v"])
        line.redis.cutAll()
        line.run(.milliseconds(10))
        #expect(box.failure?.mayHaveBeenSent == false)
        line.connection.flush()
        line.run(.seconds(3))
        #expect(line.redis.execute("GET", "k") == .null)
    }

    // MARK: Handshake

    @Test func `it says who it is, and learns its id`() {
        let line = Line { ($0.password, $0.database) = ("secret", 3) }
        line.redis.password = bytes("secret")
        _ = line.open()
        #expect(line.connection.client == RedisClient(id: 1, runID: Array(line.redis.runID.utf8)))
        #expect(line.connects == 1)
    }

    @Test(arguments: [("wrong", 0, "WRONGPASS"), (nil, 0, "redis.password_file"), ("secret", 99, "DB index")])
    func `what Redis refuses is a misconfiguration, said in its words`(
        _ password: String?, _ database: Int, _ text: String
    ) {
        let line = Line { ($0.password, $0.database) = (password, database) }
        line.redis.password = bytes("secret")
        line.connection.start()
        line.run(.milliseconds(20))
        #expect(line.failures.first?.cause == .misconfigured)
        #expect(line.failures.first?.detail.contains(text) == true, "\(line.failures)")
        #expect(line.connects == 0)
    }

    @Test func `a cluster is refused`() {
        let line = Line()
        line.redis.isCluster = true
        line.connection.start()
        let box = line.send(["PING"])
        line.run(.milliseconds(20))
        #expect(line.failures.first?.cause == .misconfigured)
        #expect(line.failures.first?.detail.contains("cluster") == true)
        #expect(box.failure?.mayHaveBeenSent == false)
    }

    @Test func `a Redis that is loading is connected to, and says so to each request`() {
        let line = Line()
        line.redis.condition = .loading
        _ = line.open()
        let box = line.send(["GET", "k"])
        line.run(.milliseconds(10))
        #expect(box.replies == [.error("LOADING Redis is loading the dataset in memory")])
    }

    // MARK: Bytes

    @Test func `garbage ends the connection and is nobody's reply`() {
        let line = Line().open()
        line.redis.mishaps = [.garbage]
        let boxes = [line.send(["PING"]), line.send(["PING"])]
        line.run(.milliseconds(10))
        #expect(boxes.allSatisfy { $0.failure?.cause == .protocolError || $0.failure?.cause == .connectionLost })
        line.run(.seconds(1))
        #expect(line.connection.state == .ready)
    }

    @Test func `a reply that nobody asked for ends the connection`() {
        let line = Line().open()
        line.redis.mishaps = [.unasked]
        _ = line.send(["PING"])
        line.run(.milliseconds(10))
        #expect(line.failures.first?.cause == .protocolError)
    }

    @Test func `random life: each request hears once, and its own reply or none`() {
        var random = SeededGenerator()
        for round in 0..<20 {
            let line = Line(seed: random.next()).open()
            var asked: [(text: String, box: Line.Box)] = []
            for index in 0..<400 {
                switch Int.random(in: 0..<40, using: &random) {
                case 0: line.redis.isHung.toggle()
                case 1: line.redis.cutAll()
                case 2:
                    line.redis.mishaps = [
                        [.cutBefore, .loseReply, .garbage, .cutWithin(3)].randomElement(using: &random)!
                    ]
                case 3: line.redis.jitter = .milliseconds(Int64.random(in: 0...120, using: &random))
                case 4: line.redis.takesNoBytes.toggle()
                case 5: line.redis.refusesConnections.toggle()
                default:
                    let text = "r\(index)" + String(repeating: "-", count: Int.random(in: 0...300, using: &random))
                    asked.append((text, line.send(["ECHO", text], ["SET", text, "1"])))
                }
                line.run(.milliseconds(Int64.random(in: 0...40, using: &random)))
            }
            line.redis.isHung = false
            line.redis.takesNoBytes = false
            line.redis.refusesConnections = false
            line.redis.jitter = .zero
            line.run(.seconds(5))
            for (text, box) in asked {
                #expect(box.results.count == 1, "round \(round), \(random.replay)")
                if let replies = box.replies {
                    #expect(replies == [.string(bytes(text)), .ok], "\(random.replay)")
                } else if box.failure?.mayHaveBeenSent == false {
                    #expect(line.redis.execute("GET", text) == .null, "not sent, and done: \(random.replay)")
                }
            }
            #expect(line.connection.state == .ready, "\(random.replay)")
            #expect(line.connection.pipelineDepth == 0, "\(random.replay)")
        }
    }
}

/// A connection over a transport that a test feeds by hand.
private final class Hand: RedisTransport, RedisConnectionDelegate {
    let scheduler = SimulatedScheduler()
    private(set) var connection: RedisConnection!
    private weak var delegate: (any RedisTransportDelegate)?
    private(set) var sent = ""
    private(set) var opened = 0
    private(set) var isClosed = false
    var failures: [RedisFailure] = []
    var heard: [Reply] = []
    var takenBytes: Int { sent.utf8.count }

    init(_ change: (inout RedisConnection.Manner) -> Void, password: String? = nil) {
        var manner = RedisConnection.Manner()
        change(&manner)
        var configuration = RedisConfiguration()
        configuration.password = password
        connection = RedisConnection(configuration, manner: manner, scheduler: scheduler, seed: 1) { [unowned self] _ in
            self
        }
        connection.delegate = self
        connection.listener = { [unowned self] in self.heard.append($0) }
    }

    func open(_ delegate: any RedisTransportDelegate) {
        self.delegate = delegate
        opened += 1
    }
    func send(_ bytes: [UInt8]) { sent += String(decoding: bytes, as: UTF8.self) }
    func close() { isClosed = true }
    func redisDidConnect(_ connection: RedisConnection) {}
    func redisDidDisconnect(_ connection: RedisConnection, _ failure: RedisFailure) { failures.append(failure) }

    func ready() -> Hand {
        connection.start()
        delegate?.transportDidOpen()
        // HELLO or AUTH, if any, CLIENT SETNAME, CLIENT ID, INFO twice.
        let more = sent.contains("HELLO") || sent.contains("AUTH") ? "+OK\r\n" : ""
        receive(more + "+OK\r\n:7\r\n$0\r\n\r\n$0\r\n\r\n")
        return self
    }

    func receive(_ text: String) { bytes(text).withUnsafeBytes { delegate?.transportDidReceive($0) } }
    func end() { delegate?.transportDidClose("the end") }

    func request(_ words: String..., timeout: Int64 = 100_000_000, until ends: [Reply]? = nil) -> Line.Box {
        var request = RequestEncoder()
        request.append(words.map { bytes($0) })
        let box = Line.Box()
        connection.send(request, timeoutNanoseconds: timeout, until: ends) { box.results.append($0) }
        return box
    }
}

@Suite struct MannerTests {
    @Test func `a RESP3 connection begins with HELLO, and its password is in it`() {
        let hand = Hand({ $0.version = 3 }, password: "secret").ready()
        #expect(hand.connection.state == .ready)
        #expect(hand.sent.hasPrefix("*5\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n$7\r\ndefault\r\n$6\r\nsecret\r\n"))
        #expect(!Hand({ _ in }).ready().sent.contains("HELLO"))
    }

    @Test func `a connection that does not keep itself is made once`() {
        let hand = Hand({ $0.keepsItself = false }).ready()
        let box = hand.request("PING")
        hand.end()
        #expect(box.failure?.cause == .connectionLost && hand.connection.state == .closed)
        #expect(hand.failures.count == 1)
        hand.scheduler.run(for: .seconds(10))
        #expect(hand.opened == 1)
        #expect(hand.request("PING").failure?.cause == .notConnected)
    }

    @Test func `a request without a deadline waits, and does not make the connection hung`() {
        let hand = Hand { _ in }.ready()
        let endless = hand.request("BLPOP", timeout: .max)
        let late = hand.request("PING")
        hand.scheduler.run(for: .seconds(30))
        #expect(endless.results.isEmpty && late.failure?.cause == .timedOut)
        #expect(hand.connection.state == .ready)
        hand.receive("$1\r\nx\r\n+PONG\r\n")
        #expect(endless.replies == [.string(bytes("x"))])
        #expect(hand.heard.isEmpty && hand.failures.isEmpty)
        // Given up, it says so to whoever waits.
        let next = hand.request("BLPOP", timeout: .max)
        hand.connection.giveUp("Redis does not answer")
        #expect(next.failure?.cause == .timedOut && next.failure?.detail == "Redis does not answer")
    }

    @Test func `what Redis sends by itself is the listener's, and replies are their requests'`() {
        let hand = Hand { _ in }.ready()
        hand.receive("+unasked\r\n")
        #expect(hand.heard == [.status("unasked")])
        let marked = hand.request("SUBSCRIBE", "PING", until: [.string(bytes("mark"))])
        hand.receive("+one\r\n+two\r\n")
        #expect(marked.results.isEmpty && hand.heard.count == 3)
        hand.receive("$4\r\nmark\r\n+three\r\n")
        #expect(marked.replies == [.string(bytes("mark"))] && hand.heard.count == 4)
        // Without a listener it is an error of the protocol, as it always was.
        hand.connection.listener = nil
        hand.receive("+four\r\n")
        #expect(hand.failures.first?.cause == .protocolError)
    }

    @Test func `a connection that waits for its next attempt can be hastened`() {
        let hand = Hand { _ in }
        hand.connection.start()
        hand.end()
        #expect(hand.connection.state == .waiting && hand.opened == 1)
        hand.connection.hasten()
        #expect(hand.connection.state == .connecting && hand.opened == 2)
        hand.connection.hasten()
        #expect(hand.opened == 2)
    }
}
