"""Divides the machine between children that work side by side: each has its processors, and a GPU of its own.

A child takes its share before its plugin imports a library, so that all libraries start as many threads as it has
processors, and CUDA shows it one device.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from threadpoolctl import threadpool_limits

from bench.system.processors import processors

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""The variables by which libraries that are not imported yet learn how many threads they may start."""

VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Share:
    """A part of a machine: the numbers of its processors, and a GPU as CUDA_VISIBLE_DEVICES names it, or None."""

    cores: tuple[int, ...]
    gpu: str | None = None

    def take(self) -> None:
        """Keep this process, and whatever it starts, to the share. A smaller number of threads that it has stays."""
        if hasattr(os, "sched_setaffinity"):
            for thread in Path("/proc/self/task").iterdir():  # some libraries have started theirs
                os.sched_setaffinity(int(thread.name), self.cores)
        asked = os.environ.get(THREADS[0], "")
        threads = min(len(self.cores), int(asked)) if asked.isdecimal() and int(asked) else len(self.cores)
        os.environ.update(dict.fromkeys(THREADS, str(threads)))
        numba, torch = sys.modules.get("numba"), sys.modules.get("torch")
        if numba is None:
            os.environ["NUMBA_NUM_THREADS"] = str(threads)
        else:  # it refuses another value of its variable, and more threads than it started with
            numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
        if torch is not None:
            torch.set_num_threads(threads)
        threadpool_limits(limits=threads)  # last: numba sets the number of the OpenMP that it starts
        if self.gpu is not None:
            os.environ[VISIBLE] = self.gpu


def shares(count: int, device: str) -> list[Share]:
    """So many shares of this machine: one a GPU if ``device`` is not cpu and there are some, else of its processors.

    Raises ValueError: the machine has fewer.
    """
    cores, gpus = processors(), [] if device == "cpu" else visible_gpus()
    most, what = (len(gpus), "GPUs") if gpus else (len(cores), "processors")
    if not 1 <= count <= most:
        advice = f"; with --device cpu it is 1 to {len(cores)}" if gpus else ""
        raise ValueError(f"--jobs {count}: expected 1 to {most}, the number of {what} here{advice}")
    each = max(1, len(cores) // count)
    parts = [tuple(cores[number * each % len(cores) :][:each]) for number in range(count)]
    return [Share(part, gpus[number] if gpus else None) for number, part in enumerate(parts)]


def visible_gpus() -> Sequence[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    import torch

    count, named = torch.cuda.device_count(), os.environ.get(VISIBLE, "")
    return [one.strip() for one in named.split(",")][:count] if named else [str(number) for number in range(count)]
