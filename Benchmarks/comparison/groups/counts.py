"""What one request asks of the C library and the kernel: heap allocations, locks, system calls; cache misses where the
machine counts them."""
import re
import shutil
import subprocess
import threading

from comparison.counting import counted, per_request
from comparison.measuring import load
from comparison.servers import LOAD_CORE

ORDER = 15


def run(bench):
    bench.say("what a request asks of the C library and the kernel")
    few, many = (200, 600) if bench.tiny else (50_000, 250_000)
    backend = bench.stage.redis("counts-redis", core=LOAD_CORE)
    front = counted(bench.stage, "counts", redis=backend.path, local="4MiB",
                    extra="policies:\n  - {prefix: 'key:', consistency: eventual}")
    cold = ["--workload", "miss-redis", "--cold-keys", many + few, "--no-load"]
    load(front, *bench.keys, "--load-only")
    load(front, "--workload", "miss-redis", "--cold-keys", many + few, "--load-only")
    hits = {}
    for pipeline, name in [(16, "pipeline 16"), (1, "no pipeline")]:
        words = ["--pipeline", pipeline, *bench.keys]
        # Hot keys last, so that they are held: what was read before may have taken their place.
        # And asked for once each: a client's own write is told of by Redis, and its copy verified by the next read.
        load(front, *bench.keys, "--load-only")
        load(front, *words, "--no-load", "--requests", many, "--warmup", "0s", "--distribution", "uniform")
        hits[name] = per_request(front, few, many, *words, "--no-load", "--distribution", "uniform")
        rows = [("GET hit", hits[name]), ("GET miss, answered by Redis", per_request(front, few, many, *words, *cold)),
                ("SET through Redis", per_request(front, few, many, *words, "--no-load", "--workload", "write"))]
        bench.counts += [{"what": f"{what}, {name}", "each": each} for what, each in rows]
    front.stop()
    backend.stop()
    for name, each in hits.items():
        allocations = each["heap allocations"]
        # What happens without requests is not the same in each second: less than one in a thousand is none of a hit's.
        bench.verdict(f"heap allocations per GET hit, {name}", "0", f"{allocations:.4f}", abs(allocations) < 0.001)
    bench.notes.append(cache_misses(bench))


def cache_misses(bench):
    """Of a hit, by the processor's counters; or why they are not there."""
    if not shutil.which("perf"):
        return "cache misses were not counted: perf is not installed"
    server = bench.stage.hearth("misses-of-caches")
    try:
        load(server, *bench.keys, "--load-only")
        report = {}
        runner = threading.Thread(target=lambda: report.update(
            load(server, *bench.keys, "--no-load", "--pipeline", 16, "--distribution", "uniform", "--duration", "1s")))
        runner.start()
        done = subprocess.run(["perf", "stat", "-x", ",", "-e", "cache-misses", "-p", str(server.pid), "--", "sleep", "1"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        runner.join()
        found = re.search(r"^(\d+),", done.stderr, re.M)
        if done.returncode or not found or not report:
            return "cache misses were not counted: this machine shows no hardware counters"
        return f"cache misses per GET hit, pipeline 16: {int(found.group(1)) / report['throughput']:.2f}"
    finally:
        server.stop()
