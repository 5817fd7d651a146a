"""Do the stated intervals hold? The same thing under two names, and one that is slower by a planted tenth.

``python -m tests.benchmarks.aa`` runs many small experiments as any grid is run, each with fresh processes and builds,
and counts for every time that is printed (latency, batches on all threads and on one, building, encoding) how often the
interval of the twins' ratio holds 1.0, how wide it is, and how often the planted slowdown is found. It takes a minute
an experiment, on a machine with its cores to itself.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics as plain
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from bench.grids import grid_file
from bench.grids.measure import Measure
from bench.interfaces import Context
from bench.records.book import KIND
from bench.records.keys import key
from bench.runs.run import Run
from bench.runs.searches import TIMES
from bench.stages.encoding import SHARED
from bench.stages.pipeline import Pipeline
from bench.store.entries import Arrays, Store
from bench.timing.statistics import CONFIDENCE, STOPPED, Estimate, Samples, difference, ratio
from bench.workers.forkserver import Forkserver
from bench.workers.process import Child

ITEMS, DIM, QUERIES, SLOWDOWN = 50_000, 64, 2_000, 0.10
ENCODING = "encode_ms"
KERNELS = "methods.search.features.kernels.entry"
PLUGINS = f'''
import time

import numpy as np
from scipy.spatial import cKDTree

from bench.interfaces import Codes
from methods.search.features.linear_scan import LinearScan


def wait(share, start):
    """Wait for a share of the time since the start."""
    until = time.perf_counter() + share * (time.perf_counter() - start)
    while time.perf_counter() < until:
        pass


class Twin(LinearScan):
    """Exact search, and a tree that is built and never asked."""

    slower = 0.0

    def build(self, database):
        start = time.perf_counter()
        self.tree = cKDTree(database.features[:, :8])
        super().build(database)
        wait(self.slower, start)
        return self

    def search(self, queries, k):
        start = time.perf_counter()
        found = super().search(queries, k)
        wait(self.slower, start)
        return found


class Slower(Twin):
    """The twin, which then waits for a tenth of the time that it took."""

    slower = {SLOWDOWN}


class Coder:
    """Three random layers."""

    slower, supervised, database_codes_ = 0.0, False, None

    def __init__(self, *, bits: int = 16):
        self.bits = bits

    def fit(self, train, context):
        rng = np.random.default_rng(0)
        sizes = [(train.vectors.shape[1], 1024), (1024, 1024), (1024, self.bits)]
        self.layers = [rng.standard_normal(size, dtype=np.float32) for size in sizes]
        return self

    def encode(self, items):
        start, values = time.perf_counter(), items.vectors
        for layer in self.layers:
            values = np.tanh(values @ layer)
        codes = Codes.pack(values)
        wait(self.slower, start)
        return codes


class SlowerCoder(Coder):
    """The same layers, and a tenth of the time that they took."""

    slower = {SLOWDOWN}
'''
POINTS = """
[bench.indexes]
twin_a = twins:Twin
twin_b = twins:Twin
slower = twins:Slower
[bench.hashers]
coder_a = twins:Coder
coder_b = twins:Coder
slower_coder = twins:SlowerCoder
"""
GRID = """
title = "Twins"
dataset = "vectors"
recipe = "none"
[measure]
replicates = {replicates}
precision = {precision}
[[cells]]
embedder = "identity"
index = ["twin_a", "twin_b", "slower"]
[[cells]]
hasher = ["coder_a", "coder_b", "slower_coder"]
bits = 16
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


def experiment(folder: Path, number: int, replicates: int, precision: float) -> dict[str, tuple[Estimate, Estimate]]:
    """One run from nothing: of each time, the ratios of a twin and of the slower one to the other twin."""
    path = folder / "twins.toml"
    path.write_text(GRID.format(replicates=replicates, precision=precision), "utf-8")
    plan = grid_file.load(str(path), grid_file.Options(dataset="vectors", data_dir=folder))
    results, cache = Store(folder / f"results-{number}"), folder / f"cache-{number}"
    pipeline = Pipeline(plan, Store(cache), Context(cache=cache), lambda line: None)
    with Forkserver(["bench.runs.worker", "twins", KERNELS]) as launch:
        failed = Run(pipeline, results, lambda line: None, start=partial(Child, launch=launch)).finish()
    if failed:
        raise RuntimeError(f"the experiment failed: {failed}")
    first, twin, slower, *coders = [results.read(KIND, key(pipeline, cell)).arrays for cell in plan.cells]
    confidence = STOPPED if precision else CONFIDENCE
    found = {
        name: (_paired(twin[name], first[name], confidence), _paired(slower[name], first[name], confidence))
        for name in TIMES
    }
    print(f"replicates of the twin: {len(twin['latency_ms'])}, of the slower one: {len(slower['latency_ms'])}")
    return found | {ENCODING: (_unpaired(coders[1], coders[0]), _unpaired(coders[2], coders[0]))}


def _paired(ours: Samples, others: Samples, confidence: float) -> Estimate:
    """The ratio of two arms, over the replicates that both have."""
    return ratio(ours, others[: len(ours)], confidence)


def _unpaired(ours: Arrays, others: Arrays) -> Estimate:
    """The ratio of two encodings, which are not timed in turns: as `bench.records.compare` finds it for two runs."""
    logs = difference(np.log(others[ENCODING]).tolist(), np.log(ours[ENCODING]).tolist()).with_error(2**0.5 * SHARED)
    low, high = logs.interval(1 - CONFIDENCE)
    return Estimate(math.exp(logs.value), math.exp(low), math.exp(min(high, 700)))


def main() -> None:
    """Run the experiments and say what came of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=20)
    parser.add_argument("--replicates", type=int, default=Measure.replicates)
    parser.add_argument("--precision", type=float, default=Measure.precision)
    parser.add_argument("--csv", type=Path, help="where the ratios of all experiments go")
    chosen = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        install(folder)
        data(folder)
        for number in range(chosen.experiments):
            for time, arms in experiment(folder, number, chosen.replicates, chosen.precision).items():
                for arm, one in zip(("twin", "slower"), arms, strict=True):
                    rows.append({"experiment": number, "time": time, "arm": arm, **vars(one)})
            table = pd.DataFrame(rows)
            if chosen.csv is not None:
                table.to_csv(chosen.csv, index=False)
            print(f"experiment {number + 1} of {chosen.experiments} done", flush=True)
    for time, found in table.groupby("time", sort=False):
        print(f"{time}: {summary(found)}")


def summary(found: pd.DataFrame) -> str:
    """What the experiments say of one time."""
    twins, slower = found[found["arm"] == "twin"], found[found["arm"] == "slower"]
    holds = int(((twins["low"] <= 1) & (twins["high"] >= 1)).sum())
    half_width = plain.median((twins["high"] - twins["low"]) / 2)
    return (
        f"{holds} of {len(twins)} intervals of the twins' ratio hold 1.0, median half-width {half_width:.1%}; "
        f"the planted slowdown of {SLOWDOWN:.0%} is found in {int((slower['low'] > 1).sum())} of {len(slower)}"
    )


if __name__ == "__main__":
    main()
