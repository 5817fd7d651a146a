"""Keeps a temporary folder and a server for another process, and removes both when that process ends, however it ends.

It is a script. It writes the path of the folder, then reads orders, an object of JSON in a line each, and answers each
by a line: empty, or the reason why it failed. ``{"start": command, "user": name}`` starts a server in the folder, as
another user if one is named. ``{"at_end": command}`` names a command that is run at the end, for half a minute at most.
The input ends with the other process: then all that was started here is killed, and the folder is removed.
"""

from __future__ import annotations

import ctypes
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

KILL_WITH_PARENT, ADOPT_ORPHANS = 1, 36
"""PR_SET_PDEATHSIG and PR_SET_CHILD_SUBREAPER of Linux's prctl."""

AT_END_SECONDS = 30.0

REMOVE = 0
"""IPC_RMID of shmctl."""

TIDIES = "BENCH_TIDIES"
"""See `bench.interfaces`. A server must not have it."""

SYSTEM = ctypes.CDLL(None)


def main() -> None:
    """Serve until the input ends."""
    SYSTEM.prctl(ADOPT_ORPHANS, 1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # ignoring them would be inherited by the server
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    servers: list[int] = []
    at_end: list[list[str]] = []
    try:
        print(folder, flush=True)
        for line in sys.stdin:
            order = json.loads(line)
            try:
                if "start" in order:
                    servers.append(started(order["start"], folder, order["user"]))
                else:
                    at_end.append(order["at_end"])
                print(flush=True)
            except (OSError, KeyError, subprocess.SubprocessError) as fault:
                print(" ".join(str(fault).split()) or type(fault).__name__, flush=True)
    except BrokenPipeError:
        pass  # the other process ended before it read the answer
    finally:
        end_children()
        remove_shared_memory(servers)
        shutil.rmtree(folder, ignore_errors=True)
        for command in at_end:
            with suppress(OSError, subprocess.SubprocessError):
                subprocess.run(command, stdin=subprocess.DEVNULL, check=False, timeout=AT_END_SECONDS)


def started(command: list[str], folder: Path, user: str | None) -> int:
    """Start a server whose output goes to the file ``log`` of the folder. Returns its process id.

    Raises OSError, KeyError: it can't be started, or there is no such user.
    """
    group = None if user is None else pwd.getpwnam(user).pw_gid
    with (folder / "log").open("ab") as log:  # before the user can put a link in its place
        if user is not None:
            shutil.chown(folder, user, group)
        return subprocess.Popen(
            command,
            cwd=folder,
            user=user,
            group=group,
            extra_groups=None if user is None else [],
            env={name: value for name, value in os.environ.items() if name != TIDIES},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=lambda: SYSTEM.prctl(KILL_WITH_PARENT, signal.SIGKILL),
        ).pid


def end_children() -> None:
    """Kill the servers and all that they started: an orphan becomes a child of this process."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    while True:
        for child in children.read_text(encoding="ascii").split():
            with suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def remove_shared_memory(creators: Collection[int]) -> None:
    """Remove the System V shared memory of killed servers, which the kernel keeps."""
    table = Path("/proc/sysvipc/shm")
    for line in table.read_text(encoding="ascii").splitlines()[1:] if table.is_file() else ():
        _, segment, _, _, creator, *_ = line.split()
        if int(creator) in creators:
            SYSTEM.shmctl(int(segment), REMOVE, None)


if __name__ == "__main__":
    main()
