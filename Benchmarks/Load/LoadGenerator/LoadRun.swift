// One run from its first connection to its report.
//
// DESIGN. One thread, one loop. A closed loop sends the next requests of a connection when all of its pipeline were
// answered, as redis-benchmark does; an open loop spins over its schedule, since a timer of a millisecond would send in
// bursts of a millisecond, and takes a core for itself. Replies count by when they came: within the measured time for
// throughput and CPU; latencies also of what was due in it and answered after it.
//
// Deliberately missing: several threads. One saturates any server here on one core: it costs less CPU per request than
// they do (docs/performance.md).

internal import EventLoop
internal import Metrics
internal import RESP

/// Why there is no report, and how the process exits.
public struct LoadFailure: Error, Equatable, Sendable, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
}

/// Where a run is, for whoever watches.
public struct LoadProgress: Equatable, Sendable {
    public enum Stage: String, Sendable {
        case loading
        case warmingUp = "warming up"
        case measuring
    }
    public let stage: Stage
    /// From 0 to 1.
    public let fraction: Double
    /// Replies since the measurement began, and errors among them.
    public let completed: UInt64
    public let errors: UInt64
}

/// A run of the load generator; `run` once.
public final class LoadRun {
    private enum Phase { case connecting, loading, controlling, warmingUp, measuring, draining, over }

    private let options: LoadOptions
    private let loop = Loop()
    let writer: RequestWriter
    let reader: ReplyReader
    private let keys: KeySpace
    private let picker: KeyPicker
    private var random: LoadRandom
    private var lanes: [Lane] = []
    private var connections: [LoadConnection] = []
    private var connected = 0
    private var phase = Phase.connecting
    private var failure: LoadFailure?
    /// Called a few times a second.
    public var onProgress: ((LoadProgress) -> Void)?

    private var tally = Tally()
    /// Whether replies count; kept apart from `phase`, since each reply looks.
    private var isRecording = false
    /// Requests that may still be sent; `.max` without a limit.
    private var budget = Int64.max
    private var nextCold: UInt64 = 0
    private var nextLoaded: UInt64 = 0
    private var loadedFailures: [String: Int] = [:]

    private var stageBegan: Int64 = 0
    private var windowStart: Int64 = 0
    private var windowEnd = Int64.max
    private var windowCompleted: UInt64 = 0
    private var sliceStart: Int64 = 0
    private var accounts: (start: ProcessAccount?, end: ProcessAccount?) = (nil, nil)
    private var ownCPU: (start: UInt64, end: UInt64) = (0, 0)
    private var pid: Int32?
    private var unanswered: UInt64 = 0
    private var lastProgress: Int64 = 0
    /// Connections to be made again, and from when.
    private var lost: [(connection: LoadConnection, at: Int64)] = []

    public init(_ options: LoadOptions) {
        self.options = options
        keys = KeySpace(
            hotPrefix: options.prefix, coldPrefix: options.coldPrefix, statePrefix: options.statePrefix,
            sizes: options.sizes, coldSizes: options.coldSizes)
        writer = RequestWriter(options.wire, keys)
        reader = ReplyReader(options.wire, keys, options.check)
        picker = KeyPicker(options.distribution, count: options.keys)
        random = LoadRandom(seed: options.seed)
        nextCold = options.coldStart
        let operations = options.workload.operations
        if options.isApart {
            let weights = operations.map { options.workload.weight($0) }
            for (operation, count) in zip(operations, Lane.split(options.connections, by: weights)) {
                let share = Double(options.workload.weight(operation)) / Double(options.workload.total)
                addLane(Lane(operation: operation, share: share), count)
            }
        } else {
            addLane(Lane(operation: operations.count == 1 ? operations[0] : nil, share: 1), options.connections)
        }
    }

    private func addLane(_ lane: Lane, _ count: Int) {
        lanes.append(lane)
        for _ in 0..<count {
            lane.connections.append(LoadConnection(self, lane, capacity: max(options.pipeline, Self.loadBatch)))
        }
        connections += lane.connections
    }

    /// SETs of a connection under way together while keys are loaded.
    private static let loadBatch = 32

    /// Runs to the end.
    public func run() throws(LoadFailure) -> LoadReport {
        for connection in connections { connect(connection) }
        let tick = Timer(on: loop) { [unowned self] in self.tick() }
        tick.start(afterMilliseconds: 10, repeatMilliseconds: 10)
        // SIGINT ends the measurement early; its report is still written.
        let interrupt = SignalSource(2, on: loop) { [unowned self] in self.interrupt() }
        while phase != .over {
            if options.rate != nil, phase == .warmingUp || phase == .measuring || phase == .draining {
                loop.runOnce()
                sendDue(Loop.monotonicNanoseconds)
            } else {
                loop.run()
            }
        }
        interrupt.close()
        tick.close()
        for connection in connections { connection.close() }
        // Not `run`: a `stop` that came between two runs would end it before the handles are closed.
        while loop.runOnce() {}
        if let failure { throw failure }
        return report()
    }

