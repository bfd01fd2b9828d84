// Traces from bytes: the common forms, and in clear words what is in none of them.
//
// DESIGN: a reader is handed pieces of a file as they come, and keeps what is left of a record or line until the rest
// is there. So standard input is read as a file is, and a trace may be larger than what is read at once.
//
// oracleGeneral is libCacheSim's binary form: records of 24 bytes without a header, little-endian and packed, sorted by
// time: uint32 seconds, uint64 object, uint32 bytes, int64 the next request's number or -1. Time and next request are
// not used here. Source: github.com/1a1a11a/libCacheSim, doc/quickstart_cachesim.md and traceReader.

internal import Primitives

/// The forms of traces.
public enum TraceFormat: String, Sendable, CaseIterable {
    /// libCacheSim's records of 24 bytes.
    case oracle
    /// A request a line.
    case text
}

/// What a column of a text trace holds.
public enum TraceColumn: String, Sendable, CaseIterable {
    case key, size
    case operation = "op"
    /// Anything; not looked at.
    case ignored = "-"
}

/// How a trace is to be read.
public struct TraceReading: Equatable, Sendable {
    public var format = TraceFormat.text
    /// Columns of a text trace; nil takes one as the key and two as key and size.
    public var columns: [TraceColumn]?
    /// Lines at the beginning of a text trace that are left out.
    public var headerLines = 0
    /// The size of an object where the trace gives none, in bytes.
    public var sizeDefault: UInt32 = 200
    /// So many requests are read at most.
    public var requestsMax = 50_000_000

    public init() {}
}

/// Reads one trace from pieces of bytes.
public struct TraceReader {
    /// The largest object that a trace may have, in bytes: Redis's own limit for a value.
    public static let sizeMax: UInt32 = 512 << 20
    private static let recordBytes = 24
    /// Longer lines are no requests.
    private static let lineBytesMax = 65_536

    private let name: String
    private let reading: TraceReading
    private var requests: [TraceRequest] = []
    /// What came of a record or line that is not whole yet.
    private var rest: [UInt8] = []
    /// Bytes at the beginning of `rest` in which no line ends, so that pieces of a long line are looked at once.
    private var searched = 0
    /// Bytes of whole records, or whole lines, so far.
    private var offset = 0
    private var line = 0

    public init(name: String, _ reading: TraceReading) {
        self.name = name
        self.reading = reading
    }

    /// As many requests as are wanted have been read.
    public var isFull: Bool { requests.count >= reading.requestsMax }

    /// Reads on; `bytes` follow those of the call before.
    public mutating func read(_ bytes: some Collection<UInt8>) throws(TraceError) {
        rest += bytes
        if offset == 0, line == 0 { try refuseCompressed() }
        switch reading.format {
        case .oracle: try readRecords()
        case .text: try readLines(isEnd: false)
        }
    }

    /// The trace, when all has been read.
    public mutating func finish() throws(TraceError) -> Trace {
        if !isFull {
            switch reading.format {
            case .oracle:
                guard rest.isEmpty else {
                    let text = "\(rest.count) bytes are left, and a record of oracleGeneral has \(Self.recordBytes)"
                    throw TraceError(name, offset: offset, text + "; is the file cut, or in another format?")
                }
            case .text: try readLines(isEnd: true)
            }
        }
        guard !requests.isEmpty else { throw TraceError(name, "no request in it") }
        return Trace(name: name, requests: requests)
    }

    private func refuseCompressed() throws(TraceError) {
        let forms: [([UInt8], String)] = [([0x28, 0xB5, 0x2F, 0xFD], "zstd -dc"), ([0x1F, 0x8B], "gzip -dc")]
        for (magic, program) in forms where rest.starts(with: magic) {
            throw TraceError(name, "is compressed: pipe it in, as in '\(program) FILE | hearth-traces --format … -'")
        }
    }

    // MARK: oracleGeneral

    private mutating func readRecords() throws(TraceError) {
        let whole = rest.count / Self.recordBytes * Self.recordBytes
        var at = 0
        while at < whole, !isFull {
            let (object, size, next) = rest.withUnsafeBytes { bytes in
                (
                    UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at + 4, as: UInt64.self)),
                    UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: at + 12, as: UInt32.self)),
                    Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: at + 16, as: Int64.self))
                )
            }
            guard size <= Self.sizeMax else {
                throw TraceError(
                    name, offset: offset + at + 12,
                    "an object of \(size) bytes, above \(Self.sizeMax); is this oracleGeneral?")
            }
            guard next >= -1 else {
                throw TraceError(
                    name, offset: offset + at + 16, "a next request of \(next), below -1; is this oracleGeneral?")
            }
            requests.append(TraceRequest(object: object, size: size))
            at += Self.recordBytes
        }
        rest.removeFirst(at)
        offset += at
    }

    // MARK: Text

    private mutating func readLines(isEnd: Bool) throws(TraceError) {
        var start = 0
        while start < rest.count, !isFull {
            let end = rest[max(start, searched)...].firstIndex(of: UInt8(ascii: "\n")) ?? (isEnd ? rest.count : nil)
            searched = end ?? rest.count
            guard let end else { break }
            line += 1
            if line > reading.headerLines { try readLine(rest[start..<end]) }
            start = end + 1
        }
        start = min(start, rest.count)
        rest.removeFirst(start)
        searched = max(0, searched - start)
        guard rest.count <= Self.lineBytesMax || isFull else {
            throw TraceError(name, line: line + 1, "a line above \(Self.lineBytesMax) bytes; is this a text trace?")
        }
    }

    private static func isSeparator(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: ",") || byte == UInt8(ascii: "\t")
            || byte == UInt8(ascii: "\r")
    }

    private mutating func readLine(_ text: ArraySlice<UInt8>) throws(TraceError) {
        let fields = text.split(whereSeparator: Self.isSeparator)
        guard let first = fields.first, first.first != UInt8(ascii: "#") else { return }
        guard let columns = reading.columns ?? Self.columns(count: fields.count) else {
            throw TraceError(name, line: line, "\(fields.count) columns; say which they are with --columns")
        }
        guard fields.count >= columns.count else {
            throw TraceError(name, line: line, "\(fields.count) columns of \(columns.count)")
        }
        var request = TraceRequest(object: 0, size: reading.sizeDefault)
        for (column, field) in zip(columns, fields) {
            let word = String(decoding: field, as: UTF8.self)
            switch column {
            case .ignored: break
            case .key: request.object = Array(field).withUnsafeBytes { xxh3($0) }
            case .size:
                guard let size = UInt32(word), size <= Self.sizeMax else {
                    throw TraceError(name, line: line, "'\(word)' is no size from 0 to \(Self.sizeMax) bytes")
                }
                request.size = size
            case .operation:
                guard let operation = Self.operation(word.lowercased()) else {
                    throw TraceError(name, line: line, "'\(word)' is no operation, such as get, set or delete")
                }
                request.operation = operation
            }
        }
        requests.append(request)
    }

    private static func columns(count: Int) -> [TraceColumn]? {
        count == 1 ? [.key] : count == 2 ? [.key, .size] : nil
    }

    private static func operation(_ word: String) -> TraceRequest.Operation? {
        switch word {
        case "get", "gets", "read", "r", "mget", "head": .get
        case "set", "put", "write", "w", "add", "replace", "cas", "append", "prepend", "incr", "decr": .set
        case "delete", "del", "remove", "d": .delete
        default: nil
        }
    }
}
