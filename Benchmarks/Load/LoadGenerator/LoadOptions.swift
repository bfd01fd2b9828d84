// What a run is to be: every option of hearth-bench with its default.

/// Where the server listens.
public enum ServerAddress: Equatable, Sendable, CustomStringConvertible {
    case unix(String)
    case tcp(host: String, port: Int)

    public var description: String {
        switch self {
        case .unix(let path): path
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        }
    }
}

/// How a run ends.
public enum RunLength: Equatable, Sendable {
    case nanoseconds(Int64)
    case requests(Int64)
}

/// In what form the report is written.
public enum OutputForm: String, CaseIterable, Sendable {
    case text, json
}

/// A run; the defaults are the canonical workload.
public struct LoadOptions: Equatable, Sendable {
    public var address = ServerAddress.unix("run/hearth.sock")
    public var wire = WireProtocol.redis
    public var workload = Workload.named[0]
    public var connections = 50
    /// Requests of a connection that are under way together.
    public var pipeline = 1
    /// Misses and writes have connections of their own, by their share.
    public var isApart = false
    /// Hot keys.
    public var keys: UInt64 = 10_000
    /// Cold keys; more than the server's memory holds, or they are hits.
    public var coldKeys: UInt64 = 200_000
    /// The cold key with which the turn begins: runs after one another go on where the one before ended.
    public var coldStart: UInt64 = 0
    public var prefix = "key:"
    public var coldPrefix = "cold:"
    /// What the keys of records begin with, of which there are as many as hot keys.
    public var statePrefix = "state:"
    public var distribution = KeyDistribution.zipfian(theta: 0.99)
    public var sizes = ValueSizes(64)
    /// Those of cold keys; nil is `sizes`.
    public var coldSizes: ValueSizes?
    public var check = ValueCheck.value
    /// Requests a second of an open loop; nil for a closed loop.
    public var rate: Double?
    public var length = RunLength.nanoseconds(5_000_000_000)
    public var warmUp: Int64 = 1_000_000_000
    public var seed: UInt64 = 1
    /// Whether keys are written before, and whether that is all.
    public var loads = true
    public var onlyLoads = false
    /// How long answers are waited for when the run is over.
    public var drain: Int64 = 5_000_000_000
    /// Whose CPU time and memory are accounted; nil for the process that listens on the Unix socket.
    public var pid: Int32?
    public var output = OutputForm.text
    public var hasTimeline = false
    public var plotPath: String?

    public init() {}

    public static let connectionsMax = 10_000
    public static let pipelineMax = 4096
    public static let keysMax: UInt64 = 1_000_000_000
    /// A slice of the time line, in nanoseconds.
    public static let slice: Int64 = 100_000_000
}
