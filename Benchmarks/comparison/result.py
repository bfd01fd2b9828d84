"""The result as Markdown: one table of all rows, one of the targets."""
import statistics

from comparison.measuring import span

# The share of the machine that others may use before latencies and throughput are said to be noisy.
NOISY = 0.05


def latency(value):
    if value is None:
        return "-"
    for unit, size in (("ms", 1e6), ("µs", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.0f} ns"


def cell(row, name, form):
    values = row.values(name)
    return "-" if not values else f"{form.format(statistics.median(values))} ({span(values, form)})"


def ratio(row, name):
    if row.base is None:
        return "-"
    ratios = row.ratios(row.base, name)
    return f"{statistics.median(ratios):.2f}" if ratios else "-"


def described(computer):
    return (f"{computer['cores']} cores, {computer['cpu']}, {computer['kernel']}; {computer['hearth']}, "
            f"redis-server {computer['redis-server']}, memcached {computer['memcached']}, libuv {computer['libuv']}, "
            f"Swift {computer['swift']}.")


def taken(rounds, seconds, noise):
    return (f"{rounds} rounds of {seconds:g} s each, median (smallest to largest); server on one core, load on the "
            f"other; values of 64 B and 50 connections where nothing else is said. Other processes used {noise:.0%} of "
            "the machine meanwhile" + (": **noisy**." if noise > NOISY else "."))


def targets(verdicts, noise):
    """The targets of the design beside what was measured, as lines of a table."""
    lines = ["| what | target | measured | |", "|---|---|---|---|"]
    for verdict in verdicts:
        met = {True: "met", False: "**missed**", None: ""}[verdict["met"]]
        if met and verdict["of_time"] and noise > NOISY:
            met += ", noisy"
        lines.append(f"| {verdict['what']} | {verdict['target']} | {verdict['measured']} | {met} |")
    return lines


def counted(counts):
    """What one request asks of the C library and the kernel, as lines of a table."""
    kinds = list(counts[0]["each"])
    return ["| what | " + " | ".join(kinds) + " |", "|---" + "|---:" * len(kinds) + "|"] + [
        f"| {row['what']} | " + " | ".join(f"{round(row['each'][kind], 3) + 0:.3f}" for kind in kinds) + " |" for row in counts]


def markdown(bench, computer, noise):
    lines = ["# Measured beside the peers", "", described(computer), "",
             taken(bench.rounds, bench.seconds, noise), "",
             "| what | server | CPU per operation, ns | × | operations/s | × | p50 | p99 | p99.9 | resident |",
             "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|"]
    for row in bench.rows:
        resident = row.median("resident")
        lines.append("| " + " | ".join([
            row.what, row.who, cell(row, "cpu", "{:,.0f}"), ratio(row, "cpu"), cell(row, "throughput", "{:,.0f}"),
            ratio(row, "throughput"), latency(row.median("p50")), latency(row.median("p99")),
            latency(row.median("p99.9")), f"{resident / 2**20:.1f} MiB" if resident else "-"]) + " |")
    lines += ["", "× is the ratio to redis-server in the same rows (to the quiet row, for hits at a rate): below 1 is "
              "better for CPU, above 1 for operations.", ""] + targets(bench.verdicts, noise)
    if bench.counts:
        lines += ["", "What one request asks of the C library and the kernel, by the difference of two runs:", ""]
        lines += counted(bench.counts)
    lines += [""] + [f"- {note}" for note in bench.notes]
    if bench.timeline:
        lines += ["", "The outage as a time line: [outage.svg](outage.svg)."]
    return "\n".join(lines) + "\n"
