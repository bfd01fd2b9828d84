"""Whether reads kept to their bound: what was read had not been replaced for longer than that when it was asked for."""

import bisect
import math

from .operation import DEL, GET, SET


def outdated(operations, bound):
    """The reads of one key that break the promise of `bound` seconds, each with the operation that shows it.

    A read that began at t breaks it where the write of what it found had certainly been followed by another, and that
    one was acknowledged before t - bound: then no order of the writes has its value at any moment of the last `bound`
    seconds. What nobody wrote, or only after the read had ended, breaks any promise. Values are written once; whatever is
    unknown counts in favour of the read. The key begins with nothing.
    """
    writes = sorted((operation for operation in operations if operation.name in (SET, DEL)), key=lambda w: w.began)
    by_value = {write.value: write for write in writes if write.name == SET}
    ends = sorted((write.ended, write.began) for write in writes if write.known)
    # Of the writes acknowledged by a moment, the latest beginning.
    latest, newest = [], -math.inf
    for _, began in ends:
        newest = max(newest, began)
        latest.append(newest)
    broken = []
    for read in (operation for operation in operations if operation.name == GET):
        count = bisect.bisect_left(ends, (read.began - bound, -math.inf))
        newest = latest[count - 1] if count else -math.inf
        if read.result is not None:
            write = by_value.get(read.result)
            if write is None or write.began > read.ended:
                broken.append((read, "nobody had written that"))
            elif newest > write.ended:
                broken.append((read, f"{write!r} had been replaced by a write that began at {newest:.6f}"))
            continue
        # Nothing was found: right where nothing had certainly been written, or a deletion may have come last.
        deletions = [write for write in writes if write.name == DEL and write.began < read.ended]
        if newest > -math.inf and not any(write.ended >= newest for write in deletions):
            broken.append((read, f"nothing was found, and a write that began at {newest:.6f} had been acknowledged"))
    return broken
