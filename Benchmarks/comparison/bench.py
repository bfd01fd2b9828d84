"""A whole run: the groups of rows, what they measured, and how the targets of the design (section 14) were met.

A group is a file in groups/: `ORDER`, its place in the run, and `run(bench)`, which starts its servers, measures them in
turn, judges, and ends them. Its file's name is what `--only` calls it.
"""
import importlib
import os
import pkgutil
import statistics
import sys
import time

from comparison.measuring import span
from comparison.servers import Place, Stage

BEGAN = time.monotonic()


def groups():
    """The groups by name, in the order of the run."""
    place = os.path.join(os.path.dirname(__file__), "groups")
    found = {module.name: importlib.import_module(f"comparison.groups.{module.name}")
             for module in pkgutil.iter_modules([place])}
    return dict(sorted(found.items(), key=lambda item: item[1].ORDER))


class Bench:
    def __init__(self, arguments):
        self.quick, self.tiny = arguments.quick, arguments.tiny
        self.rounds = arguments.rounds or (2 if self.quick else 5)
        self.seconds = arguments.seconds or (0.4 if self.quick else 1.0)
        self.only = arguments.only
        self.rows = []
        self.verdicts = []
        # What a request asks of the C library and the kernel.
        self.counts = []
        self.place = Place()
        self.stage = Stage(self.place)
        self.notes = []
        self.timeline = None

    def say(self, text):
        print(f"[{time.monotonic() - BEGAN:5.0f} s] {text}", file=sys.stderr, flush=True)

    @property
    def timing(self):
        return self.lasting(self.seconds)

    @property
    def brief(self):
        """For a pair of rows whose ratio is judged closely: its rounds are a quarter as long, and four times as many.

        What else the machine does changes within a second, and the median of many pairs that were measured close to
        each other hardly feels it.
        """
        return self.lasting(self.seconds / self.BRIEFER)

    BRIEFER = 4

    def lasting(self, seconds):
        """How long hearth-bench measures, and what it warms up before."""
        return ["--duration", f"{int(seconds * 1000)}ms", "--warmup", f"{int(seconds * 300)}ms", *self.keys]

    @property
    def keys(self):
        """Where it is only tried, so few hot keys that a binary for debugging has written them at once."""
        return ["--keys", 300] if self.tiny else []

    def group(self, title, rows, times=1):
        """Runs the rows in turn, as many rounds as asked for, or that many times as many."""
        self.say(title)
        for _ in range(self.rounds * (1 if self.tiny else times)):
            for row in rows:
                row.rounds.append(row.measure(len(row.rounds)))
        self.rows += rows
        return rows

    def verdict(self, what, target, measured, met, of_time=False):
        """A target of the design beside what was measured; `of_time`: others on the machine decide it as well."""
        self.verdicts.append({"what": what, "target": target, "measured": measured, "met": met, "of_time": of_time})

    def ratio_verdict(self, what, row, base, limit, name="cpu", at_least=False, against=""):
        target = f"{'≥' if at_least else '≤'} {limit} × {against or base.who}"
        ratios = row.ratios(base, name)
        if not ratios:
            return self.verdict(what, target, "nothing was answered", False)
        middle = statistics.median(ratios)
        self.verdict(what, target, f"{middle:.2f} × ({span(ratios, '{:.2f}')})",
                     middle >= limit if at_least else middle <= limit, of_time=name != "cpu")

    def run(self):
        for name, group in groups().items():
            if not self.only or self.only == name:
                group.run(self)
