"""What tracking costs a hit here and a miss in Redis, and how soon a direct write is known to every sidecar."""
import statistics
import time

from comparison.measuring import Row, counters, figures, load, shares, span, until
from comparison.servers import LOAD_CORE, Resp

ORDER = 25
NOTHING = {"cpu": None, "throughput": None, "cores": None, "resident": None, "generator": None}
#: Below the bound every hit of the one rests on invalidations, and every hit of the other on time.
LIVE = 'policies: [{prefix: "", max_staleness: 1s, tracking: {mode: keys}}]'
PREFIX = 'policies: [{prefix: "cold:", max_staleness: 1s, tracking: {mode: prefix}}]'
TIMED = 'policies: [{prefix: "", max_staleness: 1h, tracking: {mode: off}}]'


def live(server):
    """Waits until invalidations are live."""
    client, began = Resp(server.path), time.monotonic()
    while client.map("HEARTH", "STATUS")["coherence_live"] != "true":
        if time.monotonic() - began > 20:
            raise RuntimeError("invalidations are not live after 20 s")
        time.sleep(0.005)


def hits(bench):
    backend = bench.stage.redis("tracking-redis", core=LOAD_CORE)
    tracked = bench.stage.hearth("tracked", redis=backend.path, extra=LIVE)
    timed = bench.stage.hearth("timed", redis=backend.path, extra=TIMED)
    live(tracked)
    # What a sidecar has written it verifies once, when the time of the copy is over: both ask for every key after that.
    for server in (tracked, timed):
        load(server, *bench.keys, "--load-only")
        load(server, *bench.keys, "--no-load", "--distribution", "uniform", "--warmup", "1s", "--duration", "1s")

    def cells(server, pipeline):
        return lambda n: figures(
            load(server, *bench.keys, "--no-load", "--pipeline", pipeline, "--seed", n + 1, "--distribution", "uniform",
                 *bench.brief), server)

    for pipeline, name in [(16, "pipeline 16"), (1, "no pipeline")]:
        row = Row(f"GET hit with tracking, {name}", "hearth", cells(tracked, pipeline))
        base = Row(f"GET hit without, {name}", "hearth", cells(timed, pipeline))
        bench.group(f"GET hit with and without tracking, {name}", [row, base], times=bench.BRIEFER)
        row.base = base.base = base
        bench.ratio_verdict(f"GET hit with tracking, {name}", row, base, 1.05, against="without")
    for server in (tracked, timed, backend):
        server.stop()


def received(server):
    return int(Resp(server.path).map("HEARTH", "STATUS")["invalidations_received"])


