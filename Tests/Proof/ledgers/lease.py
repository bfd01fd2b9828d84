"""Leases: never two holders at once, epochs that only grow, and no late holder's write let in."""

import time

from .ledger import WRONG, Ledger

SETTLED = (b"redis", b"warm")


class Leases(Ledger):
    """Owners compete for a few leases, write with the epoch as fence, and release, or let the lease lapse.

    A holder is sure of its lease from the answer until `ttl` after it had asked, or until it asks for the release:
    whoever judges by its own clock began to count later than the question. Two such times of different owners that
    overlap are wrong, unless Redis itself lost the lease. So is an epoch that is no larger than one which was answered
    before the question, and a write that was let in with a fence older than one that was answered before.
    """

    workers = 2
    leases = 2
    ttl = 0.25
    prefix = "lease"
    ordinary = ("FENCED",)

    def __init__(self, *given, exclusive=True, **named):
        """`exclusive` false: leases may be lost, or end early; epochs and fences are judged all the same."""
        super().__init__(*given, **named)
        self.exclusive = exclusive and not self.forgetful
        # Per lease: [sure from, sure until, epoch, asked, owner].
        self.held = [[] for _ in range(self.leases)]
        # Per lease: (asked, answered, fence) of writes that were let in.
        self.wrote = [[] for _ in range(self.leases)]

    def act(self, ask, worker, random):
        which = random.randrange(self.leases)
        key, owner = f"{self.prefix}:{which}", f"owner-{worker}"
        asked = time.monotonic()
        with self.lock:
            # Whoever acquires again gives up what it holds: the same owner's former epoch has ended.
            for former in self.held[which]:
                if former[4] == worker:
                    former[1] = min(former[1], asked)
        answer = ask("LEASE.ACQUIRE", key, owner, int(self.ttl * 1000))
        if not answer.done or answer.value is None:
            return
        epoch, since, until = answer.value, time.monotonic(), asked + self.ttl
        for _ in range(random.randrange(3)):
            self.write(ask, which, worker, epoch)
        if random.random() < 0.3:
            asked_again = time.monotonic()
            renewed = ask("LEASE.RENEW", key, owner, epoch, int(self.ttl * 1000))
            if renewed.done:
                until = asked_again + self.ttl
        if random.random() < 0.7:
            until = min(until, time.monotonic())
            ask("LEASE.RELEASE", key, owner, epoch)
        with self.lock:
            self.held[which].append([since, until, epoch, asked, worker])
        if random.random() < 0.1:
            # Late: after the lease may have gone to somebody else.
            self.write(ask, which, worker, epoch)

    def write(self, ask, which, worker, epoch):
        asked = time.monotonic()
        answer = ask("STATE.SET", f"{self.prefix}:{which}:work", f"by {worker}", "FENCE", epoch)
        if answer.done and dict(zip(answer.value[::2], answer.value[1::2]))[b"committed"] in SETTLED:
            with self.lock:
                self.wrote[which].append((asked, time.monotonic(), epoch))

    def judge(self, ask):
        for which in range(self.leases):
            held = sorted(self.held[which])
            for index, (since, until, epoch, asked, owner) in enumerate(held):
                for earlier in held[max(0, index - 8) : index]:
                    if earlier[0] < asked and epoch <= earlier[2]:
                        self.find(WRONG, f"lease {which}: epoch {epoch} was given after {earlier[2]}")
                    overlap = min(until, earlier[1]) - max(since, earlier[0])
                    if overlap > 0 and owner != earlier[4] and self.exclusive:
                        self.find(
                            WRONG,
                            f"lease {which}: two holders for {overlap * 1000:.1f} ms, "
                            f"epochs {earlier[2]} and {epoch}",
                        )
            wrote = sorted(self.wrote[which], key=lambda write: write[0])
            answered = sorted(self.wrote[which], key=lambda write: write[1])
            highest, position = 0, 0
            for asked, _, fence in wrote:
                while position < len(answered) and answered[position][1] < asked:
                    highest = max(highest, answered[position][2])
                    position += 1
                if fence < highest and not self.forgetful:
                    self.find(WRONG, f"lease {which}: a write with fence {fence} was let in after {highest}")
