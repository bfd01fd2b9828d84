// W-TinyLFU: a small window for what is new, and a main part that lets in only what is asked for more often.
//
// DESIGN: an entry begins in the window, an LRU list of a twentieth of the memory. What the window pushes out is a
// candidate: while the main part has room it moves there, else it must have been asked for more often than those it
// would displace, by the sketch of all uses, held or not. The main part is a segmented LRU: what comes is on probation,
// what is read there is protected, and what the protected part (four fifths) pushes out is on probation again [1].
//
// Sizes: a candidate that needs the room of several entries must have been asked for more often than each of them. To
// outweigh them together ("aggregated victims" in [2]) would keep out for ever what is large and popular: a counter
// ends at 15, and a large entry displaces more than 15. Shares are counted in blocks of 64 bytes.
//
// It deviates from [1] and from Caffeine
// - in when a candidate is judged: room is made before the entry that needs it has come. An entry that is larger than
//   the window takes the room of the main part's last, and is the first candidate afterwards;
// - in its doorkeeper, which is missing: keys that are asked for once share the sketch with the others;
// - in its window, which is a twentieth rather than a hundredth: of a shard's bytes that is a handful of entries where
//   they are large, too few for what comes and is read again soon. On sessions (docs/eviction.md) a hundredth lost up
//   to six points to LRU, a twentieth one. The share is fixed, where Caffeine adapts it by climbing;
// - in its work, which is bounded: a hit moves at most four entries from the protected part, a later hit the others;
// - in what it does against crafted collisions, which is nothing: keys are hashed with a secret of the process.
//
// [1] G. Einziger, R. Friedman, B. Manes: TinyLFU: A Highly Efficient Cache Admission Policy, ACM ToS 13(4), 2017.
// [2] G. Einziger, O. Eytan, R. Friedman, B. Manes: Lightweight Robust Size Aware Cache Management, ACM ToS, 2022.

/// The W-TinyLFU rule over the entries of a shard. Its table is three queues, its capacity, and the sketch.
@usableFromInline
struct WTinyLFU: EvictionRule {
    private let table: UnsafeMutableRawPointer
    private let blocks: UnsafeMutableRawPointer

    /// The window's share of the blocks is one in so many.
    static let windowShare = 20
    /// The protected part of the main part, in percent.
    static let protectedPercent = 80
    /// Entries that one hit moves from the protected part at most.
    static let demotedMax = 4

    private static let capacityOffset = 3 * MemoryLayout<QueueState>.stride
    private static let sketchOffset = capacityOffset + MemoryLayout<Int>.stride
    private static let wordsOffset = 128

    init(table: UnsafeMutableRawPointer, blocks: UnsafeMutableRawPointer, blockCount: Int) {
        precondition(
            Self.sketchOffset + MemoryLayout<SketchState>.size <= Self.wordsOffset, "BUG: SketchState grew")
        self.table = table
        self.blocks = blocks
        (table + Self.capacityOffset).storeBytes(of: blockCount, as: Int.self)
    }

    static func tableBytes(blocks: Int) -> Int { wordsOffset + FrequencySketch.tableBytes(blocks: blocks) }

    var window: EntryQueue { queue(.window) }
    var probation: EntryQueue { queue(.probation) }
    var protected: EntryQueue { queue(.protected) }

    private var capacity: Int { (table + Self.capacityOffset).load(as: Int.self) }
    private var windowMax: Int { max(1, capacity / Self.windowShare) }
    private var mainMax: Int { capacity - windowMax }
    private var mainBlocks: Int { probation.blockCount + protected.blockCount }
    private var entryCount: Int { window.entryCount + probation.entryCount + protected.entryCount }
    private var sketch: FrequencySketch {
        FrequencySketch(
            state: (table + Self.sketchOffset).assumingMemoryBound(to: SketchState.self),
            words: table + Self.wordsOffset, blocks: capacity)
    }

    /// Where an entry is: the two lower bits of its history.
    private enum Place: UInt8 { case window, probation, protected }

    private func queue(_ place: Place) -> EntryQueue { EntryQueue(Int(place.rawValue), in: table, blocks: blocks) }

    private func header(_ block: Block) -> UnsafeMutablePointer<EntryHeader> {
        (blocks + Int(block.number) << Block.shift).assumingMemoryBound(to: EntryHeader.self)
    }

    private func place(_ block: Block) -> Place {
        Place(rawValue: header(block).pointee.flags.history & 3) ?? .window
    }

    private func countUse(_ block: Block) { sketch.add(header(block).pointee.tag, entries: entryCount) }

    // MARK: Hooks

    @usableFromInline @inline(never)
    func onHit(_ block: Block) {
        countUse(block)
        switch place(block) {
        case .window: window.moveFirst(block)
        case .protected: protected.moveFirst(block)
        case .probation:
            probation.unlink(block)
            protect(block)
        }
    }

    func onUpdate(_ block: Block) { onHit(block) }

    func onInsert(_ block: Block) {
        countUse(block)
        enterWindow(block)
    }

    func onReturn(_ block: Block) {
        countUse(block)
        if place(block) == .window { enterWindow(block) } else { protect(block) }
    }

    func onRemove(_ block: Block, cause: RemovalCause) { queue(place(block)).unlink(block) }

    func victim(for needed: Int) -> Block {
        while mainBlocks <= mainMax {
            let candidate = window.last
            guard candidate != .none else { break }
            // What is larger than the window would push all of it out, and itself as well.
            if needed > windowMax, mainLast != .none { break }
            guard isAdmitted(candidate) else { return candidate }
            admit(candidate)
        }
        return mainLast != .none ? mainLast : window.last
    }

    func reset() {
        window.reset()
        probation.reset()
        protected.reset()
        sketch.reset()
    }

    // MARK: Places

    private func enterWindow(_ block: Block) {
        header(block).pointee.flags.history = Place.window.rawValue
        // What is larger than the window does not push the others out: it is the first candidate.
        if header(block).pointee.blockCount > windowMax { window.pushLast(block) } else { window.pushFirst(block) }
        while window.blockCount > windowMax, mainBlocks + header(window.last).pointee.blockCount <= mainMax {
            admit(window.last)
        }
    }

    /// Moves an entry from the window into the main part.
    private func admit(_ candidate: Block) {
        window.unlink(candidate)
        header(candidate).pointee.flags.history = Place.probation.rawValue
        probation.pushFirst(candidate)
    }

    private func protect(_ block: Block) {
        header(block).pointee.flags.history = Place.protected.rawValue
        protected.pushFirst(block)
        let most = mainMax * Self.protectedPercent / 100
        for _ in 0..<Self.demotedMax where protected.blockCount > most && protected.last != block {
            let demoted = protected.last
            protected.unlink(demoted)
            header(demoted).pointee.flags.history = Place.probation.rawValue
            probation.pushFirst(demoted)
        }
    }

    /// Who goes next from the main part.
    private var mainLast: Block { probation.last != .none ? probation.last : protected.last }

    /// Whether the main part has room for a candidate, or it is worth more than each on probation that would make it.
    private func isAdmitted(_ candidate: Block) -> Bool {
        var missing = mainBlocks + header(candidate).pointee.blockCount - mainMax
        guard missing > 0 else { return true }
        let worth = sketch.frequency(header(candidate).pointee.tag)
        var victim = probation.last
        while missing > 0 {
            guard victim != .none, sketch.frequency(header(victim).pointee.tag) < worth else { return false }
            missing -= header(victim).pointee.blockCount
            victim = header(victim).pointee.previous
        }
        return true
    }
}
