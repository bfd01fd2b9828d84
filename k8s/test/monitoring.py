"""Alerts and the Grafana dashboard against what a real Hearth exports: `.ci/scripts/k8s` runs it.

A Hearth and a Redis live through an outage, a full journal, conflicts, a scan and more. What Hearth exported at the
borders of these phases is stretched to the minutes that alerts look at, and given to `promtool test rules`: each alert
must fire in the phases that are named beside it, and in no other. Meanwhile a real Prometheus scrapes the same Hearth
and must find something for every query of the dashboard.
"""

import base64
import json
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

import yaml

from lab import HEARTH, Client, Lab, fetch, within

ROOT = pathlib.Path(__file__).resolve().parents[2]
MONITORING = ROOT / "k8s/monitoring"
# What Prometheus adds to each series of a pod.
TARGET = {"namespace": "chat", "pod": "example-0", "endpoint": "hearth-admin"}
# Seconds since the stream of deletions was read, from which on it is not read any more.
LAG = 5


class Exposition:
    """The samples of one scrape, by series, and which of them are counters."""

    def __init__(self, text):
        checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
        if checked.returncode or checked.stderr.strip():
            sys.exit(f"FAILED: promtool check metrics: {checked.stdout}{checked.stderr}")
        kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
        self.at = time.monotonic()
        self.samples = {}
        for name, labels, value in re.findall(r"^([a-z_]+)(?:\{(.*)\})? (\S+)$", text, re.M):
            family = name if name in kinds else re.sub(r"_(bucket|sum|count)$", "", name)
            key = (name, tuple(re.findall(r'(\w+)="([^"]*)"', labels)))
            self.samples[key] = (float(value), kinds[family] != "gauge")
        self.families = set(kinds)


class Film:
    """What one Hearth exported from phase to phase, stretched to minutes for Prometheus' rules."""

    def __init__(self, address):
        self.address = address
        self.phases = []
        # A new process counts once that it knows of no deletion from before.
        within(20, "the stream of deletions is not read", lambda: self.now("hearth_deletions_age_seconds") >= 0)
        self.scene = Exposition(fetch(f"http://{address}/metrics"))
        self.families = set(self.scene.families)

    def phase(self, name, minutes, up=True):
        """Ends a phase that began where the last one ended; it lasts so many minutes for Prometheus."""
        end = Exposition(fetch(f"http://{self.address}/metrics")) if up else None
        self.phases.append((name, minutes, self.scene, end))
        if end:
            self.scene = end
            self.families |= end.families

    @property
    def elapsed(self):
        """Seconds since the phase under way began."""
        return time.monotonic() - self.scene.at

    def now(self, name, *labels):
        return Exposition(fetch(f"http://{self.address}/metrics")).samples[name, labels][0]

    def hears(self):
        """Waits until changes in Redis are heard of."""
        within(20, "there is no coherence", lambda: self.now("hearth_coherence_live") == 1)

    @property
    def is_closed(self):
        return all(self.now("hearth_breaker_state", ("side", side), ("state", "closed")) for side in ("reads", "writes"))

    def series(self):
        """promtool's input series: counters grow evenly over a phase, gauges are what they were at its end."""
        keys = {key for _, _, before, after in self.phases for key in (after or before).samples}
        found = []
        for name, labels in sorted(keys):
            values = []
            past = 0
            for _, minutes, before, after in self.phases:
                past += minutes
                if after is None:
                    values += ["_"] * minutes
                    continue
                value, counts = after.samples.get((name, labels), (0.0, True))
                earlier = before.samples.get((name, labels), (0.0, True))[0]
                # Time itself is stretched, so what is measured in it from the phase's begin on is as well.
                lasts = name in ("hearth_journal_age_seconds", "hearth_coherence_gap_age_seconds")
                # Half a second is the pace at which the stream is read, and no lag.
                if lasts or name == "hearth_deletions_age_seconds" and value > LAG:
                    value *= minutes * 60 / (after.at - before.at)
                steps = range(1, minutes + 1)
                if name == "hearth_uptime_seconds":
                    values += [str(60 * (past - minutes + n)) for n in steps]
                    continue
                values += [str(earlier + (value - earlier) * n / minutes if counts else value) for n in steps]
            text = ",".join(f'{k}="{v}"' for k, v in (*labels, *TARGET.items()))
            found.append({"series": f"{name}{{{text}}}", "values": " ".join(values)})
        up = " ".join(("1" if after else "0") for _, minutes, _, after in self.phases for _ in range(minutes))
        text = ",".join(f'{k}="{v}"' for k, v in TARGET.items())
        return found + [{"series": f"up{{{text}}}", "values": up}]


