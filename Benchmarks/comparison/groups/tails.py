"""p99 of hits while others wait, and an outage in the middle of a run."""
import os
import signal
import threading
import time

from comparison.measuring import Row, closed, duration_ms, figures, load, until
from comparison.servers import LOAD_CORE, Resp

ORDER = 50


def run(bench):
    """p99 of hits while others wait, in an open loop on connections of their own."""
    backend = bench.stage.redis("redis-tail", core=LOAD_CORE)
    front = bench.stage.hearth(
        "front-tail", redis=backend.path, local="4MiB",
        extra="breaker: {open_max: 1s}\npolicies:\n  - {prefix: 'key:', consistency: eventual}\n"
        "  - {prefix: 'fresh:', consistency: bounded, max_staleness: 200ms}")
    cold = 2_000 if bench.tiny else 100_000
    mix = ["--workload", "get:90,miss:10", "--apart", "--cold-keys", cold, "--distribution", "uniform"]
    load(front, *mix, *bench.keys, "--load-only")
    open_loop = [*bench.timing, "--no-load"]
    # Where it is only tried, by binaries for debugging, a rate that any machine answers.
    alone, mixed = (450, 500) if bench.tiny else (18000, 20000)

    def quiet(n):
        return figures(load(front, "--distribution", "uniform", "--connections", 45, "--rate", alone, *open_loop),
                       front, "get")

    def missing(n):
        return figures(load(front, *mix, "--rate", mixed, "--cold-start", cold * n // bench.rounds, *open_loop),
                       front, "get")

    def hanging(n):
        backend.signal(signal.SIGSTOP)
        try:
            return figures(load(front, *mix, "--rate", mixed, *open_loop, check=False), front, "get")
        finally:
            backend.signal(signal.SIGCONT)
            closed(front)

    def writing(n):
        words = ["--workload", "get:90,set:10", "--apart", "--distribution", "uniform", "--rate", mixed]
        return figures(load(front, *words, *open_loop), front, "get")

    names = [("quiet", quiet), ("while 10 % miss", missing), ("while 10 % are written", writing),
             ("while Redis hangs", hanging)]
    rows = [Row(f"local hits at {alone:,}/s, {name}", "hearth", measure) for name, measure in names]
    bench.group("latency of local hits while others wait", rows)
    for row in rows[1:]:
        bench.ratio_verdict(f"p99 of {row.what}", row, rows[0], 1.5, "p99", against="the quiet p99")
    for row in rows:
        row.base = rows[0]
    outage(bench, front, backend)
    front.stop()
    backend.stop()


def outage(bench, front, backend):
    """Redis hangs in the middle of a run; when the breaker opened and closed, and what clients felt."""
    third = 1.0 if bench.quick else 2.0
    bench.say("an outage in the middle of a run")
    # Until the breaker opens each read of a copy that is to be verified waits for soft_timeout, 20 ms: 2000/s of
    # them are 40 under way, for which there must be connections.
    words = ["--prefix", "fresh:", "--keys", 1000, "--distribution", "uniform", "--rate", 2000,
             "--connections", 200]
    load(front, *words, "--load-only")
    seen = {}

    def director():
        watch = Resp(front.path)
        time.sleep(third + 0.35)
        stopped = time.monotonic()
        backend.signal(signal.SIGSTOP)
        seen["opened"] = until(lambda: watch.map("HEARTH", "BREAKER").get("reads") != "closed", stopped, 10)
        time.sleep(max(0, third - (time.monotonic() - stopped)))
        resumed = time.monotonic()
        backend.signal(signal.SIGCONT)
        seen["closed"] = until(lambda: watch.map("HEARTH", "BREAKER").get("reads") == "closed", resumed, 20)

    thread = threading.Thread(target=director)
    thread.start()
    try:
        report = load(front, *words, "--no-load", "--warmup", "200ms", "--duration", f"{int(third * 3000)}ms",
                      "--timeline", "--svg", os.path.join(bench.place.sockets, "outage.svg"), check=False)
    finally:
        thread.join()
        backend.signal(signal.SIGCONT)
    bench.timeline = report["timeline"]
    begin, end = (third + 0.1) * 1000, third * 2000 - 100
    during = [part["p99_ns"] for part in bench.timeline if begin <= part["start_ms"] <= end]
    opened, shut = seen.get("opened"), seen.get("closed")
    bench.verdict("hung Redis to open breaker", "≤ 500 ms (5 × 100 ms)", duration_ms(opened),
                 opened is not None and opened <= 500, of_time=True)
    worst = max(during, default=0) / 1e6
    bench.verdict("p99 of any 100 ms meanwhile, where a copy exists", "≤ 25 ms", f"{worst:.1f} ms", worst <= 25,
                 of_time=True)
    bench.verdict("closed again after recovery", "≤ 2 s", duration_ms(shut), shut is not None and shut <= 2000,
                 of_time=True)
    wrong = report["failed"] + report["absent"] + report["unanswered"]
    bench.notes.append(f"in the outage {wrong} of {report['completed']:,} reads were not answered with the value")
