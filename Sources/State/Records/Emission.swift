// EMIT: a message that is committed with the write that it comes with.
//
// DESIGN: the message is a part of the write and not of the record. Whoever carries the write out (the compare-and-set
// in Redis, a replay of the journal) hands the message on in the same step, so that a write which is refused, or known
// as done before, has none. Its id is the write's own: a write that is done twice by mistake sends the same id twice.

/// A message for a Redis stream, as EMIT gives it.
public struct Emission: Sendable, Equatable {
    /// The key of the stream.
    public var stream: [UInt8]
    public var payload: [UInt8]

    public init(stream: [UInt8], payload: [UInt8]) {
        self.stream = stream
        self.payload = payload
    }

    /// The longest name of a stream, in bytes.
    public static let streamBytesMax = 1024
}

/// A message of a write that was done, as its stream gets it.
public struct OutboxMessage: Sendable, Equatable {
    /// By which its reader recognises a repetition.
    public var id: OperationID
    public var stream: [UInt8]
    /// What the write made of the record's version.
    public var version: Int64
    public var payload: [UInt8]
}

extension RecordWrite {
    /// The message that goes with the write where it makes this version of the record; nil where it has none.
    public func message(version: Int64) -> OutboxMessage? {
        emission.map { OutboxMessage(id: id, stream: $0.stream, version: version, payload: $0.payload) }
    }
}

extension StringCommand {
    /// Whether a message goes with it.
    public var emits: Bool {
        if case .write(.record(let write), _) = self { write.emission != nil } else { false }
    }
}
