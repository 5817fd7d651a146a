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
    "contracts", "protocols", "adapters", "artifacts", "exact", "corpora", "searching", "metrics", "quality"
]


@dataclass(frozen=True)
class Room:
    """A version, and the modules and packages of which it is the version."""

    version: int
    modules: tuple[str, ...]


ROOMS: Mapping[RoomName, Room] = {
    # What plugins and harness hand to each other.
    "contracts": Room(1, ("bench.interfaces",)),
    # Which rows are trained on, searched and asked.
    "protocols": Room(1, ("bench.protocols",)),
    # A scikit-learn estimator as a hasher.
    "adapters": Room(1, ("bench.estimators",)),
    # Data set to labels, features and codes, and what encoding takes.
    "artifacts": Room(1, ("bench.pipeline", "bench.stages")),
    "exact": Room(1, ("bench.exact",)),
    # The rows of features and codes that a cell ranks or searches, and what they cost.
    "corpora": Room(1, ("bench.corpora",)),
    # What is built, asked and timed, and the columns of times.
    "searching": Room(
        1,
        (
            "bench.child",
            "bench.indexes",
            "bench.measure",
            "bench.reranked",
            "bench.searches",
            "bench.statistics",
            "bench.timing",
        ),
    ),
    "metrics": Room(1, ("bench.metrics", "bench.rankings")),
    # The columns of a record that judge neighbours and rankings.
    "quality": Room(1, ("bench.quality",)),
}


def room_of(module: str) -> RoomName | None:
    """The room that a module is in: by its name, or as a part of a package."""
    for name, room in ROOMS.items():
        if any(module == one or module.startswith(f"{one}.") for one in room.modules):
            return name
    return None
