#!/usr/bin/env python3
"""Clients until stdin ends: of HTTP with a connection for each request, with one for many, and of UDP.

`load.py HTTP_PORT UDP_PORT` prints what came of each kind as JSON. Nothing is tried twice: what fails, counts.
"""

import collections
import json
import socket
import sys
import threading
import time

# Seconds between two requests of a client, and two datagrams: enough to be hit by anything, without taking both processors.
PAUSE = 0.002
# Seconds after which a response, or an answer to a datagram, is lost.
PATIENCE = 15.0
CLIENTS = 3

ending = threading.Event()


class Flow:
    """What came of one kind of traffic."""

    def __init__(self):
        self.lock = threading.Lock()
        self.done, self.slowest, self.failures = 0, 0.0, collections.Counter()

    def succeeded(self, seconds):
        with self.lock:
            self.done += 1
            self.slowest = max(self.slowest, seconds)

    def failed(self, error):
        with self.lock:
            self.failures[f"{type(error).__name__}: {error}"] += 1

    def report(self):
        return {"done": self.done, "failed": sum(self.failures.values()), "failures": dict(self.failures),
                "max_ms": round(self.slowest * 1e3, 1)}  # fmt: skip


def response(connection):
    """Reads one response; whether the connection may be used once more."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            raise EOFError("no response" if not data else "cut in its head")
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    fields = dict(line.split(b": ", 1) for line in lines[1:])
    length = int(fields[b"content-length"])
    while len(body) < length:
        more = connection.recv(65536)
        if not more:
            raise EOFError("cut in its content")
        body += more
    if lines[0].split()[1] != b"200":
        raise ValueError(lines[0].decode())
    return fields.get(b"connection") != b"close"


def http(port, keeps, flow):
    connection = None
    asked = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + (b"" if keeps else b"Connection: close\r\n") + b"\r\n"
    while not ending.is_set():
        begun = time.monotonic()
        try:
            if connection is None:
                connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(asked)
            again = response(connection) and keeps
            flow.succeeded(time.monotonic() - begun)
        except (OSError, EOFError, ValueError, KeyError) as error:
            flow.failed(error)
            again = False
        if not again and connection:
            connection.close()
            connection = None
        time.sleep(PAUSE)


def udp(port, flow):
    """One session: numbered datagrams, and their answers."""
    way = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    way.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    way.connect(("127.0.0.1", port))
    way.settimeout(0.1)
    sent = {}
    answered = threading.Thread(target=answers, args=(way, flow, sent))
    answered.start()
    number = 0
    while not ending.is_set():
        sent[number] = time.monotonic()
        try:
            way.send(b"%010d" % number + b"." * 90)
        except OSError as error:
            flow.failed(error)
            sent.pop(number, None)
        number += 1
        time.sleep(PAUSE)
    answered.join()
    for _ in sent:
        flow.failed(TimeoutError("no answer"))


def answers(way, flow, sent):
    quiet_since = time.monotonic()
    while not ending.is_set() or (sent and time.monotonic() - quiet_since < 2):
        try:
            number = int(way.recv(2048)[:10])
        except OSError:
            continue
        quiet_since = time.monotonic()
        if begun := sent.pop(number, None):
            flow.succeeded(quiet_since - begun)


def main():
    http_port, udp_port = map(int, sys.argv[1:3])
    flows = {"new": Flow(), "keep": Flow(), "udp": Flow()}
    clients = [
        threading.Thread(target=http, args=(http_port, keeps, flows[kind]))
        for kind, keeps in (("new", False), ("keep", True))
        for _ in range(CLIENTS)
    ]
    clients.append(threading.Thread(target=udp, args=(udp_port, flows["udp"])))
    for client in clients:
        client.start()
    sys.stdin.read()
    ending.set()
    for client in clients:
        client.join()
    json.dump({kind: flow.report() for kind, flow in flows.items()}, sys.stdout)


if __name__ == "__main__":
    main()
