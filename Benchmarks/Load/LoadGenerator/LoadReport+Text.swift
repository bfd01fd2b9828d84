// The report for people.

internal import Metrics

extension LoadReport {
    /// Lines of at most 100 characters, ending with a line end.
    public var text: String {
        var lines = [heading, ""]
        lines.append(
            "\(Self.grouped(completed)) answers in \(Self.decimals(Double(elapsed) / 1e9, 2)) s: "
                + "\(Self.grouped(UInt64(throughput.rounded())))/s")
        lines.append(outcome)
        for (text, count) in errors.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }) {
            lines.append("  \(Self.grouped(count)) × \(text)")
        }
        lines.append("")
        lines.append("latency         p50       p90       p99     p99.9       max")
        if latencies.count > 1 { for (operation, latency) in latencies { lines.append(row(operation.name, latency)) } }
        lines.append(row("all", latency))
        if let waits { lines.append(row("waiting", waits)) }
        lines.append("")
        if let server {
            lines.append(
                "server        \(Self.grouped(UInt64(server.cpuPerOperation))) ns of CPU per operation"
                    + " (\(Self.decimals(server.cores, 2)) cores\(server.isExact ? "" : ", to a tick of 10 ms"))"
                    + ", \(Self.decimals(Double(server.resident) / 1_048_576, 1)) MiB resident")
        } else {
            lines.append("server        its CPU time and memory are not known: give --pid")
        }
        lines.append("this program  \(Self.grouped(UInt64(generatorCPUPerOperation))) ns of CPU per operation")
        if !slices.isEmpty {
            lines += ["", "    time  answers/s       p50       p99    errors    absent"]
            for slice in slices { lines.append(row(slice)) }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private var heading: String {
        let loop = options.rate.map { "open loop, \(Self.decimals($0, 0))/s" } ?? "closed loop"
        return "\(options.workload.name) on \(options.address): \(loop), \(options.connections) connections, pipeline"
            + " \(options.pipeline), values \(options.sizes.text) B"
    }

    private var outcome: String {
        var parts: [String] = []
        if absent > 0 { parts.append("\(Self.grouped(absent)) absent") }
        if wrong > 0 { parts.append("\(Self.grouped(wrong)) wrong") }
        if failed > 0 { parts.append("\(Self.grouped(failed)) errors") }
        if unanswered > 0 { parts.append("\(Self.grouped(unanswered)) unanswered") }
        return parts.isEmpty ? "every answer was right" : parts.joined(separator: ", ")
    }

    private func row(_ name: String, _ latency: HistogramSnapshot) -> String {
        let values = Self.percentiles.map { latency.percentile($0.fraction) } + [latency.max]
        return name.padding(to: 10) + values.map { Self.duration($0).leading(10) }.joined()
    }

    private func row(_ slice: TimeSlice) -> String {
        let rate = slice.milliseconds > 0 ? Double(slice.completed) / Double(slice.milliseconds) * 1000 : 0
        return Self.decimals(Double(slice.start) / 1000, 1).leading(6) + " s"
            + Self.grouped(UInt64(rate.rounded())).leading(11)
            + (slice.completed > 0 ? Self.duration(slice.p50) : "-").leading(10)
            + (slice.completed > 0 ? Self.duration(slice.p99) : "-").leading(10)
            + Self.grouped(slice.errors).leading(10) + Self.grouped(slice.absent).leading(10)
    }

    /// Nanoseconds with a unit, in three figures: `840 ns`, `12.3 µs`, `1.2 s`.
    static func duration(_ nanoseconds: UInt64) -> String {
        let value = Double(nanoseconds)
        for (unit, size) in [("s", 1e9), ("ms", 1e6), ("µs", 1e3)] where value >= size {
            let scaled = value / size
            return "\(decimals(scaled, scaled < 10 ? 2 : scaled < 100 ? 1 : 0)) \(unit)"
        }
        return "\(nanoseconds) ns"
    }

    package static func decimals(_ value: Double, _ places: Int) -> String {
        var factor = 1.0
        for _ in 0..<places { factor *= 10 }
        let whole = UInt64((abs(value) * factor).rounded())
        let sign = value < 0 && whole > 0 ? "-" : ""
        guard places > 0 else { return sign + String(whole) }
        let fraction = String(whole % UInt64(factor))
        return "\(sign)\(whole / UInt64(factor)).\(String(repeating: "0", count: places - fraction.count))\(fraction)"
    }

    package static func grouped(_ value: UInt64) -> String {
        let digits = String(value)
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return text
    }
}

extension String {
    package func padding(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
    package func leading(_ width: Int) -> String { String(repeating: " ", count: max(0, width - count)) + self }
}
