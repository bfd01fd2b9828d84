"""Hearth as a service manager runs it: sockets that are passed, readiness and signs of life that are told.

usage: service.py HEARTH: systemd itself is not needed; this script passes descriptors and listens as it would.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

PATIENCE = 60


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


class Manager:
    """One service, with its sockets and the socket that it tells its news to."""

    def __init__(self, binary, abstract=False):
        self.binary = binary
        self.here = tempfile.mkdtemp(prefix="hearth-service.")
        self.path = f"{self.here}/h.sock"
        self.sockets = []
        self.process = None
        self.heard = []
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        name = f"@hearth-service-{os.getpid()}" if abstract else f"{self.here}/notify"
        self.notify.bind(name.replace("@", "\0"))
        self.environment = {"PATH": os.environ["PATH"], "NOTIFY_SOCKET": name}

    def listen(self, address, family=socket.AF_UNIX):
        listener = socket.socket(family)
        listener.bind(address)
        listener.listen(16)
        self.sockets.append(listener)
        return listener

    def start(self, *flags, pid="$$", **environment):
        """Its descriptors are 3 and those that follow; it learns its own process id from the shell that becomes it."""
        numbers = [one.fileno() for one in self.sockets]
        # First out of the way, so that none is closed by another that takes its place.
        moved = [f"{index + 50}<&{number}" for index, number in enumerate(numbers)]
        placed = [f"{index + 3}<&{index + 50} {index + 50}<&-" for index in range(len(numbers))]
        passed = f"export LISTEN_PID={pid} LISTEN_FDS={len(numbers)}; " if numbers else ""
        script = f"exec {' '.join(moved + placed)}; {passed}exec \"$@\""
        self.log = open(f"{self.here}/log", "ab")
        self.process = subprocess.Popen(
            ["bash", "-c", script, "bash", self.binary, "serve", "--redis-url", "off", "--socket-path", self.path,
             "--warm-path", f"{self.here}/warm", "--admin-listen", "off", *flags],
            pass_fds=numbers, env={**self.environment, **environment}, stdin=subprocess.DEVNULL,
            stdout=self.log, stderr=self.log)

    def hear(self, word, within=PATIENCE):
        """Waits until a datagram has this line; its lines."""
        deadline = time.monotonic() + within
        while True:
            self.notify.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                lines = self.notify.recv(4096).decode().split("\n")
            except TimeoutError:
                raise AssertionError(f"{word} was never told; heard {self.heard}, and the log says {self.said()}")
            self.heard.append(lines)
            if word in lines:
                return lines

    def said(self):
        with open(f"{self.here}/log") as file:
            return file.read()[-1500:]

    def end(self, by=signal.SIGTERM):
        self.process.send_signal(by)
        return self.process.wait(PATIENCE)

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for one in self.sockets + [self.notify]:
            one.close()
        shutil.rmtree(self.here, ignore_errors=True)


@contextlib.contextmanager
def managed(binary, **options):
    manager = Manager(binary, **options)
    try:
        yield manager
    finally:
        manager.close()


def ask(address, *words, family=socket.AF_UNIX):
    with socket.socket(family) as client:
        client.settimeout(PATIENCE)
        client.connect(address)
        client.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w.encode()) for w in words))
        return client.recv(65536)


def activation(binary):
    with managed(binary) as manager:
        manager.listen(manager.path)
        tcp = manager.listen(("127.0.0.1", 0), socket.AF_INET)
        # A client that comes before the service waits in the kernel, and is answered.
        early = socket.socket(socket.AF_UNIX)
        early.settimeout(PATIENCE)
        early.connect(manager.path)
        early.sendall(b"SET early 1\r\n")
        manager.start()
        manager.hear("READY=1")
        expect(early.recv(100) == b"+OK\r\n", "who came before the service was not answered")
        reply = ask(tcp.getsockname(), "GET", "early", family=socket.AF_INET)
        expect(reply == b"$1\r\n1\r\n", "the TCP socket is deaf")
        expect(manager.end() == 0, f"it did not end well: {manager.said()}")
        manager.hear("STOPPING=1")
        expect(os.path.exists(manager.path), "the manager's socket was removed")
        # The next one finds the same socket, and what came meanwhile.
        between = socket.socket(socket.AF_UNIX)
        between.settimeout(PATIENCE)
        between.connect(manager.path)
        between.sendall(b"GET early\r\n")
        manager.start()
        manager.hear("READY=1")
        expect(between.recv(100) == b"$1\r\n1\r\n", "who came between two was not answered")


def news(binary):
    with managed(binary, abstract=True) as manager:
        with open(f"{manager.here}/hearth.yaml", "w") as file:
            file.write("log: {level: info}\n")
        manager.start("--config", f"{manager.here}/hearth.yaml", WATCHDOG_USEC="2000000")
        lines = manager.hear("READY=1")
        expect(any(line.startswith("STATUS=") for line in lines), f"no status: {lines}")
        # Before it is ready nobody may be told so: it answers now, at once.
        expect(ask(manager.path, "PING") == b"+PONG\r\n", "ready, and deaf")
        for _ in range(3):
            manager.hear("WATCHDOG=1")
        manager.process.send_signal(signal.SIGHUP)
        lines = manager.hear("RELOADING=1")
        expect(any(line.startswith("MONOTONIC_USEC=") for line in lines), f"no time of the reload: {lines}")
        manager.hear("READY=1")
        expect(manager.end() == 0, f"it did not end well: {manager.said()}")
        manager.hear("STOPPING=1")
        expect(not os.path.exists(manager.path), "its own socket was left behind")


def strangers(binary):
    """Variables that are somebody else's: it listens by itself, and says no word of life."""
    with managed(binary) as manager:
        manager.listen(f"{manager.here}/other.sock")
        manager.start(pid="1", WATCHDOG_USEC="100000", WATCHDOG_PID="1")
        manager.hear("READY=1")
        expect(ask(manager.path, "PING") == b"+PONG\r\n", "it does not listen by itself")
        expect(manager.end() == 0, manager.said())
        manager.hear("STOPPING=1")
        expect(["WATCHDOG=1"] not in manager.heard, "a sign of life that nobody asked for")


def refusals(binary):
    def refused(expected, prepare):
        with managed(binary) as manager:
            prepare(manager)
            manager.start()
            code = manager.process.wait(PATIENCE)
            expect(code == 69 and expected in manager.said(), f"{code}, and not '{expected}': {manager.said()}")

    refused("give both the same", lambda manager: manager.listen(f"{manager.here}/other.sock"))
    # An address that is not taken for this machine's, and is: nothing here listens for others, not even for a moment.
    with contextlib.suppress(OSError):
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::ffff:127.0.0.1", 0))
        refused("this machine only", lambda manager: manager.listen(("::ffff:127.0.0.1", 0), socket.AF_INET6))
    refused("does not listen", lambda manager: manager.sockets.append(socket.socket(socket.AF_UNIX)))
    refused("is no socket", lambda manager: manager.sockets.append(open("/dev/null")))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for check in (activation, news, strangers, refusals):
        check(sys.argv[1])
    print("Sockets are taken over, and the service manager hears what it should.")


if __name__ == "__main__":
    main()
