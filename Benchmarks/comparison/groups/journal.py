"""A SET into the journal, durable before it is answered, beside redis-server with appendfsync always."""
from comparison.measuring import Row, figures, load

ORDER = 40


def run(bench):
    absent = bench.place.socket("nobody")
    hearth = bench.stage.hearth("journaled", redis=absent)
    redis = bench.stage.redis("redis-aof", "--appendonly", "yes", "--appendfsync", "always")
    rows = []
    for server in (hearth, redis):
        rows.append(Row("SET, durable before it is answered, 64 clients", server.name, lambda n, s=server: figures(
            load(s, "--workload", "write", "--connections", 64, "--distribution", "uniform", "--no-load",
                 *bench.timing), s)))
    bench.group("SET into the journal, sync always", rows)
    rows[0].base = rows[1].base = rows[1]
    bench.ratio_verdict("journaled SET, sync: always, 64 clients", rows[0], rows[1], 1, "throughput", True,
                       "redis-server with appendfsync always")
    for server in (hearth, redis):
        server.stop()
