"""What is asked of arrays: as they come to a plugin, as ids come back from a search, and as a plugin holds them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from bench.conformance import data
from bench.conformance.demands import REFUSED, Make, Nonconformity, demand, must_accept, outcome
from bench.interfaces import Int

K = 10
LEAST_SHARE = 0.9
"""Of the bytes of its arrays that a plugin must account for: scratch memory may be left out."""


def built(make: Make, database: Any) -> Any:
    """The plugin, built. Nonconformity: it refuses these items, or returns something else."""
    plugin = make()
    try:
        returned = plugin.build(database)
    except ValueError as fault:
        what = f"{len(database)} items of {data.DIM} dimensions and {data.BITS} bits"
        raise Nonconformity(f"build refused {what}: {fault}; give it parameters that fit them") from fault
    demand(returned is plugin, f"build returned {type(returned).__name__}; right is the plugin itself")
    return plugin


def taken_as_they_come(
    answer: Callable[..., Int], given: Mapping[str, Any], agree: Callable[[Int, Int, str], None]
) -> None:
    """Nonconformity: see `left_alone`, or what has strides or is in float64 is neither answered the same nor a
    ValueError, which names the type.

    ``answer`` takes what is ``given`` by name, builds a plugin and asks it.
    """
    left_alone(answer, given, agree)
    expected = answer(*given.values())
    for how, change, names in (
        ("arrays with strides", data.strided, ()),
        ("values in float64", data.wide, data.FLOATS),
    ):
        for name in given:
            parts = [data.mapped(part, change) if one == name else part for one, part in given.items()]
            ids = outcome(partial(answer, *parts), f"{how} in the {name}", *names)
            if ids is not REFUSED:
                agree(expected, ids, f"{how} in the {name}")


def left_alone(answer: Callable[..., Any], given: Mapping[str, Any], agree: Callable[[Any, Any, str], None]) -> None:
    """Nonconformity: an array is written to, or what must not be is refused or answered otherwise.

    The store hands out arrays that must not be written to, a data set maybe others.
    """
    with unchanged(given):
        expected = answer(*given.values())
    locked = {name: data.mapped(part, data.read_only) for name, part in given.items()}
    with unchanged(locked):
        found = must_accept(lambda: answer(*locked.values()), "read-only arrays")
    agree(expected, found, "read-only arrays")


@contextmanager
def unchanged(given: Mapping[str, Any]) -> Iterator[None]:
    """Nonconformity: an array of what is given, by name, has other values after the block than before."""
    arrays = {name: array for of, part in given.items() for name, array in data.arrays(part, of).items()}
    before = {name: array.copy() for name, array in arrays.items()}
    yield
    for name, array in arrays.items():
        demand(np.array_equal(array, before[name]), f"the {name} were changed; what is given stays as it is")


def check_ids(ids: Any, queries: int, k: int, items: int, asked: str) -> None:
    """Nonconformity: the answer is not what a run takes, int64 [queries, k] of positions, none twice in a row, and -1
    only behind them.
    """
    from bench.quality.neighbours import check_neighbours

    demand(isinstance(ids, np.ndarray), f"{asked}: search returned a {type(ids).__name__}; right is an array int64")
    try:
        check_neighbours(ids, queries, k, items)
    except ValueError as fault:
        raise Nonconformity(f"{asked}: {fault}") from fault
    gaps = (ids[:, :-1] == -1) & (ids[:, 1:] >= 0)
    demand(not gaps.any(), f"{asked}: ids behind -1; right is -1 only behind all that are found")


def check_size(plugin: Any) -> None:
    """Nonconformity: ``size_bytes`` is no whole number above 0, or less than the arrays that the plugin holds."""
    size, held = plugin.size_bytes(), array_bytes(plugin)
    check_bytes(size, "size_bytes()")
    enough = size >= LEAST_SHARE * held
    demand(enough, f"size_bytes() is {size}, and the arrays that it holds take {held} bytes; right is all of them")


def check_bytes(size: Any, call: str) -> None:
    """Nonconformity: it is no whole number above 0."""
    demand(isinstance(size, int | np.integer) and size > 0, f"{call} is {size!r}; right is a whole number above 0")


def check_cost(cost: Any, size: int, call: str) -> None:
    """Nonconformity: the cost is not two finite numbers, of bytes (at most ``size``) and operations, from 0 on."""
    numbers = np.asarray(cost, dtype=np.float64)
    right = numbers.shape == (2,) and np.isfinite(numbers).all() and (numbers >= 0).all()
    demand(right, f"{call} is {cost!r}; right is (bytes, operations), finite and not below 0")
    demand(numbers[0] <= size, f"{call} reads {numbers[0]:.0f} bytes of {size} in memory; right is at most all of them")


def array_bytes(root: Any) -> int:
    """Bytes of the numpy arrays reachable from an object by attributes and containers, each buffer counted once.

    Not counted: what is mapped from a file, which memory may drop, and what belongs to modules, classes and functions.
    """
    buffers: dict[int, int] = {}
    seen: dict[int, Any] = {}
    waiting = [root]
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen[id(part)] = part
        if isinstance(part, np.ndarray):
            while isinstance(part.base, np.ndarray):
                part = part.base
            if not isinstance(part, np.memmap):
                buffers[part.ctypes.data] = max(part.nbytes, buffers.get(part.ctypes.data, 0))
        elif part is root or not (callable(part) or isinstance(part, ModuleType)):
            waiting.extend(_members(part))
    return sum(buffers.values())


def _members(part: Any) -> list[Any]:
    if isinstance(part, Mapping):
        return list(part.values())
    if isinstance(part, list | tuple | set | frozenset):
        return list(part)
    slots = [name for kind in type(part).__mro__ for name in getattr(kind, "__slots__", ())]
    return [*getattr(part, "__dict__", {}).values(), *(getattr(part, name, None) for name in slots)]
