"""Mishaps: killed, hung, started with a broken file."""

import json
import time


def play(machine, table, _arguments):
    drained(machine, table)
    killed(machine, table)
    hung(machine, table)
    broken_with_a_good_one_kept(machine, table)
    broken_with_nothing_kept(machine, table)


def is_served(machine, port=8080):
    return machine.run(f"netctl fetch --fail --no-body http://127.0.0.1:{port}/", timeout=30).code == 0


def ask_and_wait(machine, unit):
    """A client that has 20 seconds, in a unit of its own."""
    machine.must(f"systemd-run --quiet --unit={unit} --property=Type=exec --property=RemainAfterExit=yes "
                 "netctl --timeout 20s fetch --fail --no-body http://127.0.0.1:8080/")  # fmt: skip


def came_of(machine, unit):
    machine.wait_for(lambda: machine.show(unit, "SubState") in ("exited", "failed"), "the client", 25)
    return machine.show(unit, "Result")


def drained(machine, table):
    """It accepts nothing more; who comes then waits in the socket, until it is started anew."""
    ran = machine.run("netctl drain proxyd --wait")
    ask_and_wait(machine, "early")
    machine.must("systemctl restart proxyd")
    result = came_of(machine, "early")
    table.row("drained, then restarted", f"drain ended with {ran.code}; who waited: {result}", ran.code == 0 and result == "success")


def requests(machine, daemon):
    return json.loads(machine.must(f"netctl -o json status {daemon}"))[daemon]["requests"]


def killed(machine, table):
    for daemon, port in (("websrvd", 8000), ("proxyd", 8080)):
        before, counted = machine.show(daemon, "MainPID"), requests(machine, daemon)
        machine.must(f"kill -KILL {before}")
        served = is_served(machine, port)
        machine.wait_for(lambda: machine.show(daemon, "MainPID") not in (before, "0"), f"{daemon} anew")
        again = requests(machine, daemon)
        found = f"a client {'just waited' if served else 'was refused'}; {counted} requests, then {again}"
        table.row(f"{daemon} killed", found, served and again >= counted)


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
    ask_and_wait(machine, "waiting")
    machine.must("rm /etc/selat/proxyd.d/50-broken.toml")
    begun = time.monotonic()
    result = came_of(machine, "waiting")
    seconds = time.monotonic() - begun
    table.row("a client that waited", f"{result} {seconds:.1f} s after the file was mended", result == "success" and seconds < 5)
