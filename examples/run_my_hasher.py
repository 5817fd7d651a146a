"""Run a grid with your own hasher on small vectors: after `python -m pip install ./examples/my_hasher`."""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

out = sys.argv[1] if len(sys.argv) > 1 else "results"
grid = Path(__file__).parent / "my_hasher/my_grid.toml"
generator = np.random.default_rng(0)
centres = generator.standard_normal((5, 16))
with tempfile.TemporaryDirectory() as folder:
    for name, size in (("train", 400), ("test", 60)):
        labels = generator.integers(5, size=size)
        np.save(f"{folder}/{name}.npy", centres[labels] + generator.standard_normal((size, 16)))
        np.save(f"{folder}/{name}_labels.npy", labels)
    command = [sys.executable, "-m", "bench", "run", "--grid", grid, "--data-dir", folder, "--name", "clusters"]
    subprocess.run([*command, "--out", out], check=True)
