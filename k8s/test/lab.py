"""Real processes for the tests of k8s/: a Redis and Hearths in a directory of their own, and a client for them."""

import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import yaml

HEARTH = sys.argv[1]


def within(seconds, what, condition):
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError, ConnectionError):
            if (found := condition()) not in (None, False):
                return found
        if time.monotonic() > deadline:
            sys.exit(f"FAILED: {what} within {seconds} s")
        time.sleep(0.02)


class Client:
    """A connection that pipelines inline requests and reads whole replies; errors are replies."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(str(path))
        self.stream = self.socket.makefile("rb")

    def ask(self, *requests):
        encoded = [[str(word).encode() for word in request.split(" ")] for request in requests]
        self.socket.sendall(b"".join(
            b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words) for words in encoded))
        return [self.reply() for _ in requests]

    def reply(self):
        line = self.stream.readline()
        if not line:
            raise ConnectionError("ended")
        kind, rest = chr(line[0]), line[1:-2].decode()
        if kind in "-+":
            return rest
        if kind == ":":
            return int(rest)
        if kind == "$":
            return None if rest == "-1" else self.stream.read(int(rest) + 2)[:-2].decode(errors="replace")
        return None if rest == "-1" else [self.reply() for _ in range(int(rest))]


class Lab:
    """Processes in a directory of their own, ended with it."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.processes = {}

    def start(self, name, *command, **options):
        log = open(self.directory / f"{name}.log", "ab")
        self.processes[name] = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory, **options)

    def end(self, name, number=signal.SIGKILL):
        process = self.processes.pop(name)
        process.send_signal(number)
        return process.wait()

    def redis(self):
        self.start("redis", "redis-server", "--port", "0", "--unixsocket", self.directory / "redis.sock", "--save", "",
                   "--dir", self.directory)
        within(10, "redis-server did not start", lambda: Client(self.directory / "redis.sock").ask("PING") == ["PONG"])

    def hearth(self, name, configuration, **options):
        """A Hearth of that name; its paths are the directory's, its admin port is the kernel's choice."""
        own = {"socket": {"path": str(self.directory / f"{name}.sock")},
               "warm": {"max_bytes": "64MiB"} | configuration.get("warm", {}) | {
                   "path": str(self.directory / f"{name}-warm")},
               "admin": {"listen": "127.0.0.1:0"}}
        if "journal" in configuration:
            own["journal"] = configuration["journal"] | {"path": str(self.directory / f"{name}-journal")}
        file = self.directory / f"{name}.yaml"
        file.write_text(yaml.safe_dump(configuration | own))
        log = self.directory / f"{name}.log"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("HEARTH_")}
        self.start(name, HEARTH, "serve", "--config", file, env=environment, **options)
        self.said(name, "serving")
        return re.search(r'"event":"admin","address":"([^"]+)"', log.read_text())[1]

    def said(self, name, event):
        """Waits for a line of the log."""
        log = self.directory / f"{name}.log"
        within(20, f"{name} did not say {event}", lambda: f'"event":"{event}"' in log.read_text())

    def end_all(self):
        for name in list(self.processes):
            self.end(name)

    def tell(self, name, *words):
        subprocess.run([HEARTH, *words, "--config", self.directory / f"{name}.yaml"], check=True, capture_output=True)

    def client(self, name):
        return Client(self.directory / f"{name}.sock")


def fetch(address):
    with urllib.request.urlopen(address, timeout=10) as answer:
        return answer.read().decode()
