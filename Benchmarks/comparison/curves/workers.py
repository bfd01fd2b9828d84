"""With workers: one and two, on both cores of the machine, beside a load that shares them."""
from comparison.curve import Curve

ORDER = 50


def run(growth):
    curve = Curve("workers", "GET hits, by workers", "workers", "ns of CPU", str,
                  text="64 B, 50 connections, over two cores which the load generator shares: nothing is pinned. A second "
                       "worker is for a machine with cores to spare; what it costs is in the CPU of an operation.")
    lines = {pipeline: (curve.line(f"pipeline {pipeline}"), curve.line(f"pipeline {pipeline}", "operations/s", drawn=False),
                        curve.line(f"pipeline {pipeline}", "µs p99", drawn=False)) for pipeline in (1, 16)}
    servers = {count: growth.stage.hearth(f"workers-{count}", core="0,1", extra=f"workers: {count}")
               for count in (1, 2)}
    for server in servers.values():
        growth.load(server, "--load-only")
    for _ in range(growth.rounds):
        for count, server in servers.items():
            for pipeline, (cpu, rate, late) in lines.items():
                report = growth.load(server, "--no-load", "--pipeline", pipeline, core="0,1")
                cpu.add(count, report["server"]["cpu_ns_per_operation"])
                rate.add(count, report["throughput"])
                late.add(count, report["latency_ns"]["all"]["p99"] / 1000)
    for server in servers.values():
        server.stop()
    return curve
