"""The machine without what names it, and how much of it others used meanwhile."""
import os
import platform
import resource
import subprocess
import time


def machine(built):
    def first(command):
        try:
            return subprocess.run(command, capture_output=True, text=True).stdout.strip().split("\n")[0]
        except OSError:
            return "not installed"
    model = "unknown"
    with open("/proc/cpuinfo") as text:
        for line in text:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    redis = dict(word.split("=", 1) for word in first(["redis-server", "--version"]).split() if "=" in word)
    return {
        "cores": os.cpu_count(), "cpu": model, "kernel": f"{platform.system()} {platform.release().split('-')[0]}",
        "hearth": first([os.path.join(built, "hearth"), "--version"]), "redis-server": redis.get("v", "unknown"),
        "memcached": first(["memcached", "-V"]).replace("memcached ", ""),
        "libuv": first(["pkg-config", "--modversion", "libuv"]),
        "swift": first(["swift", "--version"]).split("(")[0].replace("Swift version", "").strip(),
    }


class Noise:
    """How much of the two cores others used meanwhile."""

    def __init__(self):
        self.began, self.busy = time.monotonic(), self.ticks()

    @staticmethod
    def ticks():
        with open("/proc/stat") as text:
            user, nice, system, _, _, irq, soft, steal = map(int, text.readline().split()[1:9])
        return user + nice + system + irq + soft + steal

    def share(self):
        """After all servers have ended, so that their CPU time is our children's."""
        own = sum(usage.ru_utime + usage.ru_stime for usage in
                  (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)))
        busy = (self.ticks() - self.busy) / os.sysconf("SC_CLK_TCK")
        return max(0.0, (busy - own) / (time.monotonic() - self.began) / os.cpu_count())
