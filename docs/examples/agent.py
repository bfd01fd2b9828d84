"""An agent with a plan of 20 steps: killed in the middle of step 15, it is resumed from the checkpoint of step 14."""

import json
import os
import signal
import sys

import redis

socket = sys.argv[1] if len(sys.argv) > 1 else "run/hearth.sock"
run = "run:report-7"
plan = [f"step {number}" for number in range(1, 21)]


def connect():
    return redis.Redis(unix_socket_path=socket, protocol=3, decode_responses=True)


def work(killed_at=None):
    """Carries the plan out from where the last process came to; the first step of this one."""
    hearth = connect()
    saved = hearth.execute_command("CHECKPOINT.GET", run)
    memory = json.loads(saved["data"]) if saved else {"done": []}
    first = saved["step"] + 1 if saved else 1
    if saved:
        print(f"resumed after step {saved['step']}, saved {saved['saved_ms_ago']} ms ago")
    for step in range(first, len(plan) + 1):
        memory["done"].append(plan[step - 1])  # where the tool is called
        if step == killed_at:
            os.kill(os.getpid(), signal.SIGKILL)
        hearth.execute_command("CHECKPOINT.PUT", run, step, json.dumps(memory), "KEEP", 3)
    return first


connect().execute_command("CHECKPOINT.DEL", run)
child = os.fork()
if child == 0:
    work(killed_at=15)
_, status = os.waitpid(child, 0)
assert os.WTERMSIG(status) == signal.SIGKILL

assert work() == 15
hearth = connect()
last = hearth.execute_command("CHECKPOINT.GET", run)
assert last["step"] == 20 and json.loads(last["data"])["done"] == plan
assert [step for step, _, _ in hearth.execute_command("CHECKPOINT.LIST", run)["steps"]] == [18, 19, 20]
try:
    hearth.execute_command("CHECKPOINT.PUT", run, 15, "{}")
    raise AssertionError("a step that came before was taken")
except redis.ResponseError as error:
    print(error)
    assert str(error).startswith("CONFLICT expected a step after 20, given 15")
