// The first 64 bytes of a segment file: that it is one, in which version, of which store.

internal import Primitives

/// What a log is for; a directory of one purpose is not opened for another.
public enum SegmentPurpose: UInt32, Sendable {
    case warm = 1
    case journal = 2

    /// The version of the segments that are written; older ones are read, and never continued.
    ///
    /// | version | what came with it |
    /// |---|---|
    /// | 1 | |
    /// | 2 | of a warm tier: values may be compressed, which a Hearth that knows only 1 would take for the value |
    var version: UInt32 { self == .warm ? 2 : 1 }
}

struct SegmentHeader: Equatable {
    var identity: SegmentIdentity
    var purpose: UInt32
    var createdAt: Timestamp
    var version: UInt32

    static let size = 64
    static let magic: UInt64 = 0x4753_4854_5241_4548  // "HEARTHSG"

    func encode(into bytes: UnsafeMutableRawBufferPointer) {
        precondition(bytes.count >= Self.size)
        bytes.store(Self.magic, at: 0)
        bytes.store(version, at: 8)
        bytes.store(UInt32(Self.size), at: 12)
        bytes.store(identity.storeSeed, at: 16)
        bytes.store(identity.sequence, at: 24)
        bytes.store(purpose, at: 28)
        bytes.store(createdAt.milliseconds, at: 32)
        bytes.store(UInt64(0), at: 40)
        bytes.store(UInt64(0), at: 48)
        bytes.store(xxh3(UnsafeRawBufferPointer(bytes.part(0..<56))), at: 56)
    }

    /// Nil when the bytes are damaged. A valid header of another version is returned: its reader must refuse it.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= Self.size, bytes.integer(at: 0, as: UInt64.self) == Self.magic,
            bytes.integer(at: 56, as: UInt64.self) == xxh3(bytes.part(0..<56))
        else { return nil }
        identity = SegmentIdentity(
            storeSeed: bytes.integer(at: 16, as: UInt64.self), sequence: bytes.integer(at: 24, as: UInt32.self))
        purpose = bytes.integer(at: 28, as: UInt32.self)
        createdAt = Timestamp(milliseconds: bytes.integer(at: 32, as: Int64.self))
        version = bytes.integer(at: 8, as: UInt32.self)
    }

    init(identity: SegmentIdentity, purpose: SegmentPurpose, createdAt: Timestamp) {
        self.identity = identity
        self.purpose = purpose.rawValue
        self.createdAt = createdAt
        version = purpose.version
    }
}
