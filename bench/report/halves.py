"""Says of settings that were chosen on other queries that they were, for the screen, the files and the sentences alike.

With `split = "tune/report"` a level of quality is one of the tune half: there each method's fastest setting is chosen
among those that reach it. The figures are of the report half, where that setting may miss the level, so no word of
ours says that the figure shown reaches it.
"""

from __future__ import annotations

import pandas as pd

from bench.records.front import TUNE

THERE, HERE = " on the tune half", " on the report half"
CHOSEN = "chosen on the tune half"
ABOUT = (
    "Settings were chosen on the tune half of the queries: of each method the fastest that reaches the level there. "
    "The figures are of the report half, by which methods are compared; a setting may miss the level there, and "
    "another may be faster."
)


def deciding(points: pd.DataFrame, figure: str) -> str:
    """The column by whose figures settings are chosen: ``figure``, or where queries were split, that of the tune half.

    ``points`` have the column ``figure``.
    """
    return TUNE + figure if is_split(points, figure) else figure


def is_split(points: pd.DataFrame | pd.Series, figure: str) -> bool:
    """Whether settings were chosen by this figure on other queries than it is of."""
    return f"{TUNE}{figure}" in points


def is_any_split(cells: pd.DataFrame) -> bool:
    """Whether settings of some cells were chosen on other queries."""
    return any(str(name).startswith(TUNE) for name in cells)
