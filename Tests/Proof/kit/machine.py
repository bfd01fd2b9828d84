"""The machine in a few words, without what names it."""

import os
import platform
import subprocess


def machine():
    redis = subprocess.run(["redis-server", "--version"], capture_output=True, text=True).stdout
    version = next((word[2:] for word in redis.split() if word.startswith("v=")), "?")
    model = "unknown processor"
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return f"{os.cpu_count()} cores ({model}), {platform.system()} {platform.release().split('-')[0]}, Redis {version}"
