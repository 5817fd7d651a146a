"""A worker in this process, in place of one in a process of its own."""

from __future__ import annotations

import json
from typing import Any

from bench.workers.limits import Failure, Limits, Say, Show
from bench.workers.serving import as_line, worker_class


class Local:
    """A worker in this process, asked as `bench.workers.process.Child` is: for a debugger, or where nothing can fail.

    Nothing limits it, and its times and its memory are as good as the process that it shares.
    """

    def __init__(
        self,
        setup: dict[str, Any],
        limits: Limits,
        say: Say = print,
        show: Show = lambda description, done, total: None,
    ) -> None:
        """Raises Failure: it fails to set up."""
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

    def resident_bytes(self) -> int:
        """It takes no memory but this process's."""
        return 0

    def end(self) -> None:
        """Let go of what it holds. It may be called again."""
        if not self.gone:
            self.gone = True
            del self._worker
