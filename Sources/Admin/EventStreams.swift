// Open pages: what each has still to be sent, and when a slow one is let go. Pure; the loop owns the sockets.
//
// DESIGN. Server-sent events (HTML Living Standard, §9.2): an answer without an end, of which each event is a few lines
// of text. An event is made once and shared by all pages. A page that does not take them in time is not buffered
// without end: at `waitingMax` events, half a minute, it is dropped, and its browser comes back and begins anew.
//
// Memory: at most `countMax` pages, each with the past (about 300 KiB at its longest) and `waitingMax` events of about
// 2 KiB; they are shared where pages are equally slow.

/// The pages that are open, by connection.
struct EventStreams<ID: Hashable> {
    private struct Page {
        /// Whole events, the first of which may have been sent in part.
        var waiting: [[UInt8]] = []
        var sent = 0
    }

    /// How many pages may be open at once.
    let countMax: Int
    /// How many events may wait for one page.
    let waitingMax: Int
    private var pages: [ID: Page] = [:]
    /// No more events come; what waits is sent.
    private(set) var isEnding = false

    init(countMax: Int, waitingMax: Int) {
        precondition(countMax >= 0 && waitingMax > 0, "BUG: pages that could be told nothing")
        self.countMax = countMax
        self.waitingMax = waitingMax
    }

    var count: Int { pages.count }
    var isFull: Bool { isEnding || pages.count >= countMax }
    var ids: [ID] { Array(pages.keys) }

    /// An event of a name, with JSON that has no line break.
    static func event(_ name: String, _ json: [UInt8]) -> [UInt8] {
        Array("event: \(name)\ndata: ".utf8) + json + Array("\n\n".utf8)
    }

    /// A page begins with the past, and is told to come back a second after its connection ends.
    mutating func open(_ id: ID, past: [UInt8]) {
        pages[id] = Page(waiting: [Array("retry: 1000\n".utf8) + Self.event("past", past)])
    }

    mutating func close(_ id: ID) { pages[id] = nil }

    /// Everybody is to be sent `event`; who has as many waiting as there may be is forgotten and named, to be dropped.
    mutating func tell(_ event: [UInt8]) -> [ID] {
        var slow: [ID] = []
        for id in ids {
            if pages[id, default: Page()].waiting.count >= waitingMax {
                pages[id] = nil
                slow.append(id)
            } else {
                pages[id, default: Page()].waiting.append(event)
            }
        }
        return slow
    }

    mutating func end() { isEnding = true }

    /// What a page is to be sent next.
    enum Next: Equatable {
        case bytes(Int)
        /// Nothing, until it is told something.
        case wait
        case end
    }

    /// Copies what comes next for a page to `buffer`.
    mutating func next(for id: ID, into buffer: UnsafeMutableRawBufferPointer) -> Next {
        guard var page = pages[id] else { return .end }
        guard let event = page.waiting.first else { return isEnding ? .end : .wait }
        let rest = event[page.sent...].prefix(buffer.count)
        buffer.copyBytes(from: rest)
        page.sent += rest.count
        if page.sent == event.count {
            page.waiting.removeFirst()
            page.sent = 0
        }
        pages[id] = page
        return .bytes(rest.count)
    }
}
