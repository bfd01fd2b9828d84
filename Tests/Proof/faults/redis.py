"""Faults of Redis: real ones, of a real redis-server."""

import os
import time

from kit.proxy import Network
from kit.scene import go_on, stop
from kit.waiting import eventually
from kit.wire import Refusal
from ledgers import Conversations, Pairs, Registers, Versions

from .fault import fault
from .settings import keeping_redis, redis_and_hearth, redis_away

GROUP = "Redis"
# What comes back from this host's warm tier when Redis has lost it.
REFILLED = (Registers, Pairs, Conversations, Versions)


@fault(GROUP, "hung", "SIGSTOP for 1.5 s, then SIGCONT", redis_and_hearth, quick=True)
def hung(scene):
    with scene.fault():
        stop(scene.redis)
        scene.pause(1.5)
        go_on(scene.redis)


@fault(GROUP, "hung again and again", "SIGSTOP and SIGCONT, each for 0.3 s, four times", redis_and_hearth)
def hung_again(scene):
    with scene.fault():
        for _ in range(4):
            stop(scene.redis)
            scene.pause(0.3)
            go_on(scene.redis)
            scene.pause(0.3)


@fault(
    GROUP,
    "killed, back with its data",
    "kill -9; back after 1 s with its append-only file, synced at each write",
    keeping_redis,
    quick=True,
)
def killed(scene):
    with redis_away(scene, 1.0):
        pass


@fault(GROUP, "killed three times", "kill -9, back after 0.3 s with its data, three times", keeping_redis)
def killed_thrice(scene):
    with scene.fault():
        for _ in range(3):
            scene.redis.kill()
            scene.pause(0.3)
            scene.redis.start()
            scene.pause(0.2)


@fault(
    GROUP,
    "killed, back empty",
    "kill -9; back after 1 s with nothing",
    redis_and_hearth,
    quick=True,
    forgetful=True,
    strict=REFILLED,
)
def killed_empty(scene):
    with redis_away(scene, 1.0):
        pass


@fault(GROUP, "-LOADING", "killed, and back on a file that takes 1.5 s to load (key-load-delay)", keeping_redis)
def loading(scene):
    redis = scene.redis
    redis.ask("DEBUG", "POPULATE", 15000, "filler", 32)
    redis.ask("BGREWRITEAOF")
    eventually(
        "the file is rewritten",
        lambda: b"aof_rewrite_in_progress:0" in redis.ask("INFO", "persistence")
        and b"aof_rewrite_scheduled:0" in redis.ask("INFO", "persistence"),
    )
    with scene.fault():
        redis.kill()
        redis.command += ["--key-load-delay", "100", "--loading-process-events-interval-bytes", "1024"]
        redis.start(waiting=False)

        def says_loading():
            client = redis.client()
            try:
                client.call("GET", "x")
            except Refusal as refusal:
                return str(refusal).startswith("LOADING")
            finally:
                client.close()
            return False

        eventually("Redis says that it is loading", says_loading)
        redis.ready()


@fault(GROUP, "-READONLY", "REPLICAOF a host that is not there, for 1 s", redis_and_hearth, quick=True)
def readonly(scene):
    with scene.fault():
        scene.redis.ask("REPLICAOF", "127.0.0.1", "1")
        scene.pause(1.0)
        scene.redis.ask("REPLICAOF", "NO", "ONE")


@fault(GROUP, "-MASTERDOWN", "the same, and replica-serve-stale-data no", redis_and_hearth)
def masterdown(scene):
    scene.redis.ask("CONFIG", "SET", "replica-serve-stale-data", "no")
    with scene.fault():
        scene.redis.ask("REPLICAOF", "127.0.0.1", "1")
        scene.pause(1.0)
        scene.redis.ask("REPLICAOF", "NO", "ONE")


@fault(GROUP, "-OOM", "CONFIG SET maxmemory 1 for 1 s, noeviction", redis_and_hearth, quick=True)
def oom(scene):
    with scene.fault():
        scene.redis.ask("CONFIG", "SET", "maxmemory", "1")
        scene.pause(1.0)
        scene.redis.ask("CONFIG", "SET", "maxmemory", "0")


@fault(
    GROUP,
    "-MISCONF",
    "a BGSAVE that fails, since a directory is in its file's place, with stop-writes-on-bgsave-error",
    redis_and_hearth,
)
def misconf(scene):
    redis = scene.redis
    blocked = os.path.join(redis.directory, "dump.rdb")
    os.makedirs(os.path.join(blocked, "full"))
    redis.ask("CONFIG", "SET", "save", "3600 1000000")
    with scene.fault():
        redis.ask("BGSAVE")
        eventually("the BGSAVE has failed", lambda: b"rdb_last_bgsave_status:err" in redis.ask("INFO", "persistence"))
        scene.pause(1.0)
        redis.ask("CONFIG", "SET", "save", "")


