"""p99 of hits while the warm tier is given more than its disk takes."""
from comparison.measuring import Row, figures, load
from comparison.servers import LOAD_CORE, Resp

ORDER = 55


def run(bench):
    """Large values are written beside the hits, and each commit of the warm tier waits for the disk (`sync: always`)."""
    backend = bench.stage.redis("redis-saturated", core=LOAD_CORE)
    # With so little memory a mebibyte may wait for the disk: 16 of the large values, which memory does not hold.
    front = bench.stage.hearth("front-saturated", redis=backend.path, local="4MiB", warm_sync="always",
                               extra="policies:\n  - {prefix: 'key:', consistency: eventual}\n"
                               "  - {prefix: 'cold:', max_local_value: 4KiB}")
    alone, mixed, size = (450, 475, 1024) if bench.tiny else (18_000, 19_000, 64 << 10)
    common = ["--distribution", "uniform", "--no-load", *bench.timing]
    load(front, *bench.keys, "--load-only")
    dropped = []

    def quiet(n):
        return figures(load(front, "--connections", 45, "--rate", alone, *common), front, "get")

    def saturated(n):
        before = status(front)
        found = figures(load(front, "--workload", "get:18,store:1", "--apart", "--rate", mixed, "--cold-keys", 4_000,
                             "--cold-value-size", size, *common), front, "get")
        dropped.append(status(front) - before)
        return found

    rows = [Row(f"local hits at {alone:,}/s, quiet again", "hearth", quiet),
            Row(f"local hits at {alone:,}/s, while warm writes saturate", "hearth", saturated)]
    bench.group("latency of hits while warm writes saturate", rows)
    rows[0].base = rows[1].base = rows[0]
    bench.ratio_verdict("p99 of local hits while warm writes saturate", rows[1], rows[0], 1.5, "p99",
                        against="the quiet p99")
    bench.notes.append(f"while warm writes saturated, {mixed - alone:,} values of {size >> 10} KiB a second were written; "
                       f"{min(dropped):,} to {max(dropped):,} changes a round found no room in the warm tier's queue")
    front.stop()
    backend.stop()


def status(server):
    return int(Resp(server.path).map("HEARTH", "STATUS")["warm_changes_dropped"])
