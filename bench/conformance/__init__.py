"""The contracts of ``bench.interfaces`` as checks that anybody can run on a plugin of their own.

A check is a function of ``make``, which makes the plugin anew; its docstring is the demand. It returns nothing, or
raises ``Nonconformity`` (an ``AssertionError``) that says what was asked, what came back and what would be right. What
has no meaning for a plugin is skipped, by the exception that unittest and pytest know.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from typing import Literal
from unittest import SkipTest

from bench.conformance import datasets, embedders, hashers, indexes, rerankers
from bench.conformance.demands import Make, Nonconformity, NotAsked, reason
from bench.interfaces import Unavailable
from bench.registry import Kind

__all__ = ["Check", "Make", "Nonconformity", "NotAsked", "Verdict", "checks", "verdicts"]

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


def checks(kind: Kind) -> list[Check]:
    """The checks of a kind of plugin, for ``pytest.mark.parametrize``. An Unavailable plugin is skipped."""
    return [_skipped_where_unavailable(check) for check in CHECKS[kind]]


def verdicts(kind: Kind, make: Make) -> Iterator[Verdict]:
    """Run the checks one after another. Whatever a plugin raises is a verdict."""
    for check in checks(kind):
        name = check.__name__
        try:
            with warnings.catch_warnings():
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


def _line(fault: BaseException) -> str:
    return " ".join(str(fault).split())
