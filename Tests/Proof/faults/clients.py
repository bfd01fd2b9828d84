"""Clients that behave badly: everybody else must not notice."""

import random
import resource
import socket
import struct
import threading
import time
import urllib.error
import urllib.request

from kit.waiting import eventually
from kit.wire import Client, Gone, Refusal, connect, encode

from .fault import Missing, fault
from .settings import embedded, redis_and_hearth

GROUP = "Clients"


def raw(scene, timeout=10.0):
    return connect(scene.hearth.address, timeout)


def with_small_output(scene):
    scene.add_redis()
    scene.add_hearth(settings="limits: {max_output: 8MiB, max_value: 1MiB, max_request: 8MiB}")


@fault(
    GROUP,
    "an absent reader",
    "eight clients ask for 64 MiB each and read nothing, max_output 8 MiB",
    with_small_output,
    quick=True,
)
def absent_reader(scene):
    scene.hearth.client().call("SET", "large", b"l" * 1_000_000)
    with scene.fault():
        lost = []
        for _ in range(8):
            reader = raw(scene)
            reader.sendall(encode(["GET", "large"]) * 64)
            lost.append(reader)
        scene.pause(1.0)
        resident = scene.hearth.resident()
        for reader in lost:
            reader.close()
    scene.notes.append(f"{resident >> 20} MiB resident meanwhile, {scene.hearth.status()['clients_dropped']} dropped")
    # Local memory, what each of them may leave unread, and the process itself.
    if resident > (64 + 8 * 9 + 24) << 20:
        scene.problems.append(f"{resident >> 20} MiB resident: what nobody reads is held")


@fault(GROUP, "a slow reader", "eight clients ask for 8 MiB each and read 64 KiB every 20 ms", with_small_output)
def slow_reader(scene):
    scene.hearth.client().call("SET", "large", b"l" * 1_000_000)
    wanted = len(b"$1000000\r\n") + 1_000_002
    with scene.fault():
        readers = [raw(scene) for _ in range(8)]
        for reader in readers:
            reader.sendall(encode(["GET", "large"]) * 8)
        got = [0] * 8
        while min(got) < 8 * wanted:
            for index, reader in enumerate(readers):
                if got[index] < 8 * wanted:
                    got[index] += len(reader.recv(65536))
            scene.pause(0.02)
        for reader in readers:
            reader.close()
    scene.notes.append("all of it arrived")


@fault(
    GROUP,
    "a byte a second",
    "100 clients send a request of 30 bytes, one byte a second for 3 s, then the rest",
    embedded,
)
def byte_a_second(scene):
    scene.hearth.client().call("SET", "slow", "answer")
    request = encode(["GET", "slow"])
    with scene.fault():
        senders = [raw(scene) for _ in range(100)]
        for index in range(3):
            for sender in senders:
                sender.sendall(request[index : index + 1])
            scene.pause(1.0)
        for sender in senders:
            sender.sendall(request[3:])
        for sender in senders:
            if sender.recv(100) != b"$6\r\nanswer\r\n":
                scene.problems.append("a slow request was not answered")
            sender.close()


