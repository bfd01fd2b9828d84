"""Who looks at a Hearth: a scrape of its metrics every 100 ms, and open pages that are told what happens.

Scrapes keep their connection, as Prometheus does.

usage: watchers.py PORT PAGES: says "watching" after the first scrape, and goes on until SIGTERM; then prints how many
scrapes were answered since, how long the slowest took in milliseconds, and how many events the pages heard.
"""
import os
import selectors
import signal
import socket
import sys
import time

EVERY = 0.1
EVENT = b"\nevent: "


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def ask(connection, path):
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())


def receive(connection):
    data = connection.recv(1 << 20)
    if not data:
        sys.exit("a scrape's connection ended")
    return data


def main():
    # This process shares a core with the server that is measured, which takes the core back whenever it wakes. With
    # niceness alone this one would go on to the end of its slice, and that would be in the latencies of hits.
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    is_over = []
    signal.signal(signal.SIGTERM, lambda *_: is_over.append(True))
    port, count = int(sys.argv[1]), int(sys.argv[2])
    selector = selectors.DefaultSelector()
    scrapes = 0
    events = {}
    slowest = 0.0
    for _ in range(count):
        page = connect(port)
        ask(page, "/events")
        page.setblocking(False)
        selector.register(page, selectors.EVENT_READ)
    scrape = connect(port)
    due = time.monotonic()
    while not is_over:
        for key, _ in selector.select(max(0, due - time.monotonic())):
            data = key.fileobj.recv(1 << 20)
            if not data:
                sys.exit("a page's stream ended")
            # A name may lie in two pieces.
            count, tail = events.get(key.fd, (0, b""))
            events[key.fd] = count + (tail + data).count(EVENT), (tail + data)[1 - len(EVENT):]
        if time.monotonic() < due:
            continue
        began = time.monotonic()
        ask(scrape, "/metrics")
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += receive(scrape)
        head, _, body = answer.partition(b"\r\n\r\n")
        left = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]) - len(body)
        while left > 0:
            left -= len(receive(scrape))
        if scrapes == 0:
            print("watching", flush=True)
        scrapes += 1
        slowest = max(slowest, time.monotonic() - began)
        due = max(due + EVERY, time.monotonic())
    print(scrapes, f"{slowest * 1000:.1f}", sum(count for count, _ in events.values()))


if __name__ == "__main__":
    main()
