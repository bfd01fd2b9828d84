"""The status of a job that runs elsewhere: begun once, moved on by its worker, read by whoever polls."""

import json
import sys

import redis

socket = sys.argv[1] if len(sys.argv) > 1 else "run/hearth.sock"
hearth = redis.Redis(unix_socket_path=socket, protocol=3, decode_responses=True)
key = "job:42"
hour = 60 * 60 * 1000
hearth.execute_command("STATE.DEL", key)


def begin():
    """True for the one request that begins the job, whoever else sends the same one."""
    try:
        hearth.execute_command("STATE.SET", key, json.dumps({"state": "queued"}), "ABSENT", "TTL", hour)
        return True
    except redis.ResponseError as error:
        if str(error).startswith("CONFLICT"):
            return False
        raise


def poll():
    """The status, at most 200 ms old while Redis can be asked, and how it is known."""
    job = hearth.execute_command("STATE.GET", key, "MAXAGE", 200)
    return json.loads(job["value"]), job["freshness"], job["ttl_ms"]


assert begin() and not begin()
for percent in (0, 50, 100):
    status = {"state": "done" if percent == 100 else "running", "percent": percent}
    written = hearth.execute_command("STATE.SET", key, json.dumps(status))
    assert written["committed"] in ("redis", "warm")  # `journal` in an outage
    print(*poll())
status, freshness, ttl = poll()
assert status == {"state": "done", "percent": 100} and freshness == "fresh" and 0 < ttl <= hour
