"""The cells of a grid as files: all of them tidy, and the paper's layout as CSV and as LaTeX."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from bench.references import QUERIES, attach

NOT_RUN = "–"
TEXTS = ["dataset", "embedder", "hasher", "database_codes", "index", "status"]
INTEGERS = ["dim", "bits", "key_bits", "candidates", "nprobe", "k", "seed", "queries", "index_bytes", "paper_bytes"]
COLUMNS = [
    *("dataset", "embedder", "dim", "hasher", "bits", "database_codes"),
    *("index", "key_bits", "candidates", "nprobe", "k", "seed"),
    *("precision_at_{k}", "recall_at_{k}", "map", "complete_share"),
    *("latency_ms_p50", "latency_ms_p95", "latency_ms_p99", "throughput_qps", "seconds_all_queries"),
    *("encode_ms", "build_seconds", "index_bytes", "paper_bytes", "floor_ms", "floor_percent"),
    *("queries", "status", "reference_precision_at_10", "reference_seconds"),
]
SECTION = ["dataset", "embedder", "dim"]
VARIANT = ["hasher", "bits", "database_codes"]
INDEX_NAMES = {
    "linear_scan": "Linear scan",
    "ball_tree": "BallTree",
    "kd_tree": "KDTree",
    "ivfadc": "IVFADC",
    "hash_tables": "Hash tables",
}


@dataclass(frozen=True)
class GridInfo:
    """What a table says of its grid: ``reference`` names a published table, ``notes`` go into the caption."""

    name: str
    title: str
    layout: Literal["candidates", "methods"]
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
    tidy = attach(cells, grid.reference if grid.k == 10 else None)
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
    """The table as it is printed: strings, a column ``section`` first, then a column for each printed one."""
    build = {"candidates": _candidates_rows, "methods": _methods_rows}[grid.layout]
    rows = [
        row
        for keys, section in tidy.groupby(SECTION, dropna=False, sort=True)
        for row in build(section, section_name(keys, tidy), tidy, grid.k)
    ]
    return pd.DataFrame(rows).fillna("")


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
    """An index and its settings; of the codes only what differs inside the table."""
    settings = [
        f"{symbol} = {cell[name]}"
        for name, symbol in (("candidates", "N"), ("key_bits", "L"), ("nprobe", "nprobe"))
        if name in by and pd.notna(cell[name])
    ]
    settings += [
        f"{cell[name]} bits" if name == "bits" else str(cell[name]).replace("_", " ")
        for name in VARIANT
        if pd.notna(cell[name]) and tidy[name].nunique() > 1
    ]
    index = INDEX_NAMES.get(cell["index"], str(cell["index"]).replace("_", " "))
    return f"{index} ({', '.join(settings)})" if settings else index


def section_name(keys: Any, tidy: pd.DataFrame) -> str:
    """The features a part of the table is about, and of the rest of SECTION what differs inside the table."""
    dataset, embedder, dim = keys
    parts = [f"{dim}-d features"] if pd.notna(dim) else ["codes only"]
    parts += [str(embedder)] if tidy["embedder"].nunique() > 1 else []
    parts += [str(dataset)] if tidy["dataset"].nunique() > 1 else []
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
    ]
    if grid.reference and datasets != ["food101"]:
        sentences.append(f"The data ({', '.join(datasets)}) are not the paper's (Food101 images).")
    sentences += [note if note.endswith(".") else f"{note}." for note in grid.notes]
    sentences.append(f"{NOT_RUN}: not run, or not measured.")
    if tidy["seed"].nunique() > 1:
        sentences.append("Mean ± standard deviation over the seeds.")
    sentences.append(
        "Precision is by label: codes learned with labels may pass exact search, so recall stands beside it."
    )
    if grid.reference:
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
    return " ".join(sentences)


def _span(counts: pd.Series) -> str:
    known = sorted(int(count) for count in counts.dropna().unique())
    return " to ".join(f"{count:,}" for count in dict.fromkeys([known[0], known[-1]])) if known else "no"


def to_latex(table: pd.DataFrame, words: str) -> str:
    """A document of its own for ``pdflatex``, right after one pass: the caption, then the rows by section.

    The page is as high as the rows need, and a table wider than the page is scaled to it.
    """
    heads = [name for name in table.columns if name != "section"]
    width, values = len(heads), _values(heads)
    rows = []
    for section, part in table.groupby("section", sort=False):
        rows += [r"\midrule", rf"\multicolumn{{{width}}}{{l}}{{\textbf{{{escape(str(section))}}}}} \\"]
        rows += [_latex_row([row[name] for name in heads], values) for _, row in part.iterrows()]
    shown = ["" if name in ("row", "figure") else escape(name) for name in heads]
    height = 70 + 4 * len(rows)
    return "\n".join(
        [
            r"\documentclass{article}",
            r"\usepackage[T1]{fontenc}",
            r"\usepackage[utf8]{inputenc}",
            r"\IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}",
            rf"\usepackage[paperwidth=297mm,paperheight={height}mm,margin=12mm]{{geometry}}",
            r"\usepackage{booktabs,graphicx}",
            r"\newsavebox{\printed}",
            r"\pagestyle{empty}",
            r"\begin{document}",
            r"\footnotesize",
            rf"\noindent {escape(words)}\par\bigskip",
            rf"\sbox{{\printed}}{{\begin{{tabular}}{{{'l' * (width - values)}{'r' * values}}}",
            r"\toprule",
            rf"{' & '.join(shown)} \\",
            *rows,
            r"\bottomrule",
            r"\end{tabular}}",
            r"\noindent\ifdim\wd\printed>\linewidth\resizebox{\linewidth}{!}{\usebox{\printed}}",
            r"\else\usebox{\printed}\fi",
            r"\end{document}",
            "",
        ]
    )


def _values(heads: list[str]) -> int:
    """How many of the columns hold values, not labels."""
    return sum(name not in ("row", "figure") for name in heads)


def _latex_row(fields: list[str], values: int) -> str:
    shown = [escape(field) for field in fields]
    if values > 1 and not any(fields[-values + 1 :]):
        shown = [*shown[:-values], rf"\multicolumn{{{values}}}{{c}}{{{shown[-values]}}}"]
    return rf"{' & '.join(shown)} \\"


def escape(words: str) -> str:
    """Plain text as LaTeX on one line; a character that T1 fonts lack becomes a question mark."""
    special = {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "±": r"$\pm$",
        "×": r"$\times$",
        "−": "$-$",
        "–": "--",
        "—": "---",
        "’": "'",
    } | {character: f"\\{character}" for character in "&%$#_{}"}
    flat = " ".join(words.split())
    return "".join(special.get(character, character if ord(character) < 0x180 else "?") for character in flat)


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
