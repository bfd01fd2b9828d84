// What was evicted lately, without its data: eight bytes an entry, in lines of the cache.
//
// DESIGN: a ghost is the tag of a key and the number of its eviction. It lies in the line that its tag names; when that
// line is full its oldest goes. It counts as long as fewer than `limit` evictions have followed, as the S3-FIFO paper
// proposes (section 4.2 there): so the queue has any length up to the table's without a list through it. Two keys of
// one tag (1 in 4 thousand million) are one ghost. After 2^32 evictions the numbers begin again.

/// One eviction that is remembered; zero is none.
struct Ghost {
    var tag: UInt32
    /// From 1.
    var number: UInt32
}

/// A bounded memory of evictions, in the arena.
struct GhostTable {
    private let slots: UnsafeMutablePointer<Ghost>
    let lineCount: Int

    /// Ghosts of a line, which is 64 bytes.
    static let perLine = 8

    init(at table: UnsafeMutableRawPointer, blocks: Int) {
        slots = table.assumingMemoryBound(to: Ghost.self)
        lineCount = Self.lineCount(blocks: blocks)
    }

    /// A ghost for every fourth block: as many as there are entries of four blocks, 3.1 % of the memory.
    static func lineCount(blocks: Int) -> Int { max(8, blocks / 32) }

    static func tableBytes(blocks: Int) -> Int { lineCount(blocks: blocks) * 64 }

    /// The line of a tag; by its upper bits, since the lower ones choose the bucket.
    static func line(of tag: UInt32, lines: Int) -> Int { Int((UInt64(tag) * UInt64(lines)) >> 32) }

    private func line(of tag: UInt32) -> UnsafeMutablePointer<Ghost> {
        slots + Self.line(of: tag, lines: lineCount) * Self.perLine
    }

    /// Remembers an eviction, in place of an older one of the same tag or of the oldest of its line.
    func add(_ tag: UInt32, number: UInt32) {
        let line = line(of: tag)
        var oldest = 0
        for index in 0..<Self.perLine {
            if line[index].number != 0, line[index].tag == tag {
                oldest = index
                break
            }
            if Self.age(line[index], number) > Self.age(line[oldest], number) { oldest = index }
        }
        line[oldest] = Ghost(tag: tag, number: number)
    }

    /// Evictions since that of a ghost; what is no ghost is older than all.
    private static func age(_ ghost: Ghost, _ number: UInt32) -> UInt64 {
        ghost.number == 0 ? .max : UInt64(number &- ghost.number)
    }

    /// Forgets a tag; returns whether it was among the last `limit` evictions, of which `newest` was the last.
    func take(_ tag: UInt32, newest: UInt32, limit: Int) -> Bool {
        let line = line(of: tag)
        for index in 0..<Self.perLine where line[index].number != 0 && line[index].tag == tag {
            let age = newest &- line[index].number
            line[index] = Ghost(tag: 0, number: 0)
            return Int(age) < limit
        }
        return false
    }

    func reset() { slots.update(repeating: Ghost(tag: 0, number: 0), count: lineCount * Self.perLine) }
}
