// A failure made small: steps are left out for as long as what is left still fails (ddmin).
//
// Source: A. Zeller, R. Hildebrandt: Simplifying and Isolating Failure-Inducing Input, TSE 2002.

/// A run that can be had again: its seed, and which of its steps are kept; written as `1234` or `1234:0-5,9`.
public struct Replayed: Sendable, Equatable, CustomStringConvertible {
    public let seed: UInt64
    /// Nil for all.
    public let kept: [Int]?

    public init(seed: UInt64, kept: [Int]? = nil) {
        self.seed = seed
        self.kept = kept
    }

    /// Reads what `description` wrote; nil for another text.
    public init?(_ text: String) {
        let parts = text.split(separator: ":", maxSplits: 1)
        guard let first = parts.first, let seed = UInt64(first) else { return nil }
        self.seed = seed
        guard parts.count == 2 else {
            kept = nil
            return
        }
        var kept: [Int] = []
        for range in parts[1].split(separator: ",") {
            let ends = range.split(separator: "-").map { Int($0) }
            guard ends.count <= 2, let low = ends.first ?? nil, let high = ends.last ?? nil, low <= high else {
                return nil
            }
            kept += low...high
        }
        self.kept = kept
    }

    public var description: String {
        guard let kept else { return "\(seed)" }
        var ranges: [ClosedRange<Int>] = []
        for step in kept.sorted() {
            if let last = ranges.last, last.upperBound + 1 == step {
                ranges[ranges.count - 1] = last.lowerBound...step
            } else {
                ranges.append(step...step)
            }
        }
        let text = ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
        return "\(seed):\(text.joined(separator: ","))"
    }
}

/// Leaves out what a failure does not need; `fails` says whether those steps alone still fail. At most `tries` runs.
///
/// Complexity: O(n log n) runs where few steps are needed.
public func shrink(_ steps: [Int], tries: Int = 600, fails: (Set<Int>) -> Bool) -> [Int] {
    var kept = steps
    var size = max(1, kept.count / 2)
    var left = tries
    while left > 0, !kept.isEmpty {
        var isSmaller = false
        var start = 0
        while start < kept.count, left > 0 {
            let rest = Array(kept[..<start] + kept[min(kept.count, start + size)...])
            left -= 1
            if fails(Set(rest)) {
                kept = rest
                isSmaller = true
            } else {
                start += size
            }
        }
        if size == 1, !isSmaller { break }
        if !isSmaller || size > kept.count { size = max(1, size / 2) }
    }
    return kept
}
