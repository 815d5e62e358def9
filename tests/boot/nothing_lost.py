"""Nothing lost: restarts, reloads and upgrades in place, under load."""

import time

from traffic import PORTS, Traffic

DAEMONS = " ".join(PORTS)


def play(machine, table, arguments):
    under_load(machine, table, "restart", arguments.rounds, f"systemctl restart {DAEMONS}")
    under_load(machine, table, "reload", arguments.rounds, f"systemctl reload {DAEMONS}")
    upgrade = " && ".join(f"netctl upgrade {daemon}" for daemon in PORTS)
    under_load(machine, table, "upgrade", arguments.rounds, upgrade)


def under_load(machine, table, what, rounds, command):
    """Runs a command again and again while clients ask."""
    processes = {daemon: {machine.show(daemon, "MainPID")} for daemon in PORTS}
    failed = []
    with Traffic(machine) as traffic:
        for _ in range(rounds):
            ran = machine.run(command)
            if ran.code:
                failed.append(ran.said.splitlines()[0] if ran.said else f"ended with {ran.code}")
            for daemon, seen in processes.items():
                seen.add(machine.show(daemon, "MainPID"))
            time.sleep(0.1)
    expected = 1 if what == "reload" else rounds + 1
    counts = {daemon: len(seen) for daemon, seen in processes.items()}
    found = f"{rounds} times; processes seen: {counts}" + "".join(f"\n{reason}" for reason in failed[:3])
    table.row(what, found, not failed and all(count == expected for count in counts.values()))
    traffic.rows(table, what)
