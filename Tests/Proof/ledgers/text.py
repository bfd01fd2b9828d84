"""Texts that only grow: each APPEND adds a word that occurs once, so that loss, doubling and order are seen exactly."""

import re

from .ledger import DISORDERED, DOUBLED, WRONG, Ledger, need


class Texts(Ledger):
    """A text per worker; and what `compare` finds of any sequence of words with known fates."""

    workers = 2
    prefix = "t"

    def __init__(self, *given, **named):
        super().__init__(*given, **named)
        self.words = {f"{self.prefix}:{worker}": [] for worker in range(self.workers)}

    def act(self, ask, worker, random):
        key = f"{self.prefix}:{worker}"
        number = len(self.words[key])
        answer = ask("APPEND", key, f"<{number}>")
        self.words[key].append("done" if answer.done else "refused" if answer.refused else "unknown")

    def judge(self, ask):
        for key, fates in self.words.items():
            text = (need(ask("GET", key), key) or b"").decode(errors="replace")
            found = re.findall(r"<(\d+)>", text)
            if "".join(f"<{word}>" for word in found) != text:
                self.find(WRONG, f"{key} holds {text[:60]!r}")
            compare(self, key, fates, [int(word) for word in found])


def compare(ledger, key, fates, found):
    """Judges the numbers that were found against the fate of each, in the order in which one client wrote them."""
    seen, highest = set(), -1
    for number in found:
        if number >= len(fates):
            ledger.find(WRONG, f"{key} holds {number}, which nobody wrote")
            continue
        if number in seen:
            ledger.find(DOUBLED, f"{key} holds {number} twice")
        elif fates[number] == "refused":
            ledger.find(WRONG, f"{key} holds {number}, which was refused")
        elif number < highest:
            ledger.find(DISORDERED, f"{key} holds {number} behind {highest}")
        seen.add(number)
        highest = max(highest, number)
    for number, fate in enumerate(fates):
        if fate == "done" and number not in seen:
            ledger.miss(f"{key} lacks {number}, which was acknowledged")
