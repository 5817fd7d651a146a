"""The contracts of ``bench.interfaces`` as checks that anybody can run on a plugin of their own.

A check is a function of ``make``, which makes the plugin anew; its docstring is the demand. It returns nothing, or
raises ``Nonconformity`` (an ``AssertionError``) that says what was asked, what came back and what would be right. What
has no meaning for a plugin is skipped, by the exception that unittest and pytest know.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial, wraps
from types import FunctionType, ModuleType
from typing import Any, Literal, NoReturn
from unittest import SkipTest

from threadpoolctl import threadpool_limits

from bench.conformance import datasets, embedders, hashers, indexes, rerankers
from bench.conformance.demands import Check, Make, Nonconformity, NotAsked, reason
from bench.interfaces import Unavailable
from bench.plugins import registry
from bench.plugins.registry import Kind

__all__ = ["Check", "Make", "Nonconformity", "NotAsked", "Verdict", "checks", "maker", "verdicts"]

MODULES: dict[Kind, ModuleType] = {
    "dataset": datasets,
    "embedder": embedders,
    "hasher": hashers,
    "index": indexes,
    "reranker": rerankers,
}
"""The public functions of each are checks, and so are the shared ones of its ``KIND``, where it has one."""


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
    module = MODULES[kind]
    functions = [one for one in vars(module).values() if isinstance(one, FunctionType)]
    own = [one for one in functions if one.__module__ == module.__name__ and not one.__name__.startswith("_")]
    shared = module.KIND.checks if hasattr(module, "KIND") else ()
    return [_skipped_where_unavailable(check) for check in (*own, *shared)]


def verdicts(kind: Kind, make: Make) -> Iterator[Verdict]:
    """Run the checks one after another. Whatever a plugin raises is a verdict.

    What is fitted has one thread: on batches of toy size several wait for each other, on a busy machine for minutes.
    """
    for check in checks(kind):
        name = check.__name__
        threads = threadpool_limits(limits=1) if kind in ("embedder", "hasher") else nullcontext()
        try:
            with warnings.catch_warnings(), threads:
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


def _skip(reason: str, **_: Any) -> NoReturn:
    raise NotAsked(reason)


def _line(fault: BaseException) -> str:
    return " ".join(str(fault).split())
