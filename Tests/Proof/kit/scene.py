"""One scene: servers, load through them, one fault, and what is to be said of it afterwards."""

import signal
import time
from contextlib import contextmanager

from . import servers
from .answer import Asker
from .load import AFTER, DURING, Load
from .proxy import Network
from .waiting import eventually


class Scene:
    """Made by `faults.Fault.run`. A fault's body uses `began`/`ended` (or `fault()`) round what it does."""

    def __init__(self, seed):
        self.place, self.seed = servers.Place(), seed
        self.redis = self.network = self.load = None
        self.hearths, self.networks = [], []
        self.notes, self.problems = [], []
        self.fault_ended = None
        self.recovered = None

    # Building it.

    def add_redis(self, name="redis", keeps=False, flags=()):
        made = servers.Redis(self.place, name, keeps, flags)
        made.start()
        self.redis = self.redis or made
        return made

    def add_network(self):
        made = Network(self.redis.address)
        self.networks.append(made)
        self.network = self.network or made
        return made

    def add_hearth(self, url=None, name="hearth", start=True, **settings):
        made = servers.Hearth(self.place, url or (self.network or self.redis).url, name, **settings)
        self.hearths.append(made)
        if start:
            made.start()
            self.settle(made)
        return made

    @property
    def hearth(self):
        return self.hearths[0]

    # Running it.

    def begin_load(self, ledgers, rest, each=12):
        """Starts the load, and waits until it runs: until each worker has had some answers."""
        self.load = Load(ledgers, [hearth.address for hearth in self.hearths], self.seed, rest)
        self.load.start()
        enough = each * len(self.load.threads)
        eventually("the load runs", lambda: self.load.answered() >= enough or self.load.failures)

    def began(self):
        self.load.phase = DURING

    def ended(self):
        self.fault_ended = time.monotonic()

    @contextmanager
    def fault(self):
        self.began()
        yield
        self.ended()

    def pause(self, seconds):
        servers.pause(seconds)

    def settle(self, hearth, within=20.0):
        """Waits until a Hearth is healthy: breaker closed, nothing waits, no tier degraded."""
        trouble = ["it was not asked"]

        def healthy():
            trouble[0] = hearth.trouble()
            return trouble[0] is None

        eventually(lambda: f"{hearth.name} is healthy ({trouble[0]}); its log: {hearth.tail()}", healthy, within)

    def recover(self, within=20.0):
        """Seconds from the fault's end until every Hearth is healthy and answers a read and a write."""
        for hearth in self.hearths:
            self.settle(hearth, within)
            asker = Asker(hearth.address)
            try:
                for words in (("SET", f"recovered:{hearth.name}", "1"), ("GET", f"recovered:{hearth.name}")):
                    eventually(f"{words[0]} is answered", lambda words=words: asker.ask(*words).done, within)
            finally:
                asker.close()
        self.recovered = time.monotonic() - self.fault_ended
        self.load.phase = AFTER

    def finish(self):
        """Stops the load, lets every Hearth settle, and judges what the ledgers know."""
        self.load.stop()
        self.problems += self.load.failures
        for hearth in self.hearths:
            self.settle(hearth)
        if len(self.hearths) > 1:
            # What one wrote last the other may not know before max_staleness, a second here.
            self.pause(1.1)
        for hearth in self.hearths:
            for ledger in self.load.ledgers:
                asker = Asker(hearth.address, 30)
                try:
                    ledger.judge(asker.ask)
                finally:
                    asker.close()

    def inspect(self):
        """Ends every Hearth as an operator would, and looks at what it leaves: exit code, log, files."""
        for hearth in self.hearths:
            if not hearth.alive:
                self.problems.append(f"{hearth.name} ended by itself with {hearth.process.returncode}")
                continue
            code = hearth.terminate()
            if code != 0:
                self.problems.append(f"{hearth.name} ended with {code} after SIGTERM")
            if "BUG" in hearth.text():
                self.problems.append(f"{hearth.name} says BUG in its log")
            code, output = hearth.tool("warm", "verify", hearth.warm)
            if code != 0:
                self.problems.append(f"hearth warm verify: {output.strip()[-200:]}")

    def remove(self):
        if self.load is not None and not self.load.stopping.is_set():
            self.load.stopping.set()
        for hearth in self.hearths:
            hearth.end()
        for process in list(servers.Process.running):
            process.end()
        for network in self.networks:
            network.end()
        self.place.remove()


def stop(process):
    process.signal(signal.SIGSTOP)


def go_on(process):
    process.signal(signal.SIGCONT)
