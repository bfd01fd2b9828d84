"""p99 of hits while Hearth is watched: a scrape every 100 ms, and five open pages."""
import math
import os
import signal
import socket
import statistics
import subprocess
import sys

from comparison.measuring import Row, figures, load
from comparison.servers import SERVER_CORE

ORDER = 57
PAGES = 5
#: Seconds of a round, and rounds for each that was asked for.
LENGTH, TIMES = 4, 3
WATCHERS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "watchers.py")


def run(bench):
    """Whoever watches shares the server's core, as the admin thread shares it with its worker.

    They can't share the load's: hearth-bench never sleeps while it paces its requests, so that whoever runs there holds
    back its requests for as long, and what is late then is the load.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = bench.stage.hearth("watched", admin=f"'127.0.0.1:{port}'")
    rate = 450 if bench.tiny else 18_000
    seconds = bench.seconds * LENGTH
    common = ["--connections", 45, "--distribution", "uniform", "--rate", rate, "--no-load", "--timeline",
              *bench.lasting(seconds)]
    load(server, *bench.keys, "--load-only")
    seen, slices = [], {"nobody": [], "somebody": []}

    def measured(who):
        report = load(server, *common)
        slices[who] += [part["p99_ns"] / 1000 for part in report["timeline"]
                        if part["length_ms"] >= 90 and part["completed"]]
        return figures(report, server, "get")

    def quiet(n):
        return measured("nobody")

    def watched(n):
        watchers = subprocess.Popen(
            ["taskset", "-c", str(SERVER_CORE), sys.executable, WATCHERS, str(port), str(PAGES)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        if watchers.stdout.readline() != "watching\n":
            raise RuntimeError("nobody could watch")
        try:
            found = measured("somebody")
        finally:
            watchers.send_signal(signal.SIGTERM)
            said = watchers.communicate(timeout=60)[0].split()
        if len(said) != 3:
            raise RuntimeError(f"whoever watched went away: {said}")
        scrapes, slowest, events = int(said[0]), float(said[1]), int(said[2])
        if not bench.tiny and (scrapes < 9 * seconds or events < PAGES * int(seconds)):
            raise RuntimeError(f"whoever watched saw too little: {scrapes} scrapes, {events} events")
        seen.append((scrapes, slowest, events))
        return found

    rows = [Row(f"local hits at {rate:,}/s, nobody looks", "hearth", quiet),
            Row(f"local hits at {rate:,}/s, a scrape each 100 ms and {PAGES} pages", "hearth", watched)]
    bench.group("latency of hits while somebody looks", rows, times=TIMES)
    for row in rows:
        row.base = rows[0]
    judge(bench, slices)
    scrapes, slowest, events = zip(*seen)
    bench.notes.append(f"while somebody looked, {min(scrapes)} to {max(scrapes)} scrapes a round were answered, the "
                       f"slowest within {max(slowest):.0f} ms, and the pages heard {min(events)} to {max(events)} events")
    server.stop()


def judge(bench, slices):
    """Each 100 ms have one scrape, where there are any: by which factor those of one kind are slower than the other's.

    What else the machine does is in the p99 of up to half of them, and ten times what is looked for. So it is the median
    of the ratios of each to each (Hodges and Lehmann, 1963), which many such hardly move, with the interval in which it
    lies by 95 % (Moses, 1953: from the ranks of Mann and Whitney's test).
    """
    what, target = "p99 of local hits, a scrape each 100 ms and five pages open", "≤ 1.1 × where nobody looks"
    nobody, somebody = slices["nobody"], slices["somebody"]
    if len(nobody) < 10 or len(somebody) < 10:
        return bench.verdict(what, target, "too few times of 100 ms were whole", False)
    ratios = sorted(looked / quiet for looked in somebody for quiet in nobody)
    spread = 1.96 * math.sqrt(len(ratios) * (len(nobody) + len(somebody) + 1) / 12)
    least = max(0, int(len(ratios) / 2 - spread))
    ratio = statistics.median(ratios)
    bench.verdict(what, target, f"{ratio:.2f} × (95 %: {ratios[least]:.2f} to {ratios[-1 - least]:.2f})", ratio <= 1.1,
                  of_time=True)
    for who, found in slices.items():
        quartiles = " / ".join(f"{value:,.0f}" for value in statistics.quantiles(found, n=4))
        bench.notes.append(f"while {who} looked, the p99 of {len(found)} × 100 ms had quartiles of {quartiles} µs")
