"""With the number of entries: small ones in local memory, and in the warm tier at a start."""
import os
import shutil

from comparison.curve import Curve
from comparison.servers import LOAD_CORE, Resp

ORDER = 30


def run(growth):
    steps = growth.steps([1_000, 10_000, 100_000, 1_000_000, 10_000_000])
    curve = Curve("entries", "A GET hit, by entries", "entries", "ns of CPU",
                  text="Values of 16 B, uniformly asked for, pipeline 16, 50 connections: beyond the caches of the "
                       "processor each hit waits for memory. Memory is that of the process over what it had empty, for "
                       "one entry. The start is that of a Hearth which finds the entries in its warm tier, to its first "
                       "answer.")
    cpu = {name: curve.line(name) for name in ("hearth", "redis-server")}
    memory = {name: curve.line(name, "bytes an entry", drawn=False) for name in ("hearth", "redis-server")}
    start = curve.line("start with them warm", "ms", drawn=False)
    # Keys that live in memory alone may be configured where there is a Redis for others; nobody asks it here.
    backend = growth.stage.redis("entries-unasked", core=LOAD_CORE)
    for step in steps:
        words = ["--value-size", 16, "--keys", step]
        # Twice what they take, so that no shard is full before the others.
        room = f"{max(64, step * 512 >> 20)}MiB"
        hearth = growth.stage.hearth("entries", redis=backend.path, local=room, extra="policies:\n  - {prefix: '', tiers: [local]}")
        redis = growth.stage.redis("entries-redis")
        servers = (hearth, redis)
        empty = {server: server.resident() for server in servers}
        for server in servers:
            growth.load(server, *words, "--load-only", "--connections", 50, "--pipeline", 16)
            memory[server.name].add(step, (server.resident() - empty[server]) / step)
        for _ in range(growth.rounds):
            for server in servers:
                report = growth.load(server, *words, "--no-load", "--pipeline", 16)
                cpu[server.name].add(step, report["server"]["cpu_ns_per_operation"])
        for server in servers:
            server.stop()
        if step <= 1_000_000:
            warm(growth, step, words, start)
    backend.stop()
    return curve


def warm(growth, step, words, start):
    server = growth.stage.hearth("entries-warm", local="4MiB")
    growth.load(server, *words, "--load-only", "--connections", 50)
    held = int(Resp(server.path).map("HEARTH", "STATUS")["warm_entries"])
    if held != step:
        raise RuntimeError(f"the warm tier holds {held} of {step} entries")
    for _ in range(growth.rounds):
        server.stop()
        start.add(step, server.start())
    server.stop()
    shutil.rmtree(os.path.join(growth.place.directory("entries-warm"), "warm"), ignore_errors=True)
