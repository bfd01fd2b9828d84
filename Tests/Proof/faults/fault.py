"""A row of the matrix: how the scene is set, what is done to it, and how it is judged."""

import traceback
from dataclasses import dataclass, field

from kit.figures import percentile
from kit.load import AFTER, BEFORE, DURING
from kit.scene import Scene
from kit.waiting import TooLate
from ledgers import EVERY
from ledgers.ledger import DISORDERED, DOUBLED, LOST, WRONG, Unreadable

EVERY_FAULT = []


class Missing(RuntimeError):
    """Something that this fault needs is not on this machine."""


@dataclass
class Row:
    """What was observed of one fault."""

    group: str
    name: str
    how: str
    asked: int = 0
    errors: dict = field(default_factory=dict)
    # p50, p99 and the longest, in nanoseconds, before and during the fault.
    before: tuple = ()
    during: tuple = ()
    found: dict = field(default_factory=dict)
    recovered: float | None = None
    # What the fault itself wants to say, what the ledgers found in words, and what must not be.
    notes_of_fault: list = field(default_factory=list)
    examples: list = field(default_factory=list)
    problems: list = field(default_factory=list)
    skipped: str | None = None
    seconds: float = 0.0

    @property
    def bad(self):
        return bool(self.problems) or any(self.found.get(kind) for kind in (LOST, DOUBLED, DISORDERED, WRONG))


@dataclass
class Fault:
    """`set_up` makes the servers, `body` hurts them between `scene.began()` and `scene.ended()`."""

    group: str
    name: str
    how: str
    set_up: object
    body: object
    quick: bool = False
    # Redis itself may lose what it had acknowledged.
    forgetful: bool = False
    # Workloads to which that does not apply: what they wrote is kept elsewhere.
    strict: tuple = ()
    # Reads under load may be as old as another process's copy, or find nothing: what is there at last counts.
    lax: bool = False
    ledgers: tuple = EVERY
    # Seconds that a worker rests between requests, on average.
    rest: float = 0.006
    # More arguments of workloads.
    options: dict = field(default_factory=dict)

    def run(self, seed):
        row = Row(self.group, self.name, self.how)
        scene = Scene(f"{seed}/{self.name}")
        try:
            self.play(scene, row)
        except Missing as missing:
            row.skipped = str(missing)
        except (TooLate, Unreadable) as failure:
            row.problems.append(str(failure))
        except Exception:
            row.problems.append(traceback.format_exc(limit=4))
        finally:
            self.observe(scene, row)
            scene.remove()
        return row

    def play(self, scene, row):
        self.set_up(scene)
        ledgers = [
            kind(kind.__name__, forgetful=self.forgetful and kind not in self.strict, **self.options.get(kind, {}))
            for kind in self.ledgers
        ]
        for ledger in ledgers:
            ledger.lax = self.lax
        scene.begin_load(ledgers, self.rest)
        scene.pause(0.25)
        self.body(scene)
        scene.recover()
        scene.pause(0.25)
        scene.finish()
        scene.inspect()

    def observe(self, scene, row):
        row.notes_of_fault, row.recovered = scene.notes, scene.recovered
        row.problems += scene.problems
        if scene.load is None:
            return
        for name in (BEFORE, DURING):
            taken = sorted(scene.load.phases[name].taken)
            setattr(row, name, tuple(percentile(taken, share) for share in (0.5, 0.99, 1)))
        row.asked = sum(phase.asked for phase in scene.load.phases.values())
        # Errors are the fault's in whatever phase their requests began; before it there are none to be.
        row.errors = dict(scene.load.phases[DURING].errors + scene.load.phases[AFTER].errors)
        if scene.load.phases[BEFORE].errors:
            row.problems.append(f"errors before the fault: {dict(scene.load.phases[BEFORE].errors)}")
        for ledger in scene.load.ledgers:
            for kind, count in ledger.found.items():
                row.found[kind] = row.found.get(kind, 0) + count
            row.examples += ledger.examples[:4]


def fault(group, name, how, set_up, **options):
    """Declares a fault; the function below it is its body."""

    def declare(body):
        EVERY_FAULT.append(Fault(group, name, how, set_up, body, **options))
        return body

    return declare


__all__ = ["EVERY_FAULT", "Fault", "Missing", "Row", "fault"]
