"""A temporary folder for a library or an engine, and the processes of its server, which end with this process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import weakref
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from methods.search.common import keeper

LOG_LINES = 5
BLOCK = 512
"""Bytes of a block as `stat` counts them."""


class Home:
    """A temporary folder, and what runs in it. Both go with this object or this process, however that ends: another
    process, the keeper (`methods.search.common.keeper`), removes them.
    """

    def __init__(self) -> None:
        """Make the folder.

        Raises OSError: it can't be made.
        """
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", keeper.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, keeper.TIDIES: "1"},
            text=True,
        )
        self.close = weakref.finalize(self, _end, self._keeper)
        self.folder = Path(self._answer())
        if not self.folder.is_absolute():
            raise OSError("no temporary folder can be made; its keeper has ended")

    def start(self, command: Sequence[str], user: str | None = None) -> None:
        """Start a server in the folder, as another user if one is named. Its output goes to the file ``log``.

        Raises OSError: it can't be started.
        """
        self._order({"start": [*command], "user": user})

    def at_end(self, command: Sequence[str]) -> None:
        """Have a command run at the end, after the folder is removed."""
        self._order({"at_end": [*command]})

    def _order(self, order: dict[str, Any]) -> None:
        assert self._keeper.stdin is not None
        self._keeper.stdin.write(json.dumps(order) + "\n")
        self._keeper.stdin.flush()
        if fault := self._answer():
            raise OSError(fault)

    def _answer(self) -> str:
        assert self._keeper.stdout is not None
        return self._keeper.stdout.readline().rstrip("\n")

    def runs(self) -> bool:
        """Whether a server that was started still runs."""
        return any(True for _ in self._servers())

    def server_bytes(self) -> int:
        """The memory of the server's processes. What they share counts once."""
        spent = 0
        for process in self._servers():
            with suppress(psutil.Error):
                spent += process.memory_full_info().pss
        return spent

    def _servers(self) -> Iterator[psutil.Process]:
        for process in psutil.Process(self._keeper.pid).children(recursive=True):
            with suppress(psutil.Error):
                if process.status() != psutil.STATUS_ZOMBIE:
                    yield process

    def log(self) -> str:
        """What the servers wrote."""
        log = self.folder / "log"
        return log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""

    def last_words(self) -> str:
        """The last lines of the log, in one line."""
        return " / ".join(line.strip() for line in self.log().splitlines()[-LOG_LINES:])

    def disk_bytes(self, files: str = "*") -> int:
        """The space that the files in the folder take, or those that a pattern names."""
        spent = 0
        for path in self.folder.rglob(files):
            with suppress(FileNotFoundError):  # the engine tidies up
                spent += BLOCK * path.lstat().st_blocks
        return spent


def _end(keeper: subprocess.Popen[str]) -> None:
    """Close the pipes of the keeper, and wait until it has removed everything."""
    assert keeper.stdin is not None and keeper.stdout is not None
    with suppress(BrokenPipeError):
        keeper.stdin.close()
    keeper.wait()
    keeper.stdout.close()
