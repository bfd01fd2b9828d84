"""Every ledger accepts an honest store, and finds each way in which one can lie."""

import random
import unittest

from kit.answer import Answer
from ledgers import EVERY, Conversations, Counters, Leases, Pairs, Registers, Texts, Versions
from ledgers.ledger import DISORDERED, DOUBLED, LOST, UNDONE, WRONG

from .store import Store, once

OK = Answer(b"OK")


def play(kind, store, acts=150, before_judging=None, **options):
    """Some acts of each of its workers in turn, then the judgement; what was found."""
    ledger, generator = kind(**options), random.Random(3)
    for _ in range(acts):
        for worker in range(ledger.workers):
            ledger.act(store.ask, worker, generator)
    if before_judging:
        before_judging(store)
    store.lie = None
    ledger.judge(store.ask)
    return ledger.found


class Honest(unittest.TestCase):
    def test_nothing_is_found_of_an_honest_store(self):
        for kind in EVERY:
            with self.subTest(kind.__name__):
                self.assertEqual(play(kind, Store()), {})

    def test_writes_of_unknown_fate_may_be_there_or_not(self):
        for done in (True, False):
            for kind in (Registers, Counters, Texts, Pairs, Conversations, Versions):

                def lie(store, words, done=done):
                    # Every seventh write is answered by silence.
                    if (
                        words[0] in ("GET", "MGET", "STATE.GET", "MULTI", "DISCARD")
                        or store.queue is not None
                        and words[0] != "EXEC"
                        or lie.random.random() > 0.15
                    ):
                        return None
                    if done:
                        store.honest(*words)
                    elif words[0] == "EXEC":
                        store.discard()
                    return Answer(error="UNAVAILABLE outcome unknown: late")

                lie.random = random.Random(4)
                store = Store()
                store.lie = lie
                with self.subTest(kind.__name__, done=done):
                    self.assertEqual(play(kind, store), {})


