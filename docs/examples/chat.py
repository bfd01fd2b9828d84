"""A chat session: the last turns as they were, a summary of those before, and what is known of the user beside them."""

import json
import sys

import redis

socket = sys.argv[1] if len(sys.argv) > 1 else "run/hearth.sock"
hearth = redis.Redis(unix_socket_path=socket, protocol=3, decode_responses=True)
key = "chat:ada"
hearth.execute_command("STATE.DEL", key)


def summarize(summary, turns):
    """Where the model is asked; here it only counts."""
    return f"{int((summary or '0').split()[0]) + len(turns)} turns before"


def fold():
    """Puts the turns that left the window into the summary. A crash before the last line loses nothing."""
    chat = hearth.execute_command("TURNS.GET", key)
    waiting = [turn for turn in chat["turns"] if turn[0] > chat["folded"]][: chat["unfolded"]]
    summary = summarize(chat["summary"], waiting)
    try:
        hearth.execute_command("TURNS.FOLD", key, "UPTO", waiting[-1][0], summary)
    except redis.ResponseError as error:
        if not str(error).startswith("CONFLICT"):
            raise  # -CONFLICT: another process has folded these turns meanwhile


def say(who, text):
    added = hearth.execute_command("TURNS.ADD", key, json.dumps({"who": who, "text": text}), "KEEP", 6)
    if added["unfolded"] >= 4:
        fold()


for number in range(10):
    say("user", f"question {number}")
    say("model", f"answer {number}")
entities = {"intent": "rebook", "entities": {"flight": "LH 400"}}
hearth.execute_command("STATE.SET", key, json.dumps(entities), "SLIDING", 30 * 60 * 1000)

chat = hearth.execute_command("TURNS.GET", key)
prompt = [chat["summary"]] + [json.loads(turn)["text"] for _, _, turn in chat["turns"]]
print(prompt, "from", chat["source"], "version", chat["version"])
assert prompt[0] == "12 turns before" and prompt[-1] == "answer 9"
assert [turn[0] for turn in chat["turns"]] == list(range(13, 21)) and chat["dropped"] == 0
state = hearth.execute_command("STATE.GET", key)
assert json.loads(state["value"]) == entities and 0 < state["ttl_ms"] <= 30 * 60 * 1000
