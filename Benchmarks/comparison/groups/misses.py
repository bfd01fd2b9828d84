"""A GET and a SET that Redis answers, beside redis-server asked directly."""
from comparison.measuring import Row, counters, figures, load, shares
from comparison.servers import LOAD_CORE

ORDER = 20


def run(bench):
    redis = bench.stage.redis("redis-direct")
    backend = bench.stage.redis("redis-behind", core=LOAD_CORE)
    front = bench.stage.hearth("front-small", redis=backend.path, local="4MiB")
    cold = 2_000 if bench.tiny else 200_000 if bench.quick else 400_000
    load(front, "--workload", "miss-redis", "--cold-keys", cold, "--load-only", "--connections", 50)
    load(redis, "--workload", "miss-redis", "--cold-keys", cold, "--load-only")
    lookups = []
    # Each run goes on beyond where the one before ended, so that it meets nothing that memory holds.
    start = {front: 0, redis: 0}

    def cells(server, pipeline):
        def measure(n):
            before = counters(server) if server is front else None
            report = load(server, "--workload", "miss-redis", "--cold-keys", cold, "--no-load", "--pipeline",
                          pipeline, "--cold-start", start[server], *bench.timing)
            start[server] = (start[server] + 2 * report["completed"]) % cold
            if before:
                lookups.append(shares(before, counters(server)))
            return figures(report, server)
        return measure

    for pipeline, name in [(1, "no pipeline"), (16, "pipeline 16")]:
        what = f"GET miss, {name}"
        row = Row(what + ", answered by Redis", "hearth", cells(front, pipeline))
        base = Row(what + ", asked directly", "redis-server", cells(redis, pipeline))
        bench.group(what, [row, base])
        row.base = base.base = base
        bench.ratio_verdict(f"GET miss that Redis answers, {name}", row, base, 1.6)
    bench.notes.append("of the misses, Redis answered at least "
                      f"{min(share.get('redis', 0) for share in lookups):.0%}")
    what = "SET through Redis"
    for pipeline, name in [(1, "no pipeline"), (16, "pipeline 16")]:
        def write(server):
            return lambda n: figures(
                load(server, "--workload", "write", "--pipeline", pipeline, "--distribution", "uniform",
                     "--no-load", *bench.timing), server)
        row = Row(f"{what}, {name}", "hearth", write(front))
        base = Row(f"SET, {name}", "redis-server", write(redis))
        bench.group(f"{what}, {name}", [row, base])
        row.base = base.base = base
    for server in (front, backend, redis):
        server.stop()
