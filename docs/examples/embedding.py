"""A user's embedding vector: bytes as they are, the model's number as the schema, gone a day after its last use."""

import array
import sys

import redis

socket = sys.argv[1] if len(sys.argv) > 1 else "run/hearth.sock"
hearth = redis.Redis(unix_socket_path=socket, protocol=3)  # without decode_responses: values are bytes
key = "user:ada:embedding"
model = 3
day = 24 * 60 * 60 * 1000
hearth.execute_command("STATE.DEL", key)

vector = array.array("f", (index / 1536 for index in range(1536)))
hearth.execute_command("STATE.SET", key, vector.tobytes(), "SCHEMA", model, "SLIDING", day)

found = hearth.execute_command("STATE.GET", key)
if found is None or found[b"schema"] != model:
    raise SystemExit("absent, or of another model: compute it anew")
read = array.array("f", found[b"value"])
print(len(read), "numbers from", found[b"source"].decode(), "for", found[b"ttl_ms"], "ms")
assert read == vector and 0 < found[b"ttl_ms"] <= day
