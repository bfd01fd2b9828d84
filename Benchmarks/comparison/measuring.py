"""One measurement: a run of hearth-bench or redis-benchmark against a server, and the figures of several rounds."""
import json
import os
import resource
import statistics
import subprocess
import time

from comparison.servers import LOAD_CORE, Resp


def load(server, *words, check=True, core=LOAD_CORE):
    """One run of hearth-bench against a server; its report."""
    command = ["taskset", "-c", str(core), os.path.join(server.built, "hearth-bench"), "--socket", server.path,
               "--pid", str(server.pid), "--protocol", server.speaks, "--output", "json", *map(str, words)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[3:])}: exit code {done.returncode}: {done.stderr.strip()}")
    if "--load-only" in words:
        return None
    report = json.loads(done.stdout)
    if check and (report["failed"] or report["wrong"] or report["unanswered"] or report["absent"]):
        raise RuntimeError(f"{' '.join(command[3:])}: not every answer was right: {report['errors']}, "
                           f"{report['absent']} absent, {report['unanswered']} unanswered")
    return report


def figures(report, server, kind="all"):
    """What the tables need of a report."""
    latency = report["latency_ns"][kind]
    found = {
        "cpu": report["server"]["cpu_ns_per_operation"], "throughput": report["throughput"],
        "cores": report["server"]["cores"], "p50": latency["p50"], "p99": latency["p99"], "p99.9": latency["p99.9"],
        "resident": report["server"]["resident_bytes"], "generator": report["generator"]["cpu_ns_per_operation"],
    }
    # Where nothing was answered there is no figure, which is not 0.
    return {name: value or None for name, value in found.items()} | {"sleeps": report["server"]["sleeps_per_operation"]}


def redis_benchmark(server, pipeline, requests, *words):
    words = words or ("get", "key:__rand_int__")
    before, sleeps, own = server.cpu(), server.sleeps(), children_cpu()
    done = subprocess.run(
        ["taskset", "-c", str(LOAD_CORE), "redis-benchmark", "-s", server.path, "-c", "50", "-P", str(pipeline), "-n",
         str(requests), "-r", "10000", "--csv", *words],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)
    row = [field.strip('"') for field in done.stdout.strip().split("\n")[-1].rsplit(",", 7)]
    return {"cpu": (server.cpu() - before) / requests, "sleeps": (server.sleeps() - sleeps) / requests,
            "generator": (children_cpu() - own) / requests, "throughput": float(row[1]), "p50": float(row[4]) * 1e6,
            "p99": float(row[6]) * 1e6, "p99.9": None, "resident": server.resident(), "cores": None}


def children_cpu():
    """Nanoseconds of CPU of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * 1e9


def span(values, form):
    return form.format(values[0]) if len(values) == 1 else f"{form.format(min(values))} to {form.format(max(values))}"


class Row:
    """One line of the table: figures of all rounds."""

    def __init__(self, what, who, measure, base=None):
        self.what, self.who, self.measure, self.base = what, who, measure, base
        self.rounds = []

    def values(self, name):
        return [figures[name] for figures in self.rounds if figures.get(name) is not None]

    def median(self, name):
        values = self.values(name)
        return statistics.median(values) if values else None

    def ratios(self, other, name):
        pairs = [(a.get(name), b.get(name)) for a, b in zip(self.rounds, other.rounds)]
        return [a / b for a, b in pairs if a is not None and b]


def counters(server):
    document = json.loads(Resp(server.path).call("HEARTH", "STATUS", "JSON"))
    totals = {}
    for lookup in document["lookups"]:
        totals[lookup["tier"]] = totals.get(lookup["tier"], 0) + lookup["count"]
    return totals


def shares(before, after):
    grown = {tier: after[tier] - before[tier] for tier in after}
    total = sum(grown.values()) or 1
    return {tier: count / total for tier, count in grown.items()}


def until(holds, since, limit):
    """Milliseconds since a moment until something holds; nil where it never did."""
    while time.monotonic() - since < limit:
        if holds():
            return (time.monotonic() - since) * 1000
        time.sleep(0.002)
    return None


def closed(server):
    client = Resp(server.path)
    if until(lambda: client.map("HEARTH", "BREAKER").get("reads") == "closed", time.monotonic(), 20) is None:
        raise RuntimeError("the breaker did not close within 20 s after Redis went on")


def duration_ms(value):
    return "never" if value is None else f"{value:.0f} ms"
