// The text that Prometheus scrapes: by hand, and by Prometheus's own checker where it is installed.

import Metrics
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Whether `program` is on the PATH.
private func isInstalled(_ program: String) -> Bool {
    guard let path = getenv("PATH").map({ String(cString: $0) }) else { return false }
    return path.split(separator: ":").contains { access("\($0)/\(program)", X_OK) == 0 }
}

private func text(_ families: MetricFamily...) -> String { String(decoding: exposition(families), as: UTF8.self) }

@Suite struct ExpositionTests {
    @Test func `a family has its help, its type and a line per sample`() {
        let family = MetricFamily(
            "hearth_lookups_total", "Lookups by tier and result.", .counter,
            [
                Sample([Label("tier", "local"), Label("result", "fresh")], 12),
                Sample([Label("tier", "warm"), Label("result", "absent")], 0.5),
            ])
        #expect(
            text(family) == """
                # HELP hearth_lookups_total Lookups by tier and result.
                # TYPE hearth_lookups_total counter
                hearth_lookups_total{tier="local",result="fresh"} 12
                hearth_lookups_total{tier="warm",result="absent"} 0.5

                """)
    }

    @Test func `backslashes, quotes and line feeds are escaped`() {
        let family = MetricFamily("m", "a\\b\n\"c\"", .gauge, [Sample([Label("l", "a\\b\n\"c\"")], 1)])
        #expect(
            text(family) == #"""
                # HELP m a\\b\n"c"
                # TYPE m gauge
                m{l="a\\b\n\"c\""} 1

                """#)
    }

    @Test func `numbers are written as Prometheus reads them`() {
        let values: [(Double, String)] = [
            (0, "0"), (-3, "-3"), (1e15, "1000000000000000"), (0.00001, "1e-05"), (.infinity, "+Inf"),
            (-.infinity, "-Inf"), (.nan, "NaN"), (1e300, "1e+300"), (-0.0, "0"), (0.5, "0.5"),
            (-1.7976931348623157e308, "-1.7976931348623157e+308"), (999_999_999, "999999999"),
            (1e9, "1000000000"), (4_294_967_296, "4294967296"), (999_999_999.5, "999999999.5"),
        ]
        for (value, expected) in values {
            #expect(text(MetricFamily("m", "h", .gauge, [Sample([], value)])).hasSuffix("m \(expected)\n"))
        }
    }

    @Test func `whole numbers of every length are written as they are`() {
        var number: UInt64 = 1
        while number < 1 << 53 {
            for value in [number - 1, number, number + 1] {
                #expect(text(MetricFamily("m", "h", .gauge, [Sample([], value)])).hasSuffix("m \(value)\n"))
            }
            number *= 10
        }
    }

    @Test func `there is room for a text of which every byte is escaped`() {
        let quotes = String(repeating: "\"", count: 1000)
        let labels = [Label("a", quotes), Label("b", quotes)]
        let help = String(repeating: "\n", count: 1000)
        let (escaped, line) = (String(repeating: "\\\"", count: 1000), String(repeating: "\\n", count: 1000))
        let written = "a=\"\(escaped)\",b=\"\(escaped)\""
        let number = "-1.7976931348623157e+308"
        #expect(
            text(MetricFamily("m", help, .gauge, (0..<10).map { _ in Sample(labels, -.greatestFiniteMagnitude) }))
                == "# HELP m \(line)\n# TYPE m gauge\n" + String(repeating: "m{\(written)} \(number)\n", count: 10))

        let histogram = Histogram()
        histogram.record(1_234_567, count: UInt64.max / 1_234_567)
        let series = (0..<10).map { _ in HistogramSeries(labels, histogram.snapshot()) }
        let lines = text(MetricFamily("m", help, .nanoseconds, series)).split(separator: "\n")
        #expect(lines.count == 2 + 10 * 22 && lines[0] == "# HELP m \(line)")
        #expect(lines[2] == "m_bucket{\(written),le=\"1e-05\"} 0")
        #expect(lines[21] == "m_bucket{\(written),le=\"+Inf\"} \(UInt64.max / 1_234_567)")
        #expect(lines[23] == "m_count{\(written)} \(UInt64.max / 1_234_567)")
    }

    @Test func `a family without samples is left out`() {
        #expect(exposition([MetricFamily("m", "h", .gauge)]).isEmpty)
        #expect(exposition([MetricFamily("m", "h", .bytes, [])]).isEmpty)
    }

    @Test func `a text that is still held is not written over`() {
        var writer = ExpositionWriter()
        let first = writer.text(of: [MetricFamily.gauge("m", "h", 1)])
        let second = writer.text(of: [MetricFamily.gauge("m", "h", 2)])
        #expect(String(decoding: first, as: UTF8.self).hasSuffix("m 1\n"))
        #expect(String(decoding: second, as: UTF8.self).hasSuffix("m 2\n"))
        #expect(writer.text(of: []).isEmpty)
    }

    @Test(.enabled(if: isInstalled("promtool"), "promtool is not installed (Debian's package is prometheus)"))
    func `promtool finds nothing to say`() throws {
        let latency = Histogram()
        latency.record(15_000, count: 3)
        let sizes = Histogram()
        sizes.record(4_096)
        let bytes = exposition([
            MetricFamily("hearth_lookups_total", "Lookups.", .counter, [Sample([Label("tier", "a\"\\\n")], 1)]),
            MetricFamily("hearth_local_bytes", "Bytes held.", .gauge, [Sample([], 17)]),
            MetricFamily(
                "hearth_operation_duration_seconds", "Latency.", .nanoseconds,
                [HistogramSeries([Label("operation", "get")], latency.snapshot())]),
            MetricFamily("hearth_value_size_bytes", "Sizes.", .bytes, sizes.snapshot()),
        ])
        let pipe = try #require(popen("promtool check metrics", "w"))
        #expect(fwrite(bytes, 1, bytes.count, pipe) == bytes.count)
        #expect(pclose(pipe) == 0)
    }
}
