"""Faults of Hearth's own process."""

import os
import signal
import subprocess
import time

from kit.scene import go_on, stop
from kit.waiting import eventually

from .fault import fault
from .settings import embedded, keeping_redis, redis_and_hearth, redis_away

GROUP = "Hearth"


@fault(
    GROUP,
    "killed",
    "kill -9 under load, started again after 0.2 s; Redis is there",
    redis_and_hearth,
    quick=True,
    lax=True,
)
def killed(scene):
    with scene.fault():
        scene.hearth.kill()
        scene.pause(0.2)
        scene.hearth.start()


@fault(GROUP, "killed four times", "kill -9 under load, started again at once, four times", redis_and_hearth, lax=True)
def killed_often(scene):
    with scene.fault():
        for _ in range(4):
            scene.hearth.kill()
            scene.hearth.start()
            scene.pause(0.25)


@fault(
    GROUP,
    "killed in an outage",
    "Redis is killed; 0.5 s later kill -9 of Hearth, twice; Redis comes back with its data",
    keeping_redis,
    quick=True,
    lax=True,
)
def killed_in_outage(scene):
    with redis_away(scene, 0.5):
        for _ in range(2):
            scene.hearth.kill()
            scene.hearth.start()
            scene.pause(0.4)


@fault(
    GROUP,
    "killed in a replay",
    "Redis is killed and comes back with its data; kill -9 of Hearth as soon as some of the "
    "journal has been replayed",
    keeping_redis,
    lax=True,
)
def killed_in_replay(scene):
    with scene.fault():
        scene.redis.kill()
        scene.pause(0.8)
        waiting = scene.hearth.status()["journal_entries"]
        scene.redis.start()
        eventually("the replay has begun", lambda: scene.hearth.status()["journal_entries"] < waiting, every=0.001)
        left = scene.hearth.status()["journal_entries"]
        scene.hearth.kill()
        scene.hearth.start()
    scene.notes.append(f"{waiting} entries waited, {left} when it was killed")


@fault(
    GROUP,
    "restarted in an outage",
    "Redis is killed; SIGTERM and a new start; Redis comes back with its data",
    keeping_redis,
    lax=True,
)
def restarted_in_outage(scene):
    with redis_away(scene, 0.4):
        ended(scene, scene.hearth)
        scene.hearth.start()
        scene.pause(0.4)


@fault(GROUP, "drained", "SIGTERM under load, started again", redis_and_hearth, lax=True, quick=True)
def drained(scene):
    with scene.fault():
        ended(scene, scene.hearth)
        scene.hearth.start()


def ended(scene, hearth):
    began = time.monotonic()
    code = hearth.terminate()
    scene.notes.append(f"drained in {(time.monotonic() - began) * 1000:.0f} ms")
    if code != 0:
        scene.problems.append(f"exit code {code} after SIGTERM")


@fault(GROUP, "stopped", "SIGSTOP for 1 s: a pod that is starved, a virtual machine that is moved", redis_and_hearth)
def stopped(scene):
    with scene.fault():
        stop(scene.hearth)
        scene.pause(1.0)
        go_on(scene.hearth)


@fault(GROUP, "starved", "SIGSTOP and SIGCONT every 20 ms for 1.5 s", redis_and_hearth)
def starved(scene):
    with scene.fault():
        for _ in range(37):
            stop(scene.hearth)
            scene.pause(0.02)
            go_on(scene.hearth)
            scene.pause(0.02)


@fault(
    GROUP, "reloaded", "SIGHUP every 10 ms for 1 s, half of them with a configuration that is wrong", redis_and_hearth
)
def reloaded(scene):
    hearth = scene.hearth
    with open(hearth.file) as file:
        good = file.read()
    with scene.fault():
        for number in range(100):
            with open(hearth.file + ".new", "w") as file:
                file.write(good if number % 2 else good + "nonsense: 1\n")
            os.replace(hearth.file + ".new", hearth.file)
            hearth.signal(signal.SIGHUP)
            scene.pause(0.01)
    eventually("the last reload is done", lambda: hearth.events("reloaded") > 0)
    scene.notes.append(f"{hearth.events('reload_refused')} refused")


@fault(GROUP, "started twice", "`hearth serve` on the same socket and directories, three times", redis_and_hearth)
def started_twice(scene):
    with scene.fault():
        for _ in range(3):
            code = subprocess.run(scene.hearth.command, capture_output=True, timeout=20).returncode
            if code != 69:
                scene.problems.append(f"the second start ended with {code}")


@fault(
    GROUP,
    "its socket file is removed",
    "those who are connected go on; a restart makes it anew",
    redis_and_hearth,
    lax=True,
)
def socket_removed(scene):
    with scene.fault():
        os.unlink(scene.hearth.address)
        scene.pause(0.5)
        if scene.load.phases["during"].errors:
            scene.problems.append("clients that were connected met errors")
        ended(scene, scene.hearth)
        scene.hearth.start()


def with_blocked_log(scene):
    scene.add_redis()
    reader, writer = os.pipe()
    # Filled to the brim, and never read.
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"x" * 4096)
    except BlockingIOError:
        pass
    os.set_blocking(writer, True)
    scene.place.finally_do(lambda: (os.close(reader), os.close(writer)))
    scene.add_hearth(error=writer)


@fault(
    GROUP,
    "its log blocks",
    "standard error is a full pipe that nobody reads, from the start; Redis hangs for 1 s",
    with_blocked_log,
)
def log_blocks(scene):
    with scene.fault():
        stop(scene.redis)
        scene.pause(1.0)
        go_on(scene.redis)


EMBEDDED = "Embedded"


@fault(EMBEDDED, "killed", "kill -9 under load, started again at once, three times", embedded, quick=True)
def embedded_killed(scene):
    with scene.fault():
        for _ in range(3):
            scene.hearth.kill()
            scene.hearth.start()
            scene.pause(0.3)


@fault(EMBEDDED, "drained", "SIGTERM under load, started again", embedded)
def embedded_drained(scene):
    with scene.fault():
        ended(scene, scene.hearth)
        scene.hearth.start()


@fault(EMBEDDED, "stopped", "SIGSTOP for 1 s", embedded)
def embedded_stopped(scene):
    with scene.fault():
        stop(scene.hearth)
        scene.pause(1.0)
        go_on(scene.hearth)
