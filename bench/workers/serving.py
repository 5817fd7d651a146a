"""The child's side of `bench.workers.process`: it answers one request after another.

``main`` is started with two descriptors (requests, answers) and the id of the parent process. The first request is
``set_up`` and names the class whose methods answer, as ``package.module:Class``.
"""

from __future__ import annotations

import dataclasses
import faulthandler
import json
import os
import resource
import sys
from importlib import import_module
from typing import Any

import numpy as np

from bench.system.descent import adopt_orphans, die_with
from bench.workers.limits import Failure


def as_line(message: dict[str, Any]) -> str:
    """A message as JSON, with numpy's numbers as Python's and dataclasses as their fields.

    Raises TypeError: it holds a value that no record can.
    """
    return json.dumps(message, default=_python) + "\n"


def _python(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if dataclasses.is_dataclass(value):
        return vars(value)
    raise TypeError(f"{type(value).__name__} where a number is expected")


def worker_class(name: str) -> Any:
    """The class that a parent names as ``package.module:Class``."""
    module, _, name = name.partition(":")
    return getattr(import_module(module), name)


def serve(requests: int, answers: int) -> None:
    """Answer requests until there are no more."""
    owner, out = os.getpid(), os.fdopen(answers, "w", buffering=1)

    def send(message: dict[str, Any]) -> None:
        if os.getpid() == owner:  # and not a process that a plugin forked
            out.write(as_line(message))

    worker: Any = None
    with os.fdopen(requests) as lines:
        for line in lines:
            request = json.loads(line)
            try:
                if "worker" in request:
                    worker = worker_class(request.pop("worker"))(send)
                send({"answer": getattr(worker, request.pop("do"))(**request)})
            except Exception as fault:
                send({"failed": vars(Failure.of(fault))})
            if os.getpid() != owner:
                os._exit(0)


def main() -> None:
    """Run a worker in an interpreter of its own."""
    live(*(int(word) for word in sys.argv[1:]))


def live(requests: int, answers: int, parent: int) -> None:
    """Serve. The process dies with the parent, and a crash prints a traceback and leaves no core file."""
    adopt_orphans()
    if not die_with(parent):
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.enable()
    serve(requests, answers)
