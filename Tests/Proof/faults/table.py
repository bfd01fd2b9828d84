"""The matrix as a page of docs/, and as lines on a terminal."""

from kit.figures import milliseconds, seconds
from ledgers.ledger import DISORDERED, DOUBLED, LOST, UNDONE, WRONG

HEAD = """# Chaos

Real faults on real processes, under load that knows what it wrote. This page is written by `make chaos`
(`Tests/Proof/chaos`), which fails where anything acknowledged is lost, or anything that was not written is read.

## How to read it

Fifteen to nineteen clients write and read through Hearth's socket all the time: strings (`SET`, `MSET`, `DEL`, with and without
a life), counters, texts that only grow, pairs of keys written by `MULTI` or `MSET`, conversations, records written on the version
that was read, and leases with fenced writes. Each value carries its key and a sequence number; each client remembers what
was acknowledged, what was refused and what stayed unknown (`Tests/Proof/ledgers`). Every read under load is judged, and after the fault, once
Hearth is healthy again, everything is read once more, through every sidecar.

| column | what |
|---|---|
| errors | what clients saw from the fault's beginning on, and how often. `not sent`, `not done`, `not answered`, `outcome unknown` are `-UNAVAILABLE` with that text ([protocol.md](protocol.md#what-an-answer-means)); `connection ended`, `no connection` are the socket's. -CONFLICT and -FENCED, which these workloads provoke, do not count |
| p50, p99, longest | milliseconds from request to answer, errors included, of requests that were under way in the fault; before it in small. Measured by a Python client, whose own share is some tenths of a millisecond |
| lost | acknowledged, and not there |
| wrong | doubled, out of order, another key's, refused and there all the same, given twice, held by two |
| recovered | from the end of the fault until Hearth says that it is healthy (breaker closed, nothing waits for Redis, no tier degraded) and a read and a write are answered |

Under `undone` stands what the one whom the acknowledgement named has lost (a Redis that came back empty, a disk whose files were cut):
nobody promised to prevent that. What Hearth brings back from its own tiers all the same is judged as lost when it does not.
With two sidecars two things are left out, which are known and not promised away: keys are not deleted, since a key that one
sidecar deletes can come back from the other's warm tier, and a conversation ends after twelve turns, since a write whose answer was
lost is recognised among a record's last 16 alone ([records.md](records.md#written-once)).

Times are of one run on a machine that others used too; what they bound is `redis.timeout` (100 ms here), `soft_timeout` (20 ms),
`breaker.open_max` (400 ms) and `max_staleness` (1 s). In every scene Hearth is ended by SIGTERM at last: it must leave with 0, without
`BUG` in its log, and `hearth warm verify` must find nothing.
"""


def table(rows, computer):
    ran = [row for row in rows if not row.skipped]
    total = sum(row.asked for row in ran)
    parts = [
        HEAD,
        "## The matrix",
        "",
        f"{len(ran)} faults, {total:,} requests, in {sum(row.seconds for row in ran) / 60:.1f} minutes, on {computer}.",
        "",
    ]
    for group in dict.fromkeys(row.group for row in rows):
        parts += [
            f"### {group}",
            "",
            "| fault | how | errors | p50, p99, longest in it (before), ms | lost | wrong | recovered | besides |",
            "|---|---|---|---|---|---|---|---|",
        ]
        parts += [line(row) for row in rows if row.group == group]
        parts.append("")
    return "\n".join(parts)


def line(row):
    if row.skipped:
        return f"| {row.name} | {row.how} | not run: {row.skipped} | | | | | |"
    wrong = sum(row.found.get(kind, 0) for kind in (DOUBLED, DISORDERED, WRONG))
    besides = list(row.notes_of_fault) + ([f"{row.found[UNDONE]} undone"] if row.found.get(UNDONE) else [])
    return (
        f"| {row.name} | {row.how} | {errors(row)} | {times(row.during)} ({times(row.before)}) | {row.found.get(LOST, 0)} | "
        f"{wrong} | {'-' if row.recovered is None else seconds(row.recovered)} | {'; '.join(besides)} |"
    )


def errors(row):
    if not row.errors:
        return "none"
    return ", ".join(f"{kind} {count:,}" for kind, count in sorted(row.errors.items(), key=lambda item: -item[1]))


def times(taken):
    return ", ".join(milliseconds(value) for value in taken) if taken else "-"


def report(row):
    """One row for a terminal, with what is bad about it."""
    state = "skipped" if row.skipped else "FAILED" if row.bad else "passed"
    text = f"{state}: {row.group}: {row.name}, {row.seconds:.1f} s"
    if row.skipped:
        return f"{text}: {row.skipped}"
    text += f"; errors: {errors(row)}; {times(row.during)} ms"
    found = {kind: count for kind, count in row.found.items() if count}
    if found:
        text += f"; {found}"
    if row.bad:
        text += "".join(f"\n    {part}" for part in row.examples + row.problems)
    return text
