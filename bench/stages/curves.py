"""Judges the models of a training on the test queries while it runs, and keeps the mAP over the training.

Each model that a training asks about is judged under every protocol that reads the training, over encoded and over
learned codes of the database. So one training gives the mAP of the classes that it never saw beside that of the others,
step by step: the former often peaks early.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.grids.protocols import CLASSES, ProtocolName, select
from bench.interfaces import Codes, Int, Items
from bench.stages.coding import completed
from bench.system.files import replace_file

CURVE = "curve.json"
"""The file in the folder of a training, which lets a training that was interrupted keep its curve."""

Rows = Mapping[ProtocolName, tuple[Int, Int]]
"""By protocol, the rows of the database that are searched and those of the queries."""


def figure_name(protocol: str, database_codes: str) -> str:
    """The name of a figure of a curve: "unseen_all learned"."""
    return f"{protocol} {database_codes}"


class Judge:
    """The ``oracle`` of ``Context`` for one training.

    The first protocol of ``rows`` chooses the oracle, over learned codes of the database if there are any. ``trained``:
    the rows of the database that learned codes belong to, None if they are no codes of the database.
    """

    def __init__(self, database: Items, queries: Items, rows: Rows, trained: Int | None, folder: Path) -> None:
        """Judge nothing yet; ``folder`` has the curve of the steps that an earlier process did."""
        self._items = database, queries
        self._rows, self._trained, self._path = rows, trained, folder / CURVE
        self._calls = 0

    def __call__(
        self, encode: Callable[[Items], Codes], database_codes: Codes | None, step: int | None = None, /
    ) -> float:
        """The mAP that chooses the oracle. All figures are added to the curve, in place of earlier ones of the step."""
        self._calls += 1
        figures = self._figures(encode, database_codes)
        done = self._calls if step is None else step
        kept = [one for one in read_curve(self._path.parent) if one["step"] < done]
        text = json.dumps([*kept, {"step": done, **figures}])
        replace_file(self._path, lambda path: path.write_text(text, encoding="utf-8"))
        first = next(iter(self._rows))
        return figures.get(figure_name(first, "learned"), figures.get(figure_name(first, "encoded"), 0.0))

    def _figures(self, encode: Callable[[Items], Codes], learned: Codes | None) -> dict[str, float]:
        """The mAP by ``figure_name``. Where all of the database was trained on, only its learned codes are judged."""
        from bench.quality.ranking import mean_average_precision

        database, queries = self._items
        trained = None if learned is None else self._trained
        asked, codes = encode(queries), dict[str, Codes]()
        if trained is None or len(trained) < len(database):
            codes["encoded"] = encode(database)
        if learned is not None and trained is not None:
            codes["learned"] = completed(learned, trained, codes["encoded"]) if "encoded" in codes else learned
        return {
            figure_name(protocol, kind): mean_average_precision(
                Codes(select(asked.words, of_queries), asked.bits),
                Codes(select(one.words, of_database), one.bits),
                select(queries.labels, of_queries),
                select(database.labels, of_database),
            )
            for protocol, (of_database, of_queries) in self._rows.items()
            for kind, one in codes.items()
            if not (kind == "learned" and CLASSES[protocol]["database"] == "unseen")
        }


def read_curve(folder: Path) -> list[dict[str, Any]]:
    """The curve in the folder of a training: for each judged step its number ``step``, and mAP by ``figure_name``.

    A missing or damaged file holds no step.
    """
    try:
        curve: list[dict[str, Any]] = json.loads((folder / CURVE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return curve