class Lies(unittest.TestCase):
    def found(self, kind, lie=None, before_judging=None, **options):
        store = Store()
        store.lie = lie
        found = play(kind, store, before_judging=before_judging, **options)
        if lie is not None and hasattr(lie, "told"):
            self.assertTrue(lie.told, "the lie was never told")
        return found

    def test_a_string_that_was_acknowledged_and_is_gone(self):
        found = self.found(Registers, before_judging=lambda store: store.data.pop("s:1:1"))
        self.assertEqual(found, {LOST: 1})
        found = self.found(Registers, before_judging=lambda store: store.data.pop("s:1:1"), forgetful=True)
        self.assertEqual(found, {UNDONE: 1})

    def test_a_string_that_went_back(self):
        kept = {}

        def keep(store, words):
            if words[0] == "SET":
                kept.setdefault(words[1], store.raw(words[2]))

        found = self.found(Registers, keep, before_judging=lambda store: store.data.update({"s:0:2": kept["s:0:2"]}))
        self.assertEqual(found, {LOST: 1})

    def test_an_old_value_that_is_read(self):
        old = {}

        def lie(store, words):
            if words[0] == "SET":
                old.setdefault(words[1], store.raw(words[2]))
            if words[0] == "GET" and old.get(words[1], store.data.get(words[1])) != store.data.get(words[1]):
                return Answer(old[words[1]])
            return None

        found = self.found(Registers, lie)
        self.assertGreater(found[DISORDERED], 10)

    def test_another_keys_value(self):
        found = self.found(
            Registers, once(lambda words: words[0] == "GET", lambda store, words: Answer(b"s:9:9|0|aaaa"))
        )
        self.assertEqual(found, {WRONG: 1})

    def test_a_value_that_was_cut(self):
        found = self.found(
            Registers, before_judging=lambda store: store.data.update({"s:0:0": store.data["s:0:0"][:-1] + b"!"})
        )
        self.assertEqual(found, {WRONG: 1})

    def test_a_write_that_was_refused_and_is_there(self):
        def lie(store, words):
            store.honest(*words)
            return Answer(error="UNAVAILABLE not sent: the breaker is open")

        last = {"count": 0}

        def late(store, words):
            last["count"] += 1
            return lie(store, words) if words[0] == "SET" and last["count"] > 300 else None

        self.assertGreater(self.found(Registers, late)[WRONG], 0)
        self.assertGreater(self.found(Texts, once(lambda words: words[0] == "APPEND", lie))[WRONG], 0)
        self.assertGreater(self.found(Conversations, once(lambda words: words[0] == "TURNS.ADD", lie))[WRONG], 0)

    def test_what_was_deleted_and_came_back(self):
        dead = {}

        def lie(store, words):
            if words[0] == "DEL" and words[1] in store.data:
                dead[words[1]] = store.data[words[1]]
            return (
                Answer(dead[words[1]])
                if words[0] == "GET" and words[1] in dead and words[1] not in store.data
                else None
            )

        self.assertGreater(self.found(Registers, lie)[DISORDERED], 0)

    def test_an_increment_that_is_lost_or_done_twice(self):
        self.assertEqual(self.found(Counters, once(lambda words: True, lambda store, words: Answer(1))), {LOST: 1})

        def twice(store, words):
            store.honest(*words)

        self.assertEqual(self.found(Counters, once(lambda words: True, twice)), {DOUBLED: 1})

    def test_words_that_are_lost_doubled_or_out_of_order(self):
        self.assertEqual(self.found(Texts, once(lambda words: True, lambda store, words: Answer(1))), {LOST: 1})

        def twice(store, words):
            store.honest(*words)

        self.assertEqual(self.found(Texts, once(lambda words: True, twice)), {DOUBLED: 1})

        def swap(store):
            store.data["t:0"] = store.data["t:0"].replace(b"<4><5>", b"<5><4>")

        self.assertEqual(self.found(Texts, before_judging=swap), {DISORDERED: 1})

    def test_half_a_transaction(self):
        found = self.found(Pairs, before_judging=lambda store: store.data.update({"p:1:left": b"0"}))
        self.assertEqual(found, {WRONG: 1})

    def test_turns_that_are_lost_or_doubled(self):
        def drop(store):
            turns = store.records["talk:0:0"]
            turns.pop(5)
            for index, turn in enumerate(turns):
                turn[0] = index + 1

        self.assertEqual(self.found(Conversations, before_judging=drop), {LOST: 1})

        def again(store):
            turns = store.records["talk:0:0"]
            turns.append([len(turns) + 1, 0, turns[5][2]])

        self.assertEqual(self.found(Conversations, before_judging=again)[DOUBLED], 1)

    def test_a_version_that_is_given_twice(self):
        def same(store, words):
            version, _ = store.records[words[1]]
            return Answer([b"version", version, b"committed", b"redis"])

        lie = once(lambda words: words[0] == "STATE.SET" and words[3] == "VERSION", same)
        self.assertGreater(self.found(Versions, lie)[WRONG], 0)

    def test_a_version_that_went_back(self):
        def back(store):
            store.records["v:0"] = (1, b"v:0|0|0|1")

        self.assertGreater(self.found(Versions, before_judging=back)[LOST], 0)

    def test_two_holders_of_a_lease(self):
        def both(store, words):
            store.leases.clear()

        found = self.found(
            Leases, lambda store, words: both(store, words) if words[0] == "LEASE.ACQUIRE" else None, acts=400
        )
        self.assertGreater(found[WRONG], 0)

    def test_an_epoch_that_does_not_grow(self):
        def old(store, words):
            store.epoch = 5

        self.assertGreater(
            self.found(Leases, lambda store, words: old(store, words) if store.epoch == 1100 else None)[WRONG], 0
        )


if __name__ == "__main__":
    unittest.main()
