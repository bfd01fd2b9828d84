"""Whether a history of one key is linearizable: as if each operation had taken effect at one moment within its time.

Wing and Gong's search ("Testing and Verifying Concurrent Objects", 1993) with Lowe's memory of configurations that led
nowhere ("Testing for Linearizability", 2017): a configuration is which operations have taken effect, and the state.
Linearizability is local: a history is linearizable where that of each key is.
"""

from .operation import GET, INCR, SET


class Undecided(RuntimeError):
    """So many configurations were looked at without an answer."""


def needed(operations):
    """Without those that can't matter: a SET of unknown fate whose value nobody ever read may not have been done.

    Values are written once. Leaving such a SET out changes only what reads find between it and the next write, and none
    found its value.
    """
    if any(operation.name == INCR for operation in operations):
        return operations
    found = {operation.result for operation in operations if operation.name == GET}
    return [
        operation for operation in operations if operation.known or operation.name != SET or operation.value in found
    ]


def linearizable(operations, initial=None, limit=2_000_000):
    """True, or False; raises Undecided beyond `limit` configurations."""
    order = sorted(needed(operations), key=lambda operation: operation.began)
    return Search(order, limit).run(initial)


class Search:
    def __init__(self, order, limit):
        self.order, self.limit = order, limit
        self.known = sum(1 << index for index, operation in enumerate(order) if operation.known)
        self.seen = set()
        # The furthest that any order came: for whoever has to understand a failure.
        self.best, self.best_state = 0, None

    def run(self, initial):
        stack = [(0, 0, initial, None)]
        while stack:
            done, first, state, candidates = stack.pop()
            if candidates is None:
                if done & self.known == self.known:
                    return True
                if done.bit_count() > self.best.bit_count():
                    self.best, self.best_state = done, state
                while first < len(self.order) and done >> first & 1:
                    first += 1
                candidates = self.candidates(done, first, state)
            for index in candidates:
                after, fits = self.order[index].step(state)
                if not fits:
                    continue
                key = (done | 1 << index, after)
                if key in self.seen:
                    continue
                if len(self.seen) >= self.limit:
                    raise Undecided(f"{self.limit} configurations were looked at")
                self.seen.add(key)
                # Goes on here when that leads nowhere.
                stack.append((done, first, state, candidates))
                stack.append((done | 1 << index, first, after, None))
                break
        return False

    def candidates(self, done, first, state):
        """What may take effect next: whatever began before the first end of what has not, reads that fit alone.

        A read that fits is taken at once, and nothing else tried: it changes nothing, and can be no hindrance later. Of
        increments whose fate is unknown only the earliest is tried, since one is like the other.
        """
        bound = float("inf")
        found = []
        has_increment = False
        for index in range(first, len(self.order)):
            operation = self.order[index]
            if operation.began > bound:
                break
            if done >> index & 1:
                continue
            bound = min(bound, operation.ended)
            if operation.name == INCR and not operation.known:
                if has_increment:
                    continue
                has_increment = True
            found.append(index)
        found = [index for index in found if self.order[index].began <= bound]
        for index in found:
            operation = self.order[index]
            if operation.name == GET and operation.result == state:
                return iter((index,))
        # What is known to have been done comes first: unknown ones are put off for as long as nothing needs them.
        found.sort(key=lambda index: (not self.order[index].known, self.order[index].ended))
        return iter(found)


def explain(operations, initial=None, around=8):
    """In words, where a history that is not linearizable can't go on."""
    order = sorted(needed(operations), key=lambda operation: operation.began)
    search = Search(order, 2_000_000)
    if search.run(initial):
        return "it is linearizable"
    left = [operation for index, operation in enumerate(order) if not search.best >> index & 1]
    lines = [f"at best {search.best.bit_count()} of {len(order)} operations can be ordered, to {search.best_state!r}; then:"]
    return "\n  ".join(lines + [repr(operation) for operation in left[:around]])