def judge(films, rules_file, directory):
    """Runs promtool over the films: which alerts fired at the end of which phase, and no others."""
    groups = yaml.safe_load(rules_file.read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    # Values are not compared: an alert's annotations are left out, its labels are what it is known by.
    for rule in rules:
        rule.pop("annotations")
    plain = directory / "rules.yaml"
    plain.write_text(yaml.safe_dump({"groups": groups}))
    tests, fired = [], {rule["alert"]: False for rule in rules}
    for film, expected in films:
        unknown = {name for phases in expected.values() for name in phases} - {name for name, *_ in film.phases}
        assert not unknown, unknown
        minute = -1
        cases = []
        for name, minutes, _, _ in film.phases:
            minute += minutes
            for rule in rules:
                alert = rule["alert"]
                who = expected.get(alert, {}).get(name, [])
                fired[alert] |= bool(who)
                base = {"namespace": TARGET["namespace"], "pod": TARGET["pod"], **rule["labels"]}
                cases.append({"eval_time": f"{minute}m", "alertname": alert,
                              "exp_alerts": [{"exp_labels": base | labels} for labels in who]})
        tests.append({"interval": "1m", "input_series": film.series(), "alert_rule_test": cases})
    file = directory / "tests.yaml"
    file.write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": tests}))
    done = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True, check=False)
    if done.returncode:
        print(re.sub(r"annotations:\{\}, ?", "", done.stdout + done.stderr)[:6000], file=sys.stderr)
        sys.exit("FAILED: promtool test rules")
    silent = sorted(alert for alert, did in fired.items() if not did)
    if silent:
        sys.exit(f"FAILED: no phase makes these fire: {silent}")
    return sum(len(test["alert_rule_test"]) for test in tests), len(rules)


