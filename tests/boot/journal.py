"""The journal: fields, priorities, one entry for one event."""

import json


def play(machine, table, _arguments):
    machine.must("netctl reload proxyd")
    out = machine.run("journalctl -u proxyd -o json --since=-30s").out
    entries = [json.loads(line) for line in out.splitlines()]
    applied = [entry for entry in entries if entry.get("MESSAGE", "").startswith("configuration applied")]
    table.expect("entries for one reload", len(applied), 1)
    entry = applied[-1] if applied else {}
    fields = {key: value for key, value in entry.items() if key.startswith("SELAT_")}
    table.row("its fields", " ".join(sorted(fields)) or "none", "SELAT_GENERATION" in fields and "SELAT_ACTOR" in fields)
    table.expect("its priority, information", entry.get("PRIORITY"), "6")
    table.expect("its way", entry.get("_TRANSPORT"), "journal")
    found = machine.run("journalctl -u proxyd SELAT_GENERATION=" + fields.get("SELAT_GENERATION", "0") + " -o cat").out
    table.row("found by a field", found.splitlines()[-1:] or "nothing", bool(found))
