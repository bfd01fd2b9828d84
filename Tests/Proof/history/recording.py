"""A workload that is written down: several clients go round a few keys, and each notes what it asked and was told."""

import time
from collections import defaultdict

from ledgers.ledger import Ledger

from .operation import DEL, GET, INCR, SET, Operation


class Recording(Ledger):
    """Clients read and write the same few keys under one prefix, so that they meet; `history` is by key."""

    workers = 6
    # Under `strong` and `strict` an outage refuses, as promised.
    ordinary = ()

    def __init__(self, prefix, keys=5, counters=2, deletes=True):
        super().__init__(prefix)
        self.keys = [f"{prefix}{number}" for number in range(keys)]
        self.counters = [f"{prefix}n{number}" for number in range(counters)]
        self.deletes = deletes
        self.history = defaultdict(list)
        self.written = defaultdict(int)

    def act(self, ask, worker, random):
        chance = random.random()
        if self.counters and chance < 0.2:
            return self.note(ask, worker, INCR if chance < 0.13 else GET, random.choice(self.counters))
        key = random.choice(self.keys)
        if chance < 0.6:
            return self.note(ask, worker, GET, key)
        if self.deletes and chance < 0.65:
            return self.note(ask, worker, DEL, key)
        self.written[worker] += 1
        return self.note(ask, worker, SET, key, f"{worker}.{self.written[worker]}")

    def note(self, ask, worker, name, key, value=None):
        began = time.monotonic()
        answer = ask(name, key) if value is None else ask(name, key, value)
        ended = time.monotonic()
        if answer.refused or (name == GET and not answer.done):
            return
        operation = Operation(name, began, value=value, client=worker)
        if answer.done:
            operation.ended = ended
            operation.result = self.understood(key, answer.value)
        with self.lock:
            self.history[key].append(operation)

    def understood(self, key, value):
        if isinstance(value, bytes):
            value = value.decode()
        return int(value) if key in self.counters and isinstance(value, str) and value.isdigit() else value

    def judge(self, ask):
        """Every key is read once more, when all is well again: the end of its history."""
        for key in self.keys + self.counters:
            self.note(ask, "the end", GET, key)
