"""The contracts of ``bench.interfaces`` as checks that anybody can run on a plugin of their own.

A check is a function of ``make``, which makes the plugin anew; its docstring is the demand. It returns nothing, or
raises ``Nonconformity`` (an ``AssertionError``) that says what was asked, what came back and what would be right. What
has no meaning for a plugin is skipped, by the exception that unittest and pytest know.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any, Literal, NoReturn
from unittest import SkipTest

from threadpoolctl import threadpool_limits

from bench.conformance import datasets, embedders, hashers, indexes, rerankers
from bench.conformance.demands import Make, Nonconformity, NotAsked, reason
from bench.interfaces import Unavailable
from bench.plugins import registry
from bench.plugins.registry import Kind

__all__ = ["Check", "Make", "Nonconformity", "NotAsked", "Verdict", "checks", "maker", "verdicts"]

Check = Callable[[Make], None]
CHECKS: dict[Kind, tuple[Check, ...]] = {
    "dataset": datasets.CHECKS,
    "embedder": embedders.CHECKS,
    "hasher": hashers.CHECKS,
    "index": indexes.CHECKS,
    "reranker": rerankers.CHECKS,
}


@dataclass(frozen=True)
class Verdict:
    """What came of one check: its name, and why it failed or was skipped, in one line."""

    check: str
    status: Literal["ok", "failed", "skipped"]
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.status:<7}  {self.check}{self.reason and ': '}{self.reason}"


def maker(kind: Kind, name: str, values: dict[str, Any]) -> Make:
    """What makes a registered plugin for its checks: with ``values``, and ``check_parameters`` of its class below them.
    A data set that is given no files is skipped.

    Raises ValueError: a parameter is unknown or wrong, or the data set can't be read.
    """
    plugin = registry.load(kind, name)
    small = getattr(plugin, "check_parameters", {})
    if not isinstance(small, dict):
        raise ValueError(f"{name}: check_parameters of {plugin.__name__} is {small!r}; must be a dict of parameters")
    values = {**small, **values}
    made = registry.build(kind, name, values)
    files = registry.parameters(plugin).get("data_dir")
    if kind == "dataset" and files is not None:
        if values.get("data_dir", files.default) is None:
            return partial(_skip, f"it reads files: give their folder, --set {name}.data_dir=DIR")
        made.fingerprint()

    def make(**more: Any) -> Any:
        return registry.build(kind, name, {**values, **more})

    return make


def checks(kind: Kind) -> list[Check]:
    """The checks of a kind of plugin, for ``pytest.mark.parametrize``. An Unavailable plugin is skipped."""
    return [_skipped_where_unavailable(check) for check in CHECKS[kind]]


def verdicts(kind: Kind, make: Make) -> Iterator[Verdict]:
    """Run the checks one after another. Whatever a plugin raises is a verdict."""
    for check in checks(kind):
        name = check.__name__
        try:
            with warnings.catch_warnings(), _threads(kind):
                warnings.simplefilter("ignore")  # of odd data, and there is a line for each check
                check(make)
        except SkipTest as skip:
            yield Verdict(name, "skipped", _line(skip))
        except AssertionError as fault:
            yield Verdict(name, "failed", _line(fault) or reason(fault))
        except Exception as fault:
            yield Verdict(name, "failed", reason(fault))
        else:
            yield Verdict(name, "ok")


def _skipped_where_unavailable(check: Check) -> Check:
    @wraps(check)
    def run(make: Make) -> None:
        try:
            check(make)
        except Unavailable as fault:
            raise NotAsked(str(fault)) from fault

    return run


def _threads(kind: Kind) -> AbstractContextManager[Any]:
    """One thread for what is fitted: on batches of toy size several wait for each other, on a busy machine for minutes.
    An index keeps them all: how it uses them is checked.
    """
    return threadpool_limits(limits=1) if kind in ("embedder", "hasher") else nullcontext()


def _skip(reason: str, **_: Any) -> NoReturn:
    raise NotAsked(reason)


def _line(fault: BaseException) -> str:
    return " ".join(str(fault).split())
