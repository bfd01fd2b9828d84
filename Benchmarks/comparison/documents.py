"""The places in the documents that repeat figures of the last whole run, and what stands there.

A place begins with a line `<!-- measured: NAME -->` and ends with `<!-- measured: end -->`; what is between them is made
of results/latest.json alone.
"""
import json
import os
import re

from comparison.measuring import Row
from comparison.result import counted, described, latency, ratio, taken, targets
from comparison.servers import ROOT

DOCUMENTS = ("README.md", "docs/performance.md")
PLACE = re.compile(r"(<!-- measured: (\w+) -->\n).*?(<!-- measured: end -->\n)", re.S)


def headline(run):
    """Hits in local memory beside the peers."""
    lines = ["| | server | CPU per GET | × redis-server | GETs/s | p50 | p99 | resident |",
             "|---|---|---:|---:|---:|---:|---:|---:|"]
    for name in ("pipeline 16", "no pipeline"):
        rows = {row["server"]: row for row in run["rows"] if row["what"] == f"GET hit, {name}"}
        base = read(rows["redis-server"])
        for who in rows:
            row = read(rows[who])
            row.base = base
            lines.append("| " + " | ".join([
                f"GET hit, {name}", who, f"{row.median('cpu'):,.0f} ns", ratio(row, "cpu"),
                f"{row.median('throughput'):,.0f}", latency(row.median("p50")), latency(row.median("p99")),
                f"{row.median('resident') / 2**20:.1f} MiB"]) + " |")
    return lines + ["", described(run["machine"]) + " " + taken(run["rounds"], run["seconds"], run["others"])]


def read(row):
    found = Row(row["what"], row["server"], None)
    found.rounds = row["rounds"]
    return found


def section_targets(run):
    return [described(run["machine"]), "", taken(run["rounds"], run["seconds"], run["others"]), ""] + targets(
        run["targets"], run["others"])


PLACES = {
    "headline": headline,
    "targets": section_targets,
    "counts": lambda run: counted(run["counts"]),
    "notes": lambda run: [f"- {note}" for note in run["notes"]],
}


def written(root=ROOT):
    """Each document's path and text now, and as it has to be."""
    with open(os.path.join(root, "Benchmarks", "results", "latest.json")) as file:
        run = json.load(file)
    for name in DOCUMENTS:
        path = os.path.join(root, name)
        with open(path) as file:
            text = file.read()
        yield path, text, PLACE.sub(lambda found: found[1] + "\n".join(PLACES[found[2]](run)) + "\n" + found[3], text)
