"""Names the machine that a run is on."""

from __future__ import annotations

from bench.system.files import host_name


def host() -> str:
    """The name of this host: BENCH_HOST where it is set, or else the one that the system has."""
    return host_name()
