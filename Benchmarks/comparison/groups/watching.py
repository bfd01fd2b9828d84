"""p99 of hits while Hearth is watched: a scrape every 100 ms, and five open pages."""
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
#: The p99 of each 100 ms, and of those the lower quartile.
UNDISTURBED = "p99 of 100 ms"
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
    common = ["--connections", 45, "--distribution", "uniform", "--rate", rate, "--no-load", "--timeline", *bench.timing]
    load(server, *bench.keys, "--load-only")
    seen, slices = [], {"nobody": [], "somebody": []}

    def measured(who):
        """Each 100 ms have one scrape, where somebody looks. What else the machine does is in the p99 of up to half of
        them, ten times as large as what is looked for, and in that of every second; a quarter of them has none of it.
        """
        report = load(server, *common)
        found = [part["p99_ns"] for part in report["timeline"] if part["length_ms"] >= 90 and part["completed"]]
        slices[who] += found
        lower = statistics.quantiles(found, n=4)[0] if len(found) > 1 else None
        return figures(report, server, "get") | {UNDISTURBED: lower}

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
        seen.append((int(said[0]), float(said[1]), int(said[2])))
        return found

    rows = [Row(f"local hits at {rate:,}/s, nobody looks", "hearth", quiet),
            Row(f"local hits at {rate:,}/s, a scrape each 100 ms and {PAGES} pages", "hearth", watched)]
    # Rounds of the same row differ by more than what is looked for.
    bench.group("latency of hits while somebody looks", rows, times=6)
    for row in rows:
        row.base = rows[0]
    bench.ratio_verdict("p99 of local hits, a scrape each 100 ms and five pages open", rows[1], rows[0], 1.1,
                        UNDISTURBED, against="where nobody looks")
    for who, found in slices.items():
        if len(found) > 1:
            quartiles = " / ".join(f"{value / 1000:,.0f}" for value in statistics.quantiles(found, n=4))
            bench.notes.append(f"while {who} looked, the p99 of {len(found)} × 100 ms had quartiles of {quartiles} µs")
    scrapes, slowest, events = zip(*seen)
    bench.notes.append(f"while somebody looked, {min(scrapes)} to {max(scrapes)} scrapes a round were answered, the "
                       f"slowest within {max(slowest):.0f} ms, and the pages heard {min(events)} to {max(events)} events")
    server.stop()
