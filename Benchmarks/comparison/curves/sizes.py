"""With the size of values: GET hits and SETs in memory alone."""
from comparison.curve import Curve, binary
from comparison.servers import LOAD_CORE

ORDER = 20


def run(growth):
    steps = growth.steps([16, 64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20])
    curve = Curve("sizes", "A GET hit, by the size of the value", "value", "ns of CPU", binary,
                  text="50 connections, no pipeline; as many keys as fit 64 MiB, 1,000 at most. A value of 1 MiB is the "
                       "largest that local memory holds by default (`max_local_value`).")
    # Keys that live in memory alone may be configured where there is a Redis for others; nobody asks it here.
    backend = growth.stage.redis("sizes-unasked", core=LOAD_CORE)
    hearth = growth.stage.hearth("sizes", redis=backend.path, local="512MiB", extra="policies:\n  - {prefix: '', tiers: [local]}")
    redis = growth.stage.redis("sizes-redis")
    cpu = {server: curve.line(f"GET {server.name}") for server in (hearth, redis)}
    sets = {server: curve.line(f"SET {server.name}") for server in (hearth, redis)}
    for step in steps:
        keys = max(16, min(1_000, (64 << 20) // step))
        words = ["--value-size", step, "--keys", keys, "--prefix", f"v{step}:"]
        for server in (hearth, redis):
            growth.load(server, *words, "--load-only")
        for _ in range(growth.rounds):
            for server in (hearth, redis):
                report = growth.load(server, *words, "--no-load")
                cpu[server].add(step, report["server"]["cpu_ns_per_operation"])
                report = growth.load(server, *words, "--no-load", "--workload", "write")
                sets[server].add(step, report["server"]["cpu_ns_per_operation"])
    for server in (hearth, redis, backend):
        server.stop()
    return curve
