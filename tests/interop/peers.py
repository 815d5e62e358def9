"""The checks of tests/interop/run: each peer against websrvd, and netctl against each peer.

All traffic is on loopback; every wait is bounded, and what is started is ended by its process id.
"""

import contextlib
import json
import pathlib
import random
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

import logging

logging.getLogger("scapy").setLevel(logging.ERROR)
from scapy.contrib.stamp import (  # noqa: E402
    ErrorEstimate,
    STAMPSessionReflectorTestUnauthenticated as Answer,
    STAMPSessionSenderTestUnauthenticated as Probe,
    STAMPTestTLV as Tlv,
)
from scapy.layers.inet import UDP  # noqa: E402

PATIENCE_S = 30
STAMP_PORT = 862
# As a number: scapy names the bits of the flags from the other end (RFC 8972 section 4).
UNRECOGNISED = 0x80
NTP_UNIX_OFFSET_S = 2_208_988_800
KEY = "".join(f"{byte:02x}" for byte in range(32))


def main():
    binaries, stamp_suite = (pathlib.Path(path).resolve() for path in sys.argv[1:3])
    failed = 0
    for check in (scapy_sends, scapy_reflects, twamp_light_sends, twamp_light_reflects,
                  stamp_suite_sends, stamp_suite_reflects):
        with tempfile.TemporaryDirectory() as directory:
            try:
                check(Selat(binaries, pathlib.Path(directory)), stamp_suite)
                print(f"passed: {check.__doc__}")
            except Exception as problem:  # the other peers are still worth a look
                failed += 1
                print(f"FAILED: {check.__doc__}: {type(problem).__name__}: {problem}")
    sys.exit(1 if failed else 0)


