// One open segment file, readable from any thread for as long as anybody holds it.

internal import Primitives

/// A record that passed its checksum: one owned buffer, and where key and value lie in it.
public struct WholeRecord: Sendable {
    public var header: RecordHeader
    /// Header, key, value and padding as they lie in the file.
    public var bytes: [UInt8]

    public var key: ArraySlice<UInt8> { bytes[RecordHeader.size..<RecordHeader.size + header.keyLength] }
    public var value: ArraySlice<UInt8> {
        let start = RecordHeader.size + header.keyLength
        return bytes[start..<start + header.valueLength]
    }
}

/// An open segment file; closed when the last holder lets go, so that removing it never pulls it from under a reader.
public final class SegmentFile: Sendable {
    public let identity: SegmentIdentity
    let file: OpenFile
    public var path: String { file.path }
    let fileSystem: any FileSystem

    init(identity: SegmentIdentity, file: OpenFile, fileSystem: any FileSystem) {
        self.identity = identity
        self.file = file
        self.fileSystem = fileSystem
    }

    deinit {
        // Whatever had to be durable was synchronised before: a failing close has nothing left to lose, and nobody
        // is there to be told.
        try? fileSystem.close(file)
    }

    /// Reads `length` bytes at `offset` and returns the record there; nil when it is not whole.
    ///
    /// One read; one allocation, which the record keeps.
    public func record(at offset: Int, length: Int) throws(FileError) -> WholeRecord? {
        precondition(length >= RecordHeader.size && offset >= 0, "BUG: record of \(length) bytes at \(offset)")
        var header: RecordHeader?
        var failure: FileError?
        let bytes = [UInt8](unsafeUninitializedCapacity: length) { buffer, count in
            let target = UnsafeMutableRawBufferPointer(start: buffer.baseAddress, count: length)
            do throws(FileError) {
                count = try fileSystem.readFully(file, into: target, at: offset)
                if count == length {
                    let record = UnsafeRawBufferPointer(target)
                    header = RecordHeader.decode(record, identity: identity, offset: offset)
                    if let found = header,
                        found.recordLength != length
                            || !RecordHeader.isWhole(record, identity: identity, offset: offset)
                    {
                        header = nil
                    }
                }
            } catch {
                failure = error
                count = 0
            }
        }
        if let failure { throw failure }
        return header.map { WholeRecord(header: $0, bytes: bytes) }
    }

    /// Reads header and key of the record at `offset`; nil when the header does not pass its check.
    ///
    /// The key is not covered by that check: it may be compared, and shown, but a match of the whole record is
    /// `record`.
    /// `keyGuess` is how many bytes of key the first read asks for; a longer key takes a second one.
    public func headerAndKey(
        at offset: Int, keyGuess: Int = 192
    ) throws(FileError) -> (header: RecordHeader, key: ArraySlice<UInt8>)? {
        var bytes = try raw(at: offset, count: RecordHeader.size + keyGuess)
        guard let header = bytes.withUnsafeBytes({ RecordHeader.decode($0, identity: identity, offset: offset) })
        else { return nil }
        let end = RecordHeader.size + header.keyLength
        if bytes.count < end { bytes = try raw(at: offset, count: end) }
        guard bytes.count >= end else { return nil }
        return (header, bytes[RecordHeader.size..<end])
    }

    /// The header of the record that begins `bytes`, which were read at `offset`; nil when it does not pass its check.
    public func header(in bytes: UnsafeRawBufferPointer, at offset: Int) -> RecordHeader? {
        RecordHeader.decode(bytes, identity: identity, offset: offset)
    }

    /// Up to `count` bytes at `offset`; fewer at the end of the file.
    public func raw(at offset: Int, count: Int) throws(FileError) -> [UInt8] {
        var failure: FileError?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            do throws(FileError) {
                initialized = try fileSystem.readFully(
                    file, into: UnsafeMutableRawBufferPointer(start: buffer.baseAddress, count: count), at: offset)
            } catch {
                failure = error
                initialized = 0
            }
        }
        if let failure { throw failure }
        return bytes
    }
}
