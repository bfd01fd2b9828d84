// A sidecar through its lives: one disk, and the processes that ran on it.

internal import Primitives
internal import TestSupport
internal import Tiers

/// A host with a disk, on which one process after the other runs.
final class Sidecar {
    let index: Int
    let disk: SimulatedFileSystem
    /// The process that runs; nil while its disk lets none start.
    private(set) var process: Process?
    private(set) var lives = 0
    /// Earlier processes: what they had scheduled still comes due.
    private var past: [Process] = []
    /// When something was last wrong with the disk, in monotonic nanoseconds.
    var diskTroubleAt = Int64.min / 2
    var isDiskIll = false
    private(set) var coverage = Coverage()
    private let start: (_ life: UInt64, SimulatedFileSystem) throws -> Process

    init(index: Int, seed: UInt64, start: @escaping (_ life: UInt64, SimulatedFileSystem) throws -> Process) {
        self.index = index
        disk = SimulatedFileSystem(seed: seed)
        self.start = start
    }

    /// Starts a process where none runs; whether one runs now.
    @discardableResult
    func rise() -> Bool {
        guard process == nil else { return true }
        lives += 1
        do {
            process = try start(UInt64(lives), disk)
            return true
        } catch {
            coverage.note("start refused")
            // Whoever failed to start has let go of everything.
            disk.endProcess()
            return false
        }
    }

    /// The process ends at once, killed or with the machine's power.
    func fall(losesPower: Bool) {
        guard let process else { return }
        process.end()
        coverage += process.tally.coverage
        past.append(process)
        self.process = nil
        if losesPower {
            disk.cutPower()
            disk.restorePower()
        } else {
            disk.endProcess()
        }
    }

    /// What its processes have come to, the present one ended.
    func finish() -> Coverage {
        fall(losesPower: false)
        return coverage
    }
}
