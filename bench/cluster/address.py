"""The address of a cluster, as a person gives it: a scheduler's, or how to start one."""

from __future__ import annotations

import importlib
import logging
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.system.places import user_path
from bench.system.wording import one_line, shown

FORMS = "tcp://HOST:PORT, local:N, slurm:FILE or k8s:FILE"
CONNECT_SECONDS = 20
TIMING = ["--nthreads", "1", "--resources", "timing=1"]
"""What the workers of a run are started with, unless a file says otherwise."""

MADE_BY = {"slurm": ("dask_jobqueue", "SLURMCluster"), "k8s": ("dask_kubernetes.operator", "KubeCluster")}
PACKAGES = {"distributed": "distributed", "dask_jobqueue": "dask-jobqueue", "dask_kubernetes": "dask-kubernetes"}
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "slurm": {"cores": 1, "processes": 1, "job_extra_directives": ["--exclusive"], "worker_extra_args": TIMING},
    "k8s": {"worker_command": ["dask", "worker", *TIMING]},
}


@dataclass(frozen=True)
class Address:
    """A scheduler's ``url``, or so many ``workers`` that are started: here, or by the engine ``kind`` with options."""

    kind: str
    url: str = ""
    workers: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)


def parsed(text: str) -> Address:
    """What an address says. The packages that it takes are looked for, and its file is read.

    Raises ValueError: it is not valid, a package is missing, or the file can't be read.
    """
    kind, _, rest = text.partition(":")
    _package("distributed")
    if rest.startswith("//"):
        if kind not in ("tcp", "tls", "ucx", "ws", "wss") or not rest.strip("/"):
            raise ValueError(f"--cluster {shown(text)}: expected {FORMS}")
        return Address("scheduler", text)
    if kind == "local":
        if not rest.isdecimal() or not 1 <= int(rest) <= 1024:
            raise ValueError(f"--cluster {shown(text)}: expected local:N with a number of workers, such as local:2")
        return Address(kind, workers=int(rest))
    if kind not in MADE_BY or not rest:
        raise ValueError(f"--cluster {shown(text)}: expected {FORMS}")
    module, _ = MADE_BY[kind]
    _package(module)
    options = _read(user_path(rest), text)
    workers = options.pop("workers", None)
    if type(workers) is not int or workers < 1:
        raise ValueError(f"{rest}: workers = {shown(workers)}: expected the number of workers")
    return Address(kind, workers=workers, options={**DEFAULTS[kind], **options})


@contextmanager
def connected(address: Address) -> Iterator[Any]:
    """A `distributed.Client` of the cluster, which ends with the context if the address starts one.

    Raises ValueError: the scheduler does not answer, or the cluster can't be started.
    """
    import distributed

    open_client: Callable[..., Any] = distributed.Client
    with ExitStack() as leaving:
        try:
            target = address.url if address.kind == "scheduler" else leaving.enter_context(_started(address))
            client = leaving.enter_context(open_client(target, timeout=CONNECT_SECONDS, set_as_default=False))
        except (OSError, ValueError, TypeError, RuntimeError) as fault:
            told = one_line(str(fault)) or type(fault).__name__
            raise ValueError(f"--cluster: {address.url or address.kind} can't be used: {told}") from fault
        yield client


def _started(address: Address) -> Any:
    """The cluster that an address asks for, with its workers on their way."""
    if address.kind == "local":
        return _local(address.workers)
    module, name = MADE_BY[address.kind]
    cluster = getattr(importlib.import_module(module), name)(**address.options)
    cluster.scale(address.workers)
    return cluster


def _local(workers: int) -> Any:
    """A cluster of workers on this machine."""
    from dask import config
    from distributed import LocalCluster

    from bench.cluster.afar import TRIES

    start: Callable[..., Any] = LocalCluster
    with config.set({"distributed.scheduler.allowed-failures": TRIES - 1}):
        return start(
            n_workers=workers,
            threads_per_worker=1,
            resources={"timing": 1},
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        )


def _read(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (OSError, ValueError) as fault:
        raise ValueError(f"--cluster {shown(text)}: the file can't be read: {one_line(str(fault))}") from fault


def _package(module: str) -> None:
    """Raises ValueError: the package of a module is not installed."""
    try:
        importlib.import_module(module)
    except ImportError as fault:
        name = PACKAGES[module.partition(".")[0]]
        raise ValueError(f"--cluster needs the package {name}: python -m pip install {name} ({fault})") from fault
