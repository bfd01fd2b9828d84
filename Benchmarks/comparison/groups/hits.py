"""A GET that local memory answers, also with an open breaker, beside redis-server, memcached and a bare loop."""
from comparison.measuring import Row, figures, load, redis_benchmark
from comparison.servers import LOAD_CORE

ORDER = 10


def run(bench):
    stage = bench.stage
    hearth, redis, memcached, bare = stage.hearth("hearth"), stage.redis("redis"), stage.memcached(), stage.bare()
    backend = stage.redis("backend", core=LOAD_CORE)
    front = stage.hearth("front", redis=backend.path)
    idle = hearth.resident()
    bench.idle = idle
    common = ["--distribution", "uniform", *bench.timing]

    def plain(server, pipeline, *more):
        return lambda n: figures(load(server, "--pipeline", pipeline, "--seed", n + 1, *common, *more), server)

    for pipeline, name, redis_limit, bare_limit in [(16, "pipeline 16", 0.45, 2.2), (1, "no pipeline", 0.85, 1.25)]:
        what = f"GET hit, {name}"
        local = Row(what, "hearth", plain(hearth, pipeline))
        remote = Row(what, "redis-server", plain(redis, pipeline))
        floor = Row(what, "bare libuv loop", plain(bare, pipeline, "--check", "frame", "--no-load"))
        degraded = Row(f"GET degraded, breaker open, {name}", "hearth",
                       plain(front, pipeline, "--workload", "degraded"))
        bench.group(what, [local, remote, Row(what, "memcached", plain(memcached, pipeline)), floor, degraded])
        for row in bench.rows[-5:]:
            row.base = remote
        bench.ratio_verdict(f"GET hit, 64 B, 50 connections, {name}", local, remote, redis_limit)
        bench.ratio_verdict(f"the same, {name}", local, floor, bare_limit, against="the bare loop")
        bench.ratio_verdict(f"degraded GET, breaker open, copy held locally, {name}", degraded, local, 1.1,
                           against="a local hit")
    for pipeline, name, requests in [(16, "pipeline 16", 1_000_000), (1, "no pipeline", 100_000)]:
        requests = int(requests * bench.seconds) // (10 if bench.tiny else 1)
        what = f"GET hit, {name}, by redis-benchmark"
        asked = next(row for row in bench.rows if row.what == f"GET hit, {name}" and row.who == "redis-server")
        bench.notes.append(f"{name}: hearth-bench itself took {asked.median('generator') or 0:,.0f} ns of CPU per "
                          f"operation, redis-server {asked.median('cpu') or 0:,.0f}")
        rows = [Row(what, server.name, lambda n, s=server: redis_benchmark(s, pipeline, requests))
                for server in (hearth, redis)]
        bench.group(what, rows)
        rows[0].base = rows[1].base = rows[1]
    for server in (hearth, redis, memcached, bare, front, backend):
        server.stop()
