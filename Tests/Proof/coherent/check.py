"""Finds in a recorded history what no sidecar may answer: values older than their bound, and what was deleted.

Every value is written once, so that a value names its write. Nothing is assumed of the order in which Redis carried out what
was under way at the same time: a value counts as replaced only by a write that began after its own was acknowledged.
"""

import bisect
import itertools
import math
from dataclasses import dataclass, field

#: Where a write came from that no sidecar knows of.
DIRECT = -1


@dataclass
class Write:
    """Seconds at which it began and was answered; no value is a deletion. `end` is None where nothing is known of it."""

    begin: float
    end: float | None
    value: bytes | None
    through: int


@dataclass
class Read:
    begin: float
    end: float
    value: bytes | None
    through: int


@dataclass
class Found:
    key: str
    what: str
    late: float

    def __str__(self):
        return f"{self.key}: {self.what}"


@dataclass
class Rules:
    #: Seconds for which a copy may be answered after it was replaced (`max_staleness`), and what the clocks may be off.
    bound: float
    #: Seconds within which a sidecar is told of a change, where it has no gap.
    prompt: float
    #: For each sidecar the intervals in which it can't be told.
    gaps: dict = field(default_factory=dict)

    def deaf(self, sidecar, begin, end):
        return any(begin <= until and end >= since for since, until in self.gaps.get(sidecar, ()))


class History:
    """The writes of one key in an order in which questions about them are quick."""

    def __init__(self, writes):
        self.by_value = {w.value: w for w in writes if w.value is not None}
        self.replacing = Earliest([w for w in writes if w.end is not None])
        self.deleting = Earliest([w for w in writes if w.end is not None and w.value is None])
        self.deletions = Latest([w for w in writes if w.value is None])
        self.settings = sorted((w for w in writes if w.value is not None and w.end is not None), key=lambda w: w.end)
        self.set_by = [w.end for w in self.settings]

    def last_set_before(self, moment):
        """Of the values that were acknowledged before a moment the last one."""
        index = bisect.bisect_left(self.set_by, moment)
        return self.settings[index - 1] if index else None


class Earliest:
    """Of the writes that began at or after a moment, the one that was answered first."""

    def __init__(self, writes):
        writes = sorted(writes, key=lambda w: w.begin)
        self.begins = [w.begin for w in writes]
        self.first = [None] * len(writes)
        best = None
        for index in range(len(writes) - 1, -1, -1):
            if best is None or writes[index].end < best.end:
                best = writes[index]
            self.first[index] = best

    def since(self, moment):
        index = bisect.bisect_left(self.begins, moment)
        return self.first[index] if index < len(self.first) else None


class Latest:
    """Of the writes that began until a moment, how late the last of them may have been carried out."""

    def __init__(self, writes):
        writes = sorted(writes, key=lambda w: w.begin)
        self.begins = [w.begin for w in writes]
        ends = (math.inf if w.end is None else w.end for w in writes)
        self.last = list(itertools.accumulate(ends, max))

    def until(self, moment):
        index = bisect.bisect_right(self.begins, moment)
        return self.last[index - 1] if index else -math.inf


def check(key, writes, reads, rules):
    """What was read of a key that may not have been."""
    history = History(writes)
    for read in reads:
        found = absence(key, read, history, rules) if read.value is None else presence(key, read, history, rules)
        if found:
            yield found


def presence(key, read, history, rules):
    write = history.by_value.get(read.value)
    if write is None:
        return Found(key, f"{read.value!r} was read and never written", 0)
    if write.end is None:
        return None
    replaced = history.replacing.since(write.end)
    if replaced and read.begin - replaced.end > rules.bound:
        late = read.begin - replaced.end
        return Found(
            key,
            f"{read.value!r} was read through sidecar {read.through} {late:.3f} s after it had been "
            f"{'deleted' if replaced.value is None else 'replaced'}, later than {rules.bound:g} s",
            late,
        )
    deleted = history.deleting.since(write.end)
    # What a sidecar wrote itself it holds without having read it: Redis does not track that, and time bounds it.
    if deleted is None or write.through == read.through:
        return None
    late = read.begin - deleted.end
    if late > rules.prompt and not rules.deaf(read.through, deleted.begin - rules.bound, read.begin):
        return Found(
            key,
            f"{read.value!r} was read through sidecar {read.through} {late:.3f} s after it had been deleted "
            f"{'directly' if deleted.through == DIRECT else f'through sidecar {deleted.through}'}, "
            f"later than {rules.prompt:g} s and in no gap",
            late,
        )
    return None


def absence(key, read, history, rules):
    """Nothing was found: some deletion must be able to explain it, or the key's beginning."""
    write = history.last_set_before(read.begin - rules.bound)
    if write is None or history.deletions.until(read.end) >= write.begin:
        return None
    late = read.begin - write.end
    return Found(key, f"nothing was read {late:.3f} s after {write.value!r} was written, and nobody deleted it", late)
