"""The cells of a grid as files: all of them tidy, and the paper's layout as CSV and as LaTeX."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bench.grid import Layout
from bench.latex import to_latex
from bench.references import QUERIES, attach, load_reference

NOT_RUN = "–"
TEXTS = [
    *("dataset", "protocol", "embedder", "input", "hasher", "variant", "model", "database_codes"),
    *("index", "status"),
]
INTEGERS = [
    *("dim", "bits", "key_bits", "candidates", "nprobe", "k", "seed", "queries"),
    *("code_bytes", "index_bytes", "paper_bytes"),
]
COLUMNS = [
    *("dataset", "protocol", "embedder", "dim", "input", "hasher", "variant", "bits", "model", "database_codes"),
    *("index", "key_bits", "candidates", "nprobe", "k", "seed"),
    *("map", "map_best", "map_worst", "map_by_index"),
    *("precision_at_{k}", "precision_within_2", "recall_at_{k}", "complete_share"),
    *("latency_ms_p50", "latency_ms_p95", "latency_ms_p99", "throughput_qps", "seconds_all_queries"),
    *("fit_seconds", "encode_ms", "build_seconds", "code_bytes", "index_bytes", "paper_bytes"),
    *("floor_ms", "floor_percent", "queries", "status"),
    *("reference_map", "reference_precision_at_10", "reference_seconds"),
]
SECTION = ["dataset", "protocol", "embedder", "dim"]
VARIANT = ["hasher", "variant", "input", "bits", "model", "database_codes"]
TRAINED_ON = ["dataset", "protocol"]
CODES_SECTION = [*TRAINED_ON, "model", "database_codes"]
CODES_ROW = ["embedder", "dim", "hasher", "variant", "input"]
SETTINGS = ["index", "key_bits", "candidates", "nprobe"]
INDEX_NAMES = {
    "linear_scan": "Linear scan",
    "ball_tree": "BallTree",
    "kd_tree": "KDTree",
    "ivfadc": "IVFADC",
    "hash_tables": "Hash tables",
}
HASHER_NAMES = {
    **{name: name.upper() for name in ("lsh", "pcah", "sh", "itq", "ksh", "sdh", "dpsh", "dsh", "adsh", "csq")},
    "itq_cca": "ITQ-CCA",
    "hashnet": "HashNet",
    "exchnet": "ExchNet",
    "orthohash": "OrthoHash",
    "greedy_hash": "GreedyHash",
    "a2_net": "A²-Net",
    "semicon": "SEMICON",
}
PROTOCOL_NAMES = {
    "seen": "seen classes",
    "unseen": "unseen classes among themselves",
    "unseen_all": "unseen classes in the whole database",
}
MODEL_NAMES = {
    "last": "last model",
    "best_on_validation": "best model on validation",
    "oracle": "oracle (best on the test queries)",
}


@dataclass(frozen=True)
class GridInfo:
    """What a table says of its grid: ``reference`` names a published table, ``notes`` go into the caption."""

    name: str
    title: str
    layout: Layout
    reference: str | None
    recipe: str
    notes: tuple[str, ...]
    k: int = 10


@dataclass(frozen=True)
class Figure:
    """A printed quantity: its heading, the column it comes from, the factor to its unit, and its decimals.

    ``reference`` is the column of the published value; a difference is shown where the two compare. Heading and column
    may hold ``{k}``.
    """

    heading: str
    column: str
    scale: float = 1.0
    digits: int = 2
    reference: str = ""
    compares: bool = True

    def at(self, k: int) -> Figure:
        """The quantity for k neighbours."""
        return dataclasses.replace(self, heading=self.heading.format(k=k), column=self.column.format(k=k))


PRECISION = Figure("P@{k}, %", "precision_at_{k}", 100, reference="reference_precision_at_10")
SHARE = Figure("P@{k}, % of exact search", "share_of_exact", 100, digits=1)
RECALL = Figure("Recall@{k}, %", "recall_at_{k}", 100)
SECONDS = Figure("Time for all queries, s", "seconds_all_queries", reference="reference_seconds")
SPEED_UP = Figure("Speed-up", "speed_up", reference="reference_speed_up", compares=False)
PAPER_MEMORY = Figure("Memory as the paper counts, MB", "paper_bytes", 1e-6, digits=3, reference="reference_bytes")
MEMORY = Figure("Memory needed, MB", "index_bytes", 1e-6, digits=3)
MAP = Figure("mAP, %", "map", 100, reference="reference_map")
TRAINING = Figure("training, s", "fit_seconds", digits=1)


def write_tables(cells: pd.DataFrame, grid: GridInfo, folder: Path) -> list[Path]:
    """Write ``cells.csv``, ``table.csv`` and ``table.tex`` into the folder, and say which they are.

    ``cells`` has a row for each cell and the columns COLUMNS, any of which may be missing, and any others;
    precision, recall and shares are fractions, and ``status`` is "ok", what went wrong, or empty for a cell not
    yet run. An optional column ``database_items`` goes into the caption. ValueError: an unknown reference.
    """
    tidy = complete(cells, grid)
    table = layout_table(tidy, grid)
    return [
        replace(folder / "cells.csv", lambda path: tidy.to_csv(path, index=False)),
        replace(folder / "table.csv", lambda path: table.to_csv(path, index=False)),
        replace(folder / "table.tex", lambda path: path.write_text(to_latex(table, caption(tidy, grid)), "utf-8")),
    ]


def complete(cells: pd.DataFrame, grid: GridInfo) -> pd.DataFrame:
    """The cells with every column of COLUMNS (for the grid's k) in that order, the published figures,
    ``share_of_exact`` (precision over that of the linear scan on the same features) and ``speed_up`` (over that linear
    scan's time).
    """
    columns = [name.format(k=grid.k) for name in COLUMNS]
    precision = PRECISION.at(grid.k).column
    tidy = attach(cells, grid.reference if grid.k == 10 or grid.layout == "codes" else None)
    tidy = tidy.reindex(columns=[*columns, *(name for name in tidy.columns if name not in columns)])
    for name in columns:
        if name not in TEXTS:
            numbers = pd.to_numeric(tidy[name]).astype("float64")
            tidy[name] = numbers.round().astype("Int64") if name in INTEGERS else numbers
    scans = tidy[(tidy["index"] == "linear_scan") & (tidy["status"] == "ok")]
    exact = scans.groupby(SECTION, dropna=False)[[precision, "seconds_all_queries"]].mean()
    beside = tidy[SECTION].merge(exact, how="left", left_on=SECTION, right_index=True)
    tidy["share_of_exact"] = tidy[precision] / beside[precision]
    tidy["speed_up"] = beside["seconds_all_queries"] / tidy["seconds_all_queries"]
    return tidy


def layout_table(tidy: pd.DataFrame, grid: GridInfo) -> pd.DataFrame:
    """The table as it is printed: strings, a column ``section`` first, then a column for each printed one.

    The layout "codes" prints the cells without an index, the others those with one.
    """
    if grid.layout == "codes":
        rows = _codes_rows(tidy[tidy["index"].isna()])
    else:
        build = {"candidates": _candidates_rows, "methods": _methods_rows}[grid.layout]
        searches = tidy[tidy["index"].notna()]
        rows = [
            row
            for keys, section in searches.groupby(SECTION, dropna=False, sort=True)
            for row in build(section, section_name(keys, searches), searches, grid.k)
        ]
    return pd.DataFrame(rows).fillna("")


def _codes_rows(rankings: pd.DataFrame) -> list[dict[str, str]]:
    """The paper's Table 2: columns are code lengths, rows hashers in the grid's order; features have one value."""
    lengths = sorted(rankings["bits"].dropna().unique())
    heads = [f"{length} bits" for length in lengths] or ["features"]
    blocks = [(MAP, code_sections(rankings)), (TRAINING, code_sections(_trainings(rankings), TRAINED_ON))]
    rows = []
    for figure, sections in blocks:
        for name, section in sections:
            for label, series in section:
                row = {"section": f"{name}: {figure.heading}", "row": label}
                if series["hasher"].isna().all():
                    texts = [text(series, figure)]
                else:
                    texts = [text(series[(series["bits"] == length).fillna(False)], figure) for length in lengths]
                rows.append(row | dict(zip(heads, texts, strict=False)))
    return rows


def _trainings(rankings: pd.DataFrame) -> pd.DataFrame:
    """One cell of each training, a finished one where there is one: models and database codes share their training."""
    finished_first = rankings.iloc[(rankings["status"] != "ok").argsort(kind="stable")]
    return finished_first.drop_duplicates([*TRAINED_ON, *CODES_ROW, "bits", "seed"]).sort_index()


def code_sections(
    rankings: pd.DataFrame, by: Sequence[str] = CODES_SECTION
) -> list[tuple[str, list[tuple[str, pd.DataFrame]]]]:
    """The cells by the columns ``by``, and in each section by hasher or embedder.

    Sections and rows are named, and in the order in which they come first.
    """
    return [
        (
            _codes_section_name(dict(zip(by, keys, strict=True)), rankings),
            [
                (_codes_label(group.iloc[0], rankings), group)
                for _, group in section.groupby(CODES_ROW, dropna=False, sort=False)
            ],
        )
        for keys, section in rankings.groupby([*by], dropna=False, sort=False)
    ]


def _codes_section_name(keys: dict[str, Any], rankings: pd.DataFrame) -> str:
    """The data set, and of the other keys what differs inside the table; unseen classes and the oracle always."""
    parts = [str(keys["dataset"])]
    if set(rankings["protocol"].dropna()) - {"seen"}:
        parts.append(PROTOCOL_NAMES.get(keys["protocol"], str(keys["protocol"])))
    if "model" not in keys:
        return ", ".join(parts)
    if pd.isna(keys["model"]):
        return ", ".join([*parts, "features ranked by distance"])
    if keys["model"] == "oracle" or rankings["model"].nunique() > 1:
        parts.append(_word("model", keys["model"]))
    if rankings["database_codes"].nunique() > 1:
        parts.append(f"{keys['database_codes']} database codes")
    return ", ".join(parts)


def _codes_label(cell: pd.Series, rankings: pd.DataFrame) -> str:
    settings = [str(cell["variant"])] if pd.notna(cell["variant"]) else []
    if pd.isna(cell["hasher"]):
        settings = [f"{cell['dim']}-d", *settings] if pd.notna(cell["dim"]) else settings
        name = str(cell["embedder"]).replace("_", " ")
    else:
        settings += [f"of {cell['input']}"] if pd.notna(cell["input"]) and rankings["input"].nunique() > 1 else []
        name = _word("hasher", cell["hasher"])
    return f"{name} ({', '.join(settings)})" if settings else name


def _word(column: str, value: Any) -> str:
    """A value as a reader knows it."""
    known = {"hasher": HASHER_NAMES, "model": MODEL_NAMES}.get(column, {})
    return f"{value} bits" if column == "bits" else known.get(value, str(value).replace("_", " "))


def _candidates_rows(section: pd.DataFrame, name: str, tidy: pd.DataFrame, k: int) -> list[dict[str, str]]:
    """The supplementary Table 1: columns are candidates N, rows exact search and each table length L."""
    columns = sorted(tidy["candidates"].dropna().unique())
    rows = []
    for block, figures in (("quality", [PRECISION, SHARE, RECALL]), ("time", [SECONDS])):
        for label, series in split_series(section, tidy, ["index", "key_bits", "nprobe", *VARIANT]):
            single = series["candidates"].isna().all()
            for figure in (figure.at(k) for figure in figures):
                row = {"section": f"{name}: {block}", "row": label, "figure": figure.heading}
                for position, candidates in enumerate(columns):
                    group = series if single else series[(series["candidates"] == candidates).fillna(False)]
                    row[f"N = {candidates}"] = "" if single and position else text(group, figure)
                if not (single and figure.column == SHARE.column):
                    rows.append(row)
    return rows


def _methods_rows(section: pd.DataFrame, name: str, tidy: pd.DataFrame, k: int) -> list[dict[str, str]]:
    """The paper's Table 1: rows are methods, columns quality, time and memory."""
    figures = [figure.at(k) for figure in (PRECISION, RECALL, SECONDS, SPEED_UP, PAPER_MEMORY, MEMORY)]
    by = ["index", "key_bits", "candidates", "nprobe", *VARIANT]
    return [
        {"section": name, "row": label} | {figure.heading: text(series, figure) for figure in figures}
        for label, series in split_series(section, tidy, by)
    ]


def split_series(section: pd.DataFrame, tidy: pd.DataFrame, by: list[str]) -> list[tuple[str, pd.DataFrame]]:
    """The cells that share the columns ``by``, labelled, in the order of INDEX_NAMES, other indexes after them."""
    order = {index: position for position, index in enumerate(INDEX_NAMES)}
    groups = [group for _, group in section.groupby(by, dropna=False, sort=True)]
    groups.sort(key=lambda group: order.get(group["index"].iloc[0], len(order)))
    return [(_label(group.iloc[0], tidy, by), group) for group in groups]


def _label(cell: pd.Series, tidy: pd.DataFrame, by: list[str]) -> str:
    """An index and its settings; of the codes only what differs inside the table, and the oracle always."""
    settings = [
        f"{symbol} = {cell[name]}"
        for name, symbol in (("candidates", "N"), ("key_bits", "L"), ("nprobe", "nprobe"))
        if name in by and pd.notna(cell[name])
    ]
    settings += [
        _word(name, cell[name])
        for name in VARIANT
        if pd.notna(cell[name]) and (tidy[name].nunique() > 1 or cell[name] == "oracle")
    ]
    index = INDEX_NAMES.get(cell["index"], str(cell["index"]).replace("_", " "))
    return f"{index} ({', '.join(settings)})" if settings else index


def section_name(keys: Any, tidy: pd.DataFrame) -> str:
    """The features a part of the table is about, and of the rest of SECTION what differs; unseen classes always."""
    dataset, protocol, embedder, dim = keys
    parts = [f"{dim}-d features"] if pd.notna(dim) else ["codes only"]
    parts += [str(embedder)] if tidy["embedder"].nunique() > 1 else []
    parts += [str(dataset)] if tidy["dataset"].nunique() > 1 else []
    parts += [PROTOCOL_NAMES[protocol]] if set(tidy["protocol"].dropna()) - {"seen"} else []
    return ", ".join(parts)


def text(group: pd.DataFrame, figure: Figure) -> str:
    """One printed cell from the cells that differ only by seed: ``ours (published, difference)``.

    Several seeds are shown as mean ± standard deviation; what failed by its status; what was not run as –.
    """
    done = group[group["status"] == "ok"]
    failed = group.loc[group["status"] != "ok", "status"].dropna()
    failed = failed[failed != ""]
    if done["seed"].duplicated().any():
        return "several, see cells.csv"
    values = pd.to_numeric(done[figure.column]).dropna().astype(float) * figure.scale
    shown = NOT_RUN if len(values) == 0 else _number(values.mean(), figure.digits)
    if len(values) > 1:
        shown += f" ± {_number(values.std(), figure.digits)}"
    if len(failed):
        words = "/".join(sorted(failed.unique()))
        shown = words if len(done) == 0 else f"{shown} [{len(failed)} {words}]"
    published = group[figure.reference].dropna() if figure.reference in group else pd.Series(dtype=float)
    if len(published) == 0:
        return shown
    other = float(published.iloc[0]) * figure.scale
    beside = _number(other, figure.digits)
    if len(values) and figure.compares:
        beside += f", {_difference(values.mean() - other, figure.digits)}"
    return f"{shown} ({beside})"


def _number(value: float, digits: int) -> str:
    small = 0 < abs(value) < 0.5 * 10**-digits
    return f"{value:.2g}" if small else f"{value:.{digits}f}"


def _difference(value: float, digits: int) -> str:
    return f"{round(value, digits) + 0.0:+.{digits}f}".replace("-", "−")


def caption(tidy: pd.DataFrame, grid: GridInfo) -> str:
    """What the table is and how to read it, in sentences of plain text."""
    datasets = sorted(tidy["dataset"].dropna().unique())
    counts = f"{_span(tidy['queries'])} queries"
    if "database_items" in tidy:
        counts = f"{_span(tidy['database_items'])} database items, {counts}"
    seeds = ", ".join(str(seed) for seed in sorted(tidy["seed"].dropna().unique()))
    sentences = [
        f"{grid.title.rstrip('.')}.",
        f"{', '.join(datasets)}: {counts}; recipe {grid.recipe}; seeds: {seeds or 'none'}.",
        *([] if grid.reference is None else _about_the_data(datasets, grid.reference)),
        *(note if note.endswith(".") else f"{note}." for note in grid.notes),
        f"{NOT_RUN}: not run, or not measured.",
        *_about_seeds(tidy),
        *(_about_codes(tidy, grid) if grid.layout == "codes" else _about_searches(grid)),
    ]
    return " ".join(sentences)


def _about_the_data(datasets: list[str], reference: str) -> list[str]:
    """A sentence where the data are not those of the published figures."""
    table = load_reference(reference)
    foreign = sorted(set(datasets) - (set(table["dataset"]) if "dataset" in table else {"food101"}))
    if not foreign:
        return []
    if "dataset" in table:
        return [f"The data ({', '.join(foreign)}) are not the paper's, so nothing published stands beside them."]
    return [f"The data ({', '.join(foreign)}) are not the paper's (Food101 images)."]


def _about_seeds(tidy: pd.DataFrame) -> list[str]:
    """How many seeds stand behind a value."""
    counts = tidy.groupby([*SECTION, *VARIANT, *SETTINGS], dropna=False)["seed"].nunique()
    if len(counts) == 0 or counts.max() <= 1:
        return ["One seed each: no spread is known."]
    words = f"Mean ± standard deviation over {_span(counts[counts > 1])} seeds."
    return [words if counts.min() > 1 else f"{words} A value without ± is of one seed."]


def _about_codes(tidy: pd.DataFrame, grid: GridInfo) -> list[str]:
    sentences = [
        "The mAP is over the ranking of the whole database, its denominator all relevant items; items at equal Hamming "
        "distance count as their expectation over random order.",
        "Training is that of every network in front of the codes, and may find a part of it made before.",
    ]
    if (tidy["model"] == "oracle").any():
        sentences.append(
            "The oracle was chosen over learned database codes where there are any, so with encoded ones it may fall "
            "below the last model. Where it is asked for, training includes its evaluations."
        )
    if grid.reference is not None:
        sentences.append("In brackets: the published value, and ours minus it.")
        table = load_reference(grid.reference).reindex(columns=["hasher", "model", "database_codes"])
        if table["model"].isna().all():
            sentences.append("Which model of a training was published (last, or best on what) is not stated.")
        learned = table.loc[table["database_codes"] == "learned", "hasher"].unique()
        if len(learned):
            names = ", ".join(_word("hasher", name) for name in learned)
            sentences.append(f"Published with learned database codes, and beside no others: {names}.")
    return sentences


def _about_searches(grid: GridInfo) -> list[str]:
    sentences = ["Precision is by label: codes learned with labels may pass exact search, so recall stands beside it."]
    if grid.reference is not None:
        sentences += [
            "In brackets: the published value, and ours minus it.",
            f"The published time has no unit; it is read as seconds for all {QUERIES:,} queries.",
            "Ours is the mean time of a query on one thread, times all queries of the data.",
        ]
    if grid.layout == "methods":
        sentences.append(
            "Speed-up is over our own linear scan, which runs at the speed of memory; the published one is over the "
            "paper's own scan, so the two do not compare. Memory as the paper counts leaves out what a search "
            "reads besides (features, tables, codes); memory needed counts it. 1 MB is 1,000,000 bytes."
        )
    return sentences


def _span(counts: pd.Series) -> str:
    known = sorted(int(count) for count in counts.dropna().unique())
    return " to ".join(f"{count:,}" for count in dict.fromkeys([known[0], known[-1]])) if known else "no"


def replace(path: Path, write: Callable[[Path], object]) -> Path:
    """Write a file under a temporary name beside its place, then rename it there, so none is ever half-written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
