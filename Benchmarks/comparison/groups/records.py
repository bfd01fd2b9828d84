"""STATE.GET that local memory answers beside a plain GET, and how often TURNS.ADD on a large record asks Redis."""
import re
import statistics

from comparison.measuring import Row, figures, load, redis_benchmark
from comparison.servers import LOAD_CORE, Resp

ORDER = 12
PIPELINES = [(16, "pipeline 16", 1_000_000), (1, "no pipeline", 100_000)]
# A conversation of so many bytes.
LARGE = 50 << 10


def run(bench):
    bench.say("records: STATE.GET beside GET, round trips of TURNS.ADD")
    hits(bench)
    round_trips(bench)


def hits(bench):
    server = bench.stage.hearth("records")
    for workload in ("hit", "state"):
        load(server, "--workload", workload, *bench.keys, "--load-only")
    common = ["--distribution", "uniform", "--no-load", *bench.brief]

    def asked(workload, pipeline):
        return lambda n: figures(
            load(server, "--workload", workload, "--pipeline", pipeline, "--seed", n + 1, *common), server)

    for pipeline, name, requests in PIPELINES:
        plain = Row(f"GET hit, {name}, beside records", "hearth", asked("hit", pipeline))
        state = Row(f"STATE.GET hit, {name}", "hearth", asked("state", pipeline), base=plain)
        plain.base = plain
        bench.group(state.what, [plain, state], times=bench.BRIEFER)
        bench.ratio_verdict(f"STATE.GET hit, 64 B, 50 connections, {name}", state, plain, 1.3,
                            against="a plain GET hit")
        by_redis_benchmark(bench, server, pipeline, name, requests, plain, state)
    server.stop()


def by_redis_benchmark(bench, server, pipeline, name, requests, *judged):
    """The same by a second, independent generator; a note says how busy each of the two keeps the server."""
    count = int(requests * bench.seconds) // (10 if bench.tiny else 1)

    def asked(*words):
        return lambda n: redis_benchmark(server, pipeline, count, *words)

    plain = Row(f"GET hit, {name}, beside records, by redis-benchmark", "hearth", asked("get", "key:__rand_int__"))
    state = Row(f"STATE.GET hit, {name}, by redis-benchmark", "hearth", asked("state.get", "state:__rand_int__"),
                base=plain)
    plain.base = plain
    bench.group(state.what, [plain, state])

    def told(who, plain, state):
        def both(kind, form, times=1):
            return " and ".join(form.format((row.median(kind) or 0) * times) for row in (state, plain))

        ratio = statistics.median(state.ratios(plain, "cpu") or [0])
        return (f"{who} takes {both('generator', '{:,.0f}')} ns of CPU, the server {both('cpu', '{:,.0f}')}, and "
                f"sleeps {both('sleeps', '{:.3f}', pipeline)} times a batch: {ratio:.2f} ×")

    bench.notes.append(f"STATE.GET and GET, {name}, per reply: {told('hearth-bench', *judged)}; "
                       f"{told('redis-benchmark', plain, state)}; sleeps cost CPU, and are the client's doing")


def asked_of_redis(redis):
    """How many requests came: a script is one, and so is a transaction of reads.

    The proofs that tracking works, one a second, are nobody's request: each has a transaction, and the only STRLEN.
    """
    text = Resp(redis.path).call("INFO", "commandstats")
    calls = dict(re.findall(r"cmdstat_(\w+):calls=(\d+)", text))
    return sum(int(calls.get(name, 0)) for name in ("eval", "evalsha", "exec")) - int(calls.get("strlen", 0))


def round_trips(bench):
    redis = bench.stage.redis("records-redis", core=LOAD_CORE)
    added = 100 if bench.tiny else 1000
    for name, extra, what in [
            ("held", "", "a record of 50 KB that memory holds"),
            ("not-held", "policies:\n  - {prefix: 'chat:', tiers: [redis, warm]}", "one that it does not hold")]:
        server = bench.stage.hearth(f"records-{name}", redis=redis.path, extra=extra)
        client = Resp(server.path)
        key = f"chat:{name}"
        client.call("TURNS.ADD", key, *("t" * 1000 for _ in range(LARGE // 1000)), "KEEP", "50")
        client.call("TURNS.FOLD", key, "UPTO", "1", "summary")
        trips = []
        for _ in range(added // 20):
            before = asked_of_redis(redis)
            for _ in range(20):
                client.call("TURNS.ADD", key, "t" * 1000)
            trips.append((asked_of_redis(redis) - before) / 20)
            # As many turns go into the summary as came, so that the record keeps its size.
            newest = int(client.map("TURNS.GET", key, "LAST", "1")["next"]) - 1
            client.call("TURNS.FOLD", key, "UPTO", str(newest - 50), "summary")
        # Of a proof that is under way at the end of a batch one half is counted; and a script is loaded once.
        median = statistics.median(trips)
        bench.verdict(f"round trips to Redis of TURNS.ADD on {what}", "≤ 2",
                      f"{median:.2f} ({min(trips):.2f} to {max(trips):.2f})", median <= 2)
        server.stop()
    redis.stop()
