"""What is compared with what.

Each part starts its servers, measures them in turn, judges by the targets of the design (section 14), and ends them.
"""
import os
import shutil
import signal
import statistics
import sys
import threading
import time

from comparison.measuring import Row, closed, counters, duration_ms, figures, load, redis_benchmark, shares, span, until
from comparison.servers import LOAD_CORE, Place, Resp, Stage

PARTS = ("hits", "misses", "warm", "journal", "tails", "memory")
BEGAN = time.monotonic()


class Bench:
    def __init__(self, arguments):
        self.quick, self.tiny = arguments.quick, arguments.tiny
        self.rounds = arguments.rounds or (2 if self.quick else 5)
        self.seconds = arguments.seconds or (0.4 if self.quick else 1.0)
        self.only = arguments.only
        self.rows = []
        self.verdicts = []
        self.place = Place()
        self.stage = Stage(self.place)
        self.notes = []
        self.timeline = None

    def say(self, text):
        print(f"[{time.monotonic() - BEGAN:5.0f} s] {text}", file=sys.stderr, flush=True)

    @property
    def timing(self):
        return ["--duration", f"{int(self.seconds * 1000)}ms", "--warmup", f"{int(self.seconds * 300)}ms"]

    def group(self, title, rows):
        """Runs the rows in turn, as many rounds as asked for."""
        self.say(title)
        for _ in range(self.rounds):
            for row in rows:
                row.rounds.append(row.measure(len(row.rounds)))
        self.rows += rows
        return rows

    def verdict(self, what, target, measured, met, of_time=False):
        """A target of the design beside what was measured; `of_time`: others on the machine decide it as well."""
        self.verdicts.append({"what": what, "target": target, "measured": measured, "met": met, "of_time": of_time})

    def ratio_verdict(self, what, row, base, limit, name="cpu", at_least=False, against=""):
        target = f"{'≥' if at_least else '≤'} {limit} × {against or base.who}"
        ratios = row.ratios(base, name)
        if not ratios:
            return self.verdict(what, target, "nothing was answered", False)
        middle = statistics.median(ratios)
        self.verdict(what, target, f"{middle:.2f} × ({span(ratios, '{:.2f}')})",
                     middle >= limit if at_least else middle <= limit, of_time=name != "cpu")

    # The parts. Each starts its servers and ends them.

    def hits(self):
        stage = self.stage
        hearth, redis, memcached, bare = stage.hearth("hearth"), stage.redis("redis"), stage.memcached(), stage.bare()
        backend = stage.redis("backend", core=LOAD_CORE)
        front = stage.hearth("front", redis=backend.path)
        idle = hearth.resident()
        self.idle = idle
        common = ["--distribution", "uniform", *self.timing]

        def plain(server, pipeline, *more):
            return lambda n: figures(load(server, "--pipeline", pipeline, "--seed", n + 1, *common, *more), server)

        for pipeline, name, redis_limit, bare_limit in [(16, "pipeline 16", 0.45, 2.2), (1, "no pipeline", 0.85, 1.25)]:
            what = f"GET hit, {name}"
            local = Row(what, "hearth", plain(hearth, pipeline))
            remote = Row(what, "redis-server", plain(redis, pipeline))
            floor = Row(what, "bare libuv loop", plain(bare, pipeline, "--check", "frame", "--no-load"))
            degraded = Row(f"GET degraded, breaker open, {name}", "hearth",
                           plain(front, pipeline, "--workload", "degraded"))
            self.group(what, [local, remote, Row(what, "memcached", plain(memcached, pipeline)), floor, degraded])
            for row in self.rows[-5:]:
                row.base = remote
            self.ratio_verdict(f"GET hit, 64 B, 50 connections, {name}", local, remote, redis_limit)
            self.ratio_verdict(f"the same, {name}", local, floor, bare_limit, against="the bare loop")
            self.ratio_verdict(f"degraded GET, breaker open, copy held locally, {name}", degraded, local, 1.1,
                               against="a local hit")
        for pipeline, name, requests in [(16, "pipeline 16", 1_000_000), (1, "no pipeline", 100_000)]:
            requests = int(requests * self.seconds)
            what = f"GET hit, {name}, by redis-benchmark"
            asked = next(row for row in self.rows if row.what == f"GET hit, {name}" and row.who == "redis-server")
            self.notes.append(f"{name}: hearth-bench itself took {asked.median('generator') or 0:,.0f} ns of CPU per "
                              f"operation, redis-server {asked.median('cpu') or 0:,.0f}")
            rows = [Row(what, server.name, lambda n, s=server: redis_benchmark(s, pipeline, requests))
                    for server in (hearth, redis)]
            self.group(what, rows)
            rows[0].base = rows[1].base = rows[1]
        for server in (hearth, redis, memcached, bare, front, backend):
            server.stop()

    def misses(self):
        redis = self.stage.redis("redis-direct")
        backend = self.stage.redis("redis-behind", core=LOAD_CORE)
        front = self.stage.hearth("front-small", redis=backend.path, local="4MiB")
        cold = 30_000 if self.tiny else 200_000 if self.quick else 400_000
        load(front, "--workload", "miss-redis", "--cold-keys", cold, "--load-only", "--connections", 50)
        load(redis, "--workload", "miss-redis", "--cold-keys", cold, "--load-only")
        lookups = []
        # Each run goes on beyond where the one before ended, so that it meets nothing that memory holds.
        start = {front: 0, redis: 0}

        def cells(server, pipeline):
            def measure(n):
                before = counters(server) if server is front else None
                report = load(server, "--workload", "miss-redis", "--cold-keys", cold, "--no-load", "--pipeline",
                              pipeline, "--cold-start", start[server], *self.timing)
                start[server] = (start[server] + 2 * report["completed"]) % cold
                if before:
                    lookups.append(shares(before, counters(server)))
                return figures(report, server)
            return measure

        for pipeline, name in [(1, "no pipeline"), (16, "pipeline 16")]:
            what = f"GET miss, {name}"
            row = Row(what + ", answered by Redis", "hearth", cells(front, pipeline))
            base = Row(what + ", asked directly", "redis-server", cells(redis, pipeline))
            self.group(what, [row, base])
            row.base = base.base = base
            self.ratio_verdict(f"GET miss that Redis answers, {name}", row, base, 1.6)
        self.notes.append("of the misses, Redis answered at least "
                          f"{min(share.get('redis', 0) for share in lookups):.0%}")
        what = "SET through Redis"
        for pipeline, name in [(1, "no pipeline"), (16, "pipeline 16")]:
            def write(server):
                return lambda n: figures(
                    load(server, "--workload", "write", "--pipeline", pipeline, "--distribution", "uniform",
                         "--no-load", *self.timing), server)
            row = Row(f"{what}, {name}", "hearth", write(front))
            base = Row(f"SET, {name}", "redis-server", write(redis))
            self.group(f"{what}, {name}", [row, base])
            row.base = base.base = base
        for server in (front, backend, redis):
            server.stop()

    def warm_hits(self):
        keys = 5_000 if self.tiny else 50_000 if self.quick else 1_000_000
        server = self.stage.hearth("warm", local="4MiB")
        words = ["--workload", "miss-warm", "--cold-keys", keys, "--value-size", 1024]
        began = time.monotonic()
        load(server, *words, "--load-only")
        loaded = time.monotonic() - began
        rows = []
        for pipeline, name in [(16, "pipeline 16"), (1, "no pipeline")]:
            row = Row(f"GET warm hit, 1 KiB of {keys:,} entries, {name}", "hearth", lambda n: figures(
                load(server, *words, "--no-load", "--pipeline", pipeline, "--cold-start", keys * n // self.rounds,
                     *self.timing), server))
            rows += self.group(row.what, [row])
        per_core = [1e9 / value for value in rows[0].values("cpu")] or [0]
        self.verdict(f"warm hit, 1 KiB, {keys:,} entries, per core", "≥ 100,000/s",
                     f"{statistics.median(per_core):,.0f}/s ({span(per_core, '{:,.0f}')})",
                     statistics.median(per_core) >= 100_000)
        server.stop()
        took = server.start()
        self.verdict(f"start with {keys:,} entries", "≤ 1 s", f"{took / 1000:.2f} s", took <= 1000,
                     of_time=True)
        self.notes.append(f"{keys:,} entries of 1 KiB were written in {loaded:.1f} s")
        server.stop()

    def journaled(self):
        absent = self.place.socket("nobody")
        hearth = self.stage.hearth("journaled", redis=absent)
        redis = self.stage.redis("redis-aof", "--appendonly", "yes", "--appendfsync", "always")
        rows = []
        for server in (hearth, redis):
            rows.append(Row("SET, durable before it is answered, 64 clients", server.name, lambda n, s=server: figures(
                load(s, "--workload", "write", "--connections", 64, "--distribution", "uniform", "--no-load",
                     *self.timing), s)))
        self.group("SET into the journal, sync always", rows)
        rows[0].base = rows[1].base = rows[1]
        self.ratio_verdict("journaled SET, sync: always, 64 clients", rows[0], rows[1], 1, "throughput", True,
                           "redis-server with appendfsync always")
        for server in (hearth, redis):
            server.stop()

    def tails(self):
        """p99 of hits while others wait, in an open loop on connections of their own."""
        backend = self.stage.redis("redis-tail", core=LOAD_CORE)
        front = self.stage.hearth(
            "front-tail", redis=backend.path, local="4MiB",
            extra="breaker: {open_max: 1s}\npolicies:\n  - {prefix: 'key:', consistency: eventual}\n"
            "  - {prefix: 'fresh:', consistency: bounded, max_staleness: 200ms}")
        cold = 30_000 if self.tiny else 100_000
        mix = ["--workload", "get:90,miss:10", "--apart", "--cold-keys", cold, "--distribution", "uniform"]
        load(front, *mix, "--load-only")
        open_loop = [*self.timing, "--no-load"]
        # Where it is only tried, by binaries for debugging, a rate that any machine answers.
        alone, mixed = (450, 500) if self.tiny else (18000, 20000)

        def quiet(n):
            return figures(load(front, "--distribution", "uniform", "--connections", 45, "--rate", alone, *open_loop),
                           front, "get")

        def missing(n):
            return figures(load(front, *mix, "--rate", mixed, "--cold-start", cold * n // self.rounds, *open_loop),
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
        self.group("latency of local hits while others wait", rows)
        for row in rows[1:]:
            self.ratio_verdict(f"p99 of {row.what}", row, rows[0], 1.5, "p99", against="the quiet p99")
        for row in rows:
            row.base = rows[0]
        self.outage(front, backend)
        front.stop()
        backend.stop()

    def outage(self, front, backend):
        """Redis hangs in the middle of a run; when the breaker opened and closed, and what clients felt."""
        third = 1.0 if self.quick else 2.0
        self.say("an outage in the middle of a run")
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
                          "--timeline", "--svg", os.path.join(self.place.sockets, "outage.svg"), check=False)
        finally:
            thread.join()
            backend.signal(signal.SIGCONT)
        self.timeline = report["timeline"]
        begin, end = (third + 0.1) * 1000, third * 2000 - 100
        during = [part["p99_ns"] for part in self.timeline if begin <= part["start_ms"] <= end]
        opened, shut = seen.get("opened"), seen.get("closed")
        self.verdict("hung Redis to open breaker", "≤ 500 ms (5 × 100 ms)", duration_ms(opened),
                     opened is not None and opened <= 500, of_time=True)
        worst = max(during, default=0) / 1e6
        self.verdict("p99 of any 100 ms meanwhile, where a copy exists", "≤ 25 ms", f"{worst:.1f} ms", worst <= 25,
                     of_time=True)
        self.verdict("closed again after recovery", "≤ 2 s", duration_ms(shut), shut is not None and shut <= 2000,
                     of_time=True)
        wrong = report["failed"] + report["absent"] + report["unanswered"]
        self.notes.append(f"in the outage {wrong} of {report['completed']:,} reads were not answered with the value")

    def memory(self):
        self.say("start and memory")
        times = []
        for number in range(3 if self.quick else 7):
            server = self.stage.hearth(f"start{number}")
            server.stop()
            shutil.rmtree(os.path.join(self.place.directory(f"start{number}"), "warm"), ignore_errors=True)
            times.append(server.start())
            idle = server.resident()
            server.stop()
        middle = statistics.median(times)
        self.verdict("start to first answer, empty tiers", "≤ 50 ms", f"{middle:.0f} ms ({span(times, '{:.0f}')})",
                     middle <= 50, of_time=True)
        self.verdict("resident memory, idle", "≤ 15 MiB", f"{idle / 2**20:.1f} MiB", idle <= 15 * 2**20)
        server = self.stage.hearth("churn")
        seconds = max(1, int(self.seconds * (2 if self.quick else 6)))
        load(server, "--workload", "write", "--value-size", "100:40,1024:30,10240:20,51200:10", "--keys", 40_000,
             "--pipeline", 4, "--distribution", "uniform", "--no-load", "--duration", f"{seconds}s", "--warmup", "0s")
        status = Resp(server.path).map("HEARTH", "STATUS")
        resident = server.resident() - int(status["warm_index_bytes"])
        limit = 1.15 * 64 * 2**20 + 24 * 2**20
        self.verdict("resident memory under churn of 100 B to 50 KB values", "≤ 97.6 MiB (1.15 × 64 MiB + 24 MiB)",
                     f"{resident / 2**20:.1f} MiB, {int(status['local_evicted']):,} evicted", resident <= limit)
        server.stop()

    def run(self):
        for name, part in zip(PARTS, (self.hits, self.misses, self.warm_hits, self.journaled, self.tails, self.memory)):
            if not self.only or self.only == name:
                part()
        for what, target in [("heap allocations per GET hit", "0"),
                             ("p99 of local hits while warm writes saturate", "≤ 1.5 × the quiet p99")]:
            self.verdict(what, target, "not measured by this command", None)
