"""The checker of coherence accepts what is allowed, and finds each way in which a sidecar can be wrong."""

import unittest

from coherent.check import DIRECT, Read, Rules, Write, check

RULES = Rules(bound=1.0, prompt=0.2)


def found(writes, *reads, rules=RULES):
    return [str(one) for one in check("k", writes, reads, rules)]


class Allowed(unittest.TestCase):
    def test_what_is_under_way_may_be_read_or_not(self):
        writes = [Write(0, 1, b"a", DIRECT), Write(2, 9, b"b", DIRECT)]
        self.assertEqual(found(writes, Read(8, 8.5, b"a", 0), Read(3, 4, b"b", 0)), [])

    def test_a_copy_within_its_bound(self):
        writes = [Write(0, 1, b"a", DIRECT), Write(2, 3, b"b", DIRECT)]
        self.assertEqual(found(writes, Read(3.9, 4, b"a", 0)), [])

    def test_writes_at_the_same_time_have_no_order(self):
        writes = [Write(0, 1, b"a", 0), Write(0.5, 1.5, b"b", 1)]
        self.assertEqual(found(writes, Read(9, 9.1, b"a", 0), Read(9, 9.1, b"b", 0)), [])

    def test_a_write_of_unknown_outcome_replaces_nothing(self):
        writes = [Write(0, 1, b"a", DIRECT), Write(2, None, b"b", 0)]
        self.assertEqual(found(writes, Read(9, 9.1, b"a", 0), Read(9, 9.1, b"b", 0)), [])

    def test_a_deletion_in_a_gap_is_bounded_by_time(self):
        writes = [Write(0, 1, b"a", DIRECT), Write(5, 5.1, None, 1)]
        rules = Rules(bound=1.0, prompt=0.2, gaps={0: [(4.9, 6)]})
        self.assertEqual(found(writes, Read(6, 6, b"a", 0), rules=rules), [])

    def test_what_a_sidecar_wrote_itself_is_bounded_by_time(self):
        writes = [Write(0, 1, b"a", 0), Write(5, 5.1, None, 1)]
        self.assertEqual(found(writes, Read(5.9, 6, b"a", 0)), [])

    def test_nothing_before_anything_was_written_and_after_it_was_deleted(self):
        writes = [Write(5, 5.1, b"a", DIRECT), Write(6, 6.1, None, DIRECT)]
        self.assertEqual(found(writes, Read(1, 2, None, 0), Read(5.5, 5.6, None, 0), Read(9, 9, None, 0)), [])


class Wrong(unittest.TestCase):
    def expect(self, what, writes, *reads, rules=RULES):
        texts = found(writes, *reads, rules=rules)
        self.assertEqual(len(texts), 1, texts)
        self.assertIn(what, texts[0])

    def test_a_copy_beyond_its_bound(self):
        self.expect("replaced", [Write(0, 1, b"a", DIRECT), Write(2, 3, b"b", DIRECT)], Read(4.1, 4.2, b"a", 0))

    def test_a_deletion_that_was_not_told_of(self):
        self.expect("deleted directly", [Write(0, 1, b"a", 1), Write(5, 5.1, None, DIRECT)], Read(5.5, 5.6, b"a", 0))
        self.expect("deleted through sidecar 2", [Write(0, 1, b"a", 1), Write(5, 5.1, None, 2)], Read(5.5, 5.6, b"a", 0))

    def test_what_comes_back_after_a_gap(self):
        rules = Rules(bound=1.0, prompt=0.2, gaps={0: [(4.9, 6)]})
        self.expect("deleted", [Write(0, 1, b"a", 1), Write(5, 5.1, None, 1)], Read(7, 7, b"a", 0), rules=rules)

    def test_a_value_of_nobody(self):
        self.expect("never written", [], Read(1, 2, b"a", 0))

    def test_a_key_that_is_not_found_though_it_is_there(self):
        self.expect("nobody deleted it", [Write(0, 1, b"a", 0)], Read(3, 3.1, None, 1))
