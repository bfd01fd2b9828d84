"""An order that is paid once, and a consumer that hears of it once: state and message commit as one."""

import json
import sys

import redis

socket = sys.argv[1] if len(sys.argv) > 1 else "run/hearth.sock"
hearth = redis.Redis(unix_socket_path=socket, protocol=3, decode_responses=True)
key, stream, group = "order:7", "orders", "billing"
for name in (key, stream, "billed"):
    hearth.delete(name)


def change(state, *expected):
    """The order's next state, with the news of it."""
    news = json.dumps({"order": 7, "state": state})
    return hearth.execute_command("STATE.SET", key, json.dumps({"state": state}), *expected, "EMIT", stream, news)


try:
    placed = change("placed", "ABSENT")
except redis.ResponseError as error:
    if "no Redis is configured" not in str(error):
        raise
    print(error)  # embedded there is no stream, and nothing was written
    assert hearth.execute_command("STATE.GET", key) is None
    raise SystemExit
paid = change("paid", "VERSION", placed["version"])
try:
    change("paid", "VERSION", placed["version"])
    raise AssertionError("an order was paid twice")
except redis.ResponseError as error:
    print(error)  # -CONFLICT: nothing was written, and nothing sent
    assert str(error).startswith("CONFLICT")


def consume():
    """Takes what came, each message once: a repetition has the id of the first. How many were news."""
    news = 0
    for _, entries in hearth.xreadgroup(group, "one", {stream: ">"}, count=10).items():
        for entry, message in entries[0]:
            # In one transaction with what the message is for, where that lies in Redis too.
            with hearth.pipeline() as commit:
                commit.sadd("billed", message["id"])
                commit.xack(stream, group, entry)
                is_new = commit.execute()[0] == 1
            if is_new:
                news += 1
                print(message["version"], message["payload"])
    return news


hearth.xgroup_create(stream, group, id="0")
assert consume() == 2
assert {placed["message"], paid["message"]} == hearth.smembers("billed")
# What a sidecar may do after Redis has lost data or an answer: the same message again.
hearth.xadd(stream, {"id": paid["message"], "key": key, "version": paid["version"], "payload": "again"})
assert consume() == 0
