"""Faults of the network between Hearth and Redis: a proxy on TCP loopback (kit/proxy.py)."""

from ledgers import Conversations, Registers, Versions

from .fault import fault
from .settings import over_network, redis_away, two_sidecars

GROUP = "Network"


def mode(name, how, *words, seconds=1.2, **options):
    """A fault that is one mode of the network for a while."""

    @fault(GROUP, name, how, over_network, **options)
    def body(scene):
        with scene.fault():
            scene.network.mode(*words)
            scene.pause(seconds)
            scene.network.mode("open")


mode(
    "the cable is pulled",
    "nothing passes for 1.2 s, no connection ends; what was on its way then arrives late",
    "silent",
    quick=True,
)
mode("answers are lost", "requests reach Redis, answers do not come back, for 1.2 s", "deaf")
mode("refused", "connections end, new ones are refused, for 1.2 s", "refuse")
mode("reset in mid-reply", "each connection is reset after 700 bytes of answers, for 1.2 s", "reset", 700, quick=True)
mode("slow", "answers come 60 ms late, more than slow_call, for 1.5 s", "delay", 60, seconds=1.5)
mode("later than the timeout", "answers come 250 ms late for 1.5 s", "delay", 250, seconds=1.5)
mode("jitter", "each piece of an answer comes up to 40 ms late, for 1.5 s", "jitter", 40, seconds=1.5)
mode("a byte at a time", "answers arrive in pieces of one byte, for 1.2 s", "trickle")
mode("garbage", "answers are noise, for 1.2 s", "garbage")


@fault(GROUP, "flapping", "refused and open, each for 0.25 s, five times", over_network, quick=True)
def flapping(scene):
    with scene.fault():
        for _ in range(5):
            scene.network.mode("refuse")
            scene.pause(0.25)
            scene.network.mode("open")
            scene.pause(0.25)


@fault(GROUP, "cut", "every connection is reset, each 50 ms, for 1.2 s; new ones are taken", over_network)
def cut(scene):
    with scene.fault():
        for _ in range(24):
            scene.network.order("cut")
            scene.pause(0.05)


# A key that one sidecar deletes can be promoted from the other's warm tier; and a write of a record whose answer was
# lost is recognised among the last 16 alone, so that conversations end before as many others can have come between.
SIDECARS = {
    "lax": True,
    "options": {Registers: {"deletes": False}, Conversations: {"per_conversation": 12}, Versions: {"sidecars": 2}},
}


@fault(
    "Two sidecars",
    "one is cut off",
    "its cable is pulled for 1.2 s, the other and Redis go on",
    two_sidecars,
    quick=True,
    **SIDECARS
)
def one_cut_off(scene):
    with scene.fault():
        scene.network.mode("silent")
        scene.pause(1.2)
        scene.network.mode("open")


@fault(
    "Two sidecars",
    "one loses answers",
    "requests of one reach Redis, answers do not come back, for 1.2 s",
    two_sidecars,
    **SIDECARS
)
def one_deaf(scene):
    with scene.fault():
        scene.network.mode("deaf")
        scene.pause(1.2)
        scene.network.mode("open")


@fault("Two sidecars", "Redis is killed", "kill -9; back after 1 s with its data", two_sidecars, **SIDECARS)
def redis_killed(scene):
    with redis_away(scene, 1.0):
        pass


@fault(
    "Two sidecars", "one is killed", "kill -9 of one Hearth, back at once; the other goes on", two_sidecars, **SIDECARS
)
def one_killed(scene):
    with scene.fault():
        scene.hearths[1].kill()
        scene.pause(0.3)
        scene.hearths[1].start()
