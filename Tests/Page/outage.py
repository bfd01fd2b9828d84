"""The live page of the admin port in a real browser, before, during and after a real outage of Redis.

usage: outage.py HEARTH [PICTURES]: where a directory is given, it holds pictures of each moment afterwards.
"""

import contextlib

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

from browser import PATIENCE, Browser

CONFIGURATION = """
socket: {{path: "{here}/h.sock"}}
redis: {{url: "unix://{here}/redis.sock", timeout: 2s, soft_timeout: 1s}}
breaker: {{slow_call: 60s, consecutive_failures: 3, open: 300ms, open_max: 600ms}}
warm: {{path: "{here}/warm", max_bytes: 64MiB}}
journal: {{path: "{here}/journal"}}
admin: {{listen: "127.0.0.1:{port}"}}
policies:
  - prefix: ""
    max_staleness: 200ms
  - prefix: "session:"
    ttl: 30m
    sliding: true
    default: '{{"turns": []}}'
  - prefix: "quota:"
    consistency: strong
  - prefix: "chat:"
    turns: {{keep: 3, unfolded: 8, overflow: archive}}
"""


def wait(what, condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"never seen: {what}")
        time.sleep(0.05)


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def ask(path, *words):
    """One command on a connection of its own; the reply's bytes as they come, b"" where nobody answers."""
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(path)
            client.sendall(encode(words))
            return client.recv(65536)
    except OSError:
        return b""


def encode(words):
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


