"""Deliberate breakages in places that matter, and the tests that are to see each of them."""

from .rules import EVERY, Mutant

__all__ = ["EVERY", "Mutant"]
