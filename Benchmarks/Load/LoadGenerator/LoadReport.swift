// The result of a run as a value: written as text, JSON and pictures elsewhere.

public import Metrics

/// What a run found.
public struct LoadReport: Sendable {
    /// What the server's process cost.
    public struct Server: Equatable, Sendable {
        public let pid: Int32
        /// Nanoseconds of CPU per operation, of all its threads; 0 where nothing was answered.
        public let cpuPerOperation: Double
        /// How often one of its threads waited for something, per operation.
        public let sleepsPerOperation: Double
        /// CPU time as a share of one core.
        public let cores: Double
        /// Bytes of resident memory when the run ended.
        public let resident: UInt64
        public let isExact: Bool
    }

    public let options: LoadOptions
    /// The measured time, in nanoseconds.
    public let elapsed: Int64
    /// Replies within the measured time, errors included.
    public let completed: UInt64
    public let absent: UInt64
    public let wrong: UInt64
    public let failed: UInt64
    /// Requests without an answer when the wait for it was over; those of an open loop that could not even be sent too.
    public let unanswered: UInt64
    public let errors: [String: UInt64]
    public let latency: HistogramSnapshot
    /// Of each operation that occurred.
    public let latencies: [(operation: Operation, latency: HistogramSnapshot)]
    /// Open loop: how long requests waited before they were sent.
    public let waits: HistogramSnapshot?
    public let server: Server?
    /// Nanoseconds of CPU per operation, of this process.
    public let generatorCPUPerOperation: Double
    public let slices: [TimeSlice]

    /// Replies a second.
    public var throughput: Double { elapsed > 0 ? Double(completed) / Double(elapsed) * 1e9 : 0 }

    /// The percentiles that are reported.
    static let percentiles: [(name: String, fraction: Double)] = [
        ("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999),
    ]
}
