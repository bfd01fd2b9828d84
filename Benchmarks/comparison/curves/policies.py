"""With policies: what a look-up of the policy adds to hits, misses and writes, and what a file of them adds to a start."""
from comparison.curve import Curve
from comparison.servers import LOAD_CORE

ORDER = 40


def run(growth):
    steps = growth.steps([1, 10, 100, 1_000, 10_000])
    curve = Curve("policies", "A request, by policies", "policies", "ns of CPU",
                  text="64 B, 50 connections, no pipeline. Prefixes are of three to eight bytes, and the keys asked for "
                       "begin with the last of them. A hit looks no policy up; a miss and a write look theirs up by one "
                       "hash for each length of prefix in use.")
    hit, miss, write = (curve.line(name) for name in ("GET hit", "GET miss", "SET"))
    start = curve.line("start", "ms", drawn=False)
    backend = growth.stage.redis("policies-redis", core=LOAD_CORE)
    cold = 1_000 if growth.tiny else 100_000
    for step in steps:
        prefixes = [f"{number:x}".rjust(2 + number % 6, "p") + ":" for number in range(step)]
        lines = "".join(f"  - {{prefix: '{prefix}', max_staleness: 60s}}\n" for prefix in prefixes)
        server = growth.stage.hearth(f"policies-{step}", redis=backend.path, local="4MiB", extra="policies:\n" + lines)
        start.add(step, server.took)
        words = ["--prefix", prefixes[-1], "--cold-prefix", prefixes[-1] + "cold:", "--cold-keys", cold, "--keys", 2_000]
        growth.load(server, *words, "--workload", "get:1,miss:1", "--load-only")
        begin = 0
        for _ in range(growth.rounds):
            hit.add(step, growth.load(server, *words)["server"]["cpu_ns_per_operation"])
            report = growth.load(server, *words, "--no-load", "--workload", "miss-redis", "--cold-start", begin)
            begin = (begin + 2 * report["completed"]) % cold
            miss.add(step, report["server"]["cpu_ns_per_operation"])
            write.add(step, growth.load(server, *words, "--no-load", "--workload", "write")["server"]
                      ["cpu_ns_per_operation"])
        server.stop()
    backend.stop()
    return curve