class Selat:
    """The programs, in a directory of their own."""

    def __init__(self, binaries, directory):
        self.binaries, self.directory = binaries, directory

    @contextlib.contextmanager
    def websrvd(self, *settings):
        """A reflector; yields its port."""
        config = self.directory / "websrvd.toml"
        config.write_text("\n".join(settings))
        command = [self.binaries / "websrvd", "--config", config, "--root", self.directory,
                   "--http", "127.0.0.1:0", "--echo", "127.0.0.1:0",
                   "--control", self.directory / "control.sock"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            yield next(int(line.rsplit(":", 1)[1].split()[0]) for line in process.stdout if "echo" in line)
        finally:
            process.terminate()
            process.wait(PATIENCE_S)
            process.stdout.close()

    def measure(self, port, *options, per_s=500):
        """The result of a UDP test, and the conditions that its report has."""
        command = [self.binaries / "netctl", "-o", "json", "qos", "udp", f"127.0.0.1:{port}",
                   "--rate", str(per_s), "--timeout", "1s", "--raw", "raw.json", *options]
        run = subprocess.run(command, cwd=self.directory, capture_output=True, text=True, timeout=PATIENCE_S)
        expect(run.returncode == 0, run.stderr)
        kept = json.loads((self.directory / "raw.json").read_text())
        conditions = {each["name"]: each["value"] for each in kept["measurements"][0]["conditions"]}
        return json.loads(run.stdout)["results"][0], conditions


def scapy_sends(selat, _):
    """scapy's STAMP sender against websrvd: fields, times, session and TLV flags"""
    unknown, padding = (Tlv(flags=UNRECOGNISED, type=kind, len=len(value), value=value)
                        for kind, value in ((200, b"abc"), (1, bytes(9))))
    with selat.websrvd() as port, client(port) as sender:
        for number in range(3):
            now = time.time()
            probe = Probe(seq=number * 2, ts=ntp_s(now), err_estimate=ErrorEstimate(multiplier=1), ssid=77,
                          tlv_objects=[unknown, padding])
            sent = bytes(probe)
            sender.send(sent)
            reply = sender.recv(2048)
            expect(len(reply) == len(sent), f"{len(reply)} bytes for {len(sent)}")
            answer = dissect(reply, sport=STAMP_PORT)[Answer]
            expect((answer.seq, answer.seq_sender, answer.ssid) == (number, number * 2, 77), answer.show(dump=True))
            expect(answer.ttl_sender == 64 and reply[28:36] == sent[4:12], answer.show(dump=True))
            t2, t3 = (struct.unpack("!Q", reply[at:at + 8])[0] / 2**32 for at in (16, 4))
            expect(abs(t2 - ntp_s(now)) < 1 and t2 <= t3, f"T2 {t2}, T3 {t3}")
            flags = [int(tlv.flags) for tlv in answer.tlv_objects]
            expect(flags == [UNRECOGNISED, 0], f"TLV flags {flags}")


def scapy_reflects(selat, _):
    """netctl against scapy's STAMP reflector, which counts: losses by their way"""
    count = 0

    def reflect(datagram):
        nonlocal count
        probe = dissect(datagram, dport=STAMP_PORT)[Probe]
        expect(probe.mbz == 0 and [tlv.type for tlv in probe.tlv_objects] == [7, 1], probe.show(dump=True))
        if probe.seq % 10 == 3:
            return None  # as if it had been lost on the way here
        times = int(ntp_s(time.time()) * 2**32)
        for tlv in probe.tlv_objects:
            tlv.flags = UNRECOGNISED if tlv.type == 7 else 0
        answer = Answer(seq=count, err_estimate=ErrorEstimate(multiplier=1), ssid=probe.ssid, seq_sender=probe.seq,
                        err_estimate_sender=probe.err_estimate, tlv_objects=probe.tlv_objects)
        reply = bytearray(bytes(answer))
        for at, bits in ((4, times), (16, times)):
            reply[at:at + 8] = struct.pack("!Q", bits)
        reply[28:36] = datagram[4:12]
        count += 1
        return bytes(reply) if probe.seq % 25 != 7 else None

    with reflector(reflect) as port:
        result, conditions = selat.measure(port, "--count", "100", "--mode", "stamp", per_s=40)
    ways = [result[name] for name in ("lost", "lost_up", "lost_down", "lost_unknown")]
    expect(ways == [14, 10, 4, 0], f"losses {ways}")
    expect(conditions["answers"].startswith("STAMP reflector"), conditions["answers"])


def twamp_light_sends(selat, _):
    """TWAMP-Test packets of every size against websrvd"""
    with selat.websrvd() as port, client(port) as sender:
        for number, padding in enumerate((0, 8, 27, 30, 120)):
            sent = struct.pack("!IQH", number + 5, int(ntp_s(time.time()) * 2**32), 0x3FFF) + random.randbytes(padding)
            sender.send(sent)
            reply = sender.recv(2048)
            expect(len(reply) == max(len(sent), 44), f"{len(reply)} bytes for {len(sent)}")
            sequence, t3, error, _, t2, sender_sequence = struct.unpack("!IQHHQI", reply[:28])
            expect((sequence, sender_sequence) == (number, number + 5), f"{sequence} {sender_sequence}")
            expect(reply[28:38] == sent[4:14] and reply[40] == 64, reply.hex())
            expect(t2 <= t3 and error & 0xFF, f"T2 {t2}, T3 {t3}, error estimate {error:#x}")


def twamp_light_reflects(selat, _):
    """netctl against TWAMP-Light reflectors, short, symmetrical and untruncated"""
    for length in (lambda size: 38, lambda size: 41, lambda size: size, lambda size: size + 27):
        def reflect(datagram, length=length):
            now = int(ntp_s(time.time()) * 2**32)
            reply = datagram[:4] + struct.pack("!QHHQ", now, 1, 0, now) + datagram[:14] + bytes(2) + b"\x40"
            return (reply + bytes(len(datagram)))[:length(len(datagram))]

        for mode in ("twamp-light", "auto"):
            with reflector(reflect) as port:
                result, conditions = selat.measure(port, "--count", "50", "--mode", mode)
            expect(result["received"] == 50 and result["one_way_up_p50_ms"] is not None, result)
            expect(conditions["answers"].startswith("TWAMP-Light"), conditions["answers"])


def stamp_suite_sends(selat, stamp_suite):
    """stamp-suite's authenticated sender against websrvd: HMAC of packets and TLVs, telemetry"""
    keys = key_file(selat.directory)
    with selat.websrvd(f'reflector_keys = "{keys}"') as port:
        right = sent_by(stamp_suite, port, KEY)
        wrong = sent_by(stamp_suite, port, "ff" * 32)
    expect((right["packets_sent"], right["packets_received"]) == (10, 10), right)
    expect((wrong["packets_sent"], wrong["packets_received"]) == (10, 0), wrong)
    measured = right["measurements"]
    hmac, flags = (measured["tlv_validation"][name] for name in ("hmac", "flags"))
    expect(hmac["verified"] == 10, hmac)
    expect(flags["unrecognized"] + flags["malformed"] + flags["integrity_failed"] == 0, flags)
    # The first answer has none before it to tell of.
    expect(measured["follow_up"]["matched"] == 9, measured["follow_up"])


def sent_by(stamp_suite, port, key):
    """The summary of ten authenticated probes with every TLV that websrvd knows."""
    command = [stamp_suite, "--remote-addr", "127.0.0.1", "--local-addr", "127.0.0.1", "--remote-port", str(port),
               "--count", "10", "--send-delay", "20ms", "--timeout", "1", "--auth-mode", "A", "--hmac-key", key,
               "--tlv-hmac", "on", "--verify-tlv-hmac", "--follow-up-telemetry", "--timestamp-info",
               "--extra-padding", "20", "--output-format", "json"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    return json.loads(run.stdout.strip().splitlines()[-1])


def stamp_suite_reflects(selat, stamp_suite):
    """netctl against stamp-suite's authenticated reflector, which counts"""
    keys, port = key_file(selat.directory), free_port()
    command = [stamp_suite, "--is-reflector", "--local-addr", "127.0.0.1", "--local-port", str(port),
               "--auth-mode", "A", "--hmac-key", KEY, "--stateful-reflector", "--verify-tlv-hmac"]
    with running(command) as process:
        wait_for(lambda: is_bound(port), process)
        result, conditions = selat.measure(port, "--count", "100", "--auth-key-file", keys)
    expect((result["sent"], result["received"], result["lost_up"]) == (100, 100, 0), result)
    expect(conditions["answers"].startswith("STAMP reflector, authenticated"), conditions["answers"])


def key_file(directory):
    keys = directory / "keys"
    keys.write_text(KEY)
    keys.chmod(0o600)
    return keys


def is_bound(port):
    """Whether a UDP socket has `port`: of all addresses, as the kernel lists them."""
    rows = pathlib.Path("/proc/net/udp").read_text().splitlines()[1:]
    return any(int(row.split()[1].rsplit(":", 1)[1], 16) == port for row in rows)


def wait_for(is_so, process):
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        expect(process.poll() is None and time.monotonic() < deadline, "the peer did not start")
        time.sleep(0.02)


def expect(is_so, otherwise):
    if not is_so:
        raise AssertionError(otherwise)


def ntp_s(unix_s):
    return unix_s + NTP_UNIX_OFFSET_S


def dissect(datagram, sport=40000, dport=40000):
    """A datagram as scapy reads it, which takes the length from the UDP header."""
    return UDP(struct.pack("!HHHH", sport, dport, len(datagram) + 8, 0) + datagram)


@contextlib.contextmanager
def client(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connected:
        connected.settimeout(PATIENCE_S)
        connected.connect(("127.0.0.1", port))
        yield connected


@contextlib.contextmanager
def reflector(reflect):
    """Answers each datagram with what `reflect` makes of it; yields its port."""
    problems, done = [], threading.Event()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        bound.settimeout(0.05)

        def answer():
            while not done.is_set():
                try:
                    datagram, sender = bound.recvfrom(65536)
                    reply = reflect(datagram)
                    if reply is not None:
                        bound.sendto(reply, sender)
                except TimeoutError:
                    pass
                except AssertionError as problem:
                    problems.append(problem)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield bound.getsockname()[1]
        finally:
            done.set()
            thread.join()
    if problems:
        raise problems[0]


@contextlib.contextmanager
def running(command):
    """A peer that is ended by its process id."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    main()
