"""The layouts of rankings: by hasher and code length, as in the paper's Table 2, and by model and database codes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from bench.grids.cells import Layout
from bench.records.columns import MAP, TRAINER, TRAINING, Column
from bench.records.machines import TRAINED_ON
from bench.report.words import PROTOCOL_NAMES, SHORT_MODEL_NAMES, SPANS, papers_row, papers_text, text, timed_on, word

TRAINED_BY = [*TRAINED_ON, TRAINER.name]
"""The columns of a section of trainings, whose times are compared."""
CODES_SECTION = [*TRAINED_ON, "model", "database_codes"]
CODES_ROW = ["embedder", "dim", "hasher", "variant", "input"]
BY_LENGTH = [*CODES_ROW, "bits"]
"""The columns of a row of the layout "models"."""
Sections = list[tuple[str, list[tuple[str, pd.DataFrame]]]]


def ranked_rows(rankings: pd.DataFrame, layout: Layout) -> list[dict[str, Any]]:
    """The rows of a table of rankings, in order. Features have one value.

    In the layout "codes" columns are code lengths and rows hashers, as in the paper's Table 2. In "models" columns are
    the kinds of codes, each a model of a training and the codes of the database, and rows hashers of each length; the
    times of training are in columns of their own.
    """
    lengths = {f"{length} bits": length for length in sorted(rankings["bits"].dropna().unique())}
    trained = code_sections(trainings(rankings), TRAINED_BY)
    if layout == "codes":
        of_quality = _rows(MAP, code_sections(rankings), "bits", lengths)
    else:
        told = with_kinds(rankings)
        kinds = {kind: kind for kind in told["kind"].unique() if kind}
        of_quality = _rows(MAP, code_sections(told, TRAINED_ON, BY_LENGTH), "kind", kinds)
    return [*of_quality, *_rows(TRAINING, trained, "bits", lengths)]


def _rows(column: Column, sections: Sections, axis: str, across: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows of one column of figures over the values of another, ``axis``, by their headings."""
    for name, section in sections:
        for row, series in section:
            single = bool(series["hasher"].isna().all())
            head = {"section": f"{name}: {column.heading}", "row": row, SPANS: single}
            if single:
                cells = dict.fromkeys([*across] or ["features"], series)
            else:
                cells = {place: series[(series[axis] == value).fillna(False)] for place, value in across.items()}
            yield head | {place: text(group, column) for place, group in cells.items()}
            yield from papers_row(head, series, {place: papers_text(group, column) for place, group in cells.items()})


def with_kinds(rankings: pd.DataFrame) -> pd.DataFrame:
    """The rankings with the column ``kind``, the name of a model and of the codes of the database: "last, encoded".

    It is "" for features. The rows are in the order of the kinds: each model with its encoded and its learned codes.
    """
    kinds = [
        "" if pd.isna(model) else f"{SHORT_MODEL_NAMES.get(model, model)}, {codes}"
        for model, codes in zip(rankings["model"], rankings["database_codes"], strict=True)
    ]
    models = rankings["model"].map({name: place for place, name in enumerate(SHORT_MODEL_NAMES)})
    order = pd.DataFrame({"model": models, "codes": rankings["database_codes"]}, index=rankings.index)
    return rankings.assign(kind=kinds).loc[order.sort_values(["model", "codes"], kind="stable").index]


def trainings(rankings: pd.DataFrame) -> pd.DataFrame:
    """One cell of each training, a finished one if there is one. Models and database codes share their training."""
    finished_first = rankings.iloc[(rankings["status"] != "ok").argsort(kind="stable")]
    return finished_first.drop_duplicates([*TRAINED_ON, *CODES_ROW, "bits", "seed"]).sort_index()


def code_sections(
    rankings: pd.DataFrame, by: Sequence[str] = CODES_SECTION, row: Sequence[str] = CODES_ROW
) -> Sections:
    """The cells in sections by the columns ``by``, and in each section in rows by hasher or embedder, or by ``row``.

    Sections and rows have names, and are in the order of their first cells.
    """
    return [
        (
            _section_name(dict(zip(by, keys, strict=True)), rankings),
            [
                (label(group.iloc[0], rankings, "bits" in row), group)
                for _, group in section.groupby([*row], dropna=False, sort=False)
            ],
        )
        for keys, section in rankings.groupby([*by], dropna=False, sort=False)
    ]


def _section_name(keys: dict[str, Any], rankings: pd.DataFrame) -> str:
    """The data set, and the other keys that differ inside the table. Unseen classes and the oracle are always named."""
    parts = [str(keys["dataset"])]
    if set(rankings["protocol"].dropna()) - {"seen"}:
        parts.append(PROTOCOL_NAMES.get(keys["protocol"], str(keys["protocol"])))
    if TRAINER.name in keys and rankings[TRAINER.name].nunique() > 1:
        parts.append(timed_on(keys[TRAINER.name]))
    if "model" not in keys:
        return ", ".join(parts)
    if pd.isna(keys["model"]):
        return ", ".join([*parts, "features ranked by distance"])
    if keys["model"] == "oracle" or rankings["model"].nunique() > 1:
        parts.append(word("model", keys["model"]))
    if rankings["database_codes"].nunique() > 1:
        parts.append(f"{keys['database_codes']} database codes")
    return ", ".join(parts)


def label(cell: pd.Series, rankings: pd.DataFrame, with_bits: bool = False) -> str:
    """A hasher, or an embedder and its dimension, with the columns of the codes that differ among the rankings, and
    with the length of the code where that is asked for.
    """
    settings = [word("bits", cell["bits"])] if with_bits and pd.notna(cell["bits"]) else []
    settings += [str(cell["variant"])] if pd.notna(cell["variant"]) else []
    if pd.isna(cell["hasher"]):
        settings = [f"{cell['dim']}-d", *settings] if pd.notna(cell["dim"]) else settings
        name = str(cell["embedder"]).replace("_", " ")
    else:
        settings += [f"of {cell['input']}"] if pd.notna(cell["input"]) and rankings["input"].nunique() > 1 else []
        name = word("hasher", cell["hasher"])
    return f"{name} ({', '.join(settings)})" if settings else name
