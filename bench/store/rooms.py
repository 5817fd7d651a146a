"""What of the harness decides a stored result: its rooms, each with a version that is a part of the keys.

A key says which rooms decide what it names. Whoever changes a room so that a number may move raises its version: what
the room decided is made again. A change that moves none leaves the version as it is and renews the digest of the room
in ``tests/bench/rooms.json`` (``python -m tests.bench.test_rooms``); until one of the two is done, a test fails. The
modules that are in no room decide nothing that is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

RoomName = Literal[
    "contracts", "files", "protocols", "adapters", "artifacts", "exact", "corpora", "searching", "metrics", "quality"
]


@dataclass(frozen=True)
class Room:
    """A version, and the modules and packages of which it is the version, without those that other rooms name."""

    version: int
    modules: tuple[str, ...]


ROOMS: Mapping[RoomName, Room] = {
    # What plugins and harness hand to each other.
    "contracts": Room(1, ("bench.interfaces",)),
    # Files that are whole or not there.
    "files": Room(1, ("bench.system.files",)),
    # Which rows are trained on, searched and asked.
    "protocols": Room(1, ("bench.grids.protocols",)),
    # A scikit-learn estimator as a hasher.
    "adapters": Room(1, ("bench.plugins.estimators",)),
    # Data set to labels, features and codes, and what encoding takes.
    "artifacts": Room(1, ("bench.stages",)),
    "exact": Room(1, ("bench.stages.exact",)),
    # The rows of features and codes that a cell ranks or searches, and what they cost.
    "corpora": Room(1, ("bench.stages.corpora",)),
    # What is built, asked and timed, and the columns of times.
    "searching": Room(1, ("bench.timing", "bench.runs.searches", "bench.runs.worker")),
    "metrics": Room(1, ("bench.quality",)),
    # The columns of a record that judge neighbours and rankings.
    "quality": Room(1, ("bench.quality.columns",)),
}


def room_of(module: str) -> RoomName | None:
    """The room that a module is in: that which names it, or else the package nearest around it."""
    named = {one: name for name, room in ROOMS.items() for one in room.modules}
    parts = module.split(".")
    around = [".".join(parts[:end]) for end in range(len(parts), 0, -1)]
    return next((named[one] for one in around if one in named), None)