@fault(GROUP, "-BUSY", "somebody's script runs for 1.2 s, busy-reply-threshold 50 ms", redis_and_hearth)
def busy(scene):
    scene.redis.ask("CONFIG", "SET", "busy-reply-threshold", "50")
    with scene.fault():
        scene.redis.ask(
            "EVAL",
            "local function now() local t = redis.call('TIME') return t[1] * 1000 + t[2] / 1000 end "
            "local began = now() while now() - began < 1200 do end return 1",
            0,
        )


@fault(GROUP, "paused", "CLIENT PAUSE of all commands for 0.7 s, then of writes for 0.7 s", redis_and_hearth)
def paused(scene):
    with scene.fault():
        scene.redis.ask("CLIENT", "PAUSE", 700, "ALL")
        scene.pause(0.75)
        scene.redis.ask("CLIENT", "PAUSE", 700, "WRITE")
        scene.pause(0.75)


@fault(GROUP, "CLIENT KILL", "every connection of ours, again and again for 1 s", redis_and_hearth, quick=True)
def client_kill(scene):
    client = scene.redis.client()
    with scene.fault():
        until = time.monotonic() + 1.0
        while time.monotonic() < until:
            client.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            scene.pause(0.02)
    client.close()


@fault(GROUP, "the password changes", "CONFIG SET requirepass, connections killed, for 1 s: -NOAUTH", redis_and_hearth)
def password(scene):
    client = scene.redis.client()
    with scene.fault():
        client.call("CONFIG", "SET", "requirepass", "another")
        client.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        scene.pause(1.0)
        client.call("AUTH", "another")
        client.call("CONFIG", "SET", "requirepass", "")
    client.close()


@fault(GROUP, "too many clients", "maxclients 1, connections killed, for 1 s", redis_and_hearth)
def maxclients(scene):
    client = scene.redis.client()
    with scene.fault():
        client.call("CONFIG", "SET", "maxclients", "1")
        client.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        scene.pause(1.0)
        client.call("CONFIG", "SET", "maxclients", "10000")
    client.close()


@fault(GROUP, "scripts forgotten", "SCRIPT FLUSH every 5 ms for 1 s", redis_and_hearth)
def script_flush(scene):
    client = scene.redis.client()
    with scene.fault():
        until = time.monotonic() + 1.0
        while time.monotonic() < until:
            client.call("SCRIPT", "FLUSH")
            scene.pause(0.005)
    client.close()


@fault(GROUP, "FLUSHALL", "by another client", redis_and_hearth, forgetful=True, lax=True)
def flushall(scene):
    with scene.fault():
        scene.redis.ask("FLUSHALL")
        scene.pause(0.3)


@fault(
    GROUP, "evicts", "maxmemory as large as what is in use, allkeys-random, for 1 s", redis_and_hearth, forgetful=True
)
def evicts(scene):
    used = next(
        int(line.split(b":")[1]) for line in scene.redis.ask("INFO", "memory").split() if line[:12] == b"used_memory:"
    )
    scene.redis.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
    with scene.fault():
        scene.redis.ask("CONFIG", "SET", "maxmemory", str(used))
        scene.pause(1.0)
        scene.redis.ask("CONFIG", "SET", "maxmemory", "0")
    evicted = next(line for line in scene.redis.ask("INFO", "stats").split() if line.startswith(b"evicted_keys:"))
    scene.notes.append(f"{int(evicted.split(b':')[1])} keys evicted")


class Sure(Registers):
    """Strings under a policy with wait_replicas."""

    def __init__(self, *given, **named):
        super().__init__(*given, prefix="sure", **named)


def replicated(scene):
    """Hearth reaches a master over one network, its replica the master over another."""
    master = scene.add_redis("master")
    replica = scene.add_redis("replica")
    scene.add_network()
    link = Network(master.address)
    scene.networks.append(link)
    scene.replica, scene.link = replica, link
    replica.ask("REPLICAOF", "127.0.0.1", link.port)
    eventually("the replica follows", lambda: b"master_link_status:up" in replica.ask("INFO", "replication"))
    scene.add_hearth(policies='  - {prefix: "sure:", wait_replicas: 1}')


@fault(
    GROUP,
    "failover to a replica that lagged",
    "the replication link falls silent for 0.5 s, the master is killed, the "
    "replica promoted, the address moved, the old master made its replica; strings of wait_replicas: 1 are all there",
    replicated,
    forgetful=True,
    strict=(Sure,),
    lax=True,
    ledgers=(Registers, Sure, Pairs, Conversations, Versions),
)
def failover(scene):
    with scene.fault():
        scene.link.mode("silent")
        scene.pause(0.5)
        scene.redis.kill()
        scene.network.mode("refuse")
        scene.pause(0.5)
        scene.replica.ask("REPLICAOF", "NO", "ONE")
        scene.network.order("target", scene.replica.address)
        scene.network.mode("open")
        scene.link.order("target", scene.replica.address)
        scene.link.mode("open")
        scene.link.order("cut")
        scene.redis.start()
        scene.redis.ask("REPLICAOF", "127.0.0.1", scene.link.port)
