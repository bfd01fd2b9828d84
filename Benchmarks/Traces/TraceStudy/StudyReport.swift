// The report: a table for people, a JSON document for programs, a picture.

internal import LoadGenerator
internal import LocalTier
internal import Metrics

/// The studies of all traces of a run.
public struct StudyReport: Sendable {
    public let studies: [Study]
    public let verdict: Verdict?

    public init(_ studies: [Study]) {
        self.studies = studies
        verdict = Verdict(studies)
    }

    private static func percent(_ ratio: Double) -> String { LoadReport.decimals(ratio * 100, 2) }

    // MARK: Text

    /// The share of reads that were hits, in percent; a table for each trace.
    public var text: String {
        var lines: [String] = []
        for study in studies {
            lines.append(
                "\(study.trace): \(LoadReport.grouped(UInt64(study.requests))) requests,"
                    + " \(LoadReport.grouped(UInt64(study.objects))) objects,"
                    + " \(LoadReport.decimals(Double(study.footprint) / 1_048_576, 1)) MiB with them all")
            let heads = study.rules.map { $0.rawValue.leading(12) }.joined()
            lines.append("  size".padding(to: 10) + "bytes".leading(12) + heads + "   hits, % of reads")
            for row in study.rows {
                let cells = row.results.map { Self.percent($0.hitRatio).leading(12) }.joined()
                let bytes = LoadReport.grouped(UInt64(row.results.first?.bytes ?? 0))
                lines.append("  \(row.label)".padding(to: 10) + bytes.leading(12) + cells)
            }
            let tooLarge = study.rows.compactMap { $0.results.map(\.tooLarge).max() }.max() ?? 0
            if tooLarge > 0 {
                lines.append("  up to \(LoadReport.grouped(UInt64(tooLarge))) objects were above a quarter of a shard")
            }
            lines.append("")
        }
        return (lines + verdictLines).joined(separator: "\n") + "\n"
    }

    private var verdictLines: [String] {
        guard let verdict else { return [] }
        var lines = ["rule".padding(to: 12) + "mean, %".leading(10) + "  the most it loses to lru, points"]
        for candidate in verdict.candidates {
            let place = candidate.worstLoss > 0 ? "  (\(candidate.worstPlace))" : ""
            lines.append(
                candidate.rule.rawValue.padding(to: 12) + Self.percent(candidate.mean).leading(10) + "  "
                    + LoadReport.decimals(candidate.worstLoss, 2) + place)
        }
        if let best = verdict.best {
            lines.append("the best that loses to lru by no more than two points anywhere: \(best.rawValue)")
        }
        return lines
    }

    // MARK: JSON

    public var json: String {
        var json = JSONWriter()
        json.object {
            $0.array("traces") { json in for study in studies { Self.write(study, &json) } }
            $0.key("verdict")
            guard let verdict else { return $0.null() }
            $0.object {
                $0.array("rules") { json in
                    for candidate in verdict.candidates {
                        json.object {
                            $0.member("rule", candidate.rule.rawValue)
                            $0.member("mean_hit_ratio", candidate.mean)
                            $0.member("worst_loss_to_lru_points", candidate.worstLoss)
                            $0.member("worst_at", candidate.worstPlace)
                        }
                    }
                }
                $0.member("best", verdict.best?.rawValue ?? "")
            }
        }
        return json.text + "\n"
    }

    private static func write(_ study: Study, _ json: inout JSONWriter) {
        json.object {
            $0.member("trace", study.trace)
            $0.member("requests", study.requests)
            $0.member("reads", study.reads)
            $0.member("objects", study.objects)
            $0.member("footprint_bytes", study.footprint)
            $0.member("shards", study.shards)
            $0.array("replays") { json in
                for row in study.rows { for result in row.results { write(result, row.label, &json) } }
            }
        }
    }

    private static func write(_ result: ReplayResult, _ label: String, _ json: inout JSONWriter) {
        json.object {
            $0.member("size", label)
            $0.member("bytes", result.bytes)
            $0.member("rule", result.rule.rawValue)
            $0.member("hits", result.hits)
            $0.member("hit_ratio", result.hitRatio)
            $0.member("byte_hit_ratio", result.byteHitRatio)
            $0.member("too_large", result.tooLarge)
            $0.member("cpu_ns", result.nanoseconds)
        }
    }

    // MARK: Picture

    /// The share of misses over the size, a picture for each trace.
    public var svg: String {
        let columns = studies.count > 1 ? 2 : 1
        let rows = (studies.count + columns - 1) / columns
        var plot = Plot(width: 20 + 420 * Double(columns), height: 50 + 270 * Double(rows))
        plot.text(20, 26, "misses, % of reads, over the cache's size", size: 15)
        for (index, rule) in (studies.first?.rules ?? []).enumerated() {
            plot.text(320 + 80 * Double(index) - (columns == 1 ? 80 : 0), 26, rule.rawValue, style: "c\(index)t")
        }
        for (index, study) in studies.enumerated() {
            draw(
                study, &plot,
                Frame(
                    left: 60 + 420 * Double(index % columns), top: 70 + 270 * Double(index / columns), width: 350,
                    height: 190))
        }
        return plot.document
    }

    private func draw(_ study: Study, _ plot: inout Plot, _ frame: Frame) {
        plot.text(frame.left, frame.top - 8, study.trace)
        for percent in stride(from: 0, through: 100, by: 25) {
            let y = frame.bottom - frame.height * Double(percent) / 100
            plot.line(frame.left, y, frame.right, y, "grid")
            plot.text(frame.left - 6, y + 4, "\(percent)", anchor: "end")
        }
        let step = frame.width / Double(max(1, study.rows.count - 1))
        for (place, row) in study.rows.enumerated() {
            plot.text(frame.left + step * Double(place), frame.bottom + 16, row.label, anchor: "middle")
        }
        for index in study.rules.indices {
            let points = study.rows.enumerated().map { place, row in
                (
                    frame.left + step * Double(place),
                    frame.bottom - frame.height * (1 - row.results[index].hitRatio)
                )
            }
            plot.curve(points, "c\(index)")
        }
    }
}

/// The report of `--cost`.
public enum CostReport {
    public static func text(_ costs: [RuleCost]) -> String {
        let base = costs.first { $0.rule == .lru }
        var lines = ["rule".padding(to: 12) + "hit, ns".leading(10) + "fill, ns".leading(10) + "  (CPU; times lru)"]
        for cost in costs {
            let ratios = base.map {
                "  " + LoadReport.decimals(cost.hit / $0.hit, 2) + "  " + LoadReport.decimals(cost.fill / $0.fill, 2)
            }
            lines.append(
                cost.rule.rawValue.padding(to: 12) + LoadReport.decimals(cost.hit, 1).leading(10)
                    + LoadReport.decimals(cost.fill, 1).leading(10) + (ratios ?? ""))
        }
        return lines.joined(separator: "\n") + "\n"
    }

    public static func json(_ costs: [RuleCost]) -> String {
        var json = JSONWriter()
        json.array { json in
            for cost in costs {
                json.object {
                    $0.member("rule", cost.rule.rawValue)
                    $0.member("hit_cpu_ns", cost.hit)
                    $0.member("fill_cpu_ns", cost.fill)
                }
            }
        }
        return json.text + "\n"
    }
}
