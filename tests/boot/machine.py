"""A Debian 12 that boots in systemd-nspawn: its tree, its life, and commands in it."""

import contextlib
import hashlib
import os
import shlex
import shutil
import subprocess
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
SUITE = "bookworm"
# What the packages need, and nothing of what is tested: they are installed without a network.
INCLUDED = ["dbus", "iproute2", "logrotate", "systemd", "systemd-sysv"]
ENVIRONMENT = ["env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
               "TERM=dumb", "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "SYSTEMD_COLORS=0", "SYSTEMD_PAGER="]  # fmt: skip


class Unbootable(Exception):
    """This machine cannot boot another one."""


def base_tree():
    """The tree that machines begin as, made where it is missing: a minute, and a network, once."""
    if os.geteuid() != 0:
        raise Unbootable("needs root, to boot a machine")
    for program in ["debootstrap", "systemd-nspawn", "nsenter"]:
        if not shutil.which(program):
            raise Unbootable(f"needs {program}: apt install debootstrap systemd-container")
    recipe = hashlib.sha256(" ".join([SUITE, *INCLUDED]).encode()).hexdigest()[:12]
    cache = Path(os.environ.get("SELAT_BOOT_CACHE", "/var/cache/selat-boot"))
    tree = cache / f"{SUITE}-{recipe}"
    if not tree.is_dir():
        print(f"making {tree} (once, about a minute)", flush=True)
        unfinished = cache / f".{tree.name}.{os.getpid()}"
        unfinished.mkdir(parents=True)
        included = f"--include={','.join(INCLUDED)}"
        made = subprocess.run(["debootstrap", "--variant=minbase", included, SUITE, unfinished],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)  # fmt: skip
        if made.returncode:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise Unbootable("debootstrap failed:\n" + "\n".join(made.stdout.splitlines()[-5:]))
        unfinished.rename(tree)
    return tree


class Ran:
    """What came of a command."""

    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout.strip(), done.stderr.strip()

    @property
    def said(self):
        return "\n".join(text for text in (self.out, self.err) if text)


class Machine:
    """A machine that lives as long as the `with` that it is made in, and leaves nothing."""

    def __init__(self, tree, packages, deadline):
        self.tree, self.packages, self.deadline = tree, packages, deadline
        self.nspawn = self.leader = self.state = None
        self.boot_seconds = 0.0

    def __enter__(self):
        begun = time.monotonic()
        # A container's systemd takes IPAddressDeny= seriously only where it may call bpf(2).
        command = ["systemd-nspawn", "--quiet", "--ephemeral", "-D", self.tree, "-M", f"selat-boot-{os.getpid()}",
                   "--private-network", "--boot", "--register=no", "--keep-unit", "--console=pipe",
                   "--system-call-filter=bpf", f"--bind-ro={self.packages}:/opt/packages"]  # fmt: skip
        self.nspawn = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}, start_new_session=True,
        )  # fmt: skip
        try:
            self.leader = self.wait_for(self.find_leader, "systemd in the machine", 60)
            state = self.wait_for(self.settled, "the end of its boot", 60)
        except BaseException:
            self.end()
            raise
        self.state, self.boot_seconds = state, time.monotonic() - begun
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        """Powers the machine off, or where it does not end by that, kills it."""
        if self.leader and self.nspawn.poll() is None:
            poweroff = [*self.inside(), "systemctl", "poweroff"]
            # Where it does not even take the order in time, it is ended as below.
            with contextlib.suppress(subprocess.TimeoutExpired):
                subprocess.run(poweroff, capture_output=True, timeout=20, check=False)
        for stop in (lambda: None, self.nspawn.terminate, self.nspawn.kill):
            stop()
            try:
                self.nspawn.wait(timeout=20)
                return
            except subprocess.TimeoutExpired:
                continue

    def find_leader(self):
        """The machine's process 1, once it can be talked to."""
        if self.nspawn.poll() is not None:
            raise Unbootable(f"systemd-nspawn ended with {self.nspawn.returncode}")
        for pid in children(self.nspawn.pid):
            # nspawn has a child of its own between itself and the machine, or none.
            for candidate in (pid, *children(pid)):
                numbers = [line.split()[-1] for line in read(f"/proc/{candidate}/status").splitlines() if "NSpid" in line]
                if numbers == ["1"] and Path(f"/proc/{candidate}/root/run/systemd/private").exists():
                    return candidate
        return None

    def settled(self):
        state = self.run("systemctl is-system-running").out
        return state if state in ("running", "degraded") else None

    def inside(self):
        spaces = ["-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w"]
        return ["nsenter", "-t", str(self.leader), *spaces, *ENVIRONMENT]

    def run(self, command, user=None, timeout=60):
        """Runs a line of shell in the machine."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time for all checks is over")
        as_user = ["runuser", "-u", user, "--"] if user else []
        done = subprocess.run([*self.inside(), *as_user, "sh", "-c", command], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=min(timeout, left + 1), check=False)  # fmt: skip
        return Ran(done)

    def must(self, command, **options):
        """The same, for what no check is about; it is to succeed."""
        ran = self.run(command, **options)
        if ran.code:
            raise RuntimeError(f"{command}: ended with {ran.code}: {ran.said}")
        return ran.out

    def write(self, path, text):
        self.must(f"mkdir -p $(dirname {path}) && printf %s {shlex.quote(text)} >{path}")

    def in_its_network(self, *command):
        """A program of this machine, in the network of that one."""
        return ["nsenter", f"--net=/proc/{self.leader}/ns/net", *map(str, command)]

    def wait_for(self, look, what, seconds=20):
        """What `look` finds, once it finds something."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := look():
                return found
            time.sleep(0.05)
        raise TimeoutError(f"waited {seconds} s for {what}")

    def show(self, unit, key):
        return self.run(f"systemctl show --property={key} --value {unit}").out


def children(pid):
    return [int(child) for child in read(f"/proc/{pid}/task/{pid}/children").split()]


def read(path):
    try:
        return Path(path).read_text()
    except OSError:
        return ""
