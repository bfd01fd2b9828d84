"""How long a start takes, and what memory is resident."""
import os
import shutil
import statistics

from comparison.measuring import load, span
from comparison.servers import Resp

ORDER = 60


def run(bench):
    bench.say("start and memory")
    times = []
    for number in range(3 if bench.quick else 7):
        server = bench.stage.hearth(f"start{number}")
        server.stop()
        shutil.rmtree(os.path.join(bench.place.directory(f"start{number}"), "warm"), ignore_errors=True)
        times.append(server.start())
        idle = server.resident()
        server.stop()
    middle = statistics.median(times)
    bench.verdict("start to first answer, empty tiers", "≤ 50 ms", f"{middle:.0f} ms ({span(times, '{:.0f}')})",
                 middle <= 50, of_time=True)
    bench.verdict("resident memory, idle", "≤ 15 MiB", f"{idle / 2**20:.1f} MiB", idle <= 15 * 2**20)
    server = bench.stage.hearth("churn")
    seconds = max(1, int(bench.seconds * (2 if bench.quick else 6)))
    load(server, "--workload", "write", "--value-size", "100:40,1024:30,10240:20,51200:10", "--keys", 40_000,
         "--pipeline", 4, "--distribution", "uniform", "--no-load", "--duration", f"{seconds}s", "--warmup", "0s")
    status = Resp(server.path).map("HEARTH", "STATUS")
    resident = server.resident() - int(status["warm_index_bytes"])
    limit = 1.15 * 64 * 2**20 + 24 * 2**20
    bench.verdict("resident memory under churn of 100 B to 50 KB values", "≤ 97.6 MiB (1.15 × 64 MiB + 24 MiB)",
                 f"{resident / 2**20:.1f} MiB, {int(status['local_evicted']):,} evicted", resident <= limit)
    server.stop()
