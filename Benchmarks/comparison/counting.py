"""What a process asks of the C library: a server with Benchmarks/Counts preloaded, and its totals."""
import os
import struct

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


def per_request(server, few, many, *words):
    """Calls for one request: the difference of a long run and a short one, in which connections cost the same."""
    grown = []
    for count in (few, many):
        before = totals(server)
        load(server, *words, "--requests", count, "--warmup", "0s")
        after = totals(server)
        grown.append({kind: after[kind] - before[kind] for kind in KINDS})
    return {kind: (grown[1][kind] - grown[0][kind]) / (many - few) for kind in KINDS}
