"""Two keys that are always written together, by MULTI or MSET: they never differ once all is over."""

from .ledger import WRONG, Ledger, need


class Pairs(Ledger):
    """Each worker writes a number to both keys of its pair, in a native transaction or in one MSET."""

    workers = 1
    pairs = 3
    prefix = "p"

    def __init__(self, *given, **named):
        super().__init__(*given, **named)
        self.fates = [[] for _ in range(self.pairs)]

    def keys(self, pair):
        return f"{self.prefix}:{pair}:left", f"{self.prefix}:{pair}:right"

    def act(self, ask, worker, random):
        pair = random.randrange(self.pairs)
        left, right = self.keys(pair)
        number = len(self.fates[pair])
        if random.random() < 0.5:
            answer = ask("MSET", left, number, right, number)
        else:
            answer = self.transact(ask, left, right, number)
        self.fates[pair].append("done" if answer.done else "refused" if answer.refused else "unknown")

    @staticmethod
    def transact(ask, left, right, number):
        """MULTI … EXEC, one word at a time; before EXEC nothing can have been done."""
        for words in (("MULTI",), ("SET", left, number), ("SET", right, number)):
            answer = ask(*words)
            if not answer.done:
                if not answer.error.startswith(("connection", "no connection")):
                    ask("DISCARD")
                answer.sent = False
                return answer
        return ask("EXEC")

    def judge(self, ask):
        for pair, fates in enumerate(self.fates):
            values = [need(ask("GET", key), key) for key in self.keys(pair)]
            left, right = (None if value is None else int(value) for value in values)
            if left != right:
                self.find(WRONG, f"pair {pair} holds {left} and {right}")
                continue
            newest = max((i for i, fate in enumerate(fates) if fate == "done"), default=None)
            if left is None:
                if newest is not None:
                    self.miss(f"pair {pair} holds nothing, and {newest} was acknowledged")
            elif left >= len(fates) or fates[left] == "refused":
                self.find(WRONG, f"pair {pair} holds {left}, which was refused or never written")
            elif newest is not None and left < newest:
                self.miss(f"pair {pair} holds {left}, and {newest} was acknowledged")
