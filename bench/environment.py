"""The machine and the versions behind a number: stored in every record."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import psutil
from threadpoolctl import threadpool_info

CHECKOUT = Path(__file__).parents[1]


@cache
def machine() -> dict[str, Any]:
    """Processor, memory, system, Python and the revision of this checkout."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": platform.platform(),
        "python": sys.version.split()[0],
        "revision": _git("rev-parse", "HEAD"),
        "dirty": bool(_git("status", "--porcelain", "--untracked-files=no")),
    }


def environment() -> dict[str, Any]:
    """The machine, with what changes while a run goes on: load, thread pools, the process's memory."""
    memory = psutil.Process().memory_info().rss
    pools = [{key: pool.get(key) for key in ("internal_api", "version", "num_threads")} for pool in threadpool_info()]
    return {**machine(), "load": os.getloadavg(), "resident_bytes": memory, "thread_pools": pools}


def check_faiss() -> None:
    """ValueError where two packages provide the module ``faiss``: what is imported is then a mixture of both."""
    names = {str(found.metadata["Name"]).lower() for found in distributions() if found.metadata is not None}
    providers = sorted(name for name in names if name.startswith("faiss-"))
    if len(providers) > 1:
        raise ValueError(
            f"{' and '.join(providers)} both provide the module faiss; keep one: "
            f"`python -m pip uninstall -y {' '.join(providers)}`, "
            f"then `python -m pip install --no-deps {providers[-1]}`"
        )


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _git(*words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(CHECKOUT), *words], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
