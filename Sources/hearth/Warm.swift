// `hearth warm inspect` and `hearth warm verify`: what lies in a warm directory, whether or not Hearth runs.

internal import Configuration
internal import Primitives
internal import SegmentLog
internal import WarmTier

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

extension CommandLineTool {
    func warm() -> Never {
        let words = words()
        let usage = "usage: hearth warm inspect|verify [DIR] [--KEY VALUE …]"
        guard let action = words.rest.first, ["inspect", "verify"].contains(action), words.rest.count <= 2 else {
            fail(.usage, usage)
        }
        let directory = words.rest.count == 2 ? words.rest[1] : load(words.file, words.flags).configuration.warm.path
        do throws(WarmError) {
            let now = Timestamp(milliseconds: Int64(time(nil)) * 1000)
            let report =
                action == "verify"
                ? try WarmTier.verify(directory, now: now) : try WarmTier.inspect(directory, now: now)
            if report.segments.isEmpty { noSegments(in: directory, isInUse: report.isInUse) }
            for line in Self.lines(report, directory) { print(line) }
            guard !report.isSound else { finish(.clean) }
            fail(
                .unavailable, "hearth: \(directory) has damage, listed above; Hearth skips it and keeps everything else"
            )
        } catch {
            fail(.unavailable, "hearth: \(directory) can't be read: \(error); give the directory, or --warm-path")
        }
    }

    /// Ends the process: a Hearth that has it open may have written nothing yet; else it is likely not what was meant.
    func noSegments(in directory: String, isInUse: Bool) -> Never {
        guard !isInUse else {
            print("\(directory): no segments yet; a process has it open")
            finish(.clean)
        }
        fail(
            .noInput,
            "hearth: \(directory) has no segments: nothing was ever kept there, or it is not the directory that was meant"
        )
    }

    private static func lines(_ report: WarmReport, _ directory: String) -> [String] {
        var lines = ["segment         size  records     live   live bytes   dead bytes  state"]
        for segment in report.segments {
            let state = segment.isVoid ? "emptied" : segment.isSealed ? "sealed" : "active"
            lines.append(
                Figures.right(String(segment.sequence), 7) + Figures.right(Figures.bytes(Int64(segment.fileSize)), 13)
                    + Figures.right(String(segment.records), 9) + Figures.right(String(segment.liveRecords), 9)
                    + Figures.right(Figures.bytes(Int64(segment.liveBytes)), 13)
                    + Figures.right(Figures.bytes(Int64(segment.deadBytes)), 13) + "  " + state)
        }
        lines += report.damage.map { "damage: \($0)" }
        let inUse = report.isInUse ? "; a process has it open, and what it writes now may look torn" : ""
        lines.append("\(directory): \(report.keys) keys, \(Figures.bytes(Int64(report.diskBytes))) on disk\(inUse)")
        return lines
    }
}
