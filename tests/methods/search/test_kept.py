"""What a library compiles by numba is kept for the next process, though its functions take functions."""

import os
import subprocess
import sys

import pytest

from tests.conftest import CHECKOUT

LIBRARY = {
    "__init__": "from toy_compiled.calls import twice, twice_pi\n",
    "plain": "from numba import njit\n\n@njit\ndef half(x):\n    return x / 2\n",
    "calls": """
from numba import njit
import numpy as np
from toy_compiled.plain import half

LARGE = np.zeros(2_000_000)

@njit
def twice(function, x):
    return function(function(x))

@njit
def twice_pi(function, x):
    return function(function(x)) + LARGE[3]
""",
}
"""A library of which one function can be kept, and another can't: it holds a large array."""

CALL = """
import toy_compiled
from methods.search.common.kept import keep_compiled, silent
from numba.core import event

compiled = []

class Listener(event.Listener):
    def on_start(self, told):
        pass

    def on_end(self, told):
        compiled.append(told.data["dispatcher"].py_func.__name__)

event.register("numba:compile", Listener())
keep_compiled("toy_compiled")
keep_compiled("toy_compiled")
with silent():
    print(toy_compiled.twice(toy_compiled.calls.half, 12.0), toy_compiled.twice_pi(toy_compiled.calls.half, 12.0))
print(sorted(compiled))
"""


@pytest.fixture
def called(tmp_path):
    """Calls the library in a new process. Returns the lines that it prints."""
    for name, text in LIBRARY.items():
        path = tmp_path / "toy_compiled" / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{CHECKOUT}"}
    environment["NUMBA_CACHE_DIR"] = str(tmp_path / "cache")

    def call():
        done = subprocess.run(
            [sys.executable, "-c", CALL], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        assert done.stderr == ""
        return done.stdout.splitlines()

    return call


def test_a_function_that_takes_a_function_is_loaded_until_a_file_of_the_library_changes(called, tmp_path):
    assert called() == ["3.0 3.0", "['half', 'twice', 'twice_pi']"]
    assert called() == ["3.0 3.0", "['twice_pi']"]
    plain = tmp_path / "toy_compiled" / "plain.py"
    plain.write_text(plain.read_text().replace("x / 2", "x / 4"))
    assert called()[0] == "0.75 0.75"
