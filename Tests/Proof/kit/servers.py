"""redis-server and hearth as processes that can be stopped, killed and started again at the same address."""

import os
import resource
import shutil
import signal
import subprocess
import tempfile
import time

from .waiting import TooLate, eventually
from .wire import Client, Gone, Refusal

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))


class Place:
    """A directory of one scene, with paths short enough for sockets; what is mounted in it goes with it."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="hearth-proof.")
        self.undoing = []

    def file(self, name):
        return os.path.join(self.path, name)

    def finally_do(self, action):
        """Runs at the end, the last one first."""
        self.undoing.append(action)

    def remove(self):
        while self.undoing:
            try:
                self.undoing.pop()()
            except (OSError, subprocess.SubprocessError):
                pass
        shutil.rmtree(self.path, ignore_errors=True)


class Process:
    """A server of ours; ended by its id."""

    running = set()

    def __init__(self, name, command, address, log, environment=None, under=(), error=None):
        """`under` is a command that limits itself and becomes the server; `error` a descriptor for standard error."""
        self.name, self.command, self.address, self.log = name, [*under, *command], address, log
        self.environment, self.error = environment or {}, error
        self.process = None

    def start(self, waiting=True):
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("HEARTH_", "LD_PRELOAD"))}
        environment.update(self.environment)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log if self.error is None else self.error,
                env=environment,
            )
        Process.running.add(self)
        if waiting:
            return self.ready()
        return None

    def ready(self, within=30.0):
        """Seconds until it answered."""

        def answers():
            if self.process.poll() is not None:
                raise TooLate(f"{self.name} ended with {self.process.returncode}: {self.tail()}")
            return self.answers()

        return eventually(lambda: f"{self.name} answers; {self.tail()}", answers, within, 0.002)

    def answers(self):
        client = Client(self.address, 1.0)
        try:
            return client.call("PING") == b"PONG"
        except Refusal:
            return False
        finally:
            client.close()

    @property
    def pid(self):
        return self.process.pid

    @property
    def alive(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        """kill -9."""
        self.signal(signal.SIGKILL)
        self.process.wait(30)

    def terminate(self, within=20.0):
        """SIGTERM; its exit code."""
        self.signal(signal.SIGTERM)
        return self.process.wait(within)

    def end(self):
        if self.alive:
            self.signal(signal.SIGCONT)
            self.kill()
        Process.running.discard(self)

    def tail(self, size=700):
        return self.text()[-size:]

    def text(self):
        try:
            with open(self.log, errors="replace") as file:
                return file.read()
        except OSError:
            return ""

    def client(self, timeout=5.0):
        return Client(self.address, timeout)

    # What it holds of the machine.

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def threads(self):
        return len(os.listdir(f"/proc/{self.pid}/task"))

    def states(self):
        """The states of its threads, as /proc tells them: "T" is stopped."""
        tasks = f"/proc/{self.pid}/task"
        states = set()
        for task in os.listdir(tasks):
            with open(f"{tasks}/{task}/stat") as file:
                states.add(file.read().rpartition(")")[2].split()[0])
        return states

    def resident(self):
        with open(f"/proc/{self.pid}/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()


class Redis(Process):
    """A redis-server on a Unix socket alone. `keeps` gives it an append-only file that is synced at each write."""

    def __init__(self, place, name="redis", keeps=False, flags=()):
        self.directory = place.file(name)
        os.makedirs(self.directory, exist_ok=True)
        path = place.file(f"{name}.sock")
        log = ["--appendonly", "yes", "--appendfsync", "always"] if keeps else ["--appendonly", "no"]
        super().__init__(
            "redis-server",
            [
                "redis-server",
                "--port",
                "0",
                "--unixsocket",
                path,
                "--dir",
                self.directory,
                "--save",
                "",
                "--daemonize",
                "no",
                "--enable-debug-command",
                "yes",
                "--enable-protected-configs",
                "yes",
            ]
            + log
            + list(flags),
            path,
            place.file(f"{name}.log"),
        )

    @property
    def url(self):
        return f"unix://{self.address}"

    def ask(self, *words):
        """One command over a connection of its own."""
        client = self.client()
        try:
            return client.call(*words)
        finally:
            client.close()


class Hearth(Process):
    """A hearth of the release build, configured by a file in the scene's directory."""

    program = os.path.join(ROOT, ".build", "release", "hearth")

    def __init__(
        self,
        place,
        url,
        name="hearth",
        settings="",
        policies="",
        warm="",
        journal="",
        warm_path=None,
        journal_path=None,
        redis="timeout: 100ms, soft_timeout: 20ms, reconnect_max: 200ms",
        admin="off",
        breaker="open: 100ms, open_max: 400ms",
        **process,
    ):
        self.place, self.file = place, place.file(f"{name}.yaml")
        self.warm = warm_path or place.file(f"{name}-warm")
        self.journal = journal_path or place.file(f"{name}-journal")
        address = place.file(f"{name}.sock")
        behind = "off" if url == "off" else f'"{url}", {redis}'
        with open(self.file, "w") as file:
            file.write(
                f'socket: {{path: "{address}"}}\n'
                f"redis: {{url: {behind}}}\n"
                + ("" if url == "off" else f"breaker: {{{breaker}}}\n")
                + f'warm: {{path: "{self.warm}"{", " if warm else ""}{warm}}}\n'
                f'journal: {{path: "{self.journal}"{", " if journal else ""}{journal}}}\n'
                f"admin: {{listen: {admin}}}\n{settings}\n"
                f'policies:\n  - {{prefix: "", max_staleness: 1s}}\n{policies}\n'
            )
        super().__init__(
            name, [self.program, "serve", "--config", self.file], address, place.file(f"{name}.log"), **process
        )

    def status(self, timeout=2.0):
        """HEARTH STATUS as text and integers, or None where it gives none."""
        try:
            client = Client(self.address, timeout)
        except OSError:
            return None
        try:
            fields = client.map("HEARTH", "STATUS")
            return {name: value.decode() if isinstance(value, bytes) else value for name, value in fields.items()}
        except (Gone, Refusal):
            return None
        finally:
            client.close()

    def trouble(self):
        """What keeps it from being healthy, in words; None when it is."""
        if not self.alive:
            return f"it ended with {self.process.returncode}"
        status = self.status()
        if status is None:
            return "it does not answer"
        if status["warm_state"] != "healthy":
            return f"warm tier {status['warm_state']}"
        if status["mode"] == "embedded":
            return None
        for side in ("breaker_reads", "breaker_writes"):
            if status[side] != "closed":
                return f"{side} {status[side]}"
        if status.get("journal_state", "healthy") != "healthy":
            return f"journal {status['journal_state']}"
        if status.get("journal_entries", 0):
            return f"{status['journal_entries']} entries wait"
        return None

    def events(self, name):
        """How many lines of the log tell of an event."""
        return self.text().count(f'"event":"{name}"')

    def tool(self, *words):
        """Runs hearth's command line: exit code and output."""
        result = subprocess.run([self.program, *words], capture_output=True, text=True, timeout=60)
        return result.returncode, result.stdout + result.stderr


def end_all():
    """Ends whatever still runs, at the end of a run or when it is interrupted."""
    for process in list(Process.running):
        process.end()


def pause(seconds):
    """Lets load run for a while: the only thing that is waited for by time."""
    time.sleep(seconds)
