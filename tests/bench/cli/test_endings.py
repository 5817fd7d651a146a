"""How a command ends that can't go on: one line, an exit code, and nothing left as it was set."""

import errno
import os
import signal
import threading

import pytest
import typer

from bench.cli import endings
from bench.cli.endings import plain_errors

KEPT = "what is finished is kept, and the same command goes on from there"
FULL = "[Errno 28] No space left on device"


def ended(what):
    """The exit code with which a command ends that does this."""
    with pytest.raises(typer.Exit) as fault, plain_errors():
        what()
    return fault.value.exit_code


def raising(fault):
    def fail():
        raise fault

    return fail


@pytest.mark.parametrize(
    ("fault", "code", "line"),
    [
        (ValueError("a\nb"), 2, r"a\nb"),
        (OSError("no such folder"), 2, "no such folder"),
        (OSError(errno.ENOSPC, "No space left on device"), 1, FULL),
        (KeyboardInterrupt(), 130, f"interrupted; {KEPT}"),
    ],
)
def test_a_fault_is_one_line_and_an_exit_code(fault, code, line, capsys):
    assert ended(raising(fault)) == code
    assert capsys.readouterr().err == f"bench: {line}\n"


@pytest.fixture
def heeded():
    """Signals do what they do by default, also where the tests run under ``nohup``."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in endings.ENDING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("heeded")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_that_ends_a_command_is_one_line_and_128_more_as_its_exit_code(number, code, capsys):
    left = []

    def work():
        try:
            os.kill(os.getpid(), number)
        finally:
            left.append("in order")

    assert ended(work) == code and left == ["in order"]
    assert capsys.readouterr().err == f"bench: ended by {number.name}; {KEPT}\n"
    assert signal.getsignal(number) is signal.SIG_DFL


@pytest.mark.usefixtures("heeded")
def test_a_terminal_that_is_gone_changes_neither_the_end_nor_its_code(monkeypatch):
    def work():
        try:
            os.kill(os.getpid(), signal.SIGHUP)
        finally:
            gone()

    def gone(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(endings.errors, "print", gone)
    assert ended(work) == 129


def test_a_signal_that_is_ignored_stays_so_as_nohup_has_it():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with plain_errors():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_in_another_thread_nothing_is_set():
    codes = []
    thread = threading.Thread(target=lambda: codes.append(ended(raising(ValueError("wrong")))))
    thread.start()
    thread.join()
    assert codes == [2]
