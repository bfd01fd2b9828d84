"""Limits of the machine: memory, descriptors, and a clock that jumps."""

import os
import shutil
import subprocess
import time

import kit
from kit.answer import Asker
from kit.waiting import eventually
from kit.wire import Client, Gone, Refusal
from ledgers import Leases

from .fault import Missing, fault

GROUP = "Limits"
MEMORY = "/sys/fs/cgroup/memory"


def memory_group(scene, megabytes):
    """A cgroup with a limit; the command that enters it."""
    path = f"{MEMORY}/hearth-proof-{os.getpid()}"
    try:
        os.mkdir(path)
        with open(f"{path}/memory.limit_in_bytes", "w") as file:
            file.write(str(megabytes << 20))
    except OSError as error:
        raise Missing(f"no memory cgroup (version 1) can be made here: {error}") from error
    scene.place.finally_do(lambda: os.rmdir(path))
    scene.group = path
    return ["sh", "-c", f'echo $$ >{path}/cgroup.procs; exec "$@"', "sh"]


def figure(scene, name):
    with open(f"{scene.group}/{name}") as file:
        return int(file.read())


def churn(scene, seconds, size):
    """Values of up to `size` bytes under ever new keys, through connections of its own; how many were written."""
    asker, count, until = Asker(scene.hearth.address), 0, time.monotonic() + seconds
    while time.monotonic() < until and scene.hearth.alive:
        asker.ask("SET", f"churn:{count}", b"c" * (1 + count * 7919 % size), "EX", 600)
        count += 1
    asker.close()
    return count


def in_memory_limit(scene):
    scene.add_redis()
    # docs/operations.md, Sizing: 1.15 times local memory, 24 MiB, and the warm tier's index.
    scene.add_hearth(settings="local: {max_bytes: 16MiB}", under=memory_group(scene, int(16 * 1.15 + 24)))


@fault(
    GROUP,
    "the memory limit of docs/operations.md",
    "a cgroup of 1.15 × local.max_bytes + 24 MiB, local memory filled three times " "over in 2 s",
    in_memory_limit,
)
def memory_limit(scene):
    with scene.fault():
        count = churn(scene, 2.0, 50_000)
    scene.notes.append(
        f"{count} values; {scene.hearth.resident() / 2**20:.0f} MiB resident, "
        f"{figure(scene, 'memory.failcnt')} times at the limit of {16 * 1.15 + 24:.0f} MiB"
    )


def in_small_memory(scene):
    scene.add_redis()
    scene.add_hearth(settings="local: {max_bytes: 256MiB}", under=memory_group(scene, 40))


@fault(
    GROUP,
    "killed for want of memory",
    "a cgroup of 40 MiB round a Hearth that was given 256 MiB of local memory; the kernel kills "
    "it, and it is started again with room",
    in_small_memory,
    lax=True,
)
def out_of_memory(scene):
    with scene.fault():
        churn(scene, 10.0, 100_000)
        eventually("the kernel kills it", lambda: not scene.hearth.alive, 10)
        scene.notes.append(f"ended with {scene.hearth.process.returncode}")
        with open(f"{scene.group}/memory.limit_in_bytes", "w") as file:
            file.write(str(1 << 30))
        scene.hearth.start()


def with_few_descriptors(scene):
    scene.add_redis()
    scene.add_hearth(under=["prlimit", "--nofile=80:80"])


@fault(
    GROUP,
    "no descriptors left",
    "RLIMIT_NOFILE of 80, 120 more clients for 1 s, and Redis kills Hearth's connections meanwhile",
    with_few_descriptors,
)
def descriptors(scene):
    clients = []
    with scene.fault():
        for _ in range(120):
            try:
                clients.append(Client(scene.hearth.address, 1.0))
            except OSError:
                pass
        scene.pause(0.3)
        scene.redis.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        scene.pause(0.7)
        for client in clients:
            client.close()
    scene.notes.append(
        f"{len(clients)} of 120 could connect; {scene.hearth.events('accept_failed')} accept_failed in the log"
    )


def with_few_clients(scene):
    scene.add_redis()
    scene.add_hearth(settings="limits: {max_clients: 40}")


@fault(GROUP, "max_clients", "40 allowed, 200 come, for 0.5 s", with_few_clients)
def max_clients(scene):
    refused, clients = 0, []
    with scene.fault():
        for _ in range(200):
            try:
                client = Client(scene.hearth.address, 2.0)
                clients.append(client)
                client.call("PING")
            except (Refusal, Gone, OSError):
                refused += 1
        scene.pause(0.5)
        for client in clients:
            client.close()
    scene.notes.append(f"{refused} of 200 refused")
    if refused < 150:
        scene.problems.append(f"only {refused} of 200 were refused")


class Clock:
    """The wall clock of one process (kit/clock.c)."""

    def __init__(self, scene):
        compiler = shutil.which("cc") or shutil.which("clang")
        if compiler is None:
            raise Missing("no C compiler for the clock that jumps")
        self.file, library = scene.place.file("clock"), scene.place.file("clock.so")
        source = os.path.join(os.path.dirname(kit.__file__), "clock.c")
        subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True, timeout=60)
        self.set(0)
        self.environment = {"LD_PRELOAD": library, "PROOF_CLOCK": self.file}

    def set(self, seconds):
        """Ahead of the true time by so many seconds."""
        with open(self.file, "r+b" if os.path.exists(self.file) else "wb") as file:
            file.write(seconds.to_bytes(8, "little", signed=True))


def with_clock(url=None):
    def set_up(scene):
        scene.clock = Clock(scene)
        if url is None:
            scene.add_redis()
        scene.add_hearth(url, environment=scene.clock.environment)

    return set_up


def sees_others(scene):
    """A change that another client makes in Redis is seen within the bound, whatever the clock says."""
    scene.redis.ask("SET", "theirs", "old")
    asker = Asker(scene.hearth.address)
    eventually("a read finds it", lambda: asker.ask("GET", "theirs").value == b"old")
    scene.redis.ask("SET", "theirs", "new")
    took = eventually(
        "a change is seen after a jump of the clock", lambda: asker.ask("GET", "theirs").value == b"new", 5
    )
    asker.close()
    # max_staleness is a second.
    if took > 1.5:
        scene.problems.append(f"a change was seen after {took:.2f} s, later than max_staleness (1 s)")


@fault(
    GROUP, "the clock jumps ahead", "CLOCK_REALTIME of Hearth by half an hour, twice; keys live an hour", with_clock()
)
def clock_ahead(scene):
    with scene.fault():
        scene.clock.set(1800)
        scene.pause(0.5)
        scene.clock.set(3400)
        scene.pause(0.5)
    sees_others(scene)


@fault(GROUP, "the clock jumps back", "CLOCK_REALTIME of Hearth by two hours", with_clock())
def clock_back(scene):
    with scene.fault():
        scene.clock.set(-7200)
        scene.pause(1.0)
    sees_others(scene)


# Who holds a lease is judged by the clock of this host here, and a clock that jumps ends it: only its epochs are
# judged.
@fault(
    GROUP,
    "embedded, the clock jumps",
    "CLOCK_REALTIME of Hearth 25 minutes ahead, 25 back, and right again; keys live an hour; "
    "leases end with the clock that judges them, their fences hold",
    with_clock("off"),
    quick=True,
    options={Leases: {"exclusive": False}},
)
def clock_embedded(scene):
    with scene.fault():
        for seconds in (1500, -1500, 0):
            scene.clock.set(seconds)
            scene.pause(0.5)
