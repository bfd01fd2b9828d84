"""The checkers of histories: right ones pass, and each kind of wrong one is found; against a search that tries all."""

import itertools
import math
import random
import unittest

from history import DEL, GET, INCR, SET, Operation, Undecided, explain, linearizable, outdated


def op(name, began, ended, value=None, result=None):
    return Operation(name, began, ended, value, result)


def by_force(operations):
    """Every order of every choice of what is unknown: the definition itself."""
    known = [o for o in operations if o.known]
    unknown = [o for o in operations if not o.known]
    for count in range(len(unknown) + 1):
        for chosen in itertools.combinations(unknown, count):
            for order in itertools.permutations(known + list(chosen)):
                if any(
                    later.ended < earlier.began for earlier, later in itertools.combinations(order, 2)
                ):
                    continue
                state, fits = None, True
                for operation in order:
                    state, fits = operation.step(state)
                    if not fits:
                        break
                if fits:
                    return True
    return False


class Linear(unittest.TestCase):
    def test_a_history_in_order_is_right(self):
        self.assertTrue(linearizable([op(SET, 0, 1, "a"), op(GET, 2, 3, result="a"), op(DEL, 4, 5), op(GET, 6, 7)]))

    def test_a_read_of_what_was_replaced_is_wrong(self):
        history = [op(SET, 0, 1, "a"), op(SET, 2, 3, "b"), op(GET, 4, 5, result="a")]
        self.assertFalse(linearizable(history))
        self.assertIn("GET = 'a'", explain(history))

    def test_reads_that_go_back_are_wrong(self):
        history = [op(SET, 0, 1, "a"), op(SET, 2, 9, "b"), op(GET, 3, 4, result="b"), op(GET, 5, 6, result="a")]
        self.assertFalse(linearizable(history))

    def test_what_is_at_the_same_time_may_be_seen_in_either_order(self):
        for first in ("a", "b"):
            self.assertTrue(linearizable([op(SET, 0, 5, "a"), op(SET, 0, 5, "b"), op(GET, 6, 7, result=first)]))

    def test_a_lost_write_is_wrong(self):
        self.assertFalse(linearizable([op(SET, 0, 1, "a"), op(GET, 2, 3)]))

    def test_a_deletion_that_did_not_stay_is_wrong(self):
        self.assertFalse(linearizable([op(SET, 0, 1, "a"), op(DEL, 2, 3), op(GET, 4, 5, result="a")]))

    def test_what_is_unknown_may_be_done_or_not_and_late(self):
        for found in ("a", None):
            self.assertTrue(linearizable([op(SET, 0, math.inf, "a"), op(GET, 5, 6, result=found)]))
        late = [op(SET, 0, math.inf, "a"), op(SET, 1, 2, "b"), op(GET, 3, 4, result="b"), op(GET, 5, 6, result="a")]
        self.assertTrue(linearizable(late))
        self.assertFalse(linearizable(late + [op(GET, 7, 8, result="b")]))

    def test_increments_are_counted(self):
        self.assertTrue(linearizable([op(INCR, 0, 1, result=1), op(INCR, 0, 1, result=2), op(GET, 2, 3, result=2)]))
        self.assertFalse(linearizable([op(INCR, 0, 1, result=1), op(INCR, 2, 3, result=1)]))
        self.assertFalse(linearizable([op(INCR, 0, 1, result=1), op(INCR, 2, 3, result=3)]))
        self.assertTrue(linearizable([op(INCR, 0, 1, result=1), op(INCR, 0, math.inf), op(INCR, 2, 3, result=3)]))

    def test_it_says_when_it_can_not_tell(self):
        writes = [op(SET, 0, 10, str(number)) for number in range(14)]
        with self.assertRaises(Undecided):
            linearizable(writes + [op(GET, 11, 12, result="nobody's")], limit=500)

    def test_it_agrees_with_the_definition(self):
        generator, seen = random.Random(7), {True: 0, False: 0}
        for _ in range(1500):
            history = [self.anything(generator, number) for number in range(generator.randint(1, 6))]
            right = by_force(history)
            seen[right] += 1
            self.assertEqual(linearizable(history), right, history)
        self.assertGreater(min(seen.values()), 100)

    @staticmethod
    def anything(generator, number):
        began = generator.randint(0, 9)
        ended = math.inf if generator.random() < 0.2 else began + generator.randint(1, 5)
        name = generator.choice((SET, SET, DEL, GET, GET))
        if name == GET:
            found = generator.choice((None, "0", "1", "2", "3"))
            return op(GET, began, began + generator.randint(1, 5), result=found)
        return op(name, began, ended, str(number) if name == SET else None)


class Bounded(unittest.TestCase):
    def test_within_the_bound_an_older_value_is_right(self):
        history = [op(SET, 0, 1, "a"), op(SET, 2, 3, "b"), op(GET, 3.5, 3.6, result="a")]
        self.assertEqual(outdated(history, 1.0), [])
        self.assertEqual(len(outdated(history, 0.4)), 1)

    def test_what_nobody_wrote_is_wrong(self):
        self.assertEqual(len(outdated([op(GET, 1, 2, result="x")], 100)), 1)
        self.assertEqual(len(outdated([op(GET, 1, 2, result="a"), op(SET, 3, 4, "a")], 100)), 1)

    def test_of_writes_at_the_same_time_either_may_have_come_last(self):
        history = [op(SET, 0, 3, "a"), op(SET, 1, 2, "b")]
        for found in ("a", "b"):
            self.assertEqual(outdated(history + [op(GET, 10, 11, result=found)], 1), [])

    def test_nothing_found_is_right_before_the_first_write_and_after_a_deletion(self):
        self.assertEqual(outdated([op(GET, 1, 2), op(SET, 3, 4, "a")], 1), [])
        self.assertEqual(outdated([op(SET, 0, 1, "a"), op(DEL, 2, 3), op(GET, 9, 10)], 1), [])
        self.assertEqual(outdated([op(SET, 0, 1, "a"), op(DEL, 2, math.inf), op(GET, 9, 10)], 1), [])
        self.assertEqual(len(outdated([op(SET, 0, 1, "a"), op(GET, 9, 10)], 1)), 1)
        self.assertEqual(len(outdated([op(DEL, 0, 1), op(SET, 2, 3, "a"), op(GET, 9, 10)], 1)), 1)

    def test_a_value_that_was_deleted_long_ago_is_wrong(self):
        self.assertEqual(len(outdated([op(SET, 0, 1, "a"), op(DEL, 2, 3), op(GET, 9, 10, result="a")], 1)), 1)

    def test_an_unknown_write_replaces_nothing_for_certain(self):
        self.assertEqual(outdated([op(SET, 0, 1, "a"), op(SET, 2, math.inf, "b"), op(GET, 9, 10, result="a")], 1), [])


if __name__ == "__main__":
    unittest.main()
