"""What it is for: pages, a cache, a relay, logs."""

import json

URL = "http://127.0.0.1:8080/"


def play(machine, table, _arguments):
    pages(machine, table)
    quality(machine, table)
    reloads(machine, table)
    access_log(machine, table)


def pages(machine, table):
    machine.must("netctl cache flush")
    for expected in ["miss", "hit"]:
        ran = machine.run(f"netctl -o json fetch --fail --no-body {URL}")
        fetched = json.loads(ran.out) if ran.code == 0 else {}
        table.row(f"a page through the cache: {expected}", verdict(fetched), expected in verdict(fetched))


def verdict(fetched):
    """What netctl says that the cache did, wherever it stands in its report."""
    found = [value for key, value in walk(fetched) if key in ("verdict", "cache") and isinstance(value, str)]
    return found[0].lower() if found else json.dumps(fetched)[:200]


def walk(value):
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else []
    for key, inner in items:
        yield key, inner
        yield from walk(inner)


def quality(machine, table):
    ran = machine.run("netctl -o json qos udp --count 200 --rate 200")
    result = json.loads(ran.out)["results"][0]
    found = f"{result['received']} of {result['sent']} answered, {result['latency_mean_ms']:.2f} ms"
    table.row("quality of service over the relay", found, result["lost"] == 0 and result["sent"] == 200)


def reloads(machine, table):
    """A good file is applied; a bad one is refused by systemctl, too, and nothing changes."""
    machine.write("/etc/selat/websrvd.d/50-age.toml", 'cache_control = "max-age=7"\n')
    good = machine.run("systemctl reload websrvd")
    head = machine.run("netctl fetch --head http://127.0.0.1:8000/").out
    table.row("reload with a good drop-in", f"ended with {good.code}", good.code == 0 and "max-age=7" in head)
    machine.write("/etc/selat/websrvd.d/60-bad.toml", "colour = 1\n")
    bad = machine.run("systemctl reload websrvd")
    state, status = machine.show("websrvd", "ActiveState"), machine.show("websrvd", "StatusText")
    journal = machine.run("journalctl -u websrvd --since=-10s").out
    is_told = "60-bad.toml:1" in journal and "DEGRADED" in status
    head = machine.run("netctl fetch --head http://127.0.0.1:8000/").out
    is_right = bad.code != 0 and state == "active" and is_told and "max-age=7" in head
    table.row("reload with a bad one", f"ended with {bad.code}; {state}; {status}", is_right)
    machine.must("rm /etc/selat/websrvd.d/*.toml && systemctl reload websrvd")
    table.expect("after it is mended", "DEGRADED" in machine.show("websrvd", "StatusText"), False)


def access_log(machine, table):
    """In a file, readable by the group adm, and after a rotation in the new one."""
    log = "/var/log/proxyd/access.log"
    count = f"grep -c ^127.0.0.1 {log} || true"
    machine.must(f"netctl fetch --no-body {URL}")
    seen = machine.wait_for(lambda: int(machine.run(count).out or 0), f"a line in {log}")
    owned = machine.run(f"stat -c '%U:%G %a' {log}").out
    table.row("access log", f"{seen} lines, {owned}", seen > 0 and owned == "proxyd:adm 640")
    rotated = machine.run("logrotate --force /etc/logrotate.d/proxyd /etc/logrotate.d/websrvd")
    old = machine.run(f"grep -c . {log}.1").out
    machine.must(f"netctl fetch --no-body {URL}")
    machine.wait_for(lambda: int(machine.run(count).out or 0), "a line in the new file")
    now, later = machine.run(count).out, machine.run(f"grep -c . {log}.1").out
    owned = machine.run(f"stat -c '%U:%G %a' {log}").out
    is_right = rotated.code == 0 and later == old and owned == "proxyd:adm 640"
    table.row("after logrotate", f"{now} lines in the new file, {later} of {old} in the old; {rotated.said}", is_right)
