// Runs benchmarks: once between marks to be counted, or in rounds to be timed.

internal import BenchmarkTool

#if canImport(Glibc)
    private import Glibc
#else
    private import Darwin
#endif

/// Why a benchmark has no figure.
public struct MicroFailure: Error, CustomStringConvertible {
    public let description: String
}

extension MicroBenchmark {
    /// Does the operations once between two marks, after a run of a tenth that fills caches and finds symbols.
    public func count() throws(MicroFailure) {
        try failing {
            let body = try prepare()
            try body(max(1, operations / 10))
            mark()
            try body(operations)
            mark()
        }
    }

    /// The least of several rounds, in nanoseconds of this process's CPU for one operation.
    public func time(rounds: Int = 7) throws(MicroFailure) -> Double {
        var least = Double.infinity
        try failing {
            for _ in 0..<rounds {
                let body = try prepare()
                try body(max(1, operations / 10))
                let started = cpuNanoseconds()
                try body(operations)
                least = min(least, Double(cpuNanoseconds() - started) / Double(operations))
            }
        }
        return least
    }

    private func failing(_ body: () throws -> Void) throws(MicroFailure) {
        do {
            try body()
        } catch {
            throw MicroFailure(description: "\(name): \(error)")
        }
    }
}

private func cpuNanoseconds() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// A directory of this run, in which benchmarks work; removed with what is in it.
public final class MicroPlace {
    private let path: String
    private let before: Int32

    /// Makes it under `parent` and goes there: paths of files are then of one length in every run.
    public init(under parent: String) throws(MicroFailure) {
        before = open(".", O_RDONLY | O_CLOEXEC)
        var template = Array("\(parent)/hearth-micro.XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw MicroFailure(description: "no directory under \(parent): \(Tool.lastError)")
        }
        path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        guard chdir(path) == 0 else { throw MicroFailure(description: "\(path): \(Tool.lastError)") }
    }

    deinit {
        fchdir(before)
        close(before)
        Self.remove(path)
    }

    private static func remove(_ path: String) {
        if let directory = opendir(path) {
            var names: [String] = []
            while let entry = readdir(directory) {
                let name = withUnsafePointer(to: entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                if name != ".", name != ".." { names.append(name) }
            }
            closedir(directory)
            for name in names { remove("\(path)/\(name)") }
            rmdir(path)
        } else {
            unlink(path)
        }
    }
}
