"""Runs a worker in this process, in place of a process of its own."""

from __future__ import annotations

import json
from typing import Any

from bench.workers.limits import Failure, Limits, Say, Show
from bench.workers.serving import as_line, worker_class


class Local:
    """A worker in this process, with the methods of `bench.workers.process.Child`, for a debugger or for safe work.

    It has no limits. The rest of this process disturbs its times and is part of its memory.
    """

    def __init__(
        self,
        setup: dict[str, Any],
        limits: Limits,
        say: Say = print,
        show: Show = lambda description, done, total: None,
    ) -> None:
        """Raises Failure: the worker fails to set up."""
        self.gone = False
        settings = dict(setup)
        worker = worker_class(settings.pop("worker"))
        self._worker = worker(lambda message: say(message["say"]) if "say" in message else show(*message["show"]))
        self.ask("set_up", **settings)

    def ask(self, what: str, **parameters: Any) -> Any:
        """See `bench.workers.process.Child`."""
        try:
            return json.loads(as_line({"answer": getattr(self._worker, what)(**parameters)}))["answer"]
        except Exception as fault:
            raise Failure.of(fault) from fault

    def pause(self) -> None:
        """Nothing: this process can't stop itself."""

    def resident_bytes(self) -> int:
        """Always 0: it takes no memory besides this process's."""
        return 0

    def end(self) -> None:
        """Release the worker. It may be called again."""
        if not self.gone:
            self.gone = True
            del self._worker