def queries(dashboard):
    """Each query of the dashboard with its panel, its variables as Grafana would fill them in."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for annotation in dashboard["annotations"]["list"]:
        yield annotation["name"], annotation["expr"]


def filled(query):
    return query.replace("$namespace", ".*").replace("$pod", ".*").replace("$__rate_interval", "20s")


def look_at_dashboard(prometheus, families):
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids)), "two panels of one id"
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in dashboard["panels"]]
    assert len(places) == len(set(places)), "two panels in one place"
    count = 0
    for title, query in queries(dashboard):
        for family in re.findall(r"hearth_[a-z_]+", query):
            if re.sub(r"_(bucket|sum|count)$", "", family) not in families and family not in families:
                sys.exit(f"FAILED: the panel '{title}' asks for {family}, which is not exported")
        address = f"http://{prometheus}/api/v1/query?" + urllib.parse.urlencode({"query": filled(query)})
        within(20, f"Prometheus finds nothing for '{title}': {filled(query)}",
               lambda: json.loads(fetch(address))["data"]["result"])
        count += 1
    return count


def start_prometheus(lab, address, rules):
    (lab.directory / "prometheus.yml").write_text(yaml.safe_dump({
        "global": {"scrape_interval": "500ms", "evaluation_interval": "1s"},
        "rule_files": [str(rules)],
        "scrape_configs": [{"job_name": "hearth", "static_configs": [
            {"targets": [address], "labels": {"namespace": "chat", "pod": "example-0", "endpoint": "hearth-admin"}}]}]}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        listen = "127.0.0.1:%d" % free.getsockname()[1]
    lab.start("prometheus", "prometheus", "--config.file=prometheus.yml", f"--web.listen-address={listen}",
              "--storage.tsdb.path=tsdb", "--log.level=warn")
    within(20, "Prometheus did not start", lambda: "Ready" in fetch(f"http://{listen}/-/ready"))
    return listen


def outage(lab, rules):
    """The story of one pod: calm, an outage until its journal is full, Redis back with other values, and more."""
    lab.redis()
    address = lab.hearth("pod", {
        "redis": {"url": f"unix://{lab.directory}/redis.sock", "timeout": "100ms"},
        "breaker": {"consecutive_failures": 2, "open": "100ms", "open_max": "200ms", "probes": 1},
        "journal": {"max_bytes": "1MiB", "sync": "never"},
        "limits": {"max_value": "64KiB", "max_clients": 4},
        "audit": {"path": str(lab.directory / "audit.log")},
        "policies": [{"prefix": "", "consistency": "eventual", "negative_ttl": "1ms", "on_conflict": "overwrite",
                      "turns": {"keep": 1, "unfolded": 1, "overflow": "drop-oldest"}, "audit": "writes"}]})
    prometheus = start_prometheus(lab, address, rules)
    client = lab.client("pod")
    film = Film(address)
    hot = [f"hot:{n}" for n in range(50)]

    client.ask(*(f"SET {key} {'v' * 100}" for key in hot))
    # A command of every family that only counts what was asked for.
    client.ask("THROTTLE limit:1 1 10 60", "STATE.SET record:1 v", "TURNS.ADD talk:1 hello", "LPUSH list x")
    read = [f"GET {key}" for key in hot] * 100
    client.ask(*read)
    film.hears()
    film.phase("calm", 480)

    lab.end("redis")
    client.ask("SET first 1", "GET cold:1", "SET second 2")
    lab.said("pod", "breaker_open")
    client.ask(*read, *(f"SET {key} ours" for key in hot), *(f"INCR counter:{n}" for n in range(20)))
    # As in an outage of half an hour: what waits has waited for most of it.
    within(20, "nothing waits", lambda: film.now("hearth_journal_age_seconds") > 0.6 * film.elapsed)
    film.phase("outage", 30)

    # Until what is accepted has no room any more.
    big = "x" * 60000
    within(20, "the journal did not get full", lambda: any(
        str(reply).startswith("UNAVAILABLE") for reply in client.ask(*(f"SET big:{n} {big}" for n in range(40)))))
    client.ask(*(f"SET big:{n} {big}" for n in range(40)))
    film.phase("full", 30)

    lab.redis()
    theirs = Client(lab.directory / "redis.sock")
    # Before Hearth has looked, or after: a few of them meet a value of somebody else's.
    theirs.ask(*(f"SET {key} theirs" for key in hot))
    lab.said("pod", "replay_ended")
    # It has no persistence.
    lab.said("pod", "deletions_began_anew")
    # The sides close one by one.
    within(20, "the breaker did not close", lambda: film.is_closed)
    client.ask(*read)
    film.hears()
    film.phase("back", 12)
    client.ask(*read)
    film.phase("calm again", 120)

    client.ask(*(f"GET scan:{n}" for n in range(20000)))
    film.phase("scan", 60)

    lab.tell("pod", "breaker", "open")
    client.ask(*read)
    film.phase("forced", 60)
    lab.tell("pod", "breaker", "auto")
    within(20, "the breaker did not close", lambda: film.is_closed)
    film.hears()
    client.ask("STATE.SET order:1 a", "STATE.SET order:1 b")
    client.ask(*(f"STATE.SET order:1 c VERSION {n + 100}" for n in range(50)),
               *(f"TURNS.ADD talk:1 turn{n}" for n in range(20)), *read)
    crowd = [lab.client("pod") for _ in range(6)]
    within(10, "nobody was rejected", lambda: "hearth_clients_rejected_total 0\n" not in fetch(f"http://{address}/metrics"))
    film.phase("contended", 12)
    del crowd
    client.ask(*read)
    film.phase("calm at last", 120)

    # Once more, so that Prometheus sees a transition and sizes move within its window.
    lab.end("redis")
    client.ask("SET last 1", *(f"GET colder:{n}" for n in range(5)))
    panels = look_at_dashboard(prometheus, film.families)
    if lab.end("pod", signal.SIGTERM) != 0:
        sys.exit("FAILED: Hearth did not end in order")
    film.phase("gone", 10, up=False)
    both = [{"side": "reads"}, {"side": "writes"}]
    return film, {
        "HearthBreakerOpen": {"outage": both, "full": both},
        "HearthBreakerForced": {"forced": [{"state": "forced-open"}]},
        "HearthUnavailable": {"full": [{}]},
        "HearthJournalGrowing": {"outage": [{}], "full": [{}]},
        "HearthJournalFillingUp": {"full": [{}]},
        "HearthJournalFull": {"full": [{}]},
        "HearthConflicts": {"back": [{}]},
        "HearthRedisLostData": {"back": [{}]},
        "HearthHitRateFallen": {"scan": [{}]},
        "HearthRecordConflicts": {"contended": [{}]},
        "HearthTurnsDropped": {"contended": [{}]},
        "HearthClientsRejected": {"contended": [{}]},
        "HearthDown": {"gone": [{}]},
    }, panels


def full_disk(lab):
    """A pod whose files can't grow: warm tier, journal and audit degrade, each by itself; and no replica is there."""
    lab.redis()
    address = lab.hearth("full", {
        "redis": {"url": f"unix://{lab.directory}/redis.sock", "timeout": "100ms"},
        "breaker": {"consecutive_failures": 2, "open": "100ms", "open_max": "200ms"},
        "journal": {"max_bytes": "8MiB"},
        "audit": {"path": str(lab.directory / "full-audit.log"), "on_failure": "drop"},
        "policies": [{"prefix": "", "audit": "writes"}, {"prefix": "safe:", "wait_replicas": 1}]},
        # Ignored, so that a write past the limit below fails with EFBIG instead.
        preexec_fn=lambda: signal.signal(signal.SIGXFSZ, signal.SIG_IGN))
    client = lab.client("full")
    film = Film(address)
    client.ask("SET a 1", "GET a")
    film.hears()
    film.phase("calm", 30)
    assert "not replicated" in client.ask("SET safe:1 v", *["GET a"] * 500)[0]
    film.phase("short", 12)
    film.phase("calm again", 30)
    # Redis answers, and tells nothing any more: its user was changed, and the connection that listens begins anew.
    theirs = Client(lab.directory / "redis.sock")
    theirs.ask("ACL SETUSER default -client|tracking", "CLIENT KILL TYPE pubsub")
    within(20, "it still hears", lambda: film.now("hearth_coherence_gap_age_seconds") > 0.6 * film.elapsed)
    film.phase("deaf", 30)
    theirs.ask("ACL SETUSER default +client|tracking")
    film.hears()
    film.phase("hears again", 30)
    # No file of it grows any more.
    resource.prlimit(lab.processes["full"].pid, resource.RLIMIT_FSIZE, (100, 100))
    # Its log is a file as well, so the metrics alone tell.
    def becomes(sample):
        within(20, f"there was no {sample}", lambda: (
            client.ask(*(f"SET a{n} 1" for n in range(50)), "GET a"),
            f"\n{sample} 1\n" in fetch(f"http://{address}/metrics"))[1])

    becomes("hearth_warm_degraded")
    becomes("hearth_audit_degraded")
    lab.end("redis")
    becomes('hearth_breaker_state{side="writes",state="open"}')
    becomes('hearth_journal_state{state="degraded"}')
    client.ask(*(f"SET a{n} 1" for n in range(50)))
    film.phase("full", 30)
    lab.end("full")
    both = [{"side": "reads"}, {"side": "writes"}]
    return film, {
        "HearthReplicasShort": {"short": [{}]},
        "HearthCoherenceLost": {"deaf": [{}]},
        "HearthBreakerOpen": {"full": both},
        "HearthUnavailable": {"full": [{}]},
        "HearthJournalDegraded": {"full": [{}]},
        "HearthWarmDegraded": {"full": [{}]},
        "HearthAuditDegraded": {"full": [{}]},
    }


