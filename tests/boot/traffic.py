"""Clients of a daemon while something happens to it."""

import json
import subprocess
import sys
from pathlib import Path

LOAD = Path(__file__).parent / "load.py"
PORTS = {"websrvd": (8000, 9000), "proxyd": (8080, 9090)}


class Traffic:
    """Clients of both daemons, from `with` to the end of it; what came of them is in `reports` then."""

    def __init__(self, machine):
        self.machine, self.clients, self.reports = machine, {}, {}

    def __enter__(self):
        for daemon, ports in PORTS.items():
            command = self.machine.in_its_network(sys.executable, LOAD, *ports)
            self.clients[daemon] = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_):
        for daemon, client in self.clients.items():
            try:
                out, _ = client.communicate("", timeout=30)
                self.reports[daemon] = json.loads(out)
            except (subprocess.TimeoutExpired, ValueError):
                client.kill()
                client.wait()

    def rows(self, table, what):
        """A line for each daemon and kind of traffic: what was asked, what failed, the longest wait."""
        for daemon in PORTS:
            for kind, noun in (("new", "new connections"), ("keep", "kept connections"), ("udp", "datagrams")):
                flow = self.reports.get(daemon, {}).get(kind, {"done": 0, "failed": -1, "failures": {}, "max_ms": 0})
                found = f"{flow['failed']} of {flow['done'] + flow['failed']} lost, longest {flow['max_ms']:.0f} ms"
                reasons = "".join(f"\n{count} x {reason}" for reason, count in flow["failures"].items())
                table.row(f"{what}: {daemon}, {noun}", found + reasons, flow["done"] > 100 and flow["failed"] == 0)
