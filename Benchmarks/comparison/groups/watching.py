"""p99 of hits while Hearth is watched: a scrape every 100 ms, and five open pages."""
import os
import signal
import socket
import statistics
import subprocess
import sys

from comparison.measuring import Row, figures, load
from comparison.servers import LOAD_CORE

ORDER = 57
PAGES = 5
#: The p99 of each 100 ms, and of those the median.
TYPICAL = "p99 of 100 ms"
WATCHERS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "watchers.py")


def run(bench):
    """The admin thread shares the server's core with its worker, as in a pod that is given one.

    Whoever watches shares the load's core. What that alone does to the load's latencies is measured beside it: the same
    process computes for as long and asks nobody, and what Hearth does to them is the ratio of the two.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = bench.stage.hearth("watched", admin=f"'127.0.0.1:{port}'")
    rate = 450 if bench.tiny else 18_000
    common = ["--connections", 45, "--distribution", "uniform", "--rate", rate, "--no-load", "--timeline", *bench.timing]
    load(server, *bench.keys, "--load-only")
    seen = []

    def measured():
        """Each 100 ms have one scrape. What else the machine does, now and then, is in the p99 of few of them, and in
        that of nearly every second."""
        report = load(server, *common)
        slices = [part["p99_ns"] for part in report["timeline"] if part["length_ms"] >= 90 and part["completed"]]
        return figures(report, server, "get") | {TYPICAL: statistics.median(slices) if slices else None}

    def quiet(n):
        return measured()

    def beside(*words):
        """The figures of a load while a process of these arguments runs, and what it said in the end."""
        watchers = subprocess.Popen(
            ["taskset", "-c", str(LOAD_CORE), sys.executable, WATCHERS, *map(str, words)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        if watchers.stdout.readline() != "watching\n":
            raise RuntimeError("nobody could watch")
        try:
            found = measured()
        finally:
            watchers.send_signal(signal.SIGTERM)
            said = watchers.communicate(timeout=60)[0].split()
        return found, said

    def watched(n):
        found, said = beside(port, PAGES)
        if len(said) != 4:
            raise RuntimeError(f"whoever watched went away: {said}")
        seen.append((int(said[0]), float(said[1]), int(said[2]), float(said[3])))
        return found

    def computing(n):
        return beside(seen[-1][3])[0]

    rows = [Row(f"local hits at {rate:,}/s, nobody looks", "hearth", quiet),
            Row(f"local hits at {rate:,}/s, a scrape each 100 ms and {PAGES} pages", "hearth", watched),
            Row(f"local hits at {rate:,}/s, who asked computes as long and asks nobody", "hearth", computing)]
    # Rounds of the same row differ by more than what is looked for.
    bench.group("latency of hits while somebody looks", rows, times=4)
    for row in rows:
        row.base = rows[0]
    bench.ratio_verdict("p99 of local hits, a scrape each 100 ms and five pages open", rows[1], rows[2], 1.1, TYPICAL,
                        against="where who asks computes instead")
    quietly, watching, control = (f"{(row.median(TYPICAL) or 0) / 1000:,.0f} µs" for row in rows)
    bench.notes.append(f"the p99 of 100 ms, median: {quietly} while nobody looked, {watching} while somebody did, "
                       f"{control} where who asked computed as long instead")
    scrapes, slowest, events, shares = zip(*seen)
    bench.notes.append(f"while somebody looked, {min(scrapes)} to {max(scrapes)} scrapes a round were answered, the "
                       f"slowest within {max(slowest):.0f} ms, and the pages heard {min(events)} to {max(events)} events; "
                       f"who asked computed for {100 * min(shares):.1f} to {100 * max(shares):.1f} % of the time, on the "
                       "load's core")
    server.stop()
