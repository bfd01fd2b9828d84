// A trace: what was asked of a cache, in order.

/// One request of a trace.
public struct TraceRequest: Equatable, Sendable {
    public enum Operation: UInt8, Sendable {
        /// A read; a miss is stored with its size.
        case get
        /// A write; it counts neither as a hit nor as a miss.
        case set
        /// A removal.
        case delete
    }

    /// Which object. Keys of text are hashed (XXH3), oracleGeneral has numbers.
    public var object: UInt64
    /// Bytes of the object's value.
    public var size: UInt32
    public var operation: Operation

    public init(object: UInt64, size: UInt32, operation: Operation = .get) {
        self.object = object
        self.size = size
        self.operation = operation
    }
}

/// Requests in order, and what they amount to.
public struct Trace: Sendable {
    public let name: String
    public let requests: [TraceRequest]
    /// Different objects.
    public let objectCount: Int
    /// Bytes that the arena would spend on all objects together, each in the largest size that it had.
    public let footprint: Int
    /// Reads among the requests.
    public let reads: Int

    public init(name: String, requests: [TraceRequest]) {
        self.name = name
        self.requests = requests
        var largest: [UInt64: UInt32] = [:]
        var reads = 0
        for request in requests {
            if request.operation != .delete {
                largest[request.object] = max(largest[request.object] ?? 0, request.size)
            }
            if request.operation == .get { reads += 1 }
        }
        objectCount = largest.count
        footprint = largest.values.reduce(0) { $0 + Self.entryBytes($1) }
        self.reads = reads
    }

    /// Bytes of a replayed key: `object:` and 16 hexadecimal digits.
    static let keyBytes = 23

    /// What the arena spends on a value: a block of 64 bytes, and as many as key and value fill.
    static func entryBytes(_ size: UInt32) -> Int { 64 + (keyBytes + Int(size) + 63) / 64 * 64 }
}

/// Why a trace can't be read: which, where in it, and what is wrong there.
public struct TraceError: Error, Equatable, Sendable, CustomStringConvertible {
    public let description: String

    init(_ name: String, _ text: String) { description = "\(name): \(text)" }
    init(_ name: String, line: Int, _ text: String) { description = "\(name):\(line): \(text)" }
    init(_ name: String, offset: Int, _ text: String) { description = "\(name): at offset \(offset): \(text)" }
}
