"""Makes data that are larger than a given memory, block by block: vectors in clusters, and codes.

``python -m tests.benchmarks.large vectors FOLDER --rows 2000000 --dim 512`` writes train.npy and test.npy, and
``python -m tests.benchmarks.large codes FOLDER --rows 100000000`` writes database.npy and query.npy. The grids
``large_vectors.toml`` and ``large_codes.toml`` beside this file search them; `docs/limits.md` has the commands.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.system.files import RowsFile
from tests.benchmarks.scale import clustered, uniform

BLOCK_VALUES = 2**22
CENTRES, SPREAD = 20_000, 0.5
Rows = Callable[[int, np.random.Generator], NDArray[Any]]
"""A function of a number of rows and a generator, to the rows."""


def vectors(dim: int) -> Rows:
    """Rows float32 of ``dim`` values around CENTRES centres, which are standard normal."""
    centres = np.random.default_rng(0).standard_normal((CENTRES, dim), dtype=np.float32)

    def rows(count: int, rng: np.random.Generator) -> NDArray[Any]:
        own = centres[rng.integers(0, CENTRES, count)]
        return own + np.float32(SPREAD) * rng.standard_normal(own.shape, dtype=np.float32)

    return rows


def codes(kind: str) -> Rows:
    """Codes of 64 bits, uint64 [n, 1], uniform or clustered (see `tests.benchmarks.scale`)."""
    words = {"uniform": uniform, "clustered": clustered}[kind]
    return lambda count, rng: words(count, rng)[:, None]


def write(path: Path, rows: Rows, count: int, width: int, seed: int) -> None:
    """Write so many rows as ``.npy``, BLOCK_VALUES values at a time."""
    rng, block = np.random.default_rng(seed), max(1, BLOCK_VALUES // width)
    with RowsFile(path, count, rows(0, rng)) as file:
        for start in range(0, count, block):
            file.append(rows(min(block, count - start), rng))
        file.finish()


def main() -> None:
    """Write the two files of a data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["vectors", "codes"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--kind", choices=["uniform", "clustered"], default="clustered")
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    if chosen.what == "vectors":
        rows, width, names = vectors(chosen.dim), chosen.dim, ("train.npy", "test.npy")
    else:
        rows, width, names = codes(chosen.kind), 1, ("database.npy", "query.npy")
    write(chosen.folder / names[0], rows, chosen.rows, width, seed=1)
    write(chosen.folder / names[1], rows, chosen.queries, width, seed=2)


if __name__ == "__main__":
    main()
