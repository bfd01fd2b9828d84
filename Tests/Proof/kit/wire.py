"""A client of the Redis protocol (RESP2) that asks one thing at a time, and says when its connection is gone."""

import socket
import time


class Refusal(Exception):
    """The server answered with an error; the text is the server's own."""


class Gone(OSError):
    """The connection ended, or gave no answer in time: whatever was asked last may have been done."""


def connect(address, timeout=5.0):
    """A connected socket; `address` is the path of a Unix socket, or (host, port)."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    until = time.monotonic() + timeout
    while True:
        made = socket.socket(family, socket.SOCK_STREAM)
        made.settimeout(timeout)
        try:
            made.connect(address)
            return made
        except BlockingIOError:
            # So many wait to be accepted that the kernel takes no more at the moment.
            made.close()
            if time.monotonic() > until:
                raise
            time.sleep(0.001)
        except OSError:
            made.close()
            raise


def encode(words):
    """One request as bytes; words are bytes, text or numbers."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        raw = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(raw), raw))
    return b"".join(parts)


class Client:
    """Replies are bytes, integers, None, or lists of these; an error within a list stays a Refusal in its place."""

    def __init__(self, address, timeout=5.0):
        self.socket = connect(address, timeout)
        self.file = self.socket.makefile("rb")

    def call(self, *words):
        self.send(encode(words))
        answer = self.receive()
        if isinstance(answer, Refusal):
            raise answer
        return answer

    def map(self, *words):
        """A reply of names and values, with the names as text."""
        flat = self.call(*words)
        if flat is None:
            return None
        return {name.decode(): value for name, value in zip(flat[::2], flat[1::2])}

    def send(self, raw):
        try:
            self.socket.sendall(raw)
        except OSError as error:
            raise self.gone(error) from error

    def receive(self):
        """The next reply, a Refusal among them."""
        try:
            return self.reply()
        except (OSError, ValueError) as error:
            raise self.gone(error) from error

    def reply(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionResetError("the connection ended")
        mark, text = line[:1], line[1:-2]
        if mark == b"$":
            size = int(text)
            if size < 0:
                return None
            body = self.file.read(size + 2)
            if len(body) != size + 2:
                raise ConnectionResetError("the connection ended within a reply")
            return body[:-2]
        if mark == b":":
            return int(text)
        if mark == b"+":
            return text
        if mark == b"-":
            return Refusal(text.decode(errors="replace"))
        if mark == b"*":
            return None if int(text) < 0 else [self.reply() for _ in range(int(text))]
        raise ValueError(f"not a reply: {line[:60]!r}")

    def gone(self, error):
        self.close()
        return Gone("no answer in time" if isinstance(error, TimeoutError) else str(error) or "the connection ended")

    def close(self):
        self.file.close()
        self.socket.close()
