"""Who may do what: an administrator everything, a reader look, anyone else nothing."""

import json

# By group: what `netctl status` and `netctl cache flush` end with.
EXPECTED = {"admin": ("selat-admin", 0, 0), "reader": ("selat", 0, 77), "stranger": (None, 77, 77)}


def play(machine, table, _arguments):
    for user, (group, looking, changing) in EXPECTED.items():
        groups = f"--groups {group}" if group else ""
        machine.must(f"useradd {groups} {user}")
        looked = machine.run("netctl status", user=user)
        changed = machine.run("netctl cache flush", user=user)
        found = f"status ends with {looked.code}, cache flush with {changed.code}"
        table.row(f"netctl as {group or 'in no group'}", found, (looked.code, changed.code) == (looking, changing))
    uid = machine.run("id -u admin").out
    out = machine.run("journalctl -u proxyd -o json --since=-60s").out
    entries = [json.loads(line) for line in out.splitlines()]
    actors = [entry["SELAT_ACTOR"] for entry in entries if entry["MESSAGE"] == "order" and "SELAT_ACTOR" in entry]
    found = actors[-1] if actors else "nobody"
    table.row("the journal names who flushed the cache", found, f"uid={uid} " in f"{found} ")
