// A terminal that shows one screen after another, and is given back as it was, however the process ends.

internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// Set by SIGINT, SIGTERM and SIGHUP, which only ask for an end.
private let endRequested = Atomic<Bool>(false)

/// The alternate screen of standard output, with keys read as they are typed; left with the value.
struct Terminal: ~Copyable {
    private var before: termios?

    init() {
        Self.watchSignals()
        var settings = termios()
        if isatty(STDIN_FILENO) == 1, tcgetattr(STDIN_FILENO, &settings) == 0 {
            before = settings
            settings.c_lflag &= ~tcflag_t(ICANON | ECHO)
            tcsetattr(STDIN_FILENO, TCSANOW, &settings)
        }
        Self.write("\u{1b}[?1049h\u{1b}[?25l")
    }

    deinit {
        Self.write("\u{1b}[?25h\u{1b}[?1049l")
        if var before { tcsetattr(STDIN_FILENO, TCSANOW, &before) }
    }

    static var isStandardOutput: Bool { isatty(STDOUT_FILENO) == 1 }
    static var isStandardError: Bool { isatty(STDERR_FILENO) == 1 }

    /// Whether SIGINT, SIGTERM or SIGHUP has come since ``watchSignals()``.
    static var isEndRequested: Bool { endRequested.load(ordering: .relaxed) }

    /// Makes SIGINT, SIGTERM and SIGHUP end ``wait(milliseconds:)`` instead of the process.
    static func watchSignals() {
        for number in [SIGINT, SIGTERM, SIGHUP] {
            signal(number) { _ in endRequested.store(true, ordering: .relaxed) }
        }
    }

    /// How many columns and rows there are.
    private var size: (columns: Int, rows: Int) {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
            return (80, 24)
        }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// Draws over what was there, without a blank in between; what doesn't fit is cut.
    func show(_ lines: [String]) {
        let (columns, rows) = size
        let text = lines.prefix(rows).map { $0.prefix(columns) + "\u{1b}[K" }.joined(separator: "\r\n")
        Self.write("\u{1b}[H" + text + "\u{1b}[J")
    }

    /// Waits, and says whether to go on: false after q, Ctrl-C or a signal.
    func wait(milliseconds: Int) -> Bool {
        guard before != nil else { return Self.pause(milliseconds: milliseconds) }
        let deadline = monotonicNanoseconds() + Int64(milliseconds) * 1_000_000
        while !endRequested.load(ordering: .relaxed) {
            let left = deadline - monotonicNanoseconds()
            guard left > 0 else { return true }
            var descriptor = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
            guard poll(&descriptor, 1, Int32(left / 1_000_000) + 1) > 0 else { continue }
            var key: UInt8 = 0
            guard read(STDIN_FILENO, &key, 1) == 1 else { return false }
            if key == UInt8(ascii: "q") || key == UInt8(ascii: "Q") { return false }
        }
        return false
    }

    /// The same without keys.
    static func pause(milliseconds: Int) -> Bool {
        let deadline = monotonicNanoseconds() + Int64(milliseconds) * 1_000_000
        while !endRequested.load(ordering: .relaxed) {
            let left = deadline - monotonicNanoseconds()
            guard left > 0 else { return true }
            poll(nil, 0, Int32(left / 1_000_000) + 1)
        }
        return false
    }

    /// Writes to standard output; a reader that is gone is asked no more.
    private static func write(_ text: String) {
        let bytes = Array(text.utf8)
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { writeBytes($0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return endRequested.store(true, ordering: .relaxed) }
            sent += count
        }
    }
}

/// Nanoseconds of a clock that nobody sets.
func monotonicNanoseconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}

/// write(2) to standard output, under a name that no method hides.
private func writeBytes(_ bytes: UnsafeRawPointer?, _ count: Int) -> Int { write(STDOUT_FILENO, bytes, count) }
