"""Load: workers in threads, each with a connection that heals, and what clients saw before, in and after a fault."""

import random
import sys
import threading
import time
from collections import Counter

from .answer import Asker

BEFORE, DURING, AFTER = "before", "during", "after"


class Phase:
    """What was seen in one phase: how long what was answered took, and errors by kind."""

    def __init__(self):
        self.taken, self.errors, self.asked = [], Counter(), 0


class Load:
    """The workers of some ledgers. They rest between requests, so that their own CPU does not become the latency."""

    def __init__(self, ledgers, addresses, seed, rest=0.004):
        """Workers go round the `addresses`, except those of ledgers that give addresses of their own."""
        self.ledgers, self.seed, self.rest = ledgers, seed, rest
        self.phase, self.phases = BEFORE, {name: Phase() for name in (BEFORE, DURING, AFTER)}
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.failures = []
        self.threads = []
        # A worker that holds the interpreter for its usual 5 ms would be the others' latency.
        sys.setswitchinterval(0.0005)
        number = 0
        for ledger in ledgers:
            for worker in range(ledger.workers):
                address = addresses[number % len(addresses)]
                self.threads.append(
                    threading.Thread(
                        target=self.work, args=(ledger, worker, address, f"{seed}/{ledger.name}/{worker}"), daemon=True
                    )
                )
                number += 1

    def start(self):
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(30)
            if thread.is_alive():
                self.failures.append("a client hangs: no answer within 30 s")

    def answered(self):
        return sum(len(phase.taken) for phase in self.phases.values())

    def work(self, ledger, worker, address, seed):
        generator, asker = random.Random(seed), Asker(address)

        def ask(*words):
            phase, began = self.phase, time.monotonic_ns()
            answer = asker.ask(*words)
            taken = time.monotonic_ns() - began
            self.note(DURING if DURING in (phase, self.phase) else self.phase, ledger, answer, taken)
            return answer

        try:
            while not self.stopping.is_set():
                ledger.act(ask, worker, generator)
                time.sleep(self.rest * generator.uniform(0.2, 1.8))
                if asker.client is None:
                    time.sleep(0.02)
        except Exception as error:  # A worker must not die unseen.
            self.failures.append(f"{ledger.name} worker {worker}: {error!r}")
        finally:
            asker.close()

    def note(self, phase, ledger, answer, taken):
        kind = answer.kind
        with self.lock:
            seen = self.phases[phase]
            seen.asked += 1
            # What was never sent took no time of anybody's.
            if answer.sent:
                seen.taken.append(taken)
            if kind is not None and kind not in ledger.ordinary:
                seen.errors[kind] += 1
