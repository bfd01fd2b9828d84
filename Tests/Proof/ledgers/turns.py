"""Conversations that several add to at once: each acknowledged turn is there once, in its writer's order."""

from .ledger import WRONG, Ledger, need
from .text import compare


class Conversations(Ledger):
    """TURNS.ADD with a window that holds them all; a new conversation after each hundred turns."""

    workers = 2
    conversations = 2
    prefix = "talk"

    def __init__(self, *given, per_conversation=100, **named):
        super().__init__(*given, **named)
        self.per_conversation = per_conversation
        # Key to each writer's fates.
        self.turns = {}
        self.added = [0] * self.conversations

    def act(self, ask, worker, random):
        which = random.randrange(self.conversations)
        with self.lock:
            key = f"{self.prefix}:{which}:{self.added[which] // self.per_conversation}"
            self.added[which] += 1
            fates = self.turns.setdefault(key, [[] for _ in range(self.workers)])[worker]
        number = len(fates)
        fates.append("pending")
        answer = ask("TURNS.ADD", key, f"turn {worker} {number}", "KEEP", 100_000)
        fates[number] = "done" if answer.done else "refused" if answer.refused else "unknown"

    def judge(self, ask):
        for key, writers in self.turns.items():
            flat = need(ask("TURNS.GET", key, "STRONG"), key)
            turns = [] if flat is None else dict(zip(flat[::2], flat[1::2]))[b"turns"]
            sequences = [turn[0] for turn in turns]
            if sequences != sorted(set(sequences)):
                self.find(WRONG, f"{key} has the sequence numbers {sequences[:20]}")
            found = [[] for _ in range(self.workers)]
            for _, _, content in turns:
                words = content.split()
                if len(words) != 3 or words[0] != b"turn":
                    self.find(WRONG, f"{key} has the turn {content[:40]!r}")
                else:
                    found[int(words[1])].append(int(words[2]))
            for worker, fates in enumerate(writers):
                compare(self, f"{key} of writer {worker}", fates, found[worker])
