"""What a process asks of the C library: a server with Benchmarks/Counts preloaded, and its totals."""
import os
import struct
import time

from comparison.measuring import load
from comparison.servers import Server

COUNTING = "libhearth-counts.so"
KINDS = ("heap allocations", "mutex locks", "reads", "writes", "epoll waits", "disk calls")


def counted(stage, name, **options):
    """A Hearth whose calls are counted."""
    file = os.path.join(stage.place.sockets, name + ".counts")
    environment = {"LD_PRELOAD": os.path.join(os.path.abspath(Server.built), COUNTING), "COUNTS_FILE": file}
    server = stage.hearth(name, environment=environment, **options)
    server.counts = file
    return server


def totals(server):
    with open(server.counts, "rb") as file:
        return dict(zip(KINDS, struct.unpack("8Q", file.read(64))))


def per_second(server, seconds=3):
    """What the process does without requests: it keeps house, asks its Redis whether it lives, walks over its disk."""
    before, began = totals(server), time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - began
    return {kind: (count - before[kind]) / passed for kind, count in totals(server).items()}


def per_request(server, few, many, *words):
    """Calls for one request: the difference of a long run and a short one, in which connections cost the same, less what
    the process does in that time without requests. It may come out below 0, since that is not the same in each second.
    """
    quiet, grown = [per_second(server)], []
    for count in (few, many):
        before, began = totals(server), time.monotonic()
        load(server, *words, "--requests", count, "--warmup", "0s")
        passed = time.monotonic() - began
        after = totals(server)
        grown.append((passed, {kind: after[kind] - before[kind] for kind in KINDS}))
    quiet.append(per_second(server))
    (short, first), (long, second) = grown
    return {kind: (second[kind] - first[kind] - (long - short) * (quiet[0][kind] + quiet[1][kind]) / 2) / (many - few)
            for kind in KINDS}
