"""Conversations over HTTP, kept in Hearth: GET and POST /chat/NAME. Nothing but Python's own library.

A real application uses its Redis client instead of the class below: redis.Redis(unix_socket_path=...).
"""

import http.server
import json
import os
import re
import signal
import socket
import sys
import threading


class Refused(Exception):
    """Hearth answered with an error, such as UNAVAILABLE where a write can't be kept in an outage."""


class Hearth:
    """One request on one connection; the Redis protocol is little enough to be written down."""

    def __init__(self, path):
        self.path = path

    def ask(self, *words):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(self.path)
            encoded = [word if isinstance(word, bytes) else str(word).encode() for word in words]
            request = b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in encoded)
            connection.sendall(request)
            return self.reply(connection.makefile("rb"))

    def reply(self, stream):
        line = stream.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("Hearth ended the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise Refused(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"+":
            return rest
        if int(rest) < 0:
            return None
        if kind == b"$":
            return stream.read(int(rest) + 2)[:-2]
        return [self.reply(stream) for _ in range(int(rest))]

    def map(self, *words):
        """A reply of names and values; None where there is nothing."""
        flat = self.ask(*words)
        return flat and {flat[i].decode(): flat[i + 1] for i in range(0, len(flat), 2)}


class Handler(http.server.BaseHTTPRequestHandler):
    hearth = Hearth(os.environ.get("HEARTH_SOCKET", "/run/hearth/hearth.sock"))

    def key(self):
        named = re.fullmatch(r"/chat/([A-Za-z0-9_-]{1,64})", self.path)
        return named and "chat:" + named[1]

    def answer(self, status, document, **headers):
        body = json.dumps(document).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/healthz":
            return self.answer(200, {"status": "ok"})
        self.converse(lambda key: self.hearth.map("TURNS.GET", key) or {"turns": [], "freshness": b"absent"})

    def do_POST(self):
        length = int(self.headers.get("Content-Length") or 0)
        if length > 16384:
            return self.answer(413, {"error": "a turn has at most 16 KiB"})
        turn = self.rfile.read(length)
        # Two that speak at once both keep their turns; in an outage the answer says where this one is kept.
        self.converse(lambda key: self.hearth.map("TURNS.ADD", key, turn))

    def converse(self, ask):
        if not (key := self.key()):
            return self.answer(404, {"error": "there is /chat/NAME here, and /healthz"})
        try:
            found = ask(key)
        except Refused as error:
            return self.answer(503, {"error": str(error)}, Retry_After="5")
        except OSError as error:
            return self.answer(503, {"error": f"no Hearth answers: {error}"}, Retry_After="1")
        turns = [{"turn": n, "text": text.decode(errors="replace")} for n, _, text in found.pop("turns", [])]
        plain = {k: v.decode() if isinstance(v, bytes) else v for k, v in found.items() if v is not None}
        self.answer(200, plain | {"turns": turns} if self.command == "GET" else plain)

    def log_message(self, form, *words):
        sys.stderr.write(json.dumps({"event": "request", "text": form % words}) + "\n")


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("", int(os.environ.get("PORT", "8080"))), Handler)
    # shutdown() waits for the loop, which is this thread's.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
