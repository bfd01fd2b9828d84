// How far a long command is: a bar that moves on a terminal, a line now and then elsewhere; on standard error.

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

struct ProgressDisplay {
    private let isTerminal: Bool
    private let beganAt = monotonicNanoseconds()
    private var shownAt: Int64?
    private var hasBar = false

    init(isTerminal: Bool) { self.isTerminal = isTerminal }

    private static let barWidth = 24
    /// Between two looks of a person, and between two lines of a log.
    private static let barPause: Int64 = 200_000_000
    private static let linePause: Int64 = 10_000_000_000

    mutating func show(_ progress: MigrationProgress, note: String = "") {
        let now = monotonicNanoseconds()
        let pause = isTerminal ? Self.barPause : Self.linePause
        guard progress.isDone || now - (shownAt ?? (isTerminal ? .min / 2 : beganAt)) >= pause else { return }
        shownAt = now
        let share = Figures.share(progress.share, of: 1)
        let figures =
            "\(Figures.count(progress.looked)) keys, \(Figures.count(progress.count("migrated"))) migrated, "
            + "\(Figures.count(progress.failureCount)) failed" + (note.isEmpty ? "" : "; \(note)")
        guard isTerminal else { return CommandLineTool.printError("hearth: \(share), \(figures)") }
        let filled = Int(progress.share * Double(Self.barWidth))
        let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: Self.barWidth - filled)
        Self.write("\r[\(bar)] \(Figures.right(share, 7))  \(figures.prefix(44))\u{1b}[K")
        hasBar = true
    }

    /// Leaves the bar where it is, and begins a line.
    mutating func end() {
        if hasBar { Self.write("\n") }
        hasBar = false
    }

    private static func write(_ text: String) {
        _ = Array(text.utf8).withUnsafeBytes { writeError($0.baseAddress, $0.count) }
    }
}

/// write(2) to standard error, under a name that no method hides.
private func writeError(_ bytes: UnsafeRawPointer?, _ count: Int) -> Int { write(STDERR_FILENO, bytes, count) }
