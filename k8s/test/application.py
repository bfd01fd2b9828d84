"""The example application beside a real Hearth, as each configuration of k8s/ runs it: calm, an outage, and after it."""

import json
import pathlib
import signal
import socket
import sys
import tempfile
import urllib.error
import urllib.request

import yaml

from lab import Lab, within

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Whether a write in an outage is kept, by the configuration of:
DIRECTORIES = {"base": False, "overlays/development": True, "overlays/production": True}


def ask(address, body=None):
    request = urllib.request.Request(address, data=body and body.encode())
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def expect(holds, what, found):
    if not holds:
        sys.exit(f"FAILED: {what}: {found}")


def texts(found):
    return [turn["text"] for turn in found[1]["turns"]]


def story(lab, name, keeps):
    configuration = yaml.safe_load((ROOT / "k8s" / name / "hearth.yaml").read_text())
    # This machine's Redis, without a password; everything else as it is in the ConfigMap.
    configuration["redis"]["url"] = f"unix://{lab.directory}/redis.sock"
    del configuration["redis"]["password_file"]
    configuration["breaker"] = {"open_max": "1s"}
    lab.redis()
    lab.hearth("hearth", configuration)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    lab.start("application", sys.executable, ROOT / "k8s/base/app.py",
              env={"PORT": str(port), "HEARTH_SOCKET": str(lab.directory / "hearth.sock")})
    chat = f"http://127.0.0.1:{port}/chat/ada"
    within(10, "the application did not start", lambda: ask(f"http://127.0.0.1:{port}/healthz")[0] == 200)

    expect(ask(chat)[0] == 200, "an empty conversation", ask(chat))
    said = ask(chat, "Hello")
    expect(said[0] == 200 and said[1]["committed"] == "redis", "the first turn", said)
    expect(texts(ask(chat)) == ["Hello"], "the first turn", ask(chat))
    expect(ask(chat.replace("chat", "nothing"))[0] == 404, "another path", None)

    lab.end("redis")
    expect(texts(ask(chat)) == ["Hello"], "a read in the outage", ask(chat))
    said = ask(chat, "Are you there?")
    if keeps:
        expect(said[0] == 200 and said[1]["committed"] == "journal", "a turn in the outage", said)
        expect(texts(ask(chat)) == ["Hello", "Are you there?"], "what was kept", ask(chat))
    else:
        expect(said[0] == 503 and "UNAVAILABLE" in said[1]["error"], "a turn in the outage", said)

    lab.redis()
    within(20, "the next turn did not reach Redis", lambda: ask(chat, "Back")[1].get("committed") == "redis")
    kept = ["Hello", "Are you there?"] if keeps else ["Hello"]
    expect(texts(ask(chat))[: len(kept) + 1] == [*kept, "Back"], "the conversation afterwards", ask(chat))
    expect(lab.end("application", signal.SIGTERM) == 0, "its end", None)
    expect(lab.end("hearth", signal.SIGTERM) == 0, "Hearth's end", None)
    lab.end("redis")


for name, keeps in DIRECTORIES.items():
    with tempfile.TemporaryDirectory(prefix="hearth-application.") as directory:
        lab = Lab(directory)
        try:
            story(lab, name, keeps)
        finally:
            lab.end_all()
print(f"the example application, by {len(DIRECTORIES)} configurations")
