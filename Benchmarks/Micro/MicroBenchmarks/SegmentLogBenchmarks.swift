// Records to a segment file and back; what the disk takes for it is not counted.

internal import Primitives
internal import SegmentLog

extension MicroBenchmark {
    static var segmentLog: [MicroBenchmark] {
        [
            MicroBenchmark("segment log: record of 100 B, committed alone", operations: 2_000) {
                let log = try Log()
                return { operations in for _ in 0..<operations { try log.commit(1) } }
            },
            MicroBenchmark("segment log: record of 100 B, one of 64 in a commit", operations: 6_400) {
                let log = try Log()
                return { operations in for _ in 0..<max(1, operations / 64) { try log.commit(64) } }
            },
            MicroBenchmark("segment log: record of 1 KiB read", operations: 2_000) { try Log().reads },
            MicroBenchmark("segment log: record found at opening, sealed", operations: 20_000) {
                { operations in
                    let log = try Log()
                    for start in stride(from: 0, to: operations, by: 50) { try log.commit(min(50, operations - start)) }
                    try log.reopen(expecting: operations)
                }
            },
        ]
    }
}

/// A log with a batch of its own, on segments that are small enough to be sealed meanwhile.
private final class Log {
    private let options = SegmentLog.Options(directory: Disk.directory(), purpose: .warm, segmentBytes: 256 << 10)
    private var log: SegmentLog?
    private let batch: RecordBatch
    private let keys = Keys(1_000)
    private let small = value(100)
    private let header = RecordHeader(
        kind: RecordKind(rawValue: 1), keyLength: 0, valueLength: 0, verifiedAt: moment)
    private var next = 0

    init() throws {
        let (log, _) = try SegmentLog.open(options, fileSystem: Disk())
        self.log = log
        batch = log.makeBatch()
    }

    private func stage(_ bytes: [UInt8]) {
        next = (next + 1) % keys.count
        keys.bytes[next].withUnsafeBytes { key in
            bytes.withUnsafeBytes { value in _ = batch.append(header, key: key, value: value) }
        }
    }

    @discardableResult
    private func write() throws -> BatchPlace {
        guard let log else { throw WrongResult("the log is closed") }
        defer { batch.removeAll() }
        let place = try log.prepare(batch, now: moment)
        try log.commit(batch, at: place, synchronously: true, now: moment)
        return place
    }

    func commit(_ count: Int) throws {
        for _ in 0..<count { stage(small) }
        try write()
    }

    func reads(_ operations: Int) throws {
        stage(value(1024))
        let length = batch.byteCount
        let place = try write()
        guard let file = log?.segment(place.segment)?.file else { throw WrongResult("no segment") }
        var bytes = 0
        for _ in 0..<operations { bytes += try file.record(at: place.base, length: length)?.value.count ?? 0 }
        try expect(bytes == operations << 10, "the record was not read whole")
    }

    func reopen(expecting count: Int) throws {
        log?.sealActive()
        log = nil
        let (_, recovery) = try SegmentLog.open(options, fileSystem: Disk())
        let found = recovery.segments.reduce(0) { $0 + $1.summaries.count }
        try expect(found == count, "\(found) of \(count) records were found")
    }
}
