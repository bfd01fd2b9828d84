// "Did you mean …?": the known name that a misspelt one is nearest to.

/// The nearest of `names` within a third of the name's length (at least one edit, at most three), or nil.
func nearest(to name: String, in names: some Sequence<String>) -> String? {
    let written = Array(name.utf8)
    guard written.count <= 64 else { return nil }
    let limit = min(3, max(1, written.count / 3))
    var best: (distance: Int, name: String)?
    for candidate in names {
        let other = Array(candidate.utf8)
        guard abs(other.count - written.count) <= limit else { continue }
        let distance = editDistance(written, other)
        if distance <= limit, distance < best?.distance ?? .max { best = (distance, candidate) }
    }
    return best?.name
}

/// The number of insertions, deletions, replacements and swaps of neighbours between two names.
///
/// Optimal string alignment, the restricted form of the distance of F. J. Damerau, "A technique for computer detection
/// and correction of spelling errors", CACM 7(3), 1964. O(n·m).
func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
    var beforeLast = [Int](repeating: 0, count: b.count + 1)
    var last = Array(0...b.count)
    for i in 0..<a.count {
        var row = [i + 1] + [Int](repeating: 0, count: b.count)
        for j in 0..<b.count {
            row[j + 1] = min(last[j + 1] + 1, row[j] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
            if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { row[j + 1] = min(row[j + 1], beforeLast[j - 1] + 1) }
        }
        (beforeLast, last) = (last, row)
    }
    return last[b.count]
}
