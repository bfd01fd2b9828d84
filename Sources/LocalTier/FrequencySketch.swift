// How often keys were asked for lately, about: a count-min sketch of counters of four bits that age.
//
// DESIGN: four rows of counters, of which a key has one in each; its frequency is the least of them [1]. A key's four
// counters lie in one line of 64 bytes, so that counting touches one line, as in Caffeine [2]. When `sampleSize` uses
// have been counted, all counters are halved, so that what was popular is forgotten [3]. Halving them all at once would
// hold the shard's lock for as long as the memory is large: instead each line knows how often it has been halved, and
// catches up when it is next touched. What is read is the same.
//
// A line's eight words are two for each row: 32 counters a row, but 28 for the last, whose upper 16 bits hold the
// number of halvings. A line that is not touched for 65,536 halvings catches up too little.
//
// [1] G. Cormode, S. Muthukrishnan: An Improved Data Stream Summary: The Count-Min Sketch, J. Algorithms 55(1), 2005.
// [2] B. Manes: Caffeine, FrequencySketch, https://github.com/ben-manes/caffeine.
// [3] G. Einziger, R. Friedman, B. Manes: TinyLFU: A Highly Efficient Cache Admission Policy, ACM ToS 13(4), 2017.

/// What changes in a sketch besides its counters; lies in the arena.
struct SketchState {
    /// Uses counted since the last halving, and half of those before it.
    var uses: Int
    /// How often the counters were halved.
    var halvings: UInt16
}

/// Approximate frequencies of the tags of keys, from 0 to 15; in the arena.
struct FrequencySketch {
    private let state: UnsafeMutablePointer<SketchState>
    private let words: UnsafeMutablePointer<UInt64>
    private let lineCount: Int

    init(state: UnsafeMutablePointer<SketchState>, words: UnsafeMutableRawPointer, blocks: Int) {
        self.state = state
        self.words = words.assumingMemoryBound(to: UInt64.self)
        lineCount = Self.lineCount(blocks: blocks)
    }

    /// A byte, which is half a counter in each row, for each block: 1.6 % of the memory.
    static func lineCount(blocks: Int) -> Int { max(8, blocks / 64) }
    static func tableBytes(blocks: Int) -> Int { lineCount(blocks: blocks) * 64 }

    static let frequencyMax = 15
    /// Counters of a row in a line.
    static func counters(row: Int) -> Int { row == 3 ? 28 : 32 }

    /// The line of a tag; by its upper bits, since the lower ones choose the bucket.
    static func line(of tag: UInt32, lines: Int) -> Int { Int((UInt64(tag) * UInt64(lines)) >> 32) }

    /// The counter of a tag in a row: each takes a byte of the mixed tag (the finalizer of MurmurHash3).
    @inline(__always)
    static func counter(of mixed: UInt32, row: Int) -> Int {
        (Int(mixed >> UInt32(8 * row) & 255) * counters(row: row)) >> 8
    }

    @inline(__always)
    static func mix(_ tag: UInt32) -> UInt32 {
        var mixed = (tag ^ tag >> 16) &* 0x85EB_CA6B
        mixed = (mixed ^ mixed >> 13) &* 0xC2B2_AE35
        return mixed ^ mixed >> 16
    }

    /// Uses after which the counters are halved: ten for each entry, as in [3], and for each line at least.
    static func sampleSize(entries: Int, lines: Int) -> Int { 10 * max(entries, lines) }

    /// Counts a use; `entries` is how many the rule holds now.
    func add(_ tag: UInt32, entries: Int) {
        let line = caughtUp(tag)
        let mixed = Self.mix(tag)
        for row in 0..<4 {
            let counter = Self.counter(of: mixed, row: row)
            let word = line + 2 * row + counter >> 4
            let shift = UInt64(counter & 15) << 2
            if word.pointee >> shift & 15 < 15 { word.pointee += 1 << shift }
        }
        state.pointee.uses += 1
        if state.pointee.uses >= Self.sampleSize(entries: entries, lines: lineCount) {
            state.pointee.uses /= 2
            state.pointee.halvings &+= 1
        }
    }

    /// About how often a tag was used lately: never too few within a sample, at most 15.
    func frequency(_ tag: UInt32) -> Int {
        let line = caughtUp(tag)
        let mixed = Self.mix(tag)
        var least = UInt64(Self.frequencyMax)
        for row in 0..<4 {
            let counter = Self.counter(of: mixed, row: row)
            least = min(least, line[2 * row + counter >> 4] >> (UInt64(counter & 15) << 2) & 15)
        }
        return Int(least)
    }

    func reset() {
        words.update(repeating: 0, count: lineCount * 8)
        state.pointee = SketchState(uses: 0, halvings: 0)
    }

    /// The line of a tag, halved as often as all are meant to be.
    private func caughtUp(_ tag: UInt32) -> UnsafeMutablePointer<UInt64> {
        let line = words + Self.line(of: tag, lines: lineCount) * 8
        let behind = state.pointee.halvings &- UInt16(truncatingIfNeeded: line[7] >> 48)
        guard behind != 0 else { return line }
        let shift = UInt64(min(behind, 4))
        let kept: UInt64 = 0x1111_1111_1111_1111 &* (15 >> shift)
        for word in 0..<8 { line[word] = shift < 4 ? line[word] >> shift & kept : 0 }
        line[7] = line[7] & (1 << 48 - 1) | UInt64(state.pointee.halvings) << 48
        return line
    }
}