def with_many_clients(scene):
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if limit < 11_000:
        raise Missing(f"descriptors are limited to {limit}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    scene.add_redis()
    scene.add_hearth(settings="limits: {max_clients: 12000}")


@fault(GROUP, "ten thousand connections", "10,000 clients connect, ask twice each, and leave", with_many_clients)
def ten_thousand(scene):
    request, clients = encode(["PING"]), []
    with scene.fault():
        for _ in range(10_000):
            clients.append(raw(scene))
        for _ in range(2):
            for client in clients:
                client.sendall(request)
            for client in clients:
                if client.recv(16) != b"+PONG\r\n":
                    scene.problems.append("a client was not answered")
        resident, descriptors = scene.hearth.resident(), scene.hearth.descriptors()
        for client in clients:
            client.close()
    eventually("they have left", lambda: scene.hearth.descriptors() < 200)
    scene.notes.append(
        f"{descriptors:,} descriptors, {resident >> 20} MiB meanwhile; {scene.hearth.descriptors()} descriptors after"
    )


@fault(
    GROUP,
    "connections that come and go",
    "4,000 connections, half of them reset with a request under way",
    with_many_clients,  # they come faster than a worker on a busy core ends them
)
def storm(scene):
    before = scene.hearth.descriptors()
    with scene.fault():
        for number in range(4000):
            client = raw(scene)
            client.sendall(encode(["GET" if number % 3 else "INCR", f"storm:{number % 50}"]))
            if number % 2:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
    eventually("no descriptor is left behind", lambda: scene.hearth.descriptors() <= before + 20)


@fault(
    GROUP, "huge pipelines", "four clients send 50,000 requests each at once, then read", redis_and_hearth, quick=True
)
def pipelines(scene):
    def one(number):
        client = Client(scene.hearth.address, 60)
        count = 50_000
        sender = threading.Thread(
            target=lambda: client.send(
                b"".join(
                    (
                        encode(["SET", f"pipe:{number}:{i % 100}", i])
                        if i % 4 == 0
                        else encode(["GET", f"pipe:{number}:{i % 100 // 4 * 4}"])
                    )
                    for i in range(count)
                )
            ),
            daemon=True,
        )
        sender.start()
        newest = {}
        for i in range(count):
            reply = client.receive()
            key = i % 100 // 4 * 4
            if i % 4 == 0:
                newest[key] = b"%d" % i
            if reply != (b"OK" if i % 4 == 0 else newest[key]):
                scene.problems.append(f"request {i} of a pipeline was answered {reply!r:.60}")
                break
        sender.join()
        client.close()

    with scene.fault():
        clients = [threading.Thread(target=one, args=(number,)) for number in range(4)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()


@fault(
    GROUP,
    "huge values",
    "values of 8 MiB, of a byte more (-TOOBIG), and a request beyond max_request, for 1.5 s",
    redis_and_hearth,
)
def values(scene):
    largest = random.Random(1).randbytes(8 << 20)
    with scene.fault():
        until, count = time.monotonic() + 1.5, 0
        client = Client(scene.hearth.address, 30)
        while time.monotonic() < until:
            client.call("SET", "huge", largest)
            if client.call("GET", "huge") != largest:
                scene.problems.append("a huge value came back changed")
            try:
                client.call("SET", "huge", largest + b"x")
                scene.problems.append("a value beyond max_value was taken")
            except Refusal as refusal:
                if not str(refusal).startswith("TOOBIG"):
                    scene.problems.append(f"a value beyond max_value: {refusal}")
            count += 1
        client.call("DEL", "huge")
        beyond = Client(scene.hearth.address, 30)
        try:
            beyond.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n" % (65 << 20))
            answer = beyond.receive()
            if not isinstance(answer, Refusal):
                scene.problems.append(f"a request beyond max_request was answered {answer!r:.60}")
        except Gone:
            pass
        client.close()
    scene.notes.append(f"{count} rounds")


MALFORMED = (
    b"*1\r\n$-5\r\nPING\r\n",
    b"*99999999999\r\n",
    b"*3\r\n$3\r\nSET\r\n:5\r\n",
    b"$5\r\nhello\r\n",
    b"*2\r\n$3\r\nGET\r\n$x\r\n",
    b"\x00" * 100,
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST / HTTP/1.1\r\n\r\n",
    b"*1\r\n$4\r\nPINGxx",
    b"*-1\r\n" * 50,
    b"a" * 70_000,
    b"*1\r\n$536870913\r\n",
    b"\xff\xfe\xfd\r\n\r\n",
    b"*1048577\r\n$1\r\na\r\n",
    b"SET \"unbalanced\r\n",
    b"*0\r\n*0\r\n*1\r\n$0\r\n\r\n",
)


@fault(GROUP, "malformed input", "3,000 connections send broken requests and noise", redis_and_hearth, quick=True)
def malformed(scene):
    generator = random.Random(7)
    with scene.fault():
        for number in range(3000):
            client = raw(scene, 5)
            sent = (
                MALFORMED[number % len(MALFORMED)] if number % 3 else generator.randbytes(generator.randrange(1, 400))
            )
            try:
                client.sendall(sent)
                if number % 5 == 0:
                    client.shutdown(socket.SHUT_WR)
                    while client.recv(65536):
                        pass
            except OSError:
                pass
            client.close()
    scene.notes.append(f"{scene.hearth.text().count('protocol_error')} protocol_error lines in the log")


def with_admin(scene):
    probe = socket.socket()
    probe.bind(("127.0.0.1", 0))
    scene.admin = probe.getsockname()[1]
    probe.close()
    scene.add_redis()
    scene.add_hearth(admin=f'"127.0.0.1:{scene.admin}"')


@fault(
    GROUP,
    "a storm of scrapes",
    "ten clients ask for /metrics without a pause for 1.5 s, and fifty begin a request and say no more",
    with_admin,
)
def scrapes(scene):
    stopping, counts = threading.Event(), [0] * 10

    def scrape(number):
        while not stopping.is_set():
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{scene.admin}/metrics", timeout=5) as page:
                    if b"hearth_lookups_total" not in page.read():
                        scene.problems.append("a page of metrics is not whole")
                counts[number] += 1
            except (urllib.error.URLError, OSError):
                scene.pause(0.01)

    with scene.fault():
        idle = []
        for _ in range(50):
            try:
                idle.append(connect(("127.0.0.1", scene.admin), 2))
                idle[-1].sendall(b"GET /metrics HTTP/1.1\r\nHo")
            except OSError:
                pass
        scrapers = [threading.Thread(target=scrape, args=(number,)) for number in range(10)]
        for scraper in scrapers:
            scraper.start()
        scene.pause(1.5)
        stopping.set()
        for scraper in scrapers:
            scraper.join()
        for client in idle:
            client.close()
    scene.notes.append(f"{sum(counts)} scrapes")
    if not sum(counts):
        scene.problems.append("no scrape was answered")


@fault(
    GROUP,
    "subscribers that do not read",
    "four subscribe and read nothing; 64 MiB are published to them, max_output 8 MiB",
    with_small_output,
)
def subscribers(scene):
    with scene.fault():
        silent = []
        for _ in range(4):
            subscriber = raw(scene)
            subscriber.sendall(encode(["SUBSCRIBE", "news"]))
            silent.append(subscriber)
        client = scene.hearth.client(10)
        for _ in range(64):
            client.call("PUBLISH", "news", b"n" * 1_000_000)
        client.close()
        for subscriber in silent:
            subscriber.close()
    scene.notes.append(f"{scene.hearth.resident() >> 20} MiB resident")


@fault(GROUP, "every pinned connection is taken", "100 clients block in BLPOP, 64 allowed, for 1 s", redis_and_hearth)
def pinned(scene):
    with scene.fault():
        blocked = [raw(scene) for _ in range(100)]
        for client in blocked:
            client.sendall(encode(["BLPOP", "nothing", 0]))
        eventually("the others are refused", lambda: scene.hearth.status()["pinned_refused"] == 36)
        scene.pause(1.0)
        for client in blocked:
            client.close()
    eventually("all are given back", lambda: scene.hearth.status()["pinned_connections"] == 0)


@fault(
    GROUP,
    "half a goodbye",
    "1,000 clients send ten requests and close their half; each is owed ten answers",
    redis_and_hearth,
)
def half_closed(scene):
    with scene.fault():
        for number in range(1000):
            client = raw(scene)
            client.sendall(encode(["ECHO", number]) * 10)
            client.shutdown(socket.SHUT_WR)
            answers = b""
            while chunk := client.recv(65536):
                answers += chunk
            if answers.count(b"\r\n%d\r\n" % number) != 10:
                scene.problems.append(f"{answers!r:.80} instead of ten answers")
            client.close()
