// Which blocks of a shard are used: a bitmap with two summaries, so that the next free block is a few loads away.
//
// DESIGN: a set bit is a used block; a set bit of a summary is a word without a free block. So an arena of zeroes is
// all free and needs no initialising beyond its last word. The top summary is scanned word by word: it has one bit per
// 4096 blocks (256 KiB), hence 4 words for 64 MiB.

/// The used blocks of one shard.
struct FreeMap {
    private let words: UnsafeMutablePointer<UInt64>
    private let full: UnsafeMutablePointer<UInt64>
    private let fullest: UnsafeMutablePointer<UInt64>
    private let wordCount: Int
    private let fullestCount: Int

    static func tableBytes(blocks: Int) -> Int {
        let (words, full, fullest) = counts(blocks: blocks)
        return 8 * (words + full + fullest)
    }

    private static func counts(blocks: Int) -> (words: Int, full: Int, fullest: Int) {
        let words = (blocks + 1 + 63) / 64  // bit 0 is no block
        let full = (words + 63) / 64
        return (words, full, (full + 63) / 64)
    }

    init(at table: UnsafeMutableRawPointer, blocks: Int) {
        let counts = Self.counts(blocks: blocks)
        words = table.assumingMemoryBound(to: UInt64.self)
        full = words + counts.words
        fullest = full + counts.full
        wordCount = counts.words
        fullestCount = counts.fullest
    }

    /// Makes every block from 1 to `blocks` free, and all that the words could name beyond them used.
    func reset(blocks: Int) {
        let counts = Self.counts(blocks: blocks)
        words.update(repeating: 0, count: counts.words + counts.full + counts.fullest)
        words[0] = 1
        fill(words, from: blocks + 1, to: counts.words * 64)
        fill(full, from: counts.words, to: counts.full * 64)
        fill(fullest, from: counts.full, to: counts.fullest * 64)
        for word in [0, counts.words - 1] where words[word] == .max { markFull(word) }
    }

    private func fill(_ table: UnsafeMutablePointer<UInt64>, from: Int, to: Int) {
        for bit in from..<max(from, to) { table[bit >> 6] |= 1 << UInt64(bit & 63) }
    }

    /// The first free block at or after `start`, or nil.
    func nextFree(from start: Int) -> Int? {
        var word = start >> 6
        guard word < wordCount else { return nil }
        let here = ~words[word] & (.max << UInt64(start & 63))
        if here != 0 { return word << 6 + here.trailingZeroBitCount }
        word += 1
        var group = word >> 6
        if word & 63 != 0 {
            let near = ~full[group] & (.max << UInt64(word & 63))
            if near != 0 { return first(in: group << 6 + near.trailingZeroBitCount) }
            group += 1
        }
        var top = group >> 6
        var mask: UInt64 = .max << UInt64(group & 63)
        while top < fullestCount {
            let far = ~fullest[top] & mask
            if far != 0 {
                let found = top << 6 + far.trailingZeroBitCount
                return first(in: found << 6 + (~full[found]).trailingZeroBitCount)
            }
            top += 1
            mask = .max
        }
        return nil
    }

    private func first(in word: Int) -> Int {
        word << 6 + (~words[word]).trailingZeroBitCount
    }

    /// How many blocks from `start` on are free, counted up to `limit`.
    func freeRun(at start: Int, limit: Int) -> Int {
        var length = 0
        var at = start
        while length < limit, at >> 6 < wordCount {
            let ahead = words[at >> 6] >> UInt64(at & 63)
            let room = 64 - at & 63
            let free = min(ahead.trailingZeroBitCount, room)
            length += free
            at += free
            if free < room { break }
        }
        return min(length, limit)
    }

    /// Marks `count` free blocks from `start` as used.
    func take(_ start: Int, count: Int) {
        eachWord(start, count) { word, mask in
            assert(words[word] & mask == 0, "BUG: a used block is taken again, near block \(word << 6)")
            words[word] |= mask
            if words[word] == .max { markFull(word) }
        }
    }

    /// Marks `count` used blocks from `start` as free.
    func release(_ start: Int, count: Int) {
        eachWord(start, count) { word, mask in
            assert(words[word] & mask == mask, "BUG: a free block is freed again, near block \(word << 6)")
            words[word] &= ~mask
            full[word >> 6] &= ~(1 << UInt64(word & 63))
            fullest[word >> 12] &= ~(1 << UInt64(word >> 6 & 63))
        }
    }

    private func markFull(_ word: Int) {
        full[word >> 6] |= 1 << UInt64(word & 63)
        if full[word >> 6] == .max { fullest[word >> 12] |= 1 << UInt64(word >> 6 & 63) }
    }

    @inline(__always)
    private func eachWord(_ start: Int, _ count: Int, _ body: (Int, UInt64) -> Void) {
        var at = start
        var left = count
        while left > 0 {
            let bits = min(left, 64 - at & 63)
            let mask: UInt64 = bits == 64 ? .max : (1 << UInt64(bits) - 1) << UInt64(at & 63)
            body(at >> 6, mask)
            at += bits
            left -= bits
        }
    }
}
