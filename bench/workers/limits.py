"""The limits of workers, the failures of requests, and the protocol of a process that answers requests."""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import psutil

from bench.interfaces import Unavailable, Unsuitable
from bench.system.files import is_full
from bench.system.wording import encodable

Status = Literal["error", "timeout", "memory", "skipped", "pruned", "full"]
"""``pruned``: the cell is not worth its time. ``full``: the disk is full, which is no fault of a cell."""


Say = Callable[[str], None]
"""A function that shows a line."""


Show = Callable[[str, int | None, int | None], None]
"""A function that shows the progress of a stage: its description, steps done (None: it is over), all steps if known."""


TAIL = 8
"""The entries of a traceback that are kept."""

RESERVE = 0.1
"""The share of all memory that a child leaves free by default; it is at least LEAST_RESERVE bytes."""


LEAST_RESERVE = 2**30


class Failure(Exception):
    """A request has no answer: a status for the record, the reason in words, and the last lines of a traceback.

    ``final``: the request would fail on every machine and at any time. ``due_to``: the plugin that was at work, if that
    is known. The reason and the lines can be written in UTF-8, whatever a plugin's message holds.
    """

    due_to: str | None = None

    def __init__(self, status: Status, reason: str, tail: list[str] | None = None, final: bool = False) -> None:
        super().__init__(encodable(reason))
        self.status: Status = status
        self.reason = encodable(reason)
        self.tail = [encodable(line) for line in tail or []]
        self.final = final

    @classmethod
    def of(cls, fault: BaseException) -> Failure:
        """The failure that describes a fault in a record. A failure is returned as it is."""
        if isinstance(fault, Failure):
            return fault
        if isinstance(fault, Unavailable | Unsuitable):
            return cls("skipped", _message(fault), final=isinstance(fault, Unsuitable))
        if is_full(fault):
            return cls("full", str(fault))
        status: Status = "memory" if isinstance(fault, MemoryError) else "error"
        return cls(status, f"{type(fault).__name__}: {_message(fault)}", traceback.format_exception(fault)[-TAIL:])


def _message(fault: BaseException) -> str:
    """The message of a fault. A plugin's own kind of fault may have none that can be made."""
    try:
        return str(fault)
    except Exception as reason:
        return f"no message, as {type(reason).__name__} was raised in place of it"


@dataclass(frozen=True)
class Limits:
    """The limits of a child: seconds for one request (None: no limit), and bytes of memory, with its descendants.

    None for the bytes is the free memory when it starts, less a reserve, so that it ends before the machine swaps. It
    also ends, within a fraction of a second, once ``over`` says that the run is over.
    """

    seconds: float | None = None
    bytes: int | None = None
    over: Callable[[], bool] = lambda: False

    def __post_init__(self) -> None:
        for what, value in (("seconds", self.seconds), ("bytes", self.bytes)):
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"a limit of {value:g} {what} must be above 0 and finite")


class Asked(Protocol):
    """A process that answers requests, or a worker in this process that does."""

    @property
    def gone(self) -> bool:
        """Whether the process has ended."""
        ...

    def ask(self, what: str, **parameters: Any) -> Any:
        """The answer of a method of its worker, in JSON's types.

        Raises Failure: there is no answer.
        """
        ...

    def pause(self) -> None:
        """Stop the process until it is asked again: threads that wait busily take no time from others."""
        ...

    def resident_bytes(self) -> int:
        """The memory that the process takes."""
        ...

    def end(self) -> None:
        """End the process. It may be called again."""
        ...


class Starter(Protocol):
    """Starts a process that answers requests."""

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
    """The free memory now, less a reserve."""
    memory = psutil.virtual_memory()
    return int(memory.available - max(LEAST_RESERVE, RESERVE * memory.total))