class Servers:
    """A Redis and a Hearth of this script's own; ended by process id."""

    def __init__(self, binary):
        self.binary = binary
        self.here = tempfile.mkdtemp(prefix="hearth-page.")
        self.redis = self.hearth = None
        self.log = open(f"{self.here}/log", "wb")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        with open(f"{self.here}/hearth.yaml", "w") as file:
            file.write(CONFIGURATION.format(here=self.here, port=self.port))

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/"

    def start_redis(self):
        self.redis = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", f"{self.here}/redis.sock", "--save", "", "--dir",
             self.here],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait("a Redis", lambda: ask(f"{self.here}/redis.sock", "PING").startswith(b"+PONG"))

    def start_hearth(self):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HEARTH_")}
        self.hearth = subprocess.Popen(
            [self.binary, "serve", "--config", f"{self.here}/hearth.yaml"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=self.log, env=environment)
        wait("a Hearth", lambda: ask(f"{self.here}/h.sock", "PING").startswith(b"+PONG"))

    def stop(self, name, by):
        process = getattr(self, name)
        setattr(self, name, None)
        if process:
            process.send_signal(by)
            process.wait()

    def close(self, keep_log):
        for name in ("hearth", "redis"):
            self.stop(name, 9)
        self.log.close()
        if keep_log:
            with open(f"{self.here}/log", errors="replace") as file:
                print("The end of Hearth's log:\n" + "".join(file.readlines()[-15:]), file=sys.stderr)
        shutil.rmtree(self.here, ignore_errors=True)


class Load(threading.Thread):
    """An application that reads and writes a little, and comes back when its connection ends."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path = path
        self.is_over = threading.Event()

    def run(self):
        turn = 0
        while not self.is_over.is_set():
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
                client.settimeout(10)
                client.connect(self.path)
                while not self.is_over.wait(0.01):
                    turn += 1
                    requests = [("GET", f"page:{turn * index % 60}") for index in range(20)]
                    requests += [("GET", f"session:{turn % 7000}"), ("GET", f"quota:{turn % 5}")]
                    size = (50, 300, 2000, 9000)[turn % 4]
                    requests += [("SET", f"page:{turn % 60}", "x" * size, "EX", 600)]
                    # A key that is not written again, so that its entry in the journal is not made needless.
                    requests += [("SET", f"visit:{turn // 50}", turn, "EX", 600)]
                    if turn % 5 == 0:
                        requests += [("TURNS.ADD", f"chat:{turn % 3}", f"turn {turn}")]
                    client.sendall(b"".join(map(encode, requests)))
                    # Whatever the replies are, and as many as come by then.
                    client.recv(1 << 20)


def column(name):
    return f"view.rows.fine.map(row => get(row, '{name}'))"


def shows_phone_well(page):
    page.look(390, 844, mobile=True)
    page.evaluate("draw()")
    wide = page.evaluate("document.documentElement.scrollWidth"), page.evaluate("innerWidth")
    expect(wide[0] <= wide[1], f"on a phone the page is {wide[0]} wide, and the screen {wide[1]}")
    small = page.evaluate(
        "[...document.querySelectorAll('button')].filter(one => one.getBoundingClientRect().height < 32).length")
    expect(small == 0, "a button is too small for a finger")


def run(servers, browser, pictures):
    def picture(page, name):
        if pictures:
            page.picture(os.path.join(pictures, f"{name}.png"))

    page = browser.open(servers.url)
    page.until("document.title === 'Hearth: ready' && view.rows.fine.length >= 4", "a page of a Hearth that is well")
    page.until("/[1-9].*\\/s/.test(element('tiles').innerText)", "requests that are counted")
    page.until("element('policies').innerText.includes('session:')", "the policies in effect")
    page.until("view.present.value_bytes.some(([, count]) => count > 0)", "sizes of values")
    page.until(f"{column('coherence')}.at(-1) === 0", "changes in Redis that are heard of")
    page.until(f"{column('turns_archived')}.some(count => count > 0)", "turns that are archived")
    page.until(f"{column('archive_bytes')}.at(-1) > 0", "what archives take")
    # Another writer, of keys that are read through Hearth all the time.
    for number in range(60):
        ask(f"{servers.here}/redis.sock", "SET", f"page:{number}", "theirs")
    page.until(f"{column('invalidations_applied')}.some(count => count > 0)", "changes that others made")
    for name in ("coherence_gap_ms", "deletions_age_ms", "invalidations_received", "invalidations_flushes",
                 "late_fills", "retention_overdue", "retention_shortened", "orphaned", "archive_refused",
                 "archive_evicted", "archive_reads", "turns_dropped"):
        expect(page.evaluate(f"'{name}' in view.columns"), f"the page asks for {name}, and is not told of it")
    expect(page.evaluate("element('components').children.length") == 0, "a part is not well before the outage")
    picture(page, "before")

    # ---- Redis is gone
    servers.stop("redis", 9)
    page.until("document.title === 'Hearth: degraded'", "a page that says it is degraded")
    page.until("element('components').innerText.includes('redis')", "which part is not well")
    page.until("element('transitions').innerText.includes('open')", "the breaker's transition")
    page.until(f"{column('journal_entries')}.at(-1) > 0", "writes that wait")
    page.until(f"{column('journal_age_ms')}.at(-1) > 3000", "how long they have waited")
    page.until(f"{column('unavailable')}.some(count => count > 0)", "strong reads that nobody can answer")
    page.until(f"{column('coherence')}.at(-1) === 1", "that changes in Redis are not heard of")
    page.until(f"{column('coherence_gap_ms')}.at(-1) > 3000", "for how long")
    expect(page.evaluate("[...document.querySelectorAll('.charts svg')].some(svg => "
                         "svg.getAttribute('aria-label').startsWith('Changes in Redis')"
                         " && svg.getAttribute('aria-label').endsWith('not heard of'))"),
           "the chart does not say that changes are not heard of")
    picture(page, "during")

    # A page that is opened now shows what happened before it was opened.
    late = browser.open(servers.url, width=390, height=844, dark=True, mobile=True)
    late.until("view.rows.fine.length > 6", "the past, in a page that was opened during the outage")
    late.until(f"{column('breaker_reads')}.includes(0) && {column('breaker_reads')}.includes(3)", "when it began")
    late.until("element('lines').innerText.includes('breaker_open')", "the log's warnings")
    shows_phone_well(late)
    picture(late, "during-phone-light")
    late.look(390, 844, dark=True, mobile=True)
    picture(late, "during-phone-dark")

    # ---- Redis is back
    servers.start_redis()
    page.until("document.title === 'Hearth: ready'", "a page that says that all is well again")
    page.until("view.present.journal.entries === 0", "a journal that was replayed")
    page.until(f"{column('journal_replayed')}.some(count => count > 0)", "the replay")
    page.until("element('transitions').innerText.includes('closed')", "the breaker's return")
    page.until(f"{column('breaker_reads')}.at(-1) === 0", "a row after the outage")
    page.until(f"{column('coherence')}.at(-1) === 0", "changes that are heard of again")
    page.look(1280, 900, dark=True)
    page.evaluate("draw()")
    picture(page, "after-dark")
    page.look(1280, 900)

    # ---- A reload
    known = page.evaluate("view.rows.fine.length")
    page.ask("Page.reload")
    page.until(f"typeof view === 'object' && view.rows.fine.length >= {known}", "the same past after a reload")
    page.until(f"{column('breaker_reads')}.includes(3)", "the outage after a reload")

    # ---- A restart, in order and then by a crash
    expect(not page.complaints(), f"the console: {page.complaints()}")
    quiet = len(page.events)
    for by, times in ((15, 1), (9, 2)):
        servers.stop("hearth", by)
        page.until("document.title === 'Hearth: not connected' && !element('notice').hidden", "a page that says so")
        servers.start_hearth()
        page.until(f"document.title === 'Hearth: ready' && view.restarts.length === {times}", "a page that came back")
        page.until(f"view.rows.fine.at(-1).at > view.restarts.at(-1)", "news after the restart")
    expect(page.evaluate(f"{column('breaker_reads')}.includes(3)"), "what was known before the restart is gone")
    picture(page, "after-restarts")
    page.evaluate("document.querySelector('[data-range=coarse]').click()")
    expect(page.evaluate("view.range") == "coarse", "the button of the long range does nothing")

    # ---- More pages than there may be
    late.close()
    others = []
    try:
        while True:
            others.append(urllib.request.urlopen(servers.url + "events", timeout=PATIENCE))
            expect(len(others) <= 8, "there is no end to pages")
    except urllib.error.HTTPError as error:
        expect(error.code == 503, f"one page too many is answered with {error.code}")
    full = browser.open(servers.url)
    full.until("element('notice').innerText.startsWith('503: as many pages')", "a page that says it is full")
    for other in others:
        other.close()
    full.until("document.title === 'Hearth: ready'", "a page that got a place")

    # ---- What the console was told, and whom the page asked
    for event_page in (page, late):
        bad = [(source, text) for source, text in event_page.complaints()
               if not (source == "network" and "/events" in text)]
        expect(not bad, f"the console: {bad}")
    expect(len(page.events) > quiet, "the restarts left no trace")
    strange = {url for one in (page, late, full) for url in one.addresses()
               if not url.startswith((servers.url, "data:"))}
    expect(not strange, f"the page asked {strange}")


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    pictures = sys.argv[2] if len(sys.argv) == 3 else None
    if pictures:
        os.makedirs(pictures, exist_ok=True)
    started = time.monotonic()
    servers = Servers(sys.argv[1])
    browser = load = None
    try:
        servers.start_redis()
        servers.start_hearth()
        load = Load(f"{servers.here}/h.sock")
        load.start()
        browser = Browser()
        run(servers, browser, pictures)
        failed = False
    except BaseException:
        failed = True
        raise
    finally:
        if load:
            load.is_over.set()
            load.join()
        if browser:
            browser.close()
        servers.close(keep_log=failed)
    print(f"The page was seen before, during and after an outage, in {time.monotonic() - started:.0f} s.")


if __name__ == "__main__":
    main()
