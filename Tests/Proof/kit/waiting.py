"""Waiting for conditions, never for a time alone."""

import time


class TooLate(RuntimeError):
    """A condition did not come about in its time."""


def eventually(what, condition, within=20.0, every=0.01):
    """Waits until `condition()` is true, and answers how many seconds that took; OSErrors count as not yet."""
    began = time.monotonic()
    while True:
        try:
            if condition():
                return time.monotonic() - began
        except OSError:
            pass
        if time.monotonic() - began > within:
            raise TooLate(f"{what()if callable(what) else what}: not within {within:g} s")
        time.sleep(every)
