// One access to a key, as the audit tells of it.

public import Primitives

/// Who asked, as far as this process can know it.
public enum AuditPeer: Sendable, Equatable {
    /// The kernel's word on the other side of the Unix socket, when it connected. The pid is 0 for a process of another
    /// pid namespace.
    case process(uid: UInt32, gid: UInt32, pid: Int32)
    /// The other side of a TCP connection, as `127.0.0.1:40312`.
    case address(String)
}

/// One command's access to one key.
public struct AuditAccess: Sendable, Equatable {
    /// When the request came.
    public var time: Timestamp
    public var peer: AuditPeer
    /// Whom the connection acts for, by its own word; nil where it says nothing.
    public var actor: [UInt8]?
    /// The command's name in upper case, with its subcommand where it has one.
    public var command: String
    /// Nil where the command reaches every key.
    public var key: [UInt8]?
    /// `ok`, `nil`, `aborted`, or the prefix of the error.
    public var outcome: String
    /// The tier that gave the answer, where it is known.
    public var source: String?
    /// Whether the answer was within the policy's contract, where it is known.
    public var freshness: String?

    public init(
        time: Timestamp, peer: AuditPeer, actor: [UInt8]?, command: String, key: [UInt8]?, outcome: String = "ok",
        source: String? = nil, freshness: String? = nil
    ) {
        self.time = time
        self.peer = peer
        self.actor = actor
        self.command = command
        self.key = key
        self.outcome = outcome
        self.source = source
        self.freshness = freshness
    }
}

/// How keys stand in the audit.
public enum AuditKeys: String, Sendable, CaseIterable {
    /// As they are; bytes that are not UTF-8 in hexadecimal, and more than 1,024 bytes as a hash.
    case plain
    /// As the first sixteen digits of their SHA-1, like in the log.
    case hashed
}

/// Accesses of which the audit has no line.
public struct AuditGap: Sendable, Equatable {
    /// Answered without a line (`on_failure: drop`).
    public var dropped: UInt64
    /// Not answered for want of a line (`on_failure: refuse`).
    public var refused: UInt64

    public init(dropped: UInt64 = 0, refused: UInt64 = 0) {
        self.dropped = dropped
        self.refused = refused
    }

    public var isEmpty: Bool { dropped == 0 && refused == 0 }
}
