"""Servers of a run: started on Unix sockets in a directory of their own, pinned to a core, ended by process id."""
import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SERVER_CORE, LOAD_CORE = 0, 1


class Resp:
    """A client of the Redis protocol that asks one thing at a time."""

    def __init__(self, path, timeout=5.0):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")

    def call(self, *words):
        parts = [b"*%d\r\n" % len(words)]
        for word in words:
            raw = word.encode()
            parts.append(b"$%d\r\n%s\r\n" % (len(raw), raw))
        self.socket.sendall(b"".join(parts))
        return self.reply()

    def reply(self):
        line = self.file.readline()
        if not line:
            raise OSError("the connection ended")
        mark, text = line[:1], line[1:-2]
        if mark in b"+:":
            return text.decode()
        if mark == b"-":
            raise ValueError(text.decode())
        if mark == b"$":
            return None if int(text) < 0 else self.file.read(int(text) + 2)[:-2].decode()
        if mark == b"*":
            return [self.reply() for _ in range(int(text))]
        raise ValueError(f"an unexpected reply: {line!r}")

    def map(self, *words):
        flat = self.call(*words)
        return dict(zip(flat[::2], flat[1::2]))


class Server:
    """A process of ours on a Unix socket, pinned to a core, and ended by its id."""

    running = []
    # Where hearth, hearth-bench and bare-loop are.
    built = os.path.join(ROOT, ".build", "release")

    def __init__(self, name, command, path, core=SERVER_CORE, speaks="redis", asked="PING",
                 environment=None):
        self.name, self.path, self.speaks, self.asked = name, path, speaks, asked
        self.command = ["taskset", "-c", str(core)] + command
        self.log = path + ".log"
        self.process, self.environment = None, environment or {}
        # Milliseconds of the first start.
        self.took = self.start()

    def start(self):
        with open(self.log, "ab") as log:
            environment = {k: v for k, v in os.environ.items() if not k.startswith("HEARTH_")} | self.environment
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        Server.running.append(self)
        began = time.monotonic()
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() - began > 60:
                tail = open(self.log, errors="replace").read()[-600:]
                raise RuntimeError(f"{self.name} did not start: {tail}")
            time.sleep(0.001)
        return (time.monotonic() - began) * 1000

    def answers(self):
        try:
            if self.asked == "PING":
                return Resp(self.path, 0.5).call("PING") == "PONG"
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                probe.connect(self.path)
            return True
        except (OSError, ValueError):
            return False

    @property
    def pid(self):
        return self.process.pid

    def cpu(self):
        """Nanoseconds of CPU of all threads."""
        total = 0
        for file in glob.glob(f"/proc/{self.pid}/task/*/schedstat"):
            with open(file) as text:
                total += int(text.read().split()[0])
        return total

    def sleeps(self):
        """How often a thread gave up its core to wait for something."""
        total = 0
        for file in glob.glob(f"/proc/{self.pid}/task/*/status"):
            with open(file) as text:
                total += int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", text.read(), re.M)[1])
        return total

    def resident(self):
        with open(f"/proc/{self.pid}/statm") as text:
            return int(text.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        if self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self in Server.running:
            Server.running.remove(self)


class Place:
    """A directory of this run: short paths for sockets, data on the disk that holds the build."""

    def __init__(self):
        self.sockets = tempfile.mkdtemp(prefix="hearth-bench.")
        self.data = tempfile.mkdtemp(prefix="bench.", dir=os.path.join(ROOT, ".build"))

    def socket(self, name):
        return os.path.join(self.sockets, name + ".sock")

    def directory(self, name):
        path = os.path.join(self.data, name)
        os.makedirs(path, exist_ok=True)
        return path

    def remove(self):
        for path in (self.sockets, self.data):
            shutil.rmtree(path, ignore_errors=True)


class Stage:
    """Starts the servers that a part of the run asks for."""

    def __init__(self, place):
        self.place, self.built = place, Server.built

    def redis(self, name, *flags, core=SERVER_CORE):
        path = self.place.socket(name)
        base = ["redis-server", "--port", "0", "--unixsocket", path, "--dir", self.place.directory(name),
                "--save", "", "--daemonize", "no"]
        return Server("redis-server", base + list(flags), path, core=core)

    def memcached(self):
        path = self.place.socket("memcached")
        user = ["-u", "root"] if os.geteuid() == 0 else []
        return Server("memcached", ["memcached", *user, "-s", path, "-t", "1", "-m", "512", "-c", "4096"], path,
                      speaks="memcached", asked="connect")

    def bare(self):
        path = self.place.socket("bare")
        return Server("bare libuv loop", [os.path.join(self.built, "bare-loop"), path], path, asked="connect")

    def hearth(self, name, redis="off", local="64MiB", warm_sync="never", extra="", core=SERVER_CORE,
               environment=None, admin="off"):
        path = self.place.socket(name)
        url = "off" if redis == "off" else f'"unix://{redis}"'
        file = os.path.join(self.place.sockets, name + ".yaml")
        with open(file, "w") as text:
            text.write(
                f"socket: {{path: '{path}'}}\nredis: {{url: {url}}}\nadmin: {{listen: {admin}}}\n"
                f"local: {{max_bytes: {local}}}\n"
                f"warm: {{path: '{self.place.directory(name)}/warm', max_bytes: 8GiB, sync: {warm_sync}}}\n"
                f"journal: {{path: '{self.place.directory(name)}/journal'}}\n{extra}\n")
        return Server("hearth", [os.path.join(self.built, "hearth"), "serve", "--config", file], path, core=core,
                      environment=environment)
