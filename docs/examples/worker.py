"""Two workers and one job: a lease says whose turn it is, and its epoch, as FENCE, keeps the late one from writing."""

import sys
import time

import redis

socket = sys.argv[1] if len(sys.argv) > 1 else "run/hearth.sock"
hearth = redis.Redis(unix_socket_path=socket, protocol=3, decode_responses=True)
lease, report = "lease:report", "report:today"
hearth.execute_command("STATE.DEL", report)


def acquire(owner, milliseconds):
    """The epoch, which only grows; None while somebody else holds the lease."""
    return hearth.execute_command("LEASE.ACQUIRE", lease, owner, milliseconds)


def write(text, epoch):
    return hearth.execute_command("STATE.SET", report, text, "FENCE", epoch)


first = acquire("worker-1", 100)
assert first and acquire("worker-2", 60_000) is None
write("half of it", first)

# worker-1 stands still for longer than its lease: a pause of the machine, a slow model. worker-2 takes over.
second = None
while second is None:
    second = acquire("worker-2", 60_000)
    time.sleep(0.01)  # sleep: between two tries
assert second > first
write("all of it", second)

for attempt in (
    lambda: write("the other half", first),
    lambda: hearth.execute_command("LEASE.RENEW", lease, "worker-1", first, 100),
):
    try:
        attempt()
        raise AssertionError("a worker without its lease has written")
    except redis.ResponseError as error:
        print(error)
        assert str(error).startswith("FENCED")
assert hearth.execute_command("STATE.GET", report)["value"] == "all of it"
assert hearth.execute_command("LEASE.RENEW", lease, "worker-2", second, 60_000) == second
assert hearth.execute_command("LEASE.RELEASE", lease, "worker-2", second) == 1
