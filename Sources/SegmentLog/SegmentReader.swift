// What a segment file holds: by its footer where that is sound, else by a scan of its records.

internal import Primitives

/// The header of a file as found, and what it says of older segments.
struct SegmentOpening {
    var header: SegmentHeader?
    var marks = SegmentMarks()
}

extension SegmentFile {
    /// Reads the first bytes: header, and the marks behind it.
    func opening() throws(FileError) -> SegmentOpening {
        let head = try raw(at: 0, count: SegmentHeader.size + RecordHeader.size)
        var opening = SegmentOpening()
        opening.header = head.withUnsafeBytes { SegmentHeader($0) }
        guard head.count == SegmentHeader.size + RecordHeader.size else { return opening }
        let first = head.withUnsafeBytes {
            RecordHeader.decode($0.part(SegmentHeader.size..<$0.count), identity: identity, offset: SegmentHeader.size)
        }
        if let first, first.kind == .marks,
            let record = try record(at: SegmentHeader.size, length: first.recordLength),
            let marks = record.value.withUnsafeBytes({ SegmentMarks($0) })
        {
            opening.marks = marks
        }
        return opening
    }

    /// The segment's records before `refusedFrom`, by footer unless `deeply`, which reads and checks every record.
    func contents(fileSize: Int, refusedFrom: Int?, deeply: Bool = false) -> SegmentContents {
        let footer = footer(fileSize: fileSize)
        let dataEnd = footer.trailer?.offset ?? fileSize
        let limit = min(dataEnd, refusedFrom ?? .max)
        var contents: SegmentContents
        if let summaries = footer.summaries, !deeply {
            contents = SegmentContents()
            contents.summaries = summaries.filter { $0.offset < limit }
            contents.end = contents.summaries.last.map { $0.offset + $0.recordLength } ?? SegmentHeader.size
        } else {
            contents = SegmentScan.run(self, limit: limit)
            if footer.trailer != nil, footer.summaries == nil {
                contents.skipped.append(
                    SkippedRange(segment: identity.sequence, range: dataEnd..<fileSize, reason: .footer))
            }
        }
        contents.isSealed = footer.summaries != nil
        if let refusedFrom, refusedFrom < dataEnd {
            contents.skipped.append(
                SkippedRange(segment: identity.sequence, range: refusedFrom..<dataEnd, reason: .refused))
        }
        return contents
    }

    /// The footer: nothing where there is no trailer, a trailer alone where the lines are damaged.
    private func footer(fileSize: Int) -> (trailer: SegmentFooter.Trailer?, summaries: [RecordSummary]?) {
        guard fileSize >= SegmentHeader.size + SegmentFooter.trailerSize else { return (nil, nil) }
        do throws(FileError) {
            let end = try raw(at: fileSize - SegmentFooter.trailerSize, count: SegmentFooter.trailerSize)
            guard
                let trailer = end.withUnsafeBytes({
                    SegmentFooter.trailer($0, identity: identity, fileSize: fileSize)
                })
            else { return (nil, nil) }
            let lines = try raw(at: trailer.offset, count: trailer.count * RecordSummary.size)
            return (
                trailer, lines.withUnsafeBytes { SegmentFooter.summaries($0, trailer: trailer, identity: identity) }
            )
        } catch {
            return (nil, nil)  // a footer that can't be read is one that isn't there: the records are scanned
        }
    }
}