    private func end(_ failure: LoadFailure? = nil) {
        guard phase != .over else { return }
        phase = .over
        isRecording = false
        self.failure = failure
        loop.stop()
    }

    private func interrupt() {
        if phase == .measuring { endWindow(Loop.monotonicNanoseconds) } else { end(LoadFailure("interrupted")) }
    }

    // MARK: Connections

    private func connect(_ connection: LoadConnection) {
        do throws(EventLoopError) {
            try connection.connect(options.address, on: loop)
        } catch {
            end(LoadFailure("\(error)"))
        }
    }

    func didConnect(_ connection: LoadConnection) {
        if phase != .connecting { return isReady(connection) }
        connected += 1
        guard connected == connections.count else { return }
        pid = options.pid ?? ProcessAccount.listener(of: connection.descriptor)
        if let asked = options.pid, ProcessAccount(pid: asked) == nil {
            return end(LoadFailure("--pid \(asked): there is no such process, or its /proc can't be read"))
        }
        begin(.loading)
    }

    func didFailToConnect(_ connection: LoadConnection, _ error: EventLoopError) {
        // A server whose queue of new connections is full is there, and takes more in a moment.
        guard phase == .connecting, error.name != "EAGAIN" else { return again(connection) }
        end(
            LoadFailure(
                "no server at \(options.address): \(error.message) (\(error.name)). `make run` serves on run/hearth.sock."
            ))
    }

    func didLose(_ connection: LoadConnection, _ requests: Int, _ text: String) {
        switch phase {
        case .connecting, .loading, .controlling: end(LoadFailure("\(options.address): \(text)"))
        case .measuring, .draining: tally.lost(requests, text)
        case .warmingUp, .over: break
        }
        if phase != .over { again(connection) }
        advanceIfDrained()
    }

    private func again(_ connection: LoadConnection) {
        lost.append((connection, Loop.monotonicNanoseconds + 20_000_000))
    }

    // MARK: Phases

    private func begin(_ next: Phase) {
        let now = Loop.monotonicNanoseconds
        stageBegan = now
        phase = next
        switch next {
        case .loading:
            guard options.loads, loadCount > 0 else { return didLoad() }
            for connection in connections { isReady(connection) }
        case .warmingUp:
            for lane in lanes where options.rate != nil {
                lane.schedule = ArrivalSchedule(rate: (options.rate ?? 1) * lane.share, start: now)
            }
            if options.warmUp == 0 { begin(.measuring) }
            // In an open loop the caller of `run` sends what is due.
            if options.rate == nil { for connection in connections { isReady(connection) } } else { loop.stop() }
        case .measuring:
            tally = Tally()
            if case .requests(let count) = options.length { budget = count }
            accounts.start = pid.flatMap { ProcessAccount(pid: $0) }
            ownCPU.start = ProcessAccount.own
            windowStart = Loop.monotonicNanoseconds
            sliceStart = windowStart
            isRecording = true
        case .connecting, .controlling, .draining, .over: break
        }
    }

    /// What is written before: cold keys first, so that the records and the hot ones are in memory.
    private var coldCount: UInt64 { options.workload.usesColdKeys ? options.coldKeys : 0 }
    private var recordCount: UInt64 { options.workload.usesRecords ? options.keys : 0 }
    private var loadCount: UInt64 { coldCount + recordCount + (options.workload.usesHotKeys ? options.keys : 0) }

    /// The write of this number.
    private func loading(_ number: UInt64) -> (operation: Operation, number: UInt64) {
        if number < coldCount { return (.store, number) }
        let behind = number - coldCount
        return behind < recordCount ? (.stateSet, behind) : (.set, behind - recordCount)
    }

    private func didLoad() {
        if let (text, count) = loadedFailures.max(by: { $0.value < $1.value }) {
            return end(LoadFailure("the keys could not be written: \(count) of \(loadCount) answered '\(text)'"))
        }
        if options.onlyLoads {
            windowStart = stageBegan
            windowEnd = Loop.monotonicNanoseconds
            windowCompleted = loadCount
            return end()
        }
        guard options.workload.isDegraded else { return begin(.warmingUp) }
        phase = .controlling
        connections[0].control(["HEARTH", "BREAKER", "OPEN"]) { [unowned self] reply in
            guard !reply.hasPrefix("-") else {
                return self.end(
                    LoadFailure("HEARTH BREAKER OPEN: \(reply.dropFirst().prefix { $0 != "\r\n" && $0 != "\r" })"))
            }
            self.begin(.warmingUp)
        }
    }

