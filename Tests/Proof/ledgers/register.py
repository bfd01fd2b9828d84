"""Plain strings: each key has one writer, who writes a sequence number; everybody reads, and knows what it may be."""

import bisect
import time

from .ledger import DISORDERED, WRONG, Ledger, need

PENDING, DONE, REFUSED, UNKNOWN = range(4)


class Write:
    __slots__ = ("began", "ended", "fate", "deletes")

    def __init__(self, began, deletes):
        self.began, self.ended, self.fate, self.deletes = began, None, PENDING, deletes


class Registers(Ledger):
    """SET, SET with a life, MSET, DEL, GET and MGET.

    The rule for a read that lasted from t0 to t1: let L be the newest write that was acknowledged before t0. It must
    find L, or a later write that began before t1 and was not refused. Something older is out of order, whatever is no
    such write is wrong.
    """

    workers = 4
    per_worker = 6
    sizes = (16, 64, 300, 1500, 6000)

    def __init__(self, *given, prefix="s", deletes=True, **named):
        super().__init__(*given, **named)
        self.prefix, self.deletes = prefix, deletes
        self.writes = {self.key(w, i): [] for w in range(self.workers) for i in range(self.per_worker)}
        self.reads = []

    def key(self, worker, index):
        return f"{self.prefix}:{worker}:{index}"

    def value(self, key, number, size):
        head = f"{key}|{number}|"
        return (head + chr(97 + number % 26) * max(0, size - len(head))).encode()

    def act(self, ask, worker, random):
        chance = random.random()
        if chance < 0.45:
            self.read(ask, [self.key(random.randrange(self.workers), random.randrange(self.per_worker))])
        elif chance < 0.5:
            self.read(ask, random.sample(sorted(self.writes), 4))
        else:
            keys = [self.key(worker, random.randrange(self.per_worker))]
            if chance > 0.95:
                keys = [self.key(worker, index) for index in random.sample(range(self.per_worker), 3)]
            self.write(
                ask,
                keys,
                deletes=self.deletes and 0.5 < chance < 0.54,
                lives=chance > 0.9,
                size=random.choice(self.sizes),
            )

    def write(self, ask, keys, deletes, lives, size):
        now, notes, words = time.monotonic(), [], []
        for key in keys:
            note = Write(now, deletes)
            self.writes[key].append(note)
            notes.append(note)
            words += [key] if deletes else [key, self.value(key, len(self.writes[key]) - 1, size)]
        command = "DEL" if deletes else "SET" if len(keys) == 1 else "MSET"
        if lives and command == "SET":
            words += ["EX", 3600]
        answer = ask(command, *words)
        for note in notes:
            note.ended = time.monotonic()
            note.fate = DONE if answer.done else REFUSED if answer.refused else UNKNOWN

    def read(self, ask, keys):
        began = time.monotonic()
        answer = ask("GET", keys[0]) if len(keys) == 1 else ask("MGET", *keys)
        if answer.done:
            ended = time.monotonic()
            for key, value in zip(keys, [answer.value] if len(keys) == 1 else answer.value):
                self.reads.append((key, began, ended, value))

    def judge(self, ask):
        for key, began, ended, value in self.reads:
            self.compare(key, began, ended, value, "read", lax=self.lax)
        self.reads.clear()
        for key in self.writes:
            began = time.monotonic()
            value = need(ask("GET", key), key)
            self.compare(key, began, time.monotonic(), value, "at the end", last=True)

    def compare(self, key, began, ended, value, when, lax=False, last=False):
        writes = self.writes[key]
        newest = next(
            (i for i in range(self.known(writes, began), -1, -1) if writes[i].fate == DONE and writes[i].ended < began),
            None,
        )
        if value is None:
            later = range(0 if newest is None else newest, len(writes))
            if (
                newest is None
                or lax
                or any(writes[i].deletes and writes[i].fate != REFUSED and writes[i].began < ended for i in later)
            ):
                return
            self.miss(f"{key} holds nothing {when}, and write {newest} was acknowledged")
            return
        number = self.number(key, value)
        if number is None or number >= len(writes) or writes[number].began >= ended or writes[number].deletes:
            self.find(WRONG, f"{key} holds {value[:40]!r} {when}, which nobody wrote")
        elif writes[number].fate == REFUSED:
            self.find(WRONG, f"{key} holds write {number} {when}, which was refused")
        elif newest is not None and number < newest and not lax:
            what = "a deletion, " if writes[newest].deletes else ""
            text = f"{key} holds write {number} {when}, and {what}{newest}, was acknowledged before"
            if last or self.forgetful:
                self.miss(text)
            else:
                self.find(DISORDERED, text)

    @staticmethod
    def known(writes, moment):
        """The index of the last write that began before a moment, or -1."""
        return bisect.bisect_left(writes, moment, key=lambda write: write.began) - 1

    def number(self, key, value):
        """The sequence number of a value that is whole and its key's own; else None."""
        parts = value.split(b"|", 2)
        if len(parts) != 3 or parts[0] != key.encode() or not parts[1].isdigit():
            return None
        number = int(parts[1])
        return (
            number
            if parts[2] == parts[2][:1] * len(parts[2]) and value == self.value(key, number, len(value))
            else None
        )