def overdue(lab):
    """A record that has lost its end in Redis is there when a walk comes: longer than its policy's retention."""
    lab.redis()
    direct = Client(lab.directory / "redis.sock")
    direct.ask("HSET kept:1 version 1 operations x created_ms 1000 updated_ms 1000 value old")
    address = lab.hearth("retention", {
        "redis": {"url": f"unix://{lab.directory}/redis.sock", "timeout": "5s"},
        "policies": [{"prefix": ""}, {"prefix": "kept:", "retention": "30d"}]})
    film = Film(address)
    within(20, "no walk found it", lambda: film.now("hearth_retention_overdue") == 1)
    film.phase("overdue", 10)
    assert direct.ask("EXISTS kept:1") == [0]
    lab.end("retention")
    lab.end("redis")
    return film, {"HearthRetentionOverdue": {"overdue": [{}]}}


def deletions_and_archives(lab):
    """A pod whose disk has no room for archives, and that can't read the stream of deletions, misses some, loses all."""
    lab.redis()
    address = lab.hearth("history", {
        "redis": {"url": f"unix://{lab.directory}/redis.sock", "timeout": "5s"}, "warm": {"max_bytes": "16MiB"},
        "policies": [{"prefix": ""}, {"prefix": "chat:", "turns": {"keep": 3, "unfolded": 8, "overflow": "archive"}}]})
    client = lab.client("history")
    theirs = Client(lab.directory / "redis.sock")
    film = Film(address)
    client.ask(*(f"TURNS.ADD chat:1 turn{n}" for n in range(40)))
    within(20, "nothing is archived", lambda: film.now("hearth_archive_records") > 0)
    film.hears()
    film.phase("calm", 30)

    # Compressed it is three quarters of its size.
    big = base64.b64encode(os.urandom(100_000)).decode()
    within(60, "no archive was let go", lambda: (
        client.ask(*(f"SET big:{time.monotonic_ns()}:{n} {big}" for n in range(20))),
        film.now("hearth_archive_evicted_total") > 0)[1])
    film.phase("no room", 30)
    film.phase("calm again", 120)

    theirs.ask("ACL SETUSER default -xrange")
    within(30, "the stream is read", lambda: film.now("hearth_deletions_age_seconds") > max(LAG, 0.6 * film.elapsed))
    film.phase("unheard", 30)
    theirs.ask("ACL SETUSER default +xrange")
    within(20, "the stream is not read", lambda: film.now("hearth_deletions_age_seconds") < 2)
    film.phase("heard again", 30)

    known = film.now("hearth_deletions_unreached_total")
    theirs.ask("DEL hearth:deletions")
    within(20, "nothing was missed", lambda: film.now("hearth_deletions_unreached_total") > known)
    film.phase("missed", 12)
    film.phase("calm at last", 60)
    lab.end("history")
    lab.end("redis")
    return film, {
        "HearthArchivesEvicted": {"no room": [{}]},
        "HearthDeletionsUnheard": {"unheard": [{}]},
        "HearthDeletionsMissed": {"missed": [{}]},
    }


