// A terminal that a test holds the other end of.

internal import TestSupport

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// A pseudo-terminal of 80 by 24 with a program in it.
final class PseudoTerminal {
    private let master: Int32
    /// Held open, so that its settings can be looked at before and after.
    private let slave: Int32
    private let pid: pid_t
    private(set) var shown = ""

    init(_ program: String, _ arguments: [String]) throws {
        let name: String
        (master, name) = try Self.open()
        slave = openFile(name, O_RDWR | O_NOCTTY)
        var size = winsize(ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0)
        _ = ioctl(slave, UInt(TIOCSWINSZ), &size)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for descriptor in 0...2 as ClosedRange<Int32> {
            posix_spawn_file_actions_addopen(&actions, descriptor, name, O_RDWR, 0)
        }
        let words = ([program] + arguments).map { strdup($0) } + [nil]
        let variables = ChildProcess.inheritedVariables.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for text in words + variables { free(text) } }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // Signals that the tests block must reach the program.
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var pid: pid_t = 0
        let code = posix_spawn(&pid, program, &actions, &attributes, words, variables)
        guard code == 0 else { throw TestError("start \(program): \(String(cString: strerror(code)))") }
        self.pid = pid
        _ = fcntl(master, F_SETFL, O_NONBLOCK)
    }

    /// A new pseudo-terminal's own end, and the path of the other.
    private static func open() throws -> (master: Int32, name: String) {
        let master = openFile("/dev/ptmx", O_RDWR | O_NOCTTY)
        #if os(Linux)
            // unlockpt(3) and ptsname(3), which Swift's Glibc does not show: TIOCSPTLCK and TIOCGPTN.
            var lock: Int32 = 0
            var number: UInt32 = 0
            guard master >= 0, ioctl(master, 0x4004_5431, &lock) == 0, ioctl(master, 0x8004_5430, &number) == 0 else {
                throw TestError("no pseudo-terminal is to be had")
            }
            return (master, "/dev/pts/\(number)")
        #else
            guard master >= 0, grantpt(master) == 0, unlockpt(master) == 0, let name = ptsname(master) else {
                throw TestError("no pseudo-terminal is to be had")
            }
            return (master, String(cString: name))
        #endif
    }

    deinit {
        kill(pid, SIGKILL)
        var status: Int32 = 0
        waitpid(pid, &status, 0)
        close(slave)
        close(master)
    }

    /// The flags that decide how keys are read: what a program must give back.
    var localFlags: UInt32 {
        var settings = termios()
        tcgetattr(slave, &settings)
        return UInt32(truncatingIfNeeded: settings.c_lflag)
    }

    func type(_ text: String) { _ = Array(text.utf8).withUnsafeBytes { write(master, $0.baseAddress, $0.count) } }

    func send(_ signal: ChildProcess.Signal) { kill(pid, signal.rawValue) }

    /// Waits until the program has shown `text`.
    func expect(_ text: String) throws {
        try eventually("the terminal shows \(text); it shows \(shown.suffix(600))") {
            drain()
            return shown.contains(text)
        }
    }

    /// Waits for the end; the exit code, or 128 and the signal.
    func end() throws -> Int32 {
        var status: Int32 = 0
        try eventually("the program ends") {
            drain()
            return waitpid(pid, &status, WNOHANG) == pid
        }
        drain()
        return status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
    }

    private func drain() {
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        while true {
            let count = read(master, &buffer, buffer.count)
            guard count > 0 else { return }
            shown += String(decoding: buffer[..<count], as: UTF8.self)
        }
    }
}

/// open(2), under a name that no method hides.
private func openFile(_ path: String, _ flags: Int32) -> Int32 { open(path, flags) }
