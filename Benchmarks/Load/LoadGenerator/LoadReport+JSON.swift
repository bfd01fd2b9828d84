// The report for programs: one JSON document, whose fields docs/performance.md lists.

internal import Metrics

extension LoadReport {
    public var json: String {
        var json = JSONWriter()
        json.object {
            writeOptions(&$0)
            $0.member("seconds", Double(elapsed) / 1e9)
            $0.member("completed", completed)
            $0.member("throughput", throughput)
            $0.member("absent", absent)
            $0.member("wrong", wrong)
            $0.member("failed", failed)
            $0.member("unanswered", unanswered)
            $0.object("errors") { json in for (text, count) in errors { json.member(text, count) } }
            $0.object("latency_ns") { json in
                Self.write(latency, "all", &json)
                for (operation, latency) in latencies { Self.write(latency, operation.name, &json) }
                if let waits { Self.write(waits, "waiting", &json) }
            }
            $0.key("server")
            if let server {
                $0.object {
                    $0.member("pid", server.pid)
                    $0.member("cpu_ns_per_operation", server.cpuPerOperation)
                    $0.member("sleeps_per_operation", server.sleepsPerOperation)
                    $0.member("cores", server.cores)
                    $0.member("resident_bytes", server.resident)
                    $0.member("cpu_source", server.isExact ? "schedstat" : "stat")
                }
            } else {
                $0.null()
            }
            $0.object("generator") { $0.member("cpu_ns_per_operation", generatorCPUPerOperation) }
            if options.hasTimeline { writeTimeline(&$0) }
        }
        return json.text + "\n"
    }

    private func writeOptions(_ json: inout JSONWriter) {
        json.object("options") {
            $0.member("address", "\(options.address)")
            $0.member("protocol", options.wire.rawValue)
            $0.member("workload", options.workload.name)
            $0.member("connections", options.connections)
            $0.member("pipeline", options.pipeline)
            $0.member("keys", options.keys)
            $0.member("cold_keys", options.coldKeys)
            switch options.distribution {
            case .uniform: $0.member("distribution", "uniform")
            case .zipfian(let theta): $0.member("distribution", "zipfian:\(theta)")
            }
            $0.member("value_size", options.sizes.text)
            $0.key("rate")
            if let rate = options.rate { $0.number(rate) } else { $0.null() }
            $0.member("seed", options.seed)
        }
    }

    private static func write(_ latency: HistogramSnapshot, _ name: String, _ json: inout JSONWriter) {
        json.object(name) {
            $0.member("count", latency.count)
            $0.member("mean", latency.count > 0 ? Double(latency.sum) / Double(latency.count) : 0)
            for (name, fraction) in percentiles { $0.member(name, latency.percentile(fraction)) }
            $0.member("max", latency.max)
        }
    }

    private func writeTimeline(_ json: inout JSONWriter) {
        json.array("timeline") { json in
            for slice in slices {
                json.object {
                    $0.member("start_ms", slice.start)
                    $0.member("length_ms", slice.milliseconds)
                    $0.member("completed", slice.completed)
                    $0.member("p50_ns", slice.p50)
                    $0.member("p99_ns", slice.p99)
                    $0.member("errors", slice.errors)
                    $0.member("absent", slice.absent)
                }
            }
        }
    }
}
