"""Faults of the disk: real ones, of small file systems that are mounted for the purpose."""

import os
import shutil

from kit.disks import BlockDisk, NoDisk, SmallDisk, files
from kit.scene import go_on, stop
from kit.waiting import eventually

from .fault import Missing, fault
from .settings import embedded, redis_and_hearth, redis_away

GROUP = "Disk"


def needing_disks(set_up):
    def made(scene):
        try:
            set_up(scene)
        except NoDisk as missing:
            raise Missing(str(missing)) from missing

    return made


def refused(scene, what):
    """Waits until clients are told that something is refused."""
    eventually(
        what,
        lambda: scene.load.phases["during"].errors["not done"] + scene.load.phases["during"].errors["not sent"] > 3,
    )


# The warm tier as the authority.


@needing_disks
def embedded_on_small_disk(scene):
    scene.disk = SmallDisk(scene.place, "disk", 48)
    scene.add_hearth("off", warm_path=scene.disk.file("warm"))


@fault(GROUP, "embedded, full", "a tmpfs is filled to the last byte for 1 s", embedded_on_small_disk, quick=True)
def embedded_full(scene):
    with scene.fault():
        scene.disk.fill()
        refused(scene, "writes are refused on a full disk")
        scene.pause(1.0)
        scene.disk.free()


def on_block_disk(journal):
    @needing_disks
    def set_up(scene):
        scene.disk = BlockDisk(scene.place, "disk", 64, journal=journal)
        scene.add_hearth("off", warm_path=scene.disk.file("warm"))

    return set_up


@fault(
    GROUP,
    "embedded, read-only",
    "ext4 on a loop device is made read-only under the open files (remount,abort), between two "
    "system calls; 0.7 s later Hearth is ended, the disk checked and mounted again, Hearth started",
    on_block_disk(True),
)
def embedded_readonly(scene):
    with scene.fault():
        # Within an fdatasync, ext4 answers that it succeeded, and has not written: no store can know.
        stop(scene.hearth)
        eventually("no system call is under way", lambda: scene.hearth.states() == {"T"})
        scene.disk.abort()
        go_on(scene.hearth)
        refused(scene, "writes are refused on a read-only disk")
        scene.pause(0.7)
        scene.hearth.terminate()
        scene.disk.repair()
        scene.hearth.start()


@fault(GROUP, "embedded, hangs", "fsfreeze of an ext4 on a loop device for 1 s", on_block_disk(True), quick=True)
def embedded_hangs(scene):
    with scene.fault():
        scene.disk.freeze()
        scene.pause(1.0)
        scene.disk.thaw()


@needing_disks
def embedded_on_overcommitted_disk(scene):
    scene.store = SmallDisk(scene.place, "store", 64)
    scene.disk = BlockDisk(scene.place, "disk", 512, backing=scene.store, journal=False)
    scene.add_hearth("off", warm_path=scene.disk.file("warm"))


@fault(
    GROUP,
    "embedded, I/O errors",
    "a loop device whose image lies on a tmpfs that is full: fdatasync answers ENOSPC or "
    "EIO, as of a bad disk, for 1 s",
    embedded_on_overcommitted_disk,
)
def embedded_errors(scene):
    with scene.fault():
        scene.store.fill()
        refused(scene, "writes are refused on a disk with errors")
        scene.pause(1.0)
        scene.store.free()


@fault(
    GROUP,
    "embedded, one byte flipped",
    "kill -9, a byte in the middle of the newest segment is flipped, started again: what "
    "its record held is gone, nothing else",
    embedded,
    forgetful=True,
)
def embedded_flipped(scene):
    with scene.fault():
        scene.hearth.kill()
        flip(files(scene.hearth.warm)[-1])
        scene.hearth.start()
    eventually("the damage is told of", lambda: scene.hearth.events("warm_damage_skipped") > 0)


