"""Installing, by the commands of README.md."""

import re

from machine import REPOSITORY

SOCKETS = {
    "websrvd": ["http", "echo", "control", "status"],
    "proxyd": ["http", "udp", "control", "status"],
}
# Exposure by `systemd-analyze security`, of 10, that is not to be exceeded.
EXPOSURE_MAX = {"websrvd": 0.3, "proxyd": 1.2}


def play(machine, table, _arguments):
    users_before = machine.run("cut -d: -f1 /etc/passwd").out
    port_that_is_taken(machine, table)
    for command in readme_commands():
        ran = machine.run(f"cd /opt/packages/deb && {command}", timeout=120)
        table.row(f"$ {command}", f"ended with {ran.code}" + (f"\n{ran.said}" if ran.code else ""), ran.code == 0)
    units(machine, table)
    users = sorted(set(machine.run("cut -d: -f1 /etc/passwd").out.split()) - set(users_before.split()))
    table.expect("users that it made", " ".join(users), "proxyd websrvd")
    for daemon, most in EXPOSURE_MAX.items():
        said = machine.run(f"systemd-analyze security --no-pager {daemon}.service").out
        exposure = float(re.search(r"exposure level for .*: ([0-9.]+)", said)[1])
        table.row(f"exposure of {daemon}.service", f"{exposure} of at most {most}", exposure <= most)
    for page in ["8/websrvd.8", "5/proxyd.toml.5", "1/netctl-cache-purge.1"]:
        found = machine.run(f"test -s /usr/share/man/man{page}.gz")
        table.row(f"manual page {page[2:]}", "there" if found.code == 0 else "missing", found.code == 0)


def readme_commands():
    """What README.md says to type, after the packages were built, without `sudo`, which the machine does not need."""
    chapter = re.search(r"^## Installation\n(.*?)^## ", (REPOSITORY / "README.md").read_text(), re.S | re.M)[1]
    lines = "\n".join(re.findall(r"^```\n(.*?)^```", chapter, re.S | re.M)).splitlines()
    typed = [line.partition("#")[0].strip() for line in lines]
    built = typed.index("cd target/packages/deb")
    commands = [line.removeprefix("sudo ") for line in typed[built + 1 :] if line]
    assert commands, "README.md has no commands to install by"
    return commands


def port_that_is_taken(machine, table):
    """The installation goes through, says who has the port, and works once it is free."""
    machine.must("systemd-run --quiet --unit=squatter --socket-property=ListenStream=127.0.0.1:8000 true")
    ran = machine.run("cd /opt/packages/deb && apt-get install -y ./websrvd_*.deb ./netctl_*.deb", timeout=120)
    said = "\n".join(line for line in ran.said.splitlines() if line.startswith("websrvd:"))
    is_clear = "cannot listen on 127.0.0.1:8000" in said and "taken by" in said and "systemctl edit" in said
    table.row("a port that is taken is told of", said or ran.said[-500:], ran.code == 0 and is_clear)
    machine.must("systemctl stop squatter.socket")
    machine.must("systemctl restart websrvd-http.socket websrvd.service")
    machine.must("apt-get purge -y websrvd netctl")


def units(machine, table):
    """All that is to run does, is enabled, and is what systemd passed its sockets to."""
    for daemon, roles in SOCKETS.items():
        names = [f"{daemon}.service", *(f"{daemon}-{role}.socket" for role in roles)]
        active = machine.run(f"systemctl is-active {' '.join(names)}").out.split()
        enabled = machine.run(f"systemctl is-enabled {' '.join(names)}").out.split()
        right = active == ["active"] * len(names) and enabled == ["enabled"] * len(names)
        odd = [f"{name}: {a}, {e}" for name, a, e in zip(names, active, enabled) if (a, e) != ("active", "enabled")]
        table.row(f"units of {daemon}", "; ".join(odd) or f"{len(names)} active and enabled", right)
    tcp = machine.run("systemctl is-enabled proxyd-tcp.socket").out
    table.expect("proxyd-tcp.socket, which has no upstream", tcp, "disabled")
    verified = machine.run("systemd-analyze verify --man=no /usr/lib/systemd/system/{websrvd,proxyd}*".replace(
        "{websrvd,proxyd}*", "websrvd* /usr/lib/systemd/system/proxyd*"))  # fmt: skip
    table.row("systemd-analyze verify", verified.said or "nothing to complain of", verified.code == 0 and not verified.said)
