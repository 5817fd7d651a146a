"""Several processes that train one network: where they meet, how they start, and how they end.

Each process is a rank, with one device. Rank 0 is the process that called ``fit``: it alone writes, shows progress and
judges models. It starts the other ranks of its machine once its own preparation is done, so that they find what the
cache keeps. They call the same ``fit``. They inherit the environment, and with it the mark of the worker that they
belong to. A rank is killed when the process that started it ends. If another rank ends first, the training ends with
its reason.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

import torch
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from torch import distributed

from bench.interfaces import Context, Items

KILL_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of Linux's prctl."""

PATIENCE = timedelta(days=1)
"""The longest wait of a rank for another, which may judge a model meanwhile. The end of a rank is noticed before."""

GRACE = 30.0
"""Seconds in which ranks end by themselves after a training, or after one of them has ended too early."""

HERE = "127.0.0.1"

STARTED = b"started"


class Shared(Protocol):
    """A plugin whose training several ranks may share: a dataclass, with a rank for each device of each node."""

    devices: int
    nodes: int

    def fit(self, train: Items, context: Context) -> Any: ...


@dataclass(frozen=True)
class Meeting:
    """Where the ranks of a training find each other, and by which library they exchange tensors."""

    address: str
    port: int
    world: int
    backend: str

    def join(self, rank: int, store: Any) -> None:
        """Wait for all other ranks. From now on this process is one of them."""
        distributed.init_process_group(self.backend, store=store, rank=rank, world_size=self.world, timeout=PATIENCE)

    def opened(self, is_first: bool) -> Any:
        """The store through which ranks find each other, which the first rank serves."""
        return distributed.TCPStore(  # type: ignore[attr-defined]
            self.address, self.port, is_master=is_first, wait_for_workers=False, timeout=PATIENCE
        )


class Joined(ClusterEnvironment):
    """Fabric's view of a process that has joined a meeting: each rank is a node with one device."""

    @property
    def creates_processes_externally(self) -> bool:
        return True

    @property
    def main_address(self) -> str:
        return HERE

    @property
    def main_port(self) -> int:
        return 0

    @staticmethod
    def detect() -> bool:
        return False

    def world_size(self) -> int:
        return distributed.get_world_size()

    def set_world_size(self, size: int) -> None:
        """The meeting has set it."""

    def global_rank(self) -> int:
        return distributed.get_rank()

    def set_global_rank(self, rank: int) -> None:
        """The meeting has set it."""

    def local_rank(self) -> int:
        return 0

    def node_rank(self) -> int:
        return distributed.get_rank()


def check_ranks(plugin: Shared, train: Items, device: torch.device) -> None:
    """Raises ValueError: there are fewer CUDA devices or train items than ranks, or nodes do not know where to meet."""
    world = plugin.devices * plugin.nodes
    if device.type == "cuda" and (there := torch.cuda.device_count()) < plugin.devices:
        raise ValueError(f"devices={plugin.devices}: torch finds {there} CUDA devices here")
    if len(train) < world:
        told = f"{len(train)} train items are fewer than ranks"
        raise ValueError(f"devices={plugin.devices}, nodes={plugin.nodes}: {told}")
    _meeting(plugin, device)