def flip(path):
    with open(path, "r+b") as file:
        file.seek(os.path.getsize(path) // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 0x10]))


# The warm tier behind a Redis.


@needing_disks
def warm_on_small_disk(scene):
    scene.add_redis()
    scene.disk = SmallDisk(scene.place, "disk", 48)
    scene.add_hearth(warm_path=scene.disk.file("warm"))


@fault(GROUP, "the warm tier's is full", "with Redis there: a tmpfs is filled for 1.5 s", warm_on_small_disk)
def warm_full(scene):
    with scene.fault():
        scene.disk.fill()
        eventually("the warm tier is degraded", lambda: scene.hearth.events("warm_degraded") > 0)
        scene.pause(1.0)
        scene.disk.free()


@fault(
    GROUP,
    "the warm directory is removed",
    "with Redis there, under load; Hearth is restarted 1 s later",
    redis_and_hearth,
    lax=True,
)
def warm_removed(scene):
    with scene.fault():
        shutil.rmtree(scene.hearth.warm)
        scene.pause(1.0)
        scene.hearth.terminate()
        scene.hearth.start()


@fault(
    GROUP,
    "warm files are damaged",
    "with Redis there: kill -9, each file cut by a third or flipped in the middle, started again",
    redis_and_hearth,
    lax=True,
)
def warm_damaged(scene):
    with scene.fault():
        scene.hearth.kill()
        for number, path in enumerate(files(scene.hearth.warm)):
            if number % 2:
                flip(path)
            else:
                os.truncate(path, os.path.getsize(path) * 2 // 3)
        scene.hearth.start()


# The journal.


@needing_disks
def journal_on_small_disk(scene):
    scene.add_redis(keeps=True)
    scene.disk = SmallDisk(scene.place, "disk", 16)
    scene.add_hearth(journal_path=scene.disk.file("journal"))


@fault(
    GROUP,
    "the journal's is full",
    "Redis is killed, the journal's tmpfs filled for 1 s, Redis comes back with its data",
    journal_on_small_disk,
    quick=True,
)
def journal_full(scene):
    with redis_away(scene, 0.4):
        scene.disk.fill()
        refused(scene, "writes are refused by a journal on a full disk")
        scene.pause(1.0)
        scene.disk.free()


@needing_disks
def journal_on_block_disk(scene):
    scene.add_redis(keeps=True)
    scene.disk = BlockDisk(scene.place, "disk", 64)
    scene.add_hearth(journal_path=scene.disk.file("journal"))


@fault(
    GROUP,
    "the journal's hangs",
    "Redis is killed, the journal's disk frozen for 0.7 s, Redis comes back with its data",
    journal_on_block_disk,
)
def journal_hangs(scene):
    with redis_away(scene, 0.4):
        scene.disk.freeze()
        scene.pause(0.7)
        scene.disk.thaw()


@needing_disks
def journal_on_overcommitted_disk(scene):
    scene.add_redis(keeps=True)
    scene.store = SmallDisk(scene.place, "store", 32)
    scene.disk = BlockDisk(scene.place, "disk", 256, backing=scene.store, journal=False)
    scene.add_hearth(journal_path=scene.disk.file("journal"))


@fault(
    GROUP,
    "the journal's has I/O errors",
    "Redis is killed, the same for 1 s, Redis comes back with its data",
    journal_on_overcommitted_disk,
)
def journal_errors(scene):
    with redis_away(scene, 0.3):
        scene.store.fill()
        refused(scene, "writes are refused by a journal whose disk has errors")
        scene.pause(1.0)
        scene.store.free()


@fault(
    GROUP,
    "the journal's directory is removed",
    "in an outage, under load, with entries that wait; Hearth lives on, Redis comes " "back with its data",
    lambda scene: (scene.add_redis(keeps=True), scene.add_hearth()),
)
def journal_removed(scene):
    with redis_away(scene, 0.5):
        shutil.rmtree(scene.hearth.journal)
        scene.pause(0.7)


@fault(
    GROUP,
    "the journal's tail is cut",
    "in an outage: kill -9, the newest file loses its last third, started again, Redis comes "
    "back with its data: the entries that lay there are gone, and said to be",
    lambda scene: (scene.add_redis(keeps=True), scene.add_hearth()),
    forgetful=True,
    lax=True,
)
def journal_cut(scene):
    damaged_journal(scene, lambda path: os.truncate(path, os.path.getsize(path) * 2 // 3))


@fault(
    GROUP,
    "one byte of the journal is flipped",
    "the same with a byte in the middle",
    lambda scene: (scene.add_redis(keeps=True), scene.add_hearth()),
    forgetful=True,
    lax=True,
)
def journal_flipped(scene):
    damaged_journal(scene, flip)


def damaged_journal(scene, damage):
    with redis_away(scene, 0.6):
        scene.hearth.kill()
        damage(files(scene.hearth.journal)[-1])
        scene.hearth.start()
        scene.pause(0.3)
    if not scene.hearth.events("journal_damage"):
        scene.problems.append("the damage is not told of")
