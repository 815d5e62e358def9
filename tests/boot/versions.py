"""Versions of the packages: up under load, down, off, on again, away."""

import re

from traffic import PORTS, Traffic

NAMES = "websrvd proxyd netctl"
WEBSRVD = "websrvd.service websrvd-http.socket websrvd-echo.socket websrvd-control.socket websrvd-status.socket"
INSTALL = "apt-get install -y --allow-downgrades ./websrvd_*.deb ./proxyd_*.deb ./netctl_*.deb"


def play(machine, table, _arguments):
    machine.must("systemctl reset-failed")
    first = installed(machine)
    with Traffic(machine) as traffic:
        newer = machine.run(f"cd /opt/packages/newer && {INSTALL}", timeout=120)
    table.row("upgrade", f"{first} -> {installed(machine)}", newer.code == 0 and installed(machine) != first)
    traffic.rows(table, "upgrade of packages")

    # With its sockets, or the next client would start it.
    machine.must(f"systemctl disable --now {WEBSRVD}")
    older = machine.run(f"cd /opt/packages/deb && {INSTALL}", timeout=120)
    table.row("downgrade", installed(machine), older.code == 0 and installed(machine) == first)
    states = machine.run(f"systemctl is-enabled {WEBSRVD}; systemctl is-active {WEBSRVD}").out.split()
    table.expect("what the administrator disabled", " ".join(sorted(set(states))), "disabled inactive")
    machine.must(f"systemctl enable {WEBSRVD} && systemctl start websrvd.service")
    removed(machine, table)
    purged(machine, table)


def installed(machine):
    found = machine.run(f"dpkg-query -W -f '${{Version}} ' {NAMES}").out.split()
    return " ".join(sorted(set(found)))


def removed(machine, table):
    machine.write("/etc/selat/websrvd.d/50-mine.toml", 'cache_control = "max-age=9"\n')
    machine.must(f"apt-get remove -y {NAMES}", timeout=120)
    listening = machine.run("ss -Hlntu | grep -E ':(8000|8080|9000|9090) '").out
    kept = machine.run("ls /etc/selat/websrvd.toml /etc/selat/websrvd.d/50-mine.toml").code == 0
    found = f"{'nothing' if not listening else listening} listens; configuration {'kept' if kept else 'lost'}"
    table.row("remove", found, kept and not listening)
    machine.must(f"cd /opt/packages/deb && {INSTALL}", timeout=120)
    active = machine.run("systemctl is-active " + " ".join(PORTS)).out.replace("\n", " ")
    head = machine.run("netctl fetch --head http://127.0.0.1:8000/").out
    table.row("install again", active, active == "active active" and "max-age=9" in head)


def purged(machine, table):
    machine.must(f"rm /etc/selat/websrvd.d/50-mine.toml && apt-get purge -y {NAMES}", timeout=120)
    names = " -o ".join(f"-name '*{name}*'" for name in ["websrvd", "proxyd", "netctl", "selat"])
    left = machine.run(f"find / -xdev \\( -path /proc -o -path /sys -o -path /opt/packages -o -path /var/log/journal "
                       f"-o -path /run/log -o -path /sys/fs \\) -prune -o \\( {names} \\) -print; ls -d /run/websrvd /run/proxyd 2>&-").out  # fmt: skip
    known = [line for line in left.splitlines() if not re.search(r"systemd-socket-proxyd|^/tmp/systemd-private", line)]
    table.row("purge", "\n".join(known) or "nothing is left", not known)
    failed = machine.run("systemctl --failed --no-legend").out
    table.expect("units that failed, at the end", failed, "")
