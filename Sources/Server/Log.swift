// The log: one JSON object per line on standard error, written by a thread of its own.

internal import EventLoop
public import Metrics
internal import Primitives
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// Writes JSON lines (time, level, event, fields) to standard error; safe from any thread, and never blocks one.
///
/// Lines that a slow reader of standard error leaves no room for are dropped and counted; the count is in the next
/// line. Neither keys nor values are ever logged.
public final class Log: Sendable {
    public enum Level: Int, Sendable, Comparable {
        case debug, info, warning, error
        public static func < (a: Level, b: Level) -> Bool { a.rawValue < b.rawValue }
        var label: String { ["debug", "info", "warning", "error"][rawValue] }
    }

    private struct Rate {
        var second: Int64 = 0
        var lines = 0
        var suppressed = 0
    }

    private let queue = BlockingQueue<[UInt8]>(capacity: 8192)
    private let dropped = Atomic<Int>(0)
    private let level: Atomic<Int>
    private let rates = Locked<[String: Rate]>([:])
    private let idle = BlockingQueue<Void>(capacity: 1)
    /// What a page shows of it.
    let recent = Locked(RecentLines())
    /// The most lines of one event in a second, below `warning` level excepted.
    private static let linesPerSecond = 20

    public init(level: Level = .info) {
        self.level = Atomic(level.rawValue)
        let queue = queue
        let idle = idle
        startThread("hearth-log") {
            while let lines = queue.take(waitingUpToMilliseconds: 60_000) {
                for line in lines { Self.write(line) }
            }
            _ = idle.send(())
        }
    }

    public func setLevel(_ level: Level) { self.level.store(level.rawValue, ordering: .relaxed) }

    /// Writes one line; `fields` adds members to its object.
    public func write(_ level: Level, _ event: String, _ fields: (inout JSONWriter) -> Void = { _ in }) {
        guard level.rawValue >= self.level.load(ordering: .relaxed) else { return }
        guard let suppressed = admit(event) else { return }
        let time = Loop.wallClock.rfc3339
        var json = JSONWriter()
        json.object {
            $0.member("time", time)
            $0.member("level", level.label)
            $0.member("event", event)
            fields(&$0)
            if suppressed > 0 { $0.member("suppressed", suppressed) }
            let lost = dropped.exchange(0, ordering: .relaxed)
            if lost > 0 { $0.member("lines_lost", lost) }
        }
        if level >= .warning {
            recent.withLock { $0.note(event, json.bytes, time: time, level: level.label) }
        }
        if !queue.send(json.bytes + [10]) { dropped.add(1, ordering: .relaxed) }
    }

    /// How many lines of this event were held back since the last one; nil when this one is held back as well.
    private func admit(_ event: String) -> Int? {
        let second = Loop.monotonicNanoseconds / 1_000_000_000
        return rates.withLock { rates in
            var rate = rates[event] ?? Rate()
            if rate.second != second { (rate.second, rate.lines) = (second, 0) }
            rate.lines += 1
            let isAdmitted = rate.lines <= Self.linesPerSecond
            let suppressed = rate.suppressed
            rate.suppressed = isAdmitted ? 0 : suppressed + 1
            rates[event] = rate
            return isAdmitted ? suppressed : nil
        }
    }

    /// Waits until everything is written, a second at most; nothing is logged afterwards.
    public func finish() {
        queue.close()
        _ = idle.take(waitingUpToMilliseconds: 1000)
    }

    private static func write(_ line: [UInt8]) {
        var offset = 0
        while offset < line.count {
            let count = line[offset...].withUnsafeBytes { writeBytes(STDERR_FILENO, $0.baseAddress, $0.count) }
            // Nobody to tell where standard error is gone; the line is lost.
            guard count > 0 else { return }
            offset += count
        }
    }
}

/// write(2), under a name that no method hides.
private func writeBytes(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
    write(descriptor, bytes, count)
}

extension Log {
    /// A line about what one client did.
    func clientError(_ event: String, _ connection: Connection, _ text: String) {
        write(.warning, event) {
            $0.member("client", connection.id)
            $0.member("uid", connection.peer.uid)
            $0.member("error", text)
        }
    }
}
