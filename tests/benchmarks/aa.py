"""Do the stated intervals hold? The same index under two names, and one that is slower by a planted tenth.

``python -m tests.benchmarks.aa`` runs many small experiments, each with fresh processes and builds, and counts how
often the interval of the twins' ratio holds 1.0, how wide it is, and how often the planted slowdown is found. It takes
about half a minute an experiment, on a machine with a core to itself.
"""

from __future__ import annotations

import argparse
import os
import statistics as plain
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from bench import grid_file
from bench.interfaces import Context
from bench.pipeline import Pipeline
from bench.records import KIND, key
from bench.runner import Run
from bench.statistics import Estimate, ratio
from bench.store import Store

ITEMS, DIM, QUERIES, SLOWDOWN = 50_000, 64, 400, 0.10
PLUGINS = f'''
import time

from methods.search.linear_scan import LinearScan


class Twin(LinearScan):
    """Exact search."""


class Slower(LinearScan):
    """Exact search that then waits for a tenth of the time that it took."""

    def search(self, queries, k):
        start = time.perf_counter()
        found = super().search(queries, k)
        until = time.perf_counter() + {SLOWDOWN} * (time.perf_counter() - start)
        while time.perf_counter() < until:
            pass
        return found
'''
POINTS = "[bench.indexes]\ntwin_a = twins:Twin\ntwin_b = twins:Twin\nslower = twins:Slower\n"
GRID = """
title = "Twins"
dataset = "vectors"
recipe = "none"
[measure]
replicates = {replicates}
rounds = 6
queries_per_round = 60
[[cells]]
embedder = "identity"
index = ["twin_a", "twin_b", "slower"]
[recipes.none]
"""


def install(folder: Path) -> None:
    """The twins as plugins of a package, for this process and those it starts."""
    (folder / "twins.py").write_text(PLUGINS, "utf-8")
    info = folder / "twins-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: twins\nVersion: 1.0\n", "utf-8")
    (info / "entry_points.txt").write_text(POINTS, "utf-8")
    sys.path.insert(0, str(folder))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))


def data(folder: Path) -> None:
    """Vectors for the grid."""
    rng = np.random.default_rng(0)
    for name, count in (("train", ITEMS), ("test", QUERIES)):
        np.save(folder / f"{name}.npy", rng.standard_normal((count, DIM), dtype=np.float32))
        np.save(folder / f"{name}_labels.npy", rng.integers(0, 10, count))


def experiment(folder: Path, number: int, replicates: int) -> dict[str, Estimate]:
    """One run from nothing: the ratios of a twin and of the slower one to the other twin."""
    path = folder / "twins.toml"
    path.write_text(GRID.format(replicates=replicates), "utf-8")
    plan = grid_file.load(str(path), grid_file.Options("vectors", folder))
    results = Store(folder / f"results-{number}")
    pipeline = Pipeline(plan, Store(folder / "cache"), Context(cache=folder / "cache"), lambda line: None)
    failed = Run(pipeline, results, lambda line: None)()
    if failed:
        raise RuntimeError(f"the experiment failed: {failed}")
    times = [results.read(KIND, key(pipeline, cell)).arrays["latency_ms"] for cell in plan.cells]
    return {"twin": ratio(times[1], times[0]), "slower": ratio(times[2], times[0])}


def main() -> None:
    """Run the experiments and say what came of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=20)
    parser.add_argument("--replicates", type=int, default=5)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        install(folder)
        data(folder)
        rows = []
        for number in range(chosen.experiments):
            found = experiment(folder, number, chosen.replicates)
            rows.append({f"{arm}_{part}": value for arm, one in found.items() for part, value in vars(one).items()})
            print({name: round(value, 3) for name, value in rows[-1].items()}, flush=True)
    table = pd.DataFrame(rows)
    holds = int(((table["twin_low"] <= 1) & (table["twin_high"] >= 1)).sum())
    found = int((table["slower_low"] > 1).sum())
    half_width = plain.median((table["twin_high"] - table["twin_low"]) / 2)
    print(
        f"{holds} of {len(table)} intervals of the twins' ratio hold 1.0; their median half-width is {half_width:.1%}"
    )
    print(f"the planted slowdown of {SLOWDOWN:.0%} is found in {found} of {len(table)}")


if __name__ == "__main__":
    main()
