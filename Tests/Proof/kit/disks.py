"""Small disks that fail for certain: mounted in a scene's directory, and taken away with it."""

import os
import subprocess


class NoDisk(RuntimeError):
    """This machine does not let us mount what is needed."""


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise NoDisk(f"{' '.join(command[:2])}: {done.stderr.strip() or done.returncode}")


class Disk:
    """A mounted directory."""

    def __init__(self, place, name):
        if os.geteuid() != 0:
            raise NoDisk("mounting needs root")
        self.path = place.file(name)
        os.makedirs(self.path)

    def mounted(self, place):
        place.finally_do(lambda: subprocess.run(["umount", "-l", self.path], capture_output=True))
        return self

    def file(self, name):
        return os.path.join(self.path, name)

    def fill(self):
        """Takes whatever room is left; how many bytes that was."""
        size = 0
        with open(self.file("filler"), "ab", buffering=0) as filler:
            for chunk in (65536, 4096, 512, 1):
                try:
                    while True:
                        size += filler.write(b"x" * chunk)
                except OSError:
                    continue
        return size

    def free(self):
        os.unlink(self.file("filler"))


class SmallDisk(Disk):
    """A tmpfs of a few megabytes."""

    def __init__(self, place, name, megabytes):
        super().__init__(place, name)
        run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", self.path)
        self.mounted(place)


class BlockDisk(Disk):
    """An ext4 file system on a loop device, whose image is a sparse file on `backing` (a Disk, or the scene's
    directory).

    It has no journal where `journal` is false: then an I/O error stays what it is, and does not stop the file system.
    """

    def __init__(self, place, name, megabytes, backing=None, journal=True):
        super().__init__(place, name)
        self.image = (backing or place).file(f"{name}.img")
        with open(self.image, "wb") as image:
            image.truncate(megabytes << 20)
        run("mkfs.ext4", "-q", "-F", "-E", "nodiscard", *([] if journal else ["-O", "^has_journal"]), self.image)
        self.mount()
        place.finally_do(self.thaw)
        self.mounted(place)

    def mount(self):
        run("mount", "-o", "loop,errors=continue", self.image, self.path)

    def unmount(self):
        run("umount", self.path)

    def abort(self):
        """Everything written from now on is refused: ext4 says that it is read-only, as after an error of its own."""
        run("mount", "-o", "remount,abort", self.path)

    def repair(self):
        """As an operator would: unmounted, checked, mounted again."""
        self.unmount()
        subprocess.run(["e2fsck", "-fy", self.image], capture_output=True, timeout=60)
        self.mount()

    def freeze(self):
        """Whoever writes or syncs waits: a disk that hangs."""
        run("fsfreeze", "-f", self.path)

    def thaw(self):
        subprocess.run(["fsfreeze", "-u", self.path], capture_output=True, timeout=60)


def files(directory):
    """Paths of all files in a directory, the newest last."""
    found = [os.path.join(directory, name) for name in os.listdir(directory)]
    return sorted((path for path in found if os.path.isfile(path)), key=os.path.getmtime)