    /// The measured time is over: nothing new is sent, and what is under way is waited for.
    private func endWindow(_ now: Int64) {
        guard phase == .measuring else { return }
        accounts.end = pid.flatMap { ProcessAccount(pid: $0) }
        ownCPU.end = ProcessAccount.own
        cutSlices(now)
        if options.hasTimeline, now - sliceStart >= 1_000_000 {
            tally.cut(start: sliceStart - windowStart, nanoseconds: now - sliceStart)
        }
        windowEnd = now
        windowCompleted = tally.completed
        stageBegan = now
        phase = .draining
        advanceIfDrained()
    }

    private var underWay: Int { connections.reduce(0) { $0 + $1.underWay } }
    private func overdue(_ now: Int64) -> Int64 {
        guard budget > 0 else { return 0 }
        return min(budget, lanes.reduce(0) { $0 + ($1.schedule?.overdue(now: now) ?? 0) })
    }

    private func advanceIfDrained() {
        if phase == .measuring, budget == 0, underWay == 0 { return endWindow(Loop.monotonicNanoseconds) }
        guard phase == .draining, underWay == 0, overdue(windowEnd) == 0 else { return }
        finish()
    }

    private func finish() {
        unanswered = UInt64(underWay) + UInt64(max(0, overdue(windowEnd)))
        isRecording = false
        guard options.workload.isDegraded, let free = connections.first(where: { $0.isReady && $0.underWay == 0 })
        else { return end() }
        phase = .controlling
        free.control(["HEARTH", "BREAKER", "AUTO"]) { [unowned self] _ in self.end() }
        // In an open loop nobody else would wait for the reply.
        loop.stop()
    }

    private func tick() {
        let now = Loop.monotonicNanoseconds
        switch phase {
        case .warmingUp where now - stageBegan >= options.warmUp: begin(.measuring)
        case .measuring:
            cutSlices(now)
            if case .nanoseconds(let duration) = options.length, now - windowStart >= duration { endWindow(now) }
        case .draining where now - windowEnd >= options.drain: finish()
        default: break
        }
        if !lost.isEmpty, phase != .over {
            let due = lost.filter { $0.at <= now }
            lost.removeAll { $0.at <= now }
            for (connection, _) in due { connect(connection) }
        }
        if onProgress != nil, now - lastProgress >= 200_000_000 { tellProgress(now) }
    }

    private func tellProgress(_ now: Int64) {
        lastProgress = now
        let stage: LoadProgress.Stage
        var fraction = 0.0
        switch phase {
        case .loading: (stage, fraction) = (.loading, Double(nextLoaded) / Double(max(1, loadCount)))
        case .warmingUp: (stage, fraction) = (.warmingUp, Double(now - stageBegan) / Double(max(1, options.warmUp)))
        case .measuring:
            stage = .measuring
            switch options.length {
            case .nanoseconds(let duration): fraction = Double(now - windowStart) / Double(duration)
            case .requests(let count): fraction = Double(tally.completed) / Double(count)
            }
        case .connecting, .controlling, .draining, .over: return
        }
        onProgress?(
            LoadProgress(
                stage: stage, fraction: min(1, fraction), completed: tally.completed, errors: tally.failed + tally.wrong
            ))
    }

    // MARK: Requests

    /// The connection has nothing under way, or was connected: it is given what its phase has for it.
    func isReady(_ connection: LoadConnection) {
        guard connection.isReady else { return }
        switch phase {
        case .loading: load(connection)
        case .warmingUp, .measuring:
            guard options.rate == nil, connection.underWay == 0 else { return }
            let now = Loop.monotonicNanoseconds
            var left = options.pipeline
            while left > 0, budget > 0 {
                append(to: connection, began: now)
                left &-= 1
            }
            connection.flush()
        case .connecting, .controlling, .draining, .over: break
        }
    }

    @inline(__always)
    private func append(to connection: LoadConnection, began: Int64) {
        if budget != .max { budget &-= 1 }
        let operation = connection.lane.operation ?? options.workload.pick(&random)
        let number: UInt64
        switch operation {
        case .get, .set, .stateGet, .stateSet: number = picker.next(&random)
        case .miss, .store:
            number = nextCold
            nextCold = nextCold &+ 1 < options.coldKeys ? nextCold &+ 1 : 0
        }
        connection.append(operation, operation.key(number), began: began)
    }

