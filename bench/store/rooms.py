"""The rooms: the modules of the harness that decide stored results, each room with a version that is part of the keys.

A key holds the versions of the rooms that decide its entry. A change of a room that may move a number raises its
version, and all that the room decided is made again. A change that moves no number keeps the version and renews the
digest of the room in ``tests/bench/rooms.json`` (``python -m tests.bench.test_rooms``). A test fails until one of the
two is done. Modules in no room decide nothing that is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

RoomName = Literal[
    "contracts",
    "files",
    "given",
    "protocols",
    "adapters",
    "artifacts",
    "exact",
    "corpora",
    "searching",
    "metrics",
    "quality",
]


@dataclass(frozen=True)
class Room:
    """A version, and the modules and packages that it covers, except those that other rooms name."""

    version: int
    modules: tuple[str, ...]


ROOMS: Mapping[RoomName, Room] = {
    # The data that plugins and harness hand to each other.
    "contracts": Room(1, ("bench.interfaces",)),
    # The writing of whole files, and who of several writes.
    "files": Room(1, ("bench.system.files", "bench.system.leases")),
    # Codes and labels as users have them: the data sets of codes read them so.
    "given": Room(3, ("bench.given",)),
    # The rows that are trained on, searched, and taken as queries.
    "protocols": Room(1, ("bench.grids.protocols",)),
    # A scikit-learn estimator as a hasher.
    "adapters": Room(1, ("bench.plugins.estimators",)),
    # Labels, features and codes, and the time of encoding.
    "artifacts": Room(1, ("bench.stages",)),
    "exact": Room(1, ("bench.stages.exact", "bench.stages.nearest")),
    # The rows of features and codes that a cell ranks or searches, and their costs.
    "corpora": Room(3, ("bench.stages.corpora",)),
    # The building, searching and timing of indexes, and the columns of times.
    "searching": Room(7, ("bench.timing", "bench.runs.searches", "bench.runs.worker")),
    "metrics": Room(1, ("bench.quality",)),
    # The columns of a record that judge neighbours and rankings.
    "quality": Room(3, ("bench.quality.columns",)),
}


def room_of(module: str) -> RoomName | None:
    """The room of a module: the room that names it, or else the nearest package around it. None if there is none."""
    named = {one: name for name, room in ROOMS.items() for one in room.modules}
    parts = module.split(".")
    around = [".".join(parts[:end]) for end in range(len(parts), 0, -1)]
    return next((named[one] for one in around if one in named), None)
