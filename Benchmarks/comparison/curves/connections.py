"""With connections: GET hits of 64 B, each connection with one request under way."""
from comparison.curve import Curve

ORDER = 10


def run(growth):
    steps = growth.steps([1, 10, 100, 1_000, 10_000])
    curve = Curve("connections", "A GET hit, by connections", "connections", "ns of CPU",
                  text="64 B, no pipeline, a closed loop: each connection asks again when it was answered. Memory is that "
                       "of the process when all are connected.")
    hearth = growth.stage.hearth("connections", extra=f"limits: {{max_clients: {max(50, steps[-1]) + 16}}}")
    redis = growth.stage.redis("connections-redis", "--maxclients", str(max(50, steps[-1]) + 64))
    for server in (hearth, redis):
        growth.load(server, "--load-only")
    cpu = {server: curve.line(server.name) for server in (hearth, redis)}
    rate = {server: curve.line(f"{server.name}", "operations/s", drawn=False) for server in (hearth, redis)}
    memory = {server: curve.line(server.name, "KiB a connection", drawn=False) for server in (hearth, redis)}
    idle = {server: server.resident() for server in (hearth, redis)}
    for step in steps:
        for _ in range(growth.rounds):
            for server in (hearth, redis):
                report = growth.load(server, "--connections", step, "--no-load")
                cpu[server].add(step, report["server"]["cpu_ns_per_operation"])
                rate[server].add(step, report["throughput"])
                if step >= 1_000:
                    memory[server].add(step, (report["server"]["resident_bytes"] - idle[server]) / 1024 / step)
    for server in (hearth, redis):
        server.stop()
    return curve
