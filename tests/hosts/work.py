"""The work that hosts share: a grid of trainings and timed cells, the commands that make it, and what came of it."""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

from bench.store.entries import Store

CHECKOUT = Path(__file__).parents[2]
PLUGINS = '''
import time

from toy_plugins import Scan, Signs


class Sleeper(Signs):
    """Random hyperplanes, for which it sleeps."""

    def __init__(self, *, bits: int = 16, seconds: float = 1.0):
        super().__init__(bits=bits)
        self.seconds = seconds

    def fit(self, train, context):
        time.sleep(self.seconds)
        return super().fit(train, context)


class SleepingScan(Scan):
    """A scan of codes, for whose build it sleeps."""

    query_parameters = ()

    def __init__(self, *, seconds: float = 1.0, block: int = 1):
        super().__init__(field="codes", block=block)
        self.seconds = seconds

    def build(self, database):
        time.sleep(self.seconds)
        return super().build(database)
'''
POINTS = """
[bench.hashers]
sleeper = sleepers:Sleeper
[bench.indexes]
sleeping_scan = sleepers:SleepingScan
"""
GRID = """
title = "Sleepers"
dataset = "toy_clusters"
recipe = "none"
[measure]
replicates = 2
rounds = 1
queries_per_round = 5
batch_seconds = 0.01
[[cells]]
hasher = "sleeper"
bits = 16
sleeper.seconds = {training}
seeds = {trainings}
[[cells]]
hasher = "sleeper"
bits = 16
sleeper.seconds = {training}
index = "sleeping_scan"
sleeping_scan.seconds = {build}
block = [1, 2, 3, 4, 5]
seeds = {groups}
[recipes.none]
"""


def install(folder: Path) -> dict[str, str]:
    """The plugins as a package in the folder. Returns the variables of the environment that find it."""
    folder.mkdir(parents=True)
    (folder / "sleepers.py").write_text(PLUGINS, "utf-8")
    info = folder / "sleepers-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sleepers\nVersion: 1.0\n", "utf-8")
    (info / "entry_points.txt").write_text(POINTS, "utf-8")
    path = os.pathsep.join(map(str, [folder, CHECKOUT / "tests" / "plugins", CHECKOUT]))
    return {"PYTHONPATH": path, "COLUMNS": "200", "BENCH_STALE": "30"}


def grid(folder: Path, trainings: int, groups: int, training: float, build: float) -> Path:
    """The file of a grid of so many trainings, and of so many groups of five timed cells, with the seconds of each."""
    path = folder / "sleepers.toml"
    sleeps = {"training": float(training), "build": float(build)}
    path.write_text(GRID.format(trainings=[*range(trainings)], groups=[*range(groups)], **sleeps), "utf-8")
    return path


def command(name: str, grid: Path, folder: Path, *more: str) -> list[str]:
    """``python -m bench NAME`` on the grid and the two folders in ``folder``."""
    where = ["--grid", str(grid), "--out", str(folder / "out"), "--cache-dir", str(folder / "cache")]
    return [sys.executable, "-m", "bench", name, *where, *more]


def faults(folder: Path, shared: bool = True) -> list[str]:
    """What is wrong with a finished store: entries that are not as they were written, times on a host that overlap, and
    where hosts have ``shared`` the folder, replicates of one cell on several hosts. Where each has its own, it may
    fetch replicates of one cell from two that timed it at once; a record is made of those of one host alone.
    """
    found, store = list[str](), Store(folder / "out")
    for name in ("out", "cache"):
        one = Store(folder / name)
        kinds = {path.name for path in one.root.iterdir() if path.is_dir()} - {"locks", "work"}
        for kind in sorted(kinds):
            found += [f"{name}/{kind}/{key} is damaged" for key in one.keys(kind) if not one.is_sound(kind, key)]
    spans: dict[str, dict[str, str]] = defaultdict(dict)
    hosts: dict[str, set[str]] = defaultdict(set)
    for key in store.keys("replicates"):
        meta = store.meta("replicates", key)
        begun = spans[meta["host"]]
        begun[meta["began"]] = max(meta["ended"], begun.get(meta["began"], ""))
        hosts[key.rpartition("-")[0]].add(meta["host"])
    found += [f"{key} was timed on {sorted(names)}" for key, names in hosts.items() if shared and len(names) > 1]
    for host, begun in spans.items():
        apart = all(ended <= began for (_, ended), (began, _) in pairwise(sorted(begun.items())))
        found += [] if apart else [f"times on {host} overlap"]
    return found
