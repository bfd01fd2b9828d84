"""Scenes that many faults begin with, and what many do."""

from contextlib import contextmanager


def redis_and_hearth(scene):
    scene.add_redis()
    scene.add_hearth()


def keeping_redis(scene):
    """A Redis that loses nothing when it is killed: its file is synced at each write."""
    scene.add_redis(keeps=True)
    scene.add_hearth()


def over_network(scene):
    """A proxy between Hearth and Redis, on TCP loopback."""
    scene.add_redis()
    scene.add_network()
    scene.add_hearth()


def embedded(scene):
    scene.add_hearth("off")


def two_sidecars(scene):
    """Two Hearths on one Redis that keeps its data; the second reaches it over a network that can fail."""
    scene.add_redis(keeps=True)
    network = scene.add_network()
    scene.add_hearth(scene.redis.url, "hearth")
    scene.add_hearth(network.url, "other")


@contextmanager
def redis_away(scene, seconds=0.0):
    """A fault throughout which Redis is away: killed, and back with what it had; the body begins so much later."""
    with scene.fault():
        scene.redis.kill()
        scene.pause(seconds)
        yield
        scene.redis.start()
