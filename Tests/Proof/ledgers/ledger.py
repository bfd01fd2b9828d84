"""What the workloads share: findings by kind, and the loss that a fault of Redis itself is allowed to cause."""

import threading
from collections import Counter

# What a ledger can find. `undone` is a loss by whoever the acknowledgement named (a Redis that came back empty, a disk
# whose files were cut), which nobody promised to prevent: it is counted apart, and only where the fault is one of
# these.
LOST, DOUBLED, DISORDERED, WRONG, UNDONE = "lost", "doubled", "out of order", "wrong", "undone"


class Ledger:
    """One workload: `act` does one thing through an Asker and notes it; `judge` compares with what is there at last.

    `ask` is a function of words that answers an Answer; `random` is the worker's own generator.
    """

    workers = 2
    # Errors that this workload meets without any fault.
    ordinary = ()
    # Reads under load may be older than this process's own writes: another sidecar, or another process, answers them.
    lax = False

    def __init__(self, name="", forgetful=False):
        """`forgetful`: what holds the data may lose what was acknowledged, in this scene."""
        self.name, self.forgetful = name, forgetful
        self.lock = threading.Lock()
        self.found = Counter()
        self.examples = []

    def act(self, ask, worker, random):
        raise NotImplementedError

    def judge(self, ask):
        raise NotImplementedError

    def find(self, kind, text):
        """Notes a finding; the first few are kept in words."""
        with self.lock:
            self.found[kind] += 1
            if len(self.examples) < 12:
                self.examples.append(f"{kind}: {text}")

    def miss(self, text):
        """Something acknowledged is not there."""
        self.find(UNDONE if self.forgetful else LOST, text)


class Unreadable(RuntimeError):
    """What is to be judged could not be read after the fault was over."""


def need(answer, what):
    """The value of an answer that must not fail any more."""
    if not answer.done:
        raise Unreadable(f"{what} can't be read after the fault: {answer.error}")
    return answer.value
