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


TAIL = 8
"""Entries of a traceback that are kept."""

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

    @classmethod
    def of(cls, fault: BaseException) -> Failure:
        """What a fault says in a record; a failure itself stays as it is."""
        if isinstance(fault, Failure):
            return fault
        if isinstance(fault, Unavailable | Unsuitable):
            return cls("skipped", str(fault), final=isinstance(fault, Unsuitable))
        if is_full(fault):
            return cls("full", str(fault))
        status: Status = "memory" if isinstance(fault, MemoryError) else "error"
        return cls(status, f"{type(fault).__name__}: {fault}", traceback.format_exception(fault)[-TAIL:])


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


class Asked(Protocol):
    """What answers requests: a process, or a worker in this one."""

    @property
    def gone(self) -> bool:
        """Whether it has ended."""
        ...

    def ask(self, what: str, **parameters: Any) -> Any:
        """The answer of a method of its worker, in JSON's types.

        Raises Failure: there is none.
        """
        ...

    def resident_bytes(self) -> int:
        """The memory that it takes."""
        ...

    def end(self) -> None:
        """End it. It may be called again."""
        ...


class Starter(Protocol):
    """Starts what answers requests."""

    def __call__(
        self,
        setup: dict[str, Any],
        limits: Limits,
        say: Say,
        show: Show,
    ) -> Asked:
        """A worker that is set up."""
        ...


def free_memory() -> int:
    """What is free now, less a reserve."""
    memory = psutil.virtual_memory()
    return int(memory.available - max(LEAST_RESERVE, RESERVE * memory.total))
