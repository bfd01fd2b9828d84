"""Workloads that write what can be recognised, remember what was acknowledged, and judge what is found afterwards."""

from .counter import Counters
from .lease import Leases
from .pair import Pairs
from .register import Registers
from .text import Texts
from .turns import Conversations
from .versions import Versions

EVERY = (Registers, Counters, Texts, Pairs, Conversations, Versions, Leases)
