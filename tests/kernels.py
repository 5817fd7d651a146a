"""Compiles the kernels, which takes a minute in a new clone, for several processes that would each do so."""

import subprocess
import sys

METRICS = """
import numpy as np
from bench.interfaces import Codes
from bench.quality import columns
from bench.stages.exact import exact_neighbours
values, labels = np.random.default_rng(0).standard_normal((20, 16), dtype=np.float32), np.arange(20) % 3
codes = Codes.pack(values)
columns.of_codes(codes, codes, labels, labels, 5)
columns.of_features(values, values, labels, labels)
exact_neighbours(values, values, 5)
"""
PARTS = ("import methods.search.codes.kernels.entry", "import methods.search.features.kernels.entry", METRICS)
"""What compiles: an import, and for the metrics the first call."""


def compile_all(folder):
    """Compile all kernels of the checkout in a folder, side by side, unless numba has kept them."""
    for process in [subprocess.Popen([sys.executable, "-c", part], cwd=folder) for part in PARTS]:
        process.wait()
