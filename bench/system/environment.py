"""Describes the machine and the versions of libraries, which are stored in every record."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import distributions, packages_distributions, version
from pathlib import Path
from typing import Any

import psutil
from threadpoolctl import threadpool_info

from bench.system.places import CHECKOUT
from bench.system.processors import processors
from bench.system.wording import shown

DEVICES = ("auto", "cpu", "cuda")
PROCESSOR = Path("/sys/devices/system/cpu/cpu0")


@cache
def machine() -> dict[str, Any]:
    """The facts about the machine that do not change while a process runs, and the load at the first call."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "usable_cores": len(processors()),
        "caches": _caches(),
        "governor": _text(PROCESSOR / "cpufreq" / "scaling_governor"),
        "gpu": _output("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"),
        "memory_bytes": psutil.virtual_memory().total,
        "system": platform.platform(),
        "python": sys.version.split()[0],
        "revision": _git("rev-parse", "HEAD"),
        "dirty": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "load_at_start": os.getloadavg(),
    }


def environment() -> dict[str, Any]:
    """The machine, with facts that change during a run: load, libraries, thread pools, the process's memory."""
    memory = psutil.Process().memory_info().rss
    pools = [{key: pool.get(key) for key in ("internal_api", "version", "num_threads")} for pool in threadpool_info()]
    changing = {"load": os.getloadavg(), "libraries": libraries(), "thread_pools": pools, "resident_bytes": memory}
    return {**machine(), **changing}


def libraries() -> dict[str, str]:
    """The versions of the distributions that this process has imported modules of."""
    tops = {name.partition(".")[0] for name in list(sys.modules)}
    names = {name for top, found in providers().items() if top in tops for name in found}
    return {name: version_of(name) for name in sorted(names)}


def check_device(name: str) -> None:
    """Raises ValueError: a run can't use that device. torch is imported only for a device that some machines lack."""
    if name not in DEVICES:
        raise ValueError(f"--device {shown(name)}: allowed are {', '.join(DEVICES)}")
    if name == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise ValueError("--device cuda: torch finds no CUDA device, use cpu or auto")


def check_faiss() -> None:
    """Raises ValueError: two packages provide the module ``faiss``, so an import is a mixture of both."""
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


def _caches() -> dict[str, str]:
    """The sizes of the first core's caches, as far as the system names them."""
    found = sorted((PROCESSOR / "cache").glob("index*"))
    named = {f"L{_text(one / 'level')} {_text(one / 'type')}": _text(one / "size") for one in found}
    return {name: size for name, size in named.items() if size is not None}


def _text(path: Path) -> str | None:
    """The text of a small file of the system. None if it can't be read."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return None


def _git(*words: str) -> str | None:
    return _output("git", "-C", str(CHECKOUT), *words)


def _output(*command: str) -> str | None:
    """The output of a command. None if it does not exist or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


@cache
def providers() -> Mapping[str, list[str]]:
    """The distributions that provide each top-level module of this environment."""
    return packages_distributions()


@cache
def version_of(distribution: str) -> str:
    """The version of an installed distribution. Its file of metadata is parsed once."""
    return version(distribution)