@contextmanager
def together(plugin: Shared, train: Items, context: Context, device: torch.device) -> Iterator[None]:
    """Inside, this process and the other ranks of the plugin's training have joined; with one device nothing happens.

    ``train`` and the plugin's parameters are sent to the ranks of this machine. The threads of the processor are shared
    out among these.

    Raises ValueError: the train items can't be sent. See also `check_ranks`, which is called before long work.

    Raises RuntimeError: another rank has ended before the training, and by what.
    """
    threads, world = torch.get_num_threads(), plugin.devices * plugin.nodes
    try:
        if device.type == "cpu":
            torch.set_num_threads(max(1, threads // plugin.devices))
        if world == 1 or distributed.is_initialized():
            yield
            return
        meeting, node = _meeting(plugin, device)
        first = node * plugin.devices
        store = meeting.opened(first == 0)
        meeting = replace(meeting, port=store.port)
        with _started(plugin, train, context, device, meeting, first, threads) as others, others.watched():
            meeting.join(first, store)
            yield
    finally:
        torch.set_num_threads(threads)


def _meeting(plugin: Shared, device: torch.device) -> tuple[Meeting, int]:
    """Where the ranks meet, with port 0 for any, and the number of this node."""
    world, backend = plugin.devices * plugin.nodes, "nccl" if device.type == "cuda" else "gloo"
    if plugin.nodes == 1:
        return Meeting(HERE, 0, world, backend), 0
    told = f"nodes={plugin.nodes}: each node calls fit, with MASTER_ADDR, MASTER_PORT and NODE_RANK in its environment"
    try:
        node = int(os.environ["NODE_RANK"])
        meeting = Meeting(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), world, backend)
    except (KeyError, ValueError) as fault:
        raise ValueError(f"{told}; wrong is {fault}") from fault
    if not 0 <= node < plugin.nodes:
        raise ValueError(f"NODE_RANK={node}: must be from 0 to {plugin.nodes - 1}, since nodes={plugin.nodes}")
    return meeting, node


class Others:
    """The ranks that this process has started, by their number."""

    def __init__(self, ranks: dict[int, tuple[BaseProcess, Connection]], world: int) -> None:
        self._ranks, self._world = ranks, world

    def wait_for_start(self) -> None:
        """Wait until each rank is about to join.

        Raises RuntimeError: one has ended before.
        """
        for process, ours in self._ranks.values():
            wait([process.sentinel, ours])
            with suppress(EOFError):
                if ours.poll() and ours.recv_bytes() == STARTED:
                    continue
            process.join()
            raise RuntimeError(self._reason())

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Leave the meeting at the end of the block. A rank that ends before is the reason of the fault that follows.

        Raises RuntimeError: see `together`.
        """
        finished = threading.Event()
        if self._ranks:
            threading.Thread(target=self._watch, args=(finished,), daemon=True).start()
        try:
            yield
            self._join(GRACE)
        except RuntimeError as fault:
            if _follows(fault):
                self._join(GRACE, any)
                if reason := self._reason():
                    raise RuntimeError(reason) from fault
            raise
        finally:
            finished.set()
            for process, _ in self._ranks.values():
                process.kill()
            if distributed.is_initialized():
                distributed.destroy_process_group()

    def _join(self, seconds: float, enough: Callable[[Iterable[bool]], bool] = all) -> None:
        """Wait until all the ranks, or any, have ended."""
        ends: dict[Any, BaseProcess] = {process.sentinel: process for process, _ in self._ranks.values()}
        waiting = {*ends}
        while waiting and (ended := wait([*waiting], seconds)):
            for one in ended:
                ends[one].join()  # its pipe closes a moment before its exit code is known
            waiting -= {*ended}
            if enough(sentinel not in waiting for sentinel in ends):
                return

    def _watch(self, finished: threading.Event) -> None:
        """End this process if a rank has ended and the others wait for it: NCCL waits for ever, where gloo raises."""
        sentinels = [process.sentinel for process, _ in self._ranks.values()]
        wait(sentinels)
        if finished.wait(2 * GRACE):
            return
        print(self._reason() or "a rank has ended early", file=sys.stderr, flush=True)
        os._exit(1)

    def _reason(self) -> str | None:
        """The reason why a rank has ended that did not end for another one. None if there is none."""
        reasons = [(self._told(number), number) for number in self._ranks]
        known = [f"rank {number} of {self._world} {told}" for told, number in reasons if told is not None]
        return known[0] if known else None

    def _told(self, number: int) -> str | None:
        process, ours = self._ranks[number]
        with suppress(EOFError, OSError):
            if ours.poll():
                message = json.loads(ours.recv_bytes())
                return None if message["follows"] else f"failed: {message['reason']}"
        if process.exitcode is None or process.exitcode == 0:
            return None
        if process.exitcode > 0:
            return f"ended with exit code {process.exitcode}"
        name = signal.Signals(-process.exitcode).name
        more = ", which the system sends where memory runs out" if name == "SIGKILL" else ""
        return f"ended by {name}{more}"


@contextmanager
def _started(
    plugin: Shared, train: Items, context: Context, device: torch.device, meeting: Meeting, first: int, threads: int
) -> Iterator[Others]:
    """The other ranks of this machine."""
    system = get_context("spawn")
    ranks: dict[int, tuple[BaseProcess, Connection]] = {}
    fresh = replace(plugin)  # type: ignore[type-var]
    try:
        for local in range(1, plugin.devices):
            own = f"cuda:{local}" if device.type == "cuda" else "cpu"
            ours, theirs = system.Pipe()
            lent = Context(seed=context.seed, device=own, cache=context.cache)
            started = system.Process(
                target=_follow, args=(fresh, train, lent, meeting, first + local, theirs, os.getpid(), threads)
            )
            try:
                started.start()
            except Exception as fault:  # an item may refuse to be sent with any
                raise ValueError(
                    f"devices={plugin.devices}: items can't be sent to other processes: {fault}"
                ) from fault
            theirs.close()
            ranks[first + local] = (started, ours)
        others = Others(ranks, meeting.world)
        others.wait_for_start()
        yield others
    finally:
        for process, ours in ranks.values():
            process.kill()
            process.join()
            ours.close()


def _follow(
    plugin: Shared, train: Items, context: Context, meeting: Meeting, rank: int, told: Connection, parent: int,
    threads: int,
) -> None:  # fmt: skip
    """Be a rank: join the meeting, and fit."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(KILL_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:
        return
    torch.set_num_threads(threads)
    told.send_bytes(STARTED)
    try:
        meeting.join(rank, meeting.opened(False))
        plugin.fit(train, context)
    except Exception as fault:
        message = {"reason": f"{type(fault).__name__}: {fault}", "follows": _follows(fault)}
        told.send_bytes(json.dumps(message).encode())
        raise


def _follows(fault: Exception) -> bool:
    """Whether a fault follows the end of another rank. Those of gloo have no type of their own."""
    return isinstance(fault, distributed.DistError) or (isinstance(fault, RuntimeError) and "gloo" in str(fault))
