"""Ends a command that can't go on, with one line on stderr and an exit code."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import typer

from bench.cli.screen import errors
from bench.system.files import is_full
from bench.system.wording import one_line

KEPT = "what is finished is kept, and the same command goes on from there"
INTERRUPTED = f"interrupted; {KEPT}"
ENDING = (signal.SIGTERM, signal.SIGHUP)
"""The signals that ask a command to end, beside Ctrl-C: of the system or a scheduler, and of a terminal that closes."""


@contextmanager
def plain_errors() -> Iterator[None]:
    """Ends with one line and exit code 2 for an error that the user can mend, or exit code 1 for a full disk.

    A signal that asks the command to end does so as Ctrl-C does, with 128 and its number as the exit code.
    """
    with _ending_in_order() as received:
        try:
            yield
        except (ValueError, OSError, KeyboardInterrupt) as fault:
            if received:  # a terminal that is gone also fails what is written on the way out
                _end(f"ended by {received[0].name}; {KEPT}", 128 + received[0], fault)
            if isinstance(fault, KeyboardInterrupt):
                _end(INTERRUPTED, 128 + signal.SIGINT, fault)
            _end(one_line(str(fault)), 1 if is_full(fault) else 2, fault)


def _end(line: str, code: int, fault: BaseException) -> None:
    with suppress(OSError):
        errors.print(f"bench: {line}")
    raise typer.Exit(code) from fault


@contextmanager
def _ending_in_order() -> Iterator[list[signal.Signals]]:
    """Inside, the first signal of ``ENDING`` interrupts this process, and is in the list. Ignored ones stay so, as
    ``nohup`` has them.
    """
    received: list[signal.Signals] = []
    owner = os.getpid()

    def interrupt(number: int, _: FrameType | None) -> None:
        if os.getpid() != owner:  # a fork of this process, which has nothing to put in order
            os._exit(128 + number)
        if not received:
            received.append(signal.Signals(number))
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    replaced = [one for one in ENDING if signal.getsignal(one) is signal.SIG_DFL]
    for one in replaced:
        signal.signal(one, interrupt)
    try:
        yield received
    finally:
        for one in replaced:
            signal.signal(one, signal.SIG_DFL)
