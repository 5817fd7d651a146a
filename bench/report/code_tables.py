"""The layout "codes": rankings by hasher and code length, as in the paper's Table 2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from bench.records.columns import MAP, TRAINING
from bench.report.words import PROTOCOL_NAMES, papers_row, papers_text, text, word

TRAINED_ON = ["dataset", "protocol"]
CODES_SECTION = [*TRAINED_ON, "model", "database_codes"]
CODES_ROW = ["embedder", "dim", "hasher", "variant", "input"]


def codes_rows(rankings: pd.DataFrame) -> list[dict[str, str]]:
    """The rows of the paper's Table 2: columns are code lengths, rows hashers in order. Features have one value."""
    lengths = sorted(rankings["bits"].dropna().unique())
    heads = [f"{length} bits" for length in lengths] or ["features"]
    blocks = [(MAP, code_sections(rankings)), (TRAINING, code_sections(trainings(rankings), TRAINED_ON))]
    rows = []
    for column, sections in blocks:
        for name, section in sections:
            for row, series in section:
                head = {"section": f"{name}: {column.heading}", "row": row}
                if series["hasher"].isna().all():
                    cells = {heads[0]: series}
                else:
                    of_length = [series[(series["bits"] == length).fillna(False)] for length in lengths]
                    cells = dict(zip(heads, of_length, strict=True))
                rows.append(head | {place: text(group, column) for place, group in cells.items()})
                rows += papers_row(head, series, {place: papers_text(group, column) for place, group in cells.items()})
    return rows


def trainings(rankings: pd.DataFrame) -> pd.DataFrame:
    """One cell of each training, a finished one if there is one. Models and database codes share their training."""
    finished_first = rankings.iloc[(rankings["status"] != "ok").argsort(kind="stable")]
    return finished_first.drop_duplicates([*TRAINED_ON, *CODES_ROW, "bits", "seed"]).sort_index()


def code_sections(
    rankings: pd.DataFrame, by: Sequence[str] = CODES_SECTION
) -> list[tuple[str, list[tuple[str, pd.DataFrame]]]]:
    """The cells in sections by the columns ``by``, and in each section in rows by hasher or embedder.

    Sections and rows have names, and are in the order of their first cells.
    """
    return [
        (
            _section_name(dict(zip(by, keys, strict=True)), rankings),
            [
                (label(group.iloc[0], rankings), group)
                for _, group in section.groupby(CODES_ROW, dropna=False, sort=False)
            ],
        )
        for keys, section in rankings.groupby([*by], dropna=False, sort=False)
    ]


def _section_name(keys: dict[str, Any], rankings: pd.DataFrame) -> str:
    """The data set, and the other keys that differ inside the table. Unseen classes and the oracle are always named."""
    parts = [str(keys["dataset"])]
    if set(rankings["protocol"].dropna()) - {"seen"}:
        parts.append(PROTOCOL_NAMES.get(keys["protocol"], str(keys["protocol"])))
    if "model" not in keys:
        return ", ".join(parts)
    if pd.isna(keys["model"]):
        return ", ".join([*parts, "features ranked by distance"])
    if keys["model"] == "oracle" or rankings["model"].nunique() > 1:
        parts.append(word("model", keys["model"]))
    if rankings["database_codes"].nunique() > 1:
        parts.append(f"{keys['database_codes']} database codes")
    return ", ".join(parts)


def label(cell: pd.Series, rankings: pd.DataFrame) -> str:
    """A hasher, or an embedder and its dimension, with the columns of the codes that differ among the rankings."""
    settings = [str(cell["variant"])] if pd.notna(cell["variant"]) else []
    if pd.isna(cell["hasher"]):
        settings = [f"{cell['dim']}-d", *settings] if pd.notna(cell["dim"]) else settings
        name = str(cell["embedder"]).replace("_", " ")
    else:
        settings += [f"of {cell['input']}"] if pd.notna(cell["input"]) and rankings["input"].nunique() > 1 else []
        name = word("hasher", cell["hasher"])
    return f"{name} ({', '.join(settings)})" if settings else name
