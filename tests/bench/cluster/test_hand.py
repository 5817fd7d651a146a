"""The process in which a worker of a cluster makes jobs ends when nobody asks it any more."""

import subprocess
import sys

import pytest

from tests.conftest import CHECKOUT

DEAF = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); signal.signal = lambda *_: None; "
"""As if the interrupt had come just before a wait: it is lost."""


@pytest.mark.parametrize("deaf", ["", DEAF])
def test_at_the_end_of_its_input_it_ends_even_if_the_interrupt_is_lost(deaf):
    code = f"{deaf}from bench.cli.hand import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, input="", capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0 and done.stdout == done.stderr == ""
