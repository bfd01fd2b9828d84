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
        let family = MetricFamily(
            "m", String(repeating: "\n", count: 1000), .histogram,
            (0..<10).map { _ in
                Sample([Label("a", quotes), Label("b", quotes)], -1.7976931348623157e308, suffix: "_sum")
            })
        let escaped = String(repeating: "\\\"", count: 1000)
        let line = "m_sum{a=\"\(escaped)\",b=\"\(escaped)\"} -1.7976931348623157e+308\n"
        #expect(
            text(family) == "# HELP m " + String(repeating: "\\n", count: 1000) + "\n# TYPE m histogram\n"
                + String(repeating: line, count: 10))
    }

    @Test func `a family without samples is left out`() {
        #expect(exposition([MetricFamily("m", "h", .gauge)]).isEmpty)
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
                "hearth_operation_duration_seconds", "Latency.", .histogram,
                latency.snapshot().samples([Label("operation", "get")], unit: .nanoseconds)),
            MetricFamily(
                "hearth_value_size_bytes", "Sizes.", .histogram, sizes.snapshot().samples(unit: .bytes)),
        ])
        let pipe = try #require(popen("promtool check metrics", "w"))
        #expect(fwrite(bytes, 1, bytes.count, pipe) == bytes.count)
        #expect(pclose(pipe) == 0)
    }
}