def misses(bench):
    """The CPU is Redis's own, for each miss that it answers, of keys in turn: local memory has evicted the next one by
    then. It is measured of two kinds. First reads are of keys that nobody has asked for before. The others were asked
    for just before, and one in ten was changed since, as in a load of which a tenth are writes: those Redis has to
    enter into its table of tracked keys again. What it costs Redis to tell of those changes is measured apart."""
    asked = 300 if bench.tiny else int(30_000 * bench.seconds)
    cold = asked * (bench.rounds * 2 + 1)
    servers = {}
    for name, extra in (("tracked", LIVE), ("by prefix", PREFIX), ("untracked", TIMED)):
        word = name.replace(" ", "-")
        backend = bench.stage.redis(f"miss-{word}")
        front = bench.stage.hearth(f"front-{word}", redis=backend.path, local="1MiB", extra=extra, core=LOAD_CORE)
        load(front, "--workload", "miss-redis", "--cold-keys", cold, "--load-only", "--connections", 50)
        servers[name] = (front, backend)
    for name in ("tracked", "by prefix"):
        live(servers[name][0])
    # Where the keys begin that nobody has asked for, and what a direct change cost Redis.
    new, changing = dict.fromkeys(servers, 0), {name: [] for name in servers}

    def ask(name, pipeline, start):
        front, backend = servers[name]
        lookups, before = counters(front), backend.cpu()
        report = load(front, "--workload", "miss-redis", "--cold-keys", cold, "--no-load", "--pipeline", pipeline,
                      "--cold-start", start, "--requests", asked, "--warmup", "0s")
        answered = shares(lookups, counters(front)).get("redis", 0)
        if not bench.tiny and answered < 0.99:
            raise RuntimeError(f"Redis answered {answered:.0%} of what should be misses")
        each = (backend.cpu() - before) / report["completed"]
        return NOTHING | {"cpu": each, "p50": None, "p99": None, "p99.9": None}

    def ask_new(name, pipeline):
        new[name] += asked
        return ask(name, pipeline, new[name] - asked)

    def ask_again(name, pipeline):
        front, backend = servers[name]
        start = new[name] - asked
        told = received(front)
        direct = Resp(backend.path)
        before = backend.cpu()
        for number in range(start, start + asked, 10):
            # To append nothing changes a key for whoever tracks it, and leaves the value as the load expects it.
            direct.call("APPEND", f"cold:{number:012}", "")
        changing[name].append((backend.cpu() - before) / (asked // 10))
        # So few keys as in a trial are held as they were written, and tracked once they are verified.
        if name == "tracked" and not bench.tiny and until(
                lambda: received(front) - told >= asked // 10 * 0.9, time.monotonic(), 10) is None:
            raise RuntimeError(f"Redis told of {received(front) - told} changes, of {asked // 10}")
        return ask(name, pipeline, start)

    for name in servers:
        ask_new(name, 16)
    for pipeline, form in [(1, "no pipeline"), (16, "pipeline 16")]:
        rows = {}
        for what, name, measure in (
                ("tracked", "tracked", ask_again), ("untracked", "untracked", ask_again),
                ("first tracked", "tracked", ask_new), ("first prefix-tracked", "by prefix", ask_new),
                ("first untracked", "untracked", ask_new)):
            rows[what] = Row(f"Redis per {what} miss, {form}", "redis-server",
                             lambda n, m=measure, s=name: m(s, pipeline))
        bench.group(f"Redis's CPU per miss, tracked and not, {form}", list(rows.values()))
        for what, base, how in (
                ("tracked", "untracked", "tracked"),
                ("first tracked", "first untracked", "tracked, of keys that it has not tracked yet"),
                ("first prefix-tracked", "first untracked", "tracked by prefix")):
            rows[what].base = rows[base].base = rows[base]
            bench.ratio_verdict(f"CPU of Redis per miss, {how}, {form}", rows[what], rows[base], 1.25,
                                against="untracked")
    told, untold = (statistics.median(changing[name]) for name in ("tracked", "untracked"))
    bench.notes.append(f"a direct change cost Redis {told / 1000:,.1f} µs where one sidecar had to be told of it, and "
                       f"{untold / 1000:,.1f} where none had to (APPEND, one at a time, system calls included)")
    for front, backend in servers.values():
        front.stop()
        backend.stop()


def news(bench):
    """From before a direct write is sent until a GET through each of three sidecars answers the new value."""
    backend = bench.stage.redis("news-redis", core=LOAD_CORE)
    sidecars = [bench.stage.hearth(f"news-{index}", redis=backend.path, extra=LIVE) for index in range(3)]
    for sidecar in sidecars:
        live(sidecar)
    direct, clients = Resp(backend.path), [Resp(sidecar.path) for sidecar in sidecars]
    samples = 100 if bench.tiny else 300 if bench.quick else 1000

    def measure(n):
        times = []
        for number in range(samples):
            key, value = f"news:{number % 50}", f"{n}:{number}"
            for client in clients:
                client.call("GET", key)
            began = time.perf_counter_ns()
            direct.call("SET", key, value)
            waiting = list(clients)
            while waiting:
                waiting = [client for client in waiting if client.call("GET", key) != value]
            times.append(time.perf_counter_ns() - began)
        times.sort()
        return NOTHING | {name: times[int(len(times) * share)] for name, share in
                          (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999))}

    row = Row("a direct write until three sidecars read it", "hearth", measure)
    bench.group("a direct write until three sidecars read it", [row])
    medians = [value / 1e3 for value in row.values("p50")]
    bench.notes.append(
        f"a direct write was read through the last of three sidecars after {statistics.median(medians):,.0f} µs in the "
        f"median of {samples} ({span(medians, '{:,.0f}')} over the rounds), p99 {row.median('p99') / 1e3:,.0f} µs: its "
        "invalidation, the question that follows, and the asking client's turns among the three")
    for server in (*sidecars, backend):
        server.stop()


def run(bench):
    hits(bench)
    misses(bench)
    news(bench)
