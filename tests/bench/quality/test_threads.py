"""The kernels of the metrics have threads of their own, and torch's number of threads stays what it was."""

import os
import subprocess
import sys

from tests.conftest import CHECKOUT

PROGRAM = """
import numba, numpy as np, torch
from bench.quality.ranking import mean_average_precision
from bench.interfaces import Codes
before = torch.get_num_threads()
codes = Codes.pack(np.eye(4) > 0)
assert mean_average_precision(codes, codes, np.arange(4), np.arange(4)) > 0
assert torch.get_num_threads() == before == 1, torch.get_num_threads()
assert numba.get_num_threads() == 3 and numba.threading_layer() == "omp"
"""


def test_torch_keeps_its_one_thread_when_a_ranking_is_judged():
    asked = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "3", "NUMBA_THREADING_LAYER": "omp"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=CHECKOUT, env=os.environ | asked, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