    private func load(_ connection: LoadConnection) {
        guard connection.underWay == 0 else { return }
        let now = Loop.monotonicNanoseconds
        var bytes = 0
        var left = Self.loadBatch
        while left > 0, bytes < 1 << 20, nextLoaded < loadCount {
            let (operation, number) = loading(nextLoaded)
            let key = operation.key(number)
            connection.append(operation, key, began: now)
            bytes += keys.valueCount(key)
            nextLoaded += 1
            left -= 1
        }
        connection.flush()
        if nextLoaded == loadCount, underWay == 0 { didLoad() }
    }

    /// Sends what is due in an open loop, and has a connection that is free.
    private func sendDue(_ now: Int64) {
        guard phase == .warmingUp || phase == .measuring || phase == .draining else { return }
        let latest = min(now, windowEnd)
        for lane in lanes {
            sending: while budget > 0, (lane.schedule?.nextDue ?? .max) <= latest {
                var looked = 0
                while true {
                    let candidate = lane.connections[lane.turn]
                    lane.turn = lane.turn &+ 1 < lane.connections.count ? lane.turn &+ 1 : 0
                    looked &+= 1
                    if candidate.isReady, candidate.underWay < options.pipeline {
                        guard let due = lane.schedule?.take(now: latest) else { break sending }
                        if isRecording { tally.waits.record(UInt64(max(0, now - due))) }
                        append(to: candidate, began: due)
                        candidate.flush()
                        break
                    }
                    if looked == lane.connections.count { break sending }
                }
            }
        }
    }

    // MARK: Replies

    @inline(__always)
    func beforeReplies(_ now: Int64) {
        if options.hasTimeline, isRecording, now - sliceStart >= LoadOptions.slice { cutSlices(now) }
    }

    private func cutSlices(_ now: Int64) {
        guard options.hasTimeline, phase == .measuring else { return }
        while now - sliceStart >= LoadOptions.slice {
            tally.cut(start: sliceStart - windowStart, nanoseconds: LoadOptions.slice)
            sliceStart += LoadOptions.slice
        }
    }

    @inline(__always)
    func right(_ request: RequestUnderWay, _ now: Int64) {
        if isRecording { tally.right(request.operation, now &- request.began) }
    }

    /// A reply that is no value and no acknowledgement.
    func unexpected(_ outcome: ReplyOutcome, _ request: RequestUnderWay, _ now: Int64, _ bytes: UnsafeRawBufferPointer)
    {
        let latency = now - request.began
        let key = keys.keyText(request.key)
        switch outcome {
        case .absent:
            if phase == .loading { loadedFailures["nil", default: 0] += 1 }
            if isRecording { tally.absent(request.operation, latency) }
        case .failed(let from, let to):
            let text = String(decoding: bytes[from..<to].prefix(200), as: UTF8.self)
            if phase == .loading { loadedFailures[text, default: 0] += 1 }
            if isRecording { tally.failed(request.operation, latency, text) }
        case .wrong:
            let shown = bytes.prefix(40).map { $0 >= 32 && $0 < 127 ? String(UnicodeScalar($0)) : "." }.joined()
            if phase == .loading { loadedFailures["no acknowledgement", default: 0] += 1 }
            if isRecording { tally.wrong(request.operation, latency, "not the value of \(key): \(shown)") }
        case .right, .incomplete, .garbled: break
        }
    }

    @inline(__always)
    func didAnswer(_ connection: LoadConnection, _ now: Int64) {
        if connection.underWay == 0 { isReady(connection) }
        if budget == 0 || phase == .draining { advanceIfDrained() }
    }

    // MARK: Report

    private func report() -> LoadReport {
        let elapsed = windowEnd - windowStart
        var server: LoadReport.Server?
        if let pid, let start = accounts.start, let end = accounts.end {
            let cpu = Double(end.cpu > start.cpu ? end.cpu - start.cpu : 0)
            let sleeps = Double(end.sleeps > start.sleeps ? end.sleeps - start.sleeps : 0)
            server = LoadReport.Server(
                pid: pid, cpuPerOperation: windowCompleted > 0 ? cpu / Double(windowCompleted) : 0,
                sleepsPerOperation: windowCompleted > 0 ? sleeps / Double(windowCompleted) : 0,
                cores: elapsed > 0 ? cpu / Double(elapsed) : 0, resident: end.resident, isExact: end.isExact)
        }
        return LoadReport(
            options: options, elapsed: elapsed, completed: windowCompleted, absent: tally.absent, wrong: tally.wrong,
            failed: tally.failed, unanswered: unanswered, errors: tally.errors, latency: tally.latency,
            latencies: options.workload.operations.map { ($0, tally.latency($0)) },
            waits: options.rate == nil ? nil : tally.waits.snapshot(), server: server,
            generatorCPUPerOperation: windowCompleted > 0
                ? Double(ownCPU.end - ownCPU.start) / Double(windowCompleted) : 0,
            slices: tally.slices)
    }
}
