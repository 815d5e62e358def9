"""Mishaps: killed, hung, started with a broken file."""

import time


def play(machine, table, _arguments):
    killed(machine, table)
    hung(machine, table)
    broken_with_a_good_one_kept(machine, table)
    broken_with_nothing_kept(machine, table)


def is_served(machine, port=8080):
    return machine.run(f"netctl fetch --fail --no-body http://127.0.0.1:{port}/", timeout=30).code == 0


def killed(machine, table):
    for daemon, port in (("websrvd", 8000), ("proxyd", 8080)):
        before = machine.show(daemon, "MainPID")
        machine.must(f"kill -KILL {before}")
        served = is_served(machine, port)
        machine.wait_for(lambda: machine.show(daemon, "MainPID") not in (before, "0"), f"{daemon} anew")
        table.row(f"{daemon} killed", "a client just waited" if served else "a client was refused", served)


def hung(machine, table):
    """Stopped, it feeds no watchdog."""
    drop_in = "/run/systemd/system/proxyd.service.d/quick.conf"
    machine.write(drop_in, "[Service]\nWatchdogSec=2s\n")
    machine.must("systemctl daemon-reload && systemctl restart proxyd")
    before = machine.show("proxyd", "MainPID")
    begun = time.monotonic()
    machine.must(f"kill -STOP {before}")
    machine.wait_for(lambda: machine.show("proxyd", "MainPID") not in (before, "0"), "the watchdog", 20)
    seconds = time.monotonic() - begun
    said = machine.run("journalctl -u proxyd --since=-30s -o cat | grep -c 'Watchdog timeout'").out
    served = is_served(machine)
    table.row("proxyd hung, watchdog of 2 s", f"replaced after {seconds:.1f} s", served and said != "0" and seconds < 8)
    machine.must(f"rm {drop_in} && systemctl daemon-reload && systemctl restart proxyd")


def broken_with_a_good_one_kept(machine, table):
    machine.write("/etc/selat/proxyd.d/50-broken.toml", "colour = [\n")
    restarted = machine.run("systemctl restart proxyd")
    served, status = is_served(machine), machine.show("proxyd", "StatusText")
    is_right = restarted.code == 0 and served and "DEGRADED" in status
    table.row("restart with a broken file", f"{status}; {'serves' if served else 'serves nothing'}", is_right)
    machine.must("rm /etc/selat/proxyd.d/50-broken.toml && systemctl reload proxyd")
    table.expect("after it is mended", "DEGRADED" in machine.show("proxyd", "StatusText"), False)


def broken_with_nothing_kept(machine, table):
    """Nothing can serve then; sockets stay open, and who waits in them is served once the file is mended."""
    machine.must("rm /var/lib/proxyd/*")
    machine.write("/etc/selat/proxyd.d/50-broken.toml", "colour = [\n")
    machine.run("systemctl restart proxyd")
    time.sleep(3)
    sockets = machine.run("systemctl is-active proxyd-http.socket proxyd-udp.socket proxyd-control.socket").out
    table.expect("sockets, with nothing to serve", sockets.replace("\n", " "), "active active active")
    machine.must("systemd-run --quiet --unit=waiting --property=Type=exec netctl fetch --fail --no-body http://127.0.0.1:8080/")
    machine.must("rm /etc/selat/proxyd.d/50-broken.toml")
    begun = time.monotonic()
    gone = machine.wait_for(lambda: machine.show("waiting", "ActiveState") in ("inactive", "failed"), "the client", 20)
    seconds, result = time.monotonic() - begun, machine.show("waiting", "Result")
    table.row("a client that waited", f"{result} {seconds:.1f} s after the file was mended", result == "success" and seconds < 5)
    return gone
