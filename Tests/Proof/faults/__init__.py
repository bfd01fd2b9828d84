"""The fault matrix: every row is declared beside its body, in the file of its group."""

# In the order in which they run and are shown.
from . import redis, network, hearth, disk, limits, clients  # noqa: F401
from .fault import EVERY_FAULT, Fault, Missing, Row

__all__ = ["EVERY_FAULT", "Fault", "Missing", "Row"]
