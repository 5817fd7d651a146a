"""Reads what an index or a reranker tells of its costs, and refuses what can't be right."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from bench.plugins.figures import MOST
from bench.system.wording import shown
from bench.workers.limits import Failure

BYTES = f"whole bytes from 0 to {MOST}"

T = TypeVar("T")


@dataclass(frozen=True)
class Told:
    """The costs that a plugin tells, by the ``name`` of the plugin.

    Each method raises `Failure` where the plugin tells what no such cost can be: the reason names the plugin, its
    member and the value, and says what would be right.
    """

    plugin: Any
    name: str

    def size_bytes(self) -> int:
        """The bytes that must stay in memory."""
        return self._bytes("size_bytes")

    def paper_bytes(self) -> int | None:
        """The bytes as the paper counts them. None if the plugin lacks the method."""
        return self._bytes("paper_bytes") if hasattr(self.plugin, "paper_bytes") else None

    def engine_bytes(self, method: str) -> int | None:
        """The bytes of a database engine that ``disk_bytes`` or ``server_bytes`` tells. None if they are not known."""
        return checked(self.name, f"{method}()", self._optional(method), _or_none(_is_size), f"{BYTES}, or None")

    def load_seconds(self) -> float | None:
        """The seconds of a build in which a database engine wrote the rows. None if they are not known."""
        value, right = self._optional("load_seconds"), "finite seconds from 0 on, or None"
        return checked(self.name, "load_seconds()", value, _or_none(_is_seconds), right)

    def complete_share(self) -> float | None:
        """The share of the queries of the last search whose answers are complete. None if it is not known."""
        return checked_share(self.name, getattr(self.plugin, "complete_share_", None))

    def query_cost(self, *candidates: int) -> tuple[float, float]:
        """The bytes and operations of one query, of a reranker with so many ``candidates``. Not-a-number and infinity
        say that one is not known, and both are not-a-number if the plugin lacks the method.
        """
        if not hasattr(self.plugin, "query_cost"):
            return math.nan, math.nan
        asked, cost = f"query_cost({', '.join(map(str, candidates))})", self.plugin.query_cost(*candidates)
        read, operations = checked(self.name, asked, cost, _is_cost, "(bytes, operations), numbers from 0 on")
        return read, operations

    def _bytes(self, method: str) -> int:
        return checked(self.name, f"{method}()", getattr(self.plugin, method)(), _is_size, BYTES)

    def _optional(self, method: str) -> Any:
        return getattr(self.plugin, method)() if hasattr(self.plugin, method) else None


def checked(name: str, member: str, value: T, is_right: Callable[[Any], bool], right: str) -> T:
    """The value that a member of a plugin told.

    Raises Failure: it is not right.
    """
    if not is_right(value):
        raise Failure("error", f"{name}: {member} is {shown(value)}; right is {right}")
    return value


def checked_share(name: str, share: Any) -> float | None:
    """The share that ``complete_share_`` of a plugin told. None if it is not known.

    Raises Failure: it is not right.
    """
    known: float | None = checked(name, "complete_share_", share, _or_none(_is_share), "a share from 0 to 1, or None")
    return known


def _or_none(is_right: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or is_right(value)


def _is_size(value: Any) -> bool:
    return _is_whole(value) and bool(0 <= value <= MOST)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    """Whether it is a number, of Python or numpy, that no column is too small for."""
    return isinstance(value, float | np.floating) or (_is_whole(value) and bool(abs(int(value)) <= MOST))


def _is_seconds(value: Any) -> bool:
    return _is_number(value) and bool(0 <= value < math.inf)


def _is_share(value: Any) -> bool:
    return _is_number(value) and bool(0 <= value <= 1)


def _is_cost(value: Any) -> bool:
    """Whether it is a pair of numbers of which none is below 0. Not-a-number is not below."""
    pair = isinstance(value, tuple | list | np.ndarray) and len(value) == 2
    return pair and all(_is_number(one) and not one < 0 for one in value)
