"""Histories of real runs: what each client asked and was answered, and when; and what can be proven of them."""

from .operation import DEL, GET, INCR, SET, Operation
from .linear import Undecided, explain, linearizable
from .bounded import outdated

__all__ = ["DEL", "GET", "INCR", "SET", "Operation", "Undecided", "explain", "linearizable", "outdated"]
