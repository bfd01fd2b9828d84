"""What became of a request: done, certainly not done, or unknown; and how a client would name what it met."""

from .wire import Client, Gone, Refusal

# Errors after which a write was certainly not carried out: what docs/protocol.md promises of these texts.
NOT_DONE = ("UNAVAILABLE not ", "CONFLICT", "FENCED", "TOOBIG", "DENIED", "ERR max number of clients")


class Answer:
    """A reply, an error or the end of a connection."""

    __slots__ = ("value", "error", "sent")

    def __init__(self, value=None, error=None, sent=True):
        self.value, self.error, self.sent = value, error, sent

    @property
    def done(self):
        return self.error is None

    @property
    def refused(self):
        """Certainly not done."""
        return not self.sent or (self.error is not None and self.error.startswith(NOT_DONE))

    @property
    def unknown(self):
        return not self.done and not self.refused

    @property
    def kind(self):
        """A short name for what a client met; None where all is well."""
        if self.error is None:
            return None
        if self.error.startswith("UNAVAILABLE "):
            return self.error[len("UNAVAILABLE ") :].split(":")[0]
        if self.error.startswith("ERR max number of clients"):
            return "too many clients"
        return self.error if not self.sent or self.error.startswith("connection") else self.error.split(" ")[0]


class Asker:
    """A client that connects again by itself, and to which no failure is an exception."""

    def __init__(self, address, timeout=5.0):
        self.address, self.timeout, self.client = address, timeout, None

    def ask(self, *words):
        if self.client is None:
            try:
                self.client = Client(self.address, self.timeout)
            except OSError:
                return Answer(error="no connection", sent=False)
        try:
            return Answer(self.client.call(*words))
        except Refusal as refusal:
            return Answer(error=str(refusal))
        except Gone as gone:
            self.client = None
            late = str(gone) == "no answer in time"
            return Answer(error="connection gave no answer" if late else "connection ended")

    def close(self):
        if self.client is not None:
            self.client.close()
            self.client = None
