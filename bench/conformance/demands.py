"""How a check asks: demands, refusals in words, inputs that stay as they are, and the arrays that an object holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from types import ModuleType
from typing import Any, Final, TypeVar
from unittest import SkipTest

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Unavailable

T = TypeVar("T")
Make = Callable[..., Any]
"""Makes the plugin anew, the same each time. Some checks give it ``bits`` (of a hasher) or ``seed`` (of a data set)."""

LEAST_WORDS = 3
LEAST_SHARE = 0.9
"""Of the bytes of its arrays that a plugin must account for: scratch memory may be left out."""


class Nonconformity(AssertionError):
    """A demand is not met: what was asked, what came back, what would be right."""


class NotAsked(SkipTest):
    """A demand has no meaning for this plugin, and why."""


class Refused(Enum):
    """That a question was refused."""

    REFUSED = "refused"


REFUSED: Final = Refused.REFUSED


def demand(met: bool | np.bool_, otherwise: str) -> None:
    """Nonconformity: it is not met; ``otherwise`` says so."""
    if not met:
        raise Nonconformity(otherwise)


def reason(fault: BaseException) -> str:
    """An exception's type and text, in one line."""
    return f"{type(fault).__name__}: {' '.join(str(fault).split())}"


def outcome(attempt: Callable[[], T], asked: str, *names: str) -> T | Refused:
    """What the attempt returns, or REFUSED: it ended in a ValueError, a sentence that holds one of ``names``, if given.

    Nonconformity: it ends in another exception, or the error says too little.
    """
    try:
        return attempt()
    except Unavailable:
        raise
    except ValueError as fault:
        words = str(fault)
        demand(len(words.split()) >= LEAST_WORDS, f"{asked}: the ValueError {words!r} must say what is wrong in words")
        named = not names or any(name in words for name in names)
        demand(named, f"{asked}: the ValueError {words!r} must name {' or '.join(names)}")
        return REFUSED
    except Exception as fault:
        raise Nonconformity(f"{asked}: {reason(fault)}; right is an answer, or a ValueError in words") from fault


def must_accept(attempt: Callable[[], T], asked: str) -> T:
    """What the attempt returns. Nonconformity: it ends in an exception, a ValueError too."""
    try:
        return attempt()
    except Unavailable:
        raise
    except Exception as fault:
        raise Nonconformity(f"{asked}: {reason(fault)}; right is to accept it") from fault


def must_refuse(attempt: Callable[[], Any], asked: str, *names: str) -> None:
    """Nonconformity: the attempt does not end in a ValueError, see ``outcome``."""
    demand(outcome(attempt, asked, *names) is REFUSED, f"{asked}: accepted; right is a ValueError in words")


@contextmanager
def unchanged(arrays: Mapping[str, NDArray[Any]]) -> Iterator[None]:
    """Nonconformity: one of the arrays, by name, has other values after the block than before."""
    before = {name: array.copy() for name, array in arrays.items()}
    yield
    for name, array in arrays.items():
        demand(np.array_equal(array, before[name]), f"the {name} were changed; what is given stays as it is")


def array_bytes(root: Any) -> int:
    """Bytes of the numpy arrays reachable from an object by attributes and containers, each buffer counted once.

    Not counted: what is mapped from a file, which memory may drop, and what belongs to modules, classes and functions.
    """
    buffers: dict[int, int] = {}
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, np.ndarray):
            owner = _owner(part)
            if not isinstance(owner, np.memmap):
                buffers[owner.ctypes.data] = max(owner.nbytes, buffers.get(owner.ctypes.data, 0))
        elif part is root or not (callable(part) or isinstance(part, ModuleType)):
            waiting.extend(_members(part))
    return sum(buffers.values())


def _owner(array: NDArray[Any]) -> NDArray[Any]:
    """The array whose memory it is a view of, or itself."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _members(part: Any) -> list[Any]:
    if isinstance(part, Mapping):
        return list(part.values())
    if isinstance(part, list | tuple | set | frozenset):
        return list(part)
    slots = [name for kind in type(part).__mro__ for name in getattr(kind, "__slots__", ())]
    return [*getattr(part, "__dict__", {}).values(), *(getattr(part, name, None) for name in slots)]


def check_size(plugin: Any) -> None:
    """Nonconformity: ``size_bytes`` is no whole number above 0, or less than the arrays that the plugin holds."""
    size, held = plugin.size_bytes(), array_bytes(plugin)
    whole = isinstance(size, int | np.integer) and size > 0
    demand(whole, f"size_bytes() is {size!r}; right is a whole number above 0")
    demand(
        size >= LEAST_SHARE * held,
        f"size_bytes() is {size}, and the arrays that it holds take {held} bytes; right is all of them",
    )


def check_cost(cost: Any, size: int, call: str) -> None:
    """Nonconformity: the cost is not two finite numbers, of bytes (at most ``size``) and operations, from 0 on."""
    numbers = np.asarray(cost, dtype=np.float64)
    right = numbers.shape == (2,) and np.isfinite(numbers).all() and (numbers >= 0).all()
    demand(right, f"{call} is {cost!r}; right is (bytes, operations), finite and not below 0")
    demand(numbers[0] <= size, f"{call} reads {numbers[0]:.0f} bytes of {size} in memory; right is at most all of them")


def check_ids(ids: Any, queries: int, k: int, items: int, asked: str) -> None:
    """Nonconformity: the answer is not int64 [queries, k] of positions, none twice in a row, -1 only behind them."""
    array = np.asarray(ids)
    right = isinstance(ids, np.ndarray) and array.dtype == np.int64 and array.shape == (queries, k)
    got = f"{type(ids).__name__} of {array.dtype} {list(array.shape)}"
    demand(right, f"{asked}: got a {got}; right is an array int64 {[queries, k]}")
    if array.size == 0:
        return
    inside = array.min() >= -1 and array.max() < items
    demand(inside, f"{asked}: ids from {array.min()} to {array.max()}; right is 0 .. {items - 1}, or -1")
    ordered = np.sort(array, axis=1)
    twice = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
    demand(not twice.any(), f"{asked}: id {ordered[:, 1:][twice][:1]} twice for one query; right is each item once")
    gaps = (array[:, :-1] == -1) & (array[:, 1:] >= 0)
    demand(not gaps.any(), f"{asked}: ids behind -1; right is -1 only behind all that are found")
