"""A GET that the warm tier answers, and a start with a million entries."""
import statistics
import time

from comparison.measuring import Row, figures, load, span

ORDER = 30


def run(bench):
    keys = 1_000 if bench.tiny else 50_000 if bench.quick else 1_000_000
    server = bench.stage.hearth("warm", local="4MiB")
    words = ["--workload", "miss-warm", "--cold-keys", keys, "--value-size", 1024]
    began = time.monotonic()
    load(server, *words, "--load-only")
    loaded = time.monotonic() - began
    rows = []
    for pipeline, name in [(16, "pipeline 16"), (1, "no pipeline")]:
        row = Row(f"GET warm hit, 1 KiB of {keys:,} entries, {name}", "hearth", lambda n: figures(
            load(server, *words, "--no-load", "--pipeline", pipeline, "--cold-start", keys * n // bench.rounds,
                 *bench.timing), server))
        rows += bench.group(row.what, [row])
    per_core = [1e9 / value for value in rows[0].values("cpu")] or [0]
    bench.verdict(f"warm hit, 1 KiB, {keys:,} entries, per core", "≥ 100,000/s",
                 f"{statistics.median(per_core):,.0f}/s ({span(per_core, '{:,.0f}')})",
                 statistics.median(per_core) >= 100_000)
    server.stop()
    took = server.start()
    bench.verdict(f"start with {keys:,} entries", "≤ 1 s", f"{took / 1000:.2f} s", took <= 1000,
                 of_time=True)
    bench.notes.append(f"{keys:,} entries of 1 KiB were written in {loaded:.1f} s")
    server.stop()
