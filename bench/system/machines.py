"""Names the machine that times something: its host and its class. Times of two classes are not compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from bench.system.environment import machine
from bench.system.files import host_name
from bench.system.processors import processors
from bench.system.wording import one_line

NOT_RECORDED = "not recorded"
"""The machine class of figures that were stored before machines were."""

GIBIBYTE = 2**30


def host() -> str:
    """The name of this host: BENCH_HOST where it is set, or else the one that the system has."""
    return _plain(host_name()) or "unnamed host"


def machine_class() -> str:
    """The class of this machine as one line: processor model, cores, memory, and GPUs if there are any.

    The cores are those that this process may use. The memory is in whole GiB, since kernels of equal machines keep
    unequal parts of it for themselves. Equal machines have equal classes.
    """
    facts, number = machine(), cores()
    memory = round(facts["memory_bytes"] / GIBIBYTE)
    counted = f"{number} {'core' if number == 1 else 'cores'}"
    parts = [facts["cpu"], counted, f"{memory} GiB", *_gpus(facts["gpu"])]
    return ", ".join(filter(None, (_plain(part or "") for part in parts)))


def cores() -> int:
    """The number of the processors that this process may run on."""
    return len(processors())


def here() -> dict[str, str]:
    """The columns ``machine`` (its class) and ``host`` of what this process times."""
    return {"machine": machine_class(), "host": host()}


def named(meta: Mapping[str, Any]) -> dict[str, str | None]:
    """The columns ``machine`` and ``host`` of a stored entry, by its meta. None where it names none."""
    return {"machine": meta.get("machine"), "host": meta.get("host")}


def is_here(meta: Mapping[str, Any]) -> bool:
    """Whether this host, as it is now, has stored an entry with this meta. One that names no host may be of any."""
    return named(meta) == here()


def _gpus(listed: str | None) -> list[str]:
    """The models of the GPUs with their numbers, from lines of a name and the version of the driver."""
    models = Counter(line.rpartition(",")[0] or line for line in (listed or "").splitlines())
    return [model if number == 1 else f"{number} x {model}" for model, number in sorted(models.items())]


def _plain(text: str) -> str:
    """The text as one printable line with single spaces."""
    return one_line(" ".join(text.split()))
