"""Keeps a conversation in Hearth: the client is redis-py, and only the address is Hearth's."""

import json
import sys

import redis

socket = sys.argv[1] if len(sys.argv) > 1 else "run/hearth.sock"
hearth = redis.Redis(unix_socket_path=socket, decode_responses=True)

hearth.set("session:ada", json.dumps({"turns": ["Hello"]}), ex=1800)
session = json.loads(hearth.get("session:ada"))
session["turns"].append("How are you?")
hearth.set("session:ada", json.dumps(session), keepttl=True)

with hearth.pipeline() as pipeline:  # MULTI … EXEC
    pipeline.incr("visits:ada")
    pipeline.expire("visits:ada", 86400)
    visits, _ = pipeline.execute()

print(hearth.get("session:ada"), "visit", visits, "ttl", hearth.ttl("session:ada"))
assert json.loads(hearth.get("session:ada"))["turns"] == ["Hello", "How are you?"]
