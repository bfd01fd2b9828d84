// Records staged in memory as they will lie in the file, until a commit gives them their place.

internal import Primitives

/// Records to be committed together, encoded once; groups among them are recovered all or none.
public final class RecordBatch {
    /// A staged record and where it begins, in bytes from the start of the batch.
    public struct Staged {
        public internal(set) var header: RecordHeader
        public let keyHash: UInt64
        public let offset: Int
    }

    /// The room of a header, and of any padding.
    private static let zeros = [UInt8](repeating: 0, count: RecordHeader.size)

    private let storeSeed: UInt64
    var bytes: [UInt8] = []
    public private(set) var records: [Staged] = []
    private var groupStart: Int?

    init(storeSeed: UInt64) { self.storeSeed = storeSeed }

    public var isEmpty: Bool { records.isEmpty }
    /// Bytes that the batch will take in a file, its share of the footer not counted.
    public var byteCount: Int { bytes.count }

    /// Stages a record; lengths are taken from `key` and `value`. Returns its index in the batch.
    @discardableResult
    public func append(
        _ template: RecordHeader, key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer
    ) -> Int {
        var header = template
        header.keyLength = key.count
        header.valueLength = value.count
        header.groupIndex = 0
        header.groupCount = 1
        let start = bytes.count
        let length = header.recordLength
        bytes.reserveCapacity(grown(to: start + length))
        Self.zeros.withUnsafeBytes { zeros in
            bytes.append(contentsOf: zeros)
            bytes.append(contentsOf: key)
            bytes.append(contentsOf: value)
            bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: zeros[..<(start + length - bytes.count)]))
        }
        records.append(Staged(header: header, keyHash: xxh3(key, seed: storeSeed), offset: start))
        return records.count - 1
    }

    /// Doubling, since reserveCapacity on its own grows to exactly what it is told.
    private func grown(to count: Int) -> Int { count <= bytes.capacity ? count : max(count, bytes.capacity * 2) }

    /// Begins a group: what is appended until `endGroup` is recovered all or none. Groups do not nest.
    public func beginGroup() {
        precondition(groupStart == nil, "BUG: a group within a group")
        groupStart = records.count
    }

    public func endGroup() {
        guard let start = groupStart else { preconditionFailure("BUG: the end of a group that did not begin") }
        groupStart = nil
        for index in start..<records.count {
            records[index].header.groupIndex = UInt32(index - start)
            records[index].header.groupCount = UInt32(records.count - start)
        }
    }

    /// Takes back everything that was staged since the batch held `count` records.
    public func truncate(to count: Int) {
        precondition(count <= records.count)
        if count < records.count { bytes.removeSubrange(records[count].offset...) }
        records.removeSubrange(count...)
        groupStart = nil
    }

    public func setShadow(_ shadow: ShadowRange, of index: Int) { records[index].header.shadow = shadow }

    public func withKey<Result>(of index: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        let record = records[index]
        return bytes.withUnsafeBytes { body($0.part(keyRange(record))) }
    }

    /// A copy of a staged value.
    public func value(of index: Int) -> ArraySlice<UInt8> {
        let start = keyRange(records[index]).upperBound
        return bytes[start..<start + records[index].header.valueLength]
    }

    private func keyRange(_ record: Staged) -> Range<Int> {
        let start = record.offset + RecordHeader.size
        return start..<start + record.header.keyLength
    }

    /// Empties the batch; keeps at most 4 MiB for the next one.
    public func removeAll() {
        bytes.removeAll(keepingCapacity: bytes.capacity <= 4 << 20)
        records.removeAll(keepingCapacity: records.capacity <= 1 << 16)
        groupStart = nil
    }

    /// Writes headers and checksums for the place that the batch will have.
    func seal(identity: SegmentIdentity, base: Int) {
        precondition(groupStart == nil, "BUG: commit within a group")
        bytes.withUnsafeMutableBytes { all in
            for record in records {
                let bytes = all.part(record.offset..<record.offset + record.header.recordLength)
                record.header.encode(into: bytes)
                RecordHeader.seal(bytes, identity: identity, offset: base + record.offset)
            }
        }
    }
}
