"""Hosts on one machine: namespaces of network, processes, mounts and names. Only root can make them, on Linux.

A host has a name, an address, process ids and a ``/tmp`` of its own; they share all other folders, and the processors.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

BRIDGE, NET, PREFIX = "bench-hosts", "10.77.0", "bench-host"
INIT = """
import os, signal, socket, subprocess, sys, time
socket.sethostname(sys.argv[1])
subprocess.run(["mount", "-t", "proc", "proc", "/proc"], check=True)
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=" + sys.argv[2], "tmpfs", "/tmp"], check=True)
signal.signal(signal.SIGCHLD, lambda *_: None)
print("up", flush=True)
while True:
    try:
        os.waitpid(-1, 0)
    except ChildProcessError:
        time.sleep(0.2)
"""
"""The first process of a host: it reaps what others leave."""


@dataclass
class Host:
    """A running host. ``room``: the size of its ``/tmp``, as mount takes it."""

    number: int
    room: str = "2G"
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _init: psutil.Process | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return f"host-{self.number}"

    @property
    def address(self) -> str:
        """Its address, by which the other hosts reach it."""
        return f"{NET}.{self.number + 1}"

    @property
    def root(self) -> Path:
        """The root of its file system, as this machine sees it."""
        assert self._init is not None
        return Path(f"/proc/{self._init.pid}/root")

    def up(self) -> None:
        """Start the host."""
        space = f"{PREFIX}-{self.number}"
        _ip(f"netns add {space}")
        _ip(f"link add {PREFIX}{self.number} type veth peer name eth0 netns {space}")
        _ip(f"link set {PREFIX}{self.number} master {BRIDGE} up")
        _ip(f"-n {space} addr add {self.address}/24 dev eth0")
        _ip(f"-n {space} link set eth0 up")
        _ip(f"-n {space} link set lo up")
        command = [
            "ip",
            "netns",
            "exec",
            space,
            "unshare",
            "--pid",
            "--mount",
            "--uts",
            "--ipc",
            "--fork",
            "--kill-child",
        ]
        outer = subprocess.Popen([*command, sys.executable, "-c", INIT, self.name, self.room], stdout=subprocess.PIPE)
        assert outer.stdout is not None and outer.stdout.readline() == b"up\n", f"{self.name} is not up"
        (self._init,) = psutil.Process(outer.pid).children()

    def down(self) -> None:
        """End the host with all its processes."""
        if self._init is not None:
            self._init.kill()
        for one in self.started:
            one.wait(20)
        _ip(f"netns delete {PREFIX}-{self.number}", check=False)
        _ip(f"link delete {PREFIX}{self.number}", check=False)

    def start(self, command: Sequence[str], log: Path, variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Start a command here; all that it says goes to the end of the log."""
        assert self._init is not None
        enter = ["nsenter", "--target", str(self._init.pid), "--net", "--pid", "--mount", "--uts", "--ipc"]
        with log.open("ab") as said:
            environment = {**os.environ, **variables}
            process = subprocess.Popen([*enter, *command], stdout=said, stderr=said, env=environment)
        self.started.append(process)
        return process

    def processes(self) -> list[psutil.Process]:
        """All processes of the host but its first."""
        assert self._init is not None
        space, found = _space(self._init.pid), []
        for one in psutil.process_iter():
            with suppress(OSError, psutil.Error):
                if one.pid != self._init.pid and _space(one.pid) == space and one.status() != psutil.STATUS_ZOMBIE:
                    found.append(one)
        return found

    def reach(self, connected: bool) -> None:
        """Take the host's cable out, or put it in again."""
        _ip(f"link set {PREFIX}{self.number} {'up' if connected else 'down'}")


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill -9 what a host was asked to run, and no other process of it."""
    with suppress(psutil.Error):
        for child in psutil.Process(process.pid).children():
            child.send_signal(signal.SIGKILL)


@contextmanager
def hosts(count: int, room: str = "2G") -> Iterator[list[Host]]:
    """So many hosts on one network; this machine has the address ``10.77.0.1`` there."""
    _ip(f"link add {BRIDGE} type bridge")
    made = [Host(number + 1, room) for number in range(count)]
    try:
        _ip(f"addr add {NET}.1/24 dev {BRIDGE}")
        _ip(f"link set {BRIDGE} up")
        for host in made:
            host.up()
        yield made
    finally:
        for host in made:
            host.down()
        _ip(f"link delete {BRIDGE}", check=False)


def _space(pid: int) -> str:
    return str(Path(f"/proc/{pid}/ns/pid").readlink())


def _ip(arguments: str, check: bool = True) -> None:
    subprocess.run(["ip", *arguments.split()], check=check, capture_output=not check)
