// The report as a picture: latency by percentile, and the time line under it. SVG, written by hand.
//
// The percentile axis is that of HdrHistogram's plots: each step to the right is one more nine.

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

extension LoadReport {
    /// An SVG document; readable on light and dark pages.
    public var svg: String {
        let hasTime = !slices.isEmpty
        let height = hasTime ? 700.0 : 380.0
        var plot = Plot(width: 760, height: height)
        plot.text(
            20, 26, "\(options.workload.name), \(options.connections) connections, pipeline \(options.pipeline)",
            size: 15)
        drawPercentiles(&plot, Frame(left: 70, top: 50, width: 660, height: 270))
        if hasTime {
            drawLatencies(&plot, Frame(left: 70, top: 390, width: 660, height: 150))
            drawThroughput(&plot, Frame(left: 70, top: 570, width: 660, height: 90))
        }
        return plot.document
    }

    private func drawPercentiles(_ plot: inout Plot, _ frame: Frame) {
        let curves = (latencies.count > 1 ? latencies.map { ($0.operation.name, $0.latency) } : []) + [("all", latency)]
        let ticks = [("0", 0.0), ("90 %", 1), ("99 %", 2), ("99.9 %", 3), ("99.99 %", 4), ("99.999 %", 5)]
        let nines = min(5, max(2, log10(Double(max(1, latency.count))).rounded(.up)))
        let axis = LogAxis(
            from: Double(max(1, curves.map { $0.1.percentile(0) }.min() ?? 1)), to: Double(max(2, latency.max)))
        plot.frame(frame, axis)
        for (name, place) in ticks where place <= nines {
            let x = frame.left + frame.width * place / nines
            plot.line(x, frame.top, x, frame.bottom, "grid")
            plot.text(x, frame.bottom + 16, name, anchor: "middle")
        }
        plot.text(frame.left, frame.top - 8, "latency by percentile")
        for (index, curve) in curves.enumerated() {
            var points: [(Double, Double)] = []
            for step in 0...200 {
                let place = nines * Double(step) / 200
                let value = curve.1.percentile(1 - pow(10, -place))
                points.append((frame.left + frame.width * place / nines, axis.y(Double(value), frame)))
            }
            plot.curve(points, "c\(index % 4)")
            plot.text(frame.left + 80 + Double(index) * 70, frame.top + 18, curve.0, style: "c\(index % 4)t")
        }
    }

    private func place(_ slice: TimeSlice, _ frame: Frame) -> Double {
        let end = slices.last.map { Double($0.start + $0.milliseconds) } ?? 1
        return frame.left + frame.width * (Double(slice.start) + Double(slice.milliseconds) / 2) / max(1, end)
    }

    private func drawLatencies(_ plot: inout Plot, _ frame: Frame) {
        let answered = slices.filter { $0.completed > 0 }
        let axis = LogAxis(
            from: Double(max(1, answered.map(\.p50).min() ?? 1)), to: Double(max(2, answered.map(\.p99).max() ?? 2)))
        plot.frame(frame, axis)
        plot.text(frame.left, frame.top - 8, "latency over time, p50 and p99")
        for (style, value) in [("c0", \TimeSlice.p50), ("c1", \TimeSlice.p99)] {
            // A slice without an answer is a gap, not a line across it.
            for piece in slices.split(whereSeparator: { $0.completed == 0 }) {
                plot.curve(piece.map { (place($0, frame), axis.y(Double($0[keyPath: value]), frame)) }, style)
            }
        }
    }

    private func drawThroughput(_ plot: inout Plot, _ frame: Frame) {
        func rate(_ slice: TimeSlice) -> Double { Double(slice.completed) / Double(max(1, slice.milliseconds)) * 1000 }
        let most = max(1, slices.map(rate).max() ?? 1)
        plot.text(frame.left, frame.top - 8, "answers per second, and errors (marks)")
        plot.line(frame.left, frame.bottom, frame.right, frame.bottom, "axis")
        plot.text(frame.left - 6, frame.top + 8, Self.grouped(UInt64(most)), anchor: "end")
        plot.text(frame.left - 6, frame.bottom, "0", anchor: "end")
        plot.curve(slices.map { (place($0, frame), frame.bottom - frame.height * rate($0) / most) }, "c0")
        for slice in slices where slice.errors > 0 {
            let x = place(slice, frame)
            plot.line(x, frame.bottom - 8, x, frame.bottom, "bad")
        }
        for slice in slices where slice.start % 1000 == 0 {
            let x = frame.left + frame.width * Double(slice.start) / Double((slices.last?.start ?? 0) + 100)
            plot.text(x, frame.bottom + 16, "\(slice.start / 1000) s", anchor: "middle")
        }
    }
}

/// Nanoseconds on a logarithmic scale, over whole powers of ten.
private struct LogAxis {
    let low: Double
    let high: Double

    init(from: Double, to: Double) {
        low = log10(from).rounded(.down)
        high = max(low + 1, log10(to).rounded(.up))
    }

    func y(_ value: Double, _ frame: Frame) -> Double {
        frame.bottom - frame.height * (min(high, max(low, log10(max(1, value)))) - low) / (high - low)
    }
}

extension Plot {
    /// The lines of a logarithmic scale, with their names.
    fileprivate mutating func frame(_ frame: Frame, _ axis: LogAxis) {
        for power in Int(axis.low)...Int(axis.high) {
            let value = pow(10, Double(power))
            let y = axis.y(value, frame)
            line(frame.left, y, frame.right, y, "grid")
            text(frame.left - 6, y + 4, LoadReport.round(UInt64(value)), anchor: "end")
        }
    }
}

extension LoadReport {
    /// A power of ten of nanoseconds: `10 µs`.
    static func round(_ nanoseconds: UInt64) -> String {
        for (unit, size) in [("s", UInt64(1_000_000_000)), ("ms", 1_000_000), ("µs", 1000)] where nanoseconds >= size {
            return "\(nanoseconds / size) \(unit)"
        }
        return "\(nanoseconds) ns"
    }
}
