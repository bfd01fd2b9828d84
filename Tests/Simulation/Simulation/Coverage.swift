// What runs have come to: faults that were injected, and states of the product that were reached, by name.

/// Counts by name; those of many runs are added up.
public struct Coverage: Sendable {
    public private(set) var counts: [String: Int] = [:]
    /// Requests that clients made, and seconds of virtual time.
    public internal(set) var requests = 0
    public internal(set) var virtualSeconds = 0.0
    public internal(set) var events = 0
    /// Faults of one run.
    public private(set) var faults: [String: Int] = [:]

    public init() {}

    mutating func note(_ name: String, _ count: Int = 1) {
        if count > 0 { counts[name, default: 0] += count }
    }

    mutating func note(_ fault: Fault) { faults[fault.rawValue, default: 0] += 1 }

    /// How many faults were injected.
    public var faultCount: Int { faults.values.reduce(0, +) }

    public static func += (sum: inout Coverage, part: Coverage) {
        for (name, count) in part.counts { sum.counts[name, default: 0] += count }
        for (name, count) in part.faults { sum.faults[name, default: 0] += count }
        sum.requests += part.requests
        sum.virtualSeconds += part.virtualSeconds
        sum.events += part.events
    }

    /// Both tables, one name a line.
    public var text: String {
        func table(_ counts: [String: Int]) -> String {
            counts.sorted { $0.key < $1.key }.map { "  \($0.key): \($0.value)\n" }.joined()
        }
        let hours = Int((virtualSeconds / 3600).rounded())
        return "\(requests) requests, \(events) events, \(hours) hours of virtual time\n"
            + "\(faults.count) distinct faults, \(faultCount) injected:\n\(table(faults))"
            + "states reached:\n\(table(counts))"
    }
}
