"""Counters that everybody increments: the total lies between what was acknowledged and what may have been done."""

from .ledger import DOUBLED, Ledger, need


class Counters(Ledger):
    """INCRBY with steps, so that one increment in another's place would show as well."""

    workers = 2
    keys = 4
    prefix = "n"

    def __init__(self, *given, **named):
        super().__init__(*given, **named)
        self.sure = {f"{self.prefix}:{i}": 0 for i in range(self.keys)}
        self.maybe = dict.fromkeys(self.sure, 0)

    def act(self, ask, worker, random):
        key, step = f"{self.prefix}:{random.randrange(self.keys)}", random.choice((1, 1, 7, 100))
        answer = ask("INCRBY", key, step)
        with self.lock:
            if answer.done:
                self.sure[key] += step
            elif answer.unknown:
                self.maybe[key] += step

    def judge(self, ask):
        for key, sure in self.sure.items():
            total = int(need(ask("GET", key), key) or 0)
            if total < sure:
                self.miss(f"{key} is {total}, and {sure} was acknowledged")
            elif total > sure + self.maybe[key]:
                self.find(DOUBLED, f"{key} is {total}, and at most {sure} + {self.maybe[key]} was asked for")
