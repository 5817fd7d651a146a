"""Sends jobs to the workers of a Dask cluster, after a look at whether these are as the run is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any
from uuid import uuid4

from distributed import KilledWorker, Worker

from bench.cluster.hands import TOPIC, Event, Hands, hands_of, make
from bench.runs.crew import Kind
from bench.workers.limits import Say

PART = 2.0**-10
"""What a stage or a ranking takes of a worker's ``timing``, so that a group, which takes all of it, is alone there.

It is a power of two, so that sums of it are exact.
"""

GONE = "the scheduler is gone; what is finished is kept, and the same command goes on"

LOOK_SECONDS = 60.0
"""Seconds between two lines that say that no worker has come yet."""


class Dask:
    """The engine of a `bench.cluster.afar.Afar`. Until it is closed the workers have processes for it."""

    def __init__(self, client: Any, opening: Mapping[str, Any], say: Say) -> None:
        """``client``: a `distributed.Client`. ``opening``: what a worker needs to know of the run. ``say`` gets a line
        while there is no worker.

        Raises ValueError: a worker is not as it must be; the line names it.
        """
        self.machines: dict[str, str] = {}
        """The machine class of each host."""
        self._client, self._device = client, opening["making"]["device"]
        self._futures: dict[str, Any] = {}
        self._said: SimpleQueue[Event] = SimpleQueue()
        for name in [one for one in logging.root.manager.loggerDict if one.partition(".")[0] == "distributed"]:
            logging.getLogger(name).setLevel(logging.CRITICAL)  # its lines would break the bars
        self._wait(say)
        for worker, fault in client.run(_without_bench(), on_error="return").items():
            if fault is not None:
                raise ValueError(f"worker {worker}: the package bench is not installed there ({fault})")
        client.register_plugin(Hands(opening))
        try:
            self._greet()
        except BaseException:
            self.close()
            raise
        client.subscribe_topic(TOPIC, self._heard)

    def _wait(self, say: Say) -> None:
        """Wait for the first worker."""
        while not self._workers():
            say(f"bench: wait: {self._client.scheduler.address} has no worker yet")
            with suppress(TimeoutError):
                self._client.wait_for_workers(1, timeout=LOOK_SECONDS)

    def _greet(self) -> None:
        """Raises ValueError: a worker is not as it must be."""
        workers = self._workers()
        for address, one in workers.items():
            if one["resources"].get("timing") != 1:
                raise ValueError(f"worker {address}: start it with --resources timing=1; it has {one['resources']}")
        self.gpus = any("gpu" in one["resources"] for one in workers.values()) and self._device != "cpu"
        self.slots = sum(one["nthreads"] for one in workers.values())
        found = self._client.run(_greeted, on_error="return")
        for address, hello in found.items():
            if not isinstance(hello, dict) or hello["unlike"]:
                told = hello["unlike"] if isinstance(hello, dict) else f"{type(hello).__name__}: {hello}"
                at = f" on {hello['host']}" if isinstance(hello, dict) else ""
                raise ValueError(f"worker {address}{at}: {told}")
        self.machines |= {hello["host"]: hello["machine"] for hello in found.values()}
        self._count = len(found)

    @property
    def hosts(self) -> int:
        """See `Engine`."""
        return len(self.machines)

    @property
    def crowded(self) -> bool:
        """See `Engine`."""
        return self._count > self.hosts

    def submit(self, name: str, kind: Kind, request: Mapping[str, Any]) -> None:
        """See `Engine`."""
        resources = {"timing": 1.0 if kind == "group" else PART}
        if kind == "stage" and self.gpus:
            resources["gpu"] = 1
        key = f"bench-{name}-{uuid4().hex}"
        future = self._client.submit(make, dict(request), key=key, resources=resources, pure=False)
        self._futures[name] = future
        future.add_done_callback(partial(self._ended, name))

    def heard(self, seconds: float) -> Iterator[Event]:
        """See `Engine`."""
        with suppress(Empty):
            event = self._said.get(timeout=seconds)
            while True:
                if event["event"] == "gone":
                    raise OSError(GONE)
                yield event
                event = self._said.get_nowait()
        if self._client.status == "closed":
            raise OSError(GONE)

    def cancel(self, names: Iterable[str]) -> None:
        """See `Engine`."""
        futures = [future for name in names if (future := self._futures.pop(name, None)) is not None]
        if futures and self._client.status == "running":
            self._client.cancel(futures)

    def stop(self) -> None:
        """See `Engine`."""
        self.close()

    def close(self) -> None:
        """End the processes of the run on all workers. It may be called again."""
        if self._client.status == "running":
            with suppress(ValueError, OSError):
                self._client.unregister_worker_plugin(Hands.name)

    def _workers(self) -> dict[str, Any]:
        found: dict[str, Any] = self._client.scheduler_info(n_workers=-1)["workers"]
        return found

    def _heard(self, event: tuple[float, Event]) -> None:
        self._said.put(event[1])

    def _ended(self, name: str, future: Any) -> None:
        if self._futures.get(name) is not future:
            return  # it was taken back
        del self._futures[name]
        self._said.put({"name": name, **_answer(future)})


def _answer(future: Any) -> Event:
    """What came of a task. The store is asked what came of the job."""
    if future.status == "finished":
        answer: Event = future.result()
        return answer
    if future.status == "error":
        fault = future.exception()
        if isinstance(fault, KilledWorker):
            told = f"{fault.allowed_failures + 1} workers died while they made it, the last {fault.last_worker.address}"
            return {"event": "answer", "died": told, "final": True}
        return {"event": "answer", "died": f"{type(fault).__name__}: {fault}"}
    return {"event": "gone"}


def _without_bench() -> Callable[[], str | None]:
    """A function that a worker can run which has no `bench`: the reason why it has none, or None."""

    def look() -> str | None:
        import importlib

        try:
            importlib.import_module("bench.cluster.hands")
        except Exception as fault:
            return f"{type(fault).__name__}: {fault}"
        return None

    return look


async def _greeted(dask_worker: Worker) -> Event:
    return await asyncio.to_thread(hands_of(dask_worker).greeted)
