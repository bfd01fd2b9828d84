"""A network that fails on request: a proxy between Hearth and Redis, in a process of its own.

It listens on TCP loopback and leads to a Unix socket. Orders come as lines on standard input, and each is answered with
one line: `mode NAME [NUMBER]`, `target PATH`, `cut`, `quit`. The modes:

    open            bytes pass
    delay MS        what Redis answers comes so many milliseconds late
    jitter MS       each piece of an answer comes up to so many milliseconds late, in order
    silent          nothing passes, in either direction, and no connection ends: a cable that was pulled
    deaf            requests reach Redis, answers do not come back
    refuse          connections end, and new ones are refused
    reset N         each connection is reset after N bytes of answers, in the middle of one
    trickle         answers arrive a byte at a time
    garbage         answers are replaced by noise
"""

import os
import selectors
import socket
import struct
import subprocess
import sys
import time

CHUNK = 65536


class Pair:
    """One client and its connection to Redis, and what waits to go either way: (due, bytes)."""

    def __init__(self, client, server):
        self.client, self.server = client, server
        self.up, self.down = [], []
        self.answered = 0
        self.last_due = 0.0
        # One end has closed while nothing passed: what is on its way still arrives, and then it ends.
        self.closed = False


class Proxy:
    def __init__(self, target):
        self.target, self.mode, self.number = target, "open", 0
        self.selector = selectors.DefaultSelector()
        self.pairs = {}
        self.listener = self.port = None
        self.noise = int.from_bytes(b"noise", "big")
        self.listen(0)
        self.selector.register(sys.stdin, selectors.EVENT_READ)

    def listen(self, port):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(64)
        listener.setblocking(False)
        self.listener, self.port = listener, listener.getsockname()[1]
        self.selector.register(listener, selectors.EVENT_READ)

    def deafen(self):
        if self.listener is not None:
            self.selector.unregister(self.listener)
            self.listener.close()
            self.listener = None

    def run(self):
        print(self.port, flush=True)
        while True:
            for key, _ in self.selector.select(self.flush()):
                if key.fileobj is sys.stdin:
                    line = sys.stdin.readline()
                    if not line or line == "quit\n":
                        return
                    self.order(*line.split())
                    print("ok", flush=True)
                elif key.fileobj is self.listener:
                    self.accept()
                elif key.fileobj in self.pairs:
                    self.readable(key.fileobj)

    def order(self, verb, *words):
        if verb == "cut":
            self.end_all()
        elif verb == "target":
            self.target = words[0]
        else:
            self.mode, self.number = words[0], float(words[1]) if len(words) > 1 else 0
            if self.mode == "refuse":
                self.deafen()
                self.end_all()
            elif self.listener is None:
                self.listen(self.port)

    def accept(self):
        try:
            client, _ = self.listener.accept()
        except OSError:
            return
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(self.target)
        except OSError:
            server.close()
            self.reset(client)
            return
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pair = Pair(client, server)
        for end in (client, server):
            end.setblocking(False)
            self.pairs[end] = pair
            self.selector.register(end, selectors.EVENT_READ)

    def readable(self, end):
        pair = self.pairs[end]
        try:
            data = end.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            if self.mode != "silent":
                self.end(pair)
            else:
                self.selector.unregister(end)
                pair.closed = True
            return
        now = time.monotonic()
        if end is pair.client:
            pair.up.append((now, data))
            return
        if self.mode == "deaf":
            return
        if self.mode == "reset" and pair.answered + len(data) >= self.number:
            try:
                pair.client.send(data[: max(1, int(self.number) - pair.answered)])
            except OSError:
                pass
            self.end(pair)
            return
        pair.answered += len(data)
        if self.mode == "garbage":
            data = bytes(self.random() & 255 for _ in range(min(len(data), 64)))
        wait = {"delay": self.number, "jitter": self.random() % 1000 / 1000 * self.number}.get(self.mode, 0) / 1000
        pair.last_due = max(pair.last_due, now + wait)
        if self.mode == "trickle":
            pair.down += [(pair.last_due, data[i : i + 1]) for i in range(len(data))]
        else:
            pair.down.append((pair.last_due, data))

    def random(self):
        self.noise = (self.noise * 6364136223846793005 + 1442695040888963407) % 2**64
        return self.noise >> 33

    def flush(self):
        """Sends what is due; how long until the next is, in seconds."""
        wait = 0.2
        if self.mode == "silent":
            return wait
        now = time.monotonic()
        for pair in set(self.pairs.values()):
            for queue, end in ((pair.up, pair.server), (pair.down, pair.client)):
                while queue and queue[0][0] <= now:
                    due, data = queue[0]
                    try:
                        sent = end.send(data)
                    except BlockingIOError:
                        wait = min(wait, 0.001)
                        break
                    except OSError:
                        self.end(pair)
                        break
                    if sent < len(data):
                        queue[0] = (due, data[sent:])
                    else:
                        queue.pop(0)
                if queue:
                    wait = min(wait, max(0.0, queue[0][0] - now))
            if pair.closed and not pair.up:
                self.end(pair)
        return wait

    def end(self, pair):
        for end in (pair.client, pair.server):
            if self.pairs.pop(end, None) is not None:
                try:
                    self.selector.unregister(end)
                except KeyError:
                    pass
        pair.up.clear()
        pair.down.clear()
        self.reset(pair.client)
        pair.server.close()

    def end_all(self):
        for pair in set(self.pairs.values()):
            self.end(pair)

    @staticmethod
    def reset(end):
        """Closes with a reset rather than in order."""
        try:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
        end.close()


class Network:
    """The proxy as the scenes use it."""

    def __init__(self, target):
        self.process = subprocess.Popen(
            [sys.executable, os.path.abspath(__file__), target],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = int(self.process.stdout.readline())

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    def order(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        if self.process.stdout.readline() != "ok\n":
            raise RuntimeError("the proxy ended")

    def mode(self, *words):
        self.order("mode", *words)

    def end(self):
        self.process.stdin.close()
        self.process.wait(10)


if __name__ == "__main__":
    Proxy(sys.argv[1]).run()
