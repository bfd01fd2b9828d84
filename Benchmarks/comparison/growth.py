"""A run of curves: the files in curves/, each of them how something grows.

A curve is a file: `ORDER`, its place in the run, and `run(growth)`, which starts servers, measures each step in rounds,
ends them, and returns a Curve. Its file's name is what `--only` calls it.
"""
import importlib
import os
import pkgutil
import sys
import time

from comparison.measuring import load
from comparison.servers import Place, Stage

BEGAN = time.monotonic()


def curves():
    """The curves by name, in the order of the run."""
    place = os.path.join(os.path.dirname(__file__), "curves")
    found = {module.name: importlib.import_module(f"comparison.curves.{module.name}")
             for module in pkgutil.iter_modules([place])}
    return dict(sorted(found.items(), key=lambda item: item[1].ORDER))


class Growth:
    def __init__(self, arguments):
        self.tiny = arguments.tiny
        self.rounds = arguments.rounds or 3
        self.seconds = arguments.seconds or 0.5
        self.only = arguments.only
        self.place = Place()
        self.stage = Stage(self.place)
        self.curves = []

    def say(self, text):
        print(f"[{time.monotonic() - BEGAN:5.0f} s] {text}", file=sys.stderr, flush=True)

    def steps(self, steps):
        """All steps; of a run that only tries them, the smaller half."""
        return steps[:max(1, len(steps) // 2)] if self.tiny else steps

    def load(self, server, *words, **options):
        timing = ["--duration", f"{int(self.seconds * 1000)}ms", "--warmup", f"{int(self.seconds * 400)}ms"]
        # So few hot keys, where it is only tried, that a binary for debugging has written them at once.
        few = ["--keys", 300] if self.tiny and "--keys" not in words else []
        return load(server, "--distribution", "uniform", *few, *words, *timing, **options)

    def run(self):
        for name, curve in curves().items():
            if not self.only or self.only == name:
                self.say(name)
                self.curves.append(curve.run(self))
