"""An approval that two people decide on at once: one of them wins, the other is told. Its policy should be strong:

policies:
  - prefix: "approval:"
    consistency: strong
"""

import json
import sys

import redis

socket = sys.argv[1] if len(sys.argv) > 1 else "run/hearth.sock"
hearth = redis.Redis(unix_socket_path=socket, protocol=3, decode_responses=True)
key = "approval:invoice-17"
hearth.execute_command("STATE.DEL", key)
hearth.execute_command("STATE.SET", key, json.dumps({"state": "open", "amount": 900}), "ABSENT")


def read():
    return hearth.execute_command("STATE.GET", key)


def decide(seen, who, verdict):
    """Decides on what was seen, not on what it may have become."""
    approval = json.loads(seen["value"]) | {"state": verdict, "by": who}
    return hearth.execute_command("STATE.SET", key, json.dumps(approval), "VERSION", seen["version"])


ada, bob = read(), read()
won = decide(ada, "ada", "approved")
try:
    decide(bob, "bob", "rejected")
    raise AssertionError("both have decided")
except redis.ResponseError as error:
    print(error)
    assert str(error).startswith(f"CONFLICT expected version {bob['version']}, found version {won['version']}")
assert json.loads(read()["value"])["by"] == "ada"
