"""One thing that a client asked of one key: between which two moments it took effect, and what came of it."""

import math

SET, DEL, GET, INCR = "SET", "DEL", "GET", "INCR"


class Operation:
    """`began` and `ended` are moments of one clock; `ended` is infinite where nobody knows whether it was done.

    `value` is what SET gives, `result` what GET found (None: nothing) or INCR answered (None where unknown). What was
    certainly not done, and a read that was not answered, is no operation at all.
    """

    __slots__ = ("began", "ended", "name", "value", "result", "client")

    def __init__(self, name, began, ended=math.inf, value=None, result=None, client=None):
        self.name, self.began, self.ended = name, began, ended
        self.value, self.result, self.client = value, result, client

    @property
    def known(self):
        return self.ended != math.inf

    def step(self, state):
        """The state after it, and whether its answer is what that state gives; a state is a value or None."""
        if self.name == SET:
            return self.value, True
        if self.name == DEL:
            return None, True
        if self.name == INCR:
            after = int(state or 0) + 1
            return after, self.result is None or self.result == after
        return state, self.result == state

    def __repr__(self):
        what = {SET: f" {self.value!r}", GET: f" = {self.result!r}", INCR: f" = {self.result!r}"}.get(self.name, "")
        until = f"{self.ended:.6f}" if self.known else "?"
        return f"[{self.began:.6f}, {until}] {self.name}{what} by {self.client}"