def runbooks(rules_file):
    """Each alert says what to do, and leads to a section that says more."""
    page = (ROOT / "docs/alerts.md").read_text()
    alerts = [r for g in yaml.safe_load(rules_file.read_text())["groups"] for r in g["rules"] if "alert" in r]
    for rule in alerts:
        notes = rule["annotations"]
        wanted = f"docs/alerts.md#{rule['alert'].lower()}"
        if not (notes["summary"] and notes["description"] and notes["runbook_url"] == wanted):
            sys.exit(f"FAILED: {rule['alert']} lacks a summary, a description or {wanted}")
        if f"\n## {rule['alert']}\n" not in page:
            sys.exit(f"FAILED: docs/alerts.md has no section {rule['alert']}")
    for heading in re.findall(r"^## (Hearth\w+)$", page, re.M):
        if heading not in {rule["alert"] for rule in alerts}:
            sys.exit(f"FAILED: docs/alerts.md tells of {heading}, which is no alert")


with tempfile.TemporaryDirectory(prefix="hearth-monitoring.") as name:
    lab = Lab(name)
    rules = lab.directory / "hearth.rules.yaml"
    # The rules alone, without what makes them a resource of Kubernetes.
    rules.write_text(yaml.safe_dump(yaml.safe_load((MONITORING / "rules.yaml").read_text())["spec"]))
    subprocess.run(["promtool", "check", "rules", "--lint-fatal", rules], check=True, capture_output=True)
    runbooks(rules)
    try:
        film, expected, panels = outage(lab, rules)
        other = full_disk(lab)
        late = overdue(lab)
        history = deletions_and_archives(lab)
        cases, alerts = judge([(film, expected), other, late, history], rules, lab.directory)
    finally:
        lab.end_all()
    print(f"{alerts} alerts in {cases} cases, {panels} queries of the dashboard, promtool check metrics: as exported")
