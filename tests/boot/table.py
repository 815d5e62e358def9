"""What was looked at, what was found, and whether that is right."""

import time
import traceback


class Table:
    def __init__(self):
        self.passed = self.failed = 0
        self.begun = time.monotonic()

    def row(self, what, found, is_right):
        """One check: what it is of, what was seen."""
        if is_right:
            self.passed += 1
        else:
            self.failed += 1
        now = time.monotonic()
        lines = str(found).splitlines() or [""]
        mark = "ok    " if is_right else "FAILED"
        print(f"{mark}  {now - self.begun:6.1f} s  {what:<44}  {lines[0]}", flush=True)
        for line in lines[1:]:
            print(f"{'':63}{line}", flush=True)

    def expect(self, what, found, expected):
        """A check of something that is to be equal to something."""
        self.row(what, found if found == expected else f"{found!r}, not {expected!r}", found == expected)

    def scene(self, scene, machine, arguments):
        """A file of checks. What it cannot go on after is one that failed."""
        print(f"-- {scene.__doc__.strip().splitlines()[0]}", flush=True)
        try:
            scene.play(machine, self, arguments)
        except Exception as error:  # noqa: BLE001 the others are to be seen, too
            where = traceback.extract_tb(error.__traceback__)
            places = [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in where]
            self.row(scene.__name__, f"{type(error).__name__} at {' '.join(places)}: {error}", False)

    def end(self):
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return 0 if self.passed and not self.failed else 1
