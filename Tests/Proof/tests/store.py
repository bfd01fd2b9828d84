"""A store in memory that answers as Hearth does, and lies where it is told to."""

import time

from kit.answer import Answer


class Store:
    """Honest unless `lie` is set: a function of (store, words) that answers an Answer, or None to let it be honest."""

    def __init__(self):
        self.data, self.records, self.leases, self.queue = {}, {}, {}, None
        self.epoch = 1000
        self.lie = None

    def ask(self, *words):
        lied = self.lie(self, words) if self.lie else None
        return lied if lied is not None else self.honest(*words)

    def honest(self, *words):
        name = words[0].replace(".", "_").lower()
        if self.queue is not None and name not in ("exec", "discard"):
            self.queue.append(words)
            return Answer(b"QUEUED")
        return Answer(getattr(self, name)(*words[1:]))

    @staticmethod
    def raw(value):
        return value if isinstance(value, bytes) else str(value).encode()

    def set(self, key, value, *options):
        self.data[key] = self.raw(value)
        return b"OK"

    def mset(self, *pairs):
        for key, value in zip(pairs[::2], pairs[1::2]):
            self.set(key, value)
        return b"OK"

    def get(self, key):
        return self.data.get(key)

    def mget(self, *keys):
        return [self.data.get(key) for key in keys]

    def delete(self, *keys):
        return sum(self.data.pop(key, None) is not None for key in keys)

    # `del` is no name for a method.
    locals()["del"] = delete

    def incrby(self, key, step):
        self.set(key, int(self.data.get(key, b"0")) + step)
        return int(self.data[key])

    def append(self, key, text):
        self.data[key] = self.data.get(key, b"") + self.raw(text)
        return len(self.data[key])

    def multi(self):
        self.queue = []
        return b"OK"

    def discard(self):
        self.queue = None
        return b"OK"

    def exec(self):
        queue, self.queue = self.queue, None
        return [self.honest(*words).value for words in queue]

    def turns_add(self, key, turn, *options):
        turns = self.records.setdefault(key, [])
        turns.append([len(turns) + 1, 0, turn.encode()])
        return [b"version", len(turns), b"committed", b"redis"]

    def turns_get(self, key, *options):
        return [b"turns", list(self.records[key])] if key in self.records else None

    def state_get(self, key, *options):
        if key not in self.records:
            return None
        version, value = self.records[key]
        return [b"value", value, b"version", version]

    def state_set(self, key, value, *options):
        version = self.records.get(key, (0, None))[0] + 1
        self.records[key] = (version, self.raw(value))
        return [b"version", version, b"committed", b"redis"]

    def lease_acquire(self, key, owner, ttl):
        held = self.leases.get(key)
        if held and held[0] != owner and held[1] > time.monotonic():
            return None
        self.epoch += 1
        self.leases[key] = (owner, time.monotonic() + ttl / 1000)
        return self.epoch

    def lease_renew(self, key, owner, epoch, ttl):
        self.leases[key] = (owner, time.monotonic() + ttl / 1000)
        return epoch

    def lease_release(self, key, owner, epoch):
        if self.leases.get(key, ("",))[0] == owner:
            del self.leases[key]
        return 1


def once(condition, answer):
    """A lie that is told a single time, to the first request that meets the condition."""
    told = []

    def lie(store, words):
        if told or not condition(words):
            return None
        told.append(words)
        return answer(store, words)

    lie.told = told
    return lie
