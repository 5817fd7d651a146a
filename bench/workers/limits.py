"""What a worker may take, and how a request fails."""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import psutil

from bench.interfaces import Unavailable, Unsuitable
from bench.system.files import is_full

Status = Literal["error", "timeout", "memory", "skipped", "pruned", "full"]
"""``pruned``: it is not worth its time. ``full``: the disk is, which is no fault of a cell's."""


Say = Callable[[str], None]
"""Takes a line that is to be shown."""


Show = Callable[[str, int | None, int | None], None]
"""Takes how far a stage has come: what it is, steps done (None: it is over), and steps in all, where that is known."""


RESERVE = 0.1
"""Of all memory, and at least LEAST_RESERVE bytes: what a child must leave free by default."""


LEAST_RESERVE = 2**30


class Failure(Exception):
    """Why a request has no answer: a status for the record, the reason in words, and the last lines of a traceback.

    ``final``: another machine or another time would change nothing about it.
    """

    def __init__(self, status: Status, reason: str, tail: list[str] | None = None, final: bool = False) -> None:
        super().__init__(reason)
        self.status: Status = status
        self.reason = reason
        self.tail = tail or []
        self.final = final


@dataclass(frozen=True)
class Limits:
    """What a child may take: seconds for one request (None: any), and bytes of memory with all that came of it.

    None for the latter is what is free when it starts, less a reserve: it ends before the machine swaps.
    """

    seconds: float | None = None
    bytes: int | None = None

    def __post_init__(self) -> None:
        for what, value in (("seconds", self.seconds), ("bytes", self.bytes)):
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"a limit of {value:g} {what} must be above 0 and finite")


class Starter(Protocol):
    """Starts what can be asked as a ``Child`` can."""

    def __call__(
        self,
        setup: dict[str, Any],
        limits: Limits,
        say: Say,
        show: Show,
    ) -> Any:
        """A worker that is set up."""
        ...


def free_memory() -> int:
    """What is free now, less a reserve."""
    memory = psutil.virtual_memory()
    return int(memory.available - max(LEAST_RESERVE, RESERVE * memory.total))


TAIL = 8
"""Entries of a traceback that are kept."""


def failed(fault: BaseException) -> dict[str, Any]:
    """What a fault says in a record: status, reason, and the end of the traceback."""
    if isinstance(fault, Unavailable):
        return {"status": "skipped", "reason": str(fault)}
    if isinstance(fault, Unsuitable):
        return {"status": "skipped", "reason": str(fault), "final": True}
    if is_full(fault):
        return {"status": "full", "reason": str(fault)}
    status = "memory" if isinstance(fault, MemoryError) else "error"
    return {
        "status": status,
        "reason": f"{type(fault).__name__}: {fault}",
        "tail": traceback.format_exception(fault)[-TAIL:],
    }
