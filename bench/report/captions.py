"""Writes the caption of a table: the cells that were run, and how to read it."""

from __future__ import annotations

from typing import Any

import pandas as pd

from bench.grids.cells import RANKED
from bench.grids.protocols import HELD_OUT
from bench.grids.published import DATA, load_reference
from bench.records.columns import MEAN_LATENCY, SPEED_UP, TRAINER
from bench.records.frame import SEARCH, SECTION, VARIANT
from bench.report import halves
from bench.report.words import NOT_RUN, PROTOCOL_NAMES, GridInfo, query_time, span, word


def caption(tidy: pd.DataFrame, grid: GridInfo) -> str:
    """The caption of a table, in sentences of plain text."""
    datasets = sorted(tidy["dataset"].dropna().unique())
    counted = {"database_items": "database items", "queries": "queries"}
    counts = ", ".join(f"{span(tidy[name])} {words}" for name, words in counted.items() if tidy[name].notna().any())
    seeds = ", ".join(str(seed) for seed in sorted(tidy["seed"].dropna().unique()))
    sentences = [
        f"{grid.title.rstrip('.')}.",
        f"{', '.join(datasets)}: {counts or 'nothing is finished'}; recipe {grid.recipe}; seeds: {seeds or 'none'}.",
        *_about_the_reference(tidy, grid),
        *(note if note.endswith(".") else f"{note}." for note in grid.notes),
        f"{NOT_RUN}: not run, or not measured.",
        *_about_seeds(tidy),
        *_about_machines(tidy, grid),
        *(_about_codes(tidy, grid) if grid.layout in RANKED else _about_searches(tidy, grid)),
    ]
    return " ".join(sentences)


def _about_the_reference(tidy: pd.DataFrame, grid: GridInfo) -> list[str]:
    """The sentences on the data of the published figures, and on their places in the table."""
    if grid.reference is None:
        return []
    same, published = tidy["reference_compares"], tidy["reference_dataset"].notna()
    sentences = []
    if strangers := sorted(set(tidy["dataset"].dropna()) - set(tidy.loc[same, "dataset"])):
        theirs = _data_of(load_reference(grid.reference)[DATA].drop_duplicates())
        beside = "stands in lines of its own, named as the paper's data, without a difference"
        sentences += [
            f"The data ({', '.join(strangers)}) are not the paper's ({theirs}).",
            f"What was published {beside}." if (published & ~same).any() else "Nothing published stands beside them.",
        ]
    if (published & same).any():
        sentences.append("In brackets: the published value, and ours minus it.")
    return sentences


def _data_of(published: pd.DataFrame) -> str:
    """The data of published figures in words; of several protocols, the names of the data alone."""
    if published["protocol"].nunique() == 1:
        return "; ".join(map(_data, published.itertuples()))
    names = ", ".join(word("dataset", name) for name in published["dataset"].unique())
    return f"{names}, with classes held out of training as published"


def _data(theirs: Any) -> str:
    """The data of published figures in words."""
    counts = f"{theirs.database_items:,} database items, {theirs.queries:,} queries"
    return f"{word('dataset', theirs.dataset)}: {counts}, {PROTOCOL_NAMES[theirs.protocol]}"


def _about_seeds(tidy: pd.DataFrame) -> list[str]:
    """The sentences on the number of seeds behind a value."""
    of_searches = tidy["machine"].where(tidy["index"].notna())
    counts = tidy.assign(machine=of_searches).groupby([*SECTION, *VARIANT, *SEARCH], dropna=False)["seed"].nunique()
    if len(counts) == 0 or counts.max() <= 1:
        return ["One seed each: no spread is known."]
    words = f"Mean ± standard deviation over {span(counts[counts > 1])} seeds."
    return [words if counts.min() > 1 else f"{words} A value without ± is of one seed."]


def _about_machines(tidy: pd.DataFrame, grid: GridInfo) -> list[str]:
    """The sentence on the machine classes of the times, if there are several."""
    ranked = grid.layout in RANKED
    rows = tidy[tidy["index"].isna() if ranked else tidy["index"].notna()]
    number = rows[TRAINER.name if ranked else "machine"].nunique()
    what = "Trainings" if ranked else "Searches"
    apart = "times of two classes are not compared, so each class has sections of its own"
    return [f"{what} ran on {number} classes of machines: {apart}."] if number > 1 else []


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
    if (tidy["model"] == "oracle").any() and set(tidy["protocol"].dropna()) & {*HELD_OUT}:
        sentences.append(
            "Of a training that holds classes out there is one oracle: the best on queries of seen classes among items "
            "of these."
        )
    if grid.reference is not None:
        table = load_reference(grid.reference).reindex(columns=["hasher", "model", "database_codes"])
        if table["model"].isna().all():
            sentences.append("Which model of a training was published (last, or best on what) is not stated.")
        elif (table["model"] == "oracle").all():
            sentences.append(
                "What was published is of the best model on the test queries, and stands beside the oracle."
            )
        rows_of = table.groupby("hasher", sort=False)["database_codes"]
        learned = [str(name) for name, codes in rows_of if codes.eq("learned").all()]
        if learned:
            names = ", ".join(word("hasher", name) for name in learned)
            sentences.append(f"Published with learned database codes, and beside no others: {names}.")
    return sentences


def _about_recall(searches: pd.DataFrame) -> list[str]:
    """The sentences on the neighbours that recall is measured against."""
    by_features = "exact search by the features' Euclidean distance"
    by_codes = "exact search by the codes' Hamming distance, where whatever ties with the last neighbour counts"
    on_codes = searches["embedder"].isna()
    if not on_codes.any():
        return [f"Recall is against {by_features}."]
    if on_codes.all():
        return [f"Recall is against {by_codes}."]
    return [f"Recall is against {by_features}; of a search on codes only, against {by_codes}."]


def _about_searches(tidy: pd.DataFrame, grid: GridInfo) -> list[str]:
    sentences = [
        "Precision is by label: codes learned with labels may pass exact search, so recall stands beside it.",
        *_about_recall(tidy[tidy["index"].notna()]),
    ]
    if grid.layout in ("candidates", "methods"):
        mean = "mean" if query_time(tidy) is MEAN_LATENCY else "median"
        sentences.append(f"The time of a query is the {mean} of single queries, one after another on one thread.")
    published = None if grid.reference is None else load_reference(grid.reference)
    if published is not None and "seconds" in published:
        queries = span(published["queries"])
        sentences.append(
            f"The published time has no unit; it is read as seconds for all {queries} queries, and divided by them."
        )
    if grid.layout == "methods":
        if tidy[SPEED_UP.name].notna().any():
            sentences.append(
                "Speed-up is over our own linear scan, in the same rounds; that runs at the speed of memory."
            )
        if SPEED_UP.reference in tidy and tidy[SPEED_UP.reference].notna().any():
            sentences.append("The published speed-up is over the paper's own scan, so the two do not compare.")
        sentences.append(
            "Memory as the paper counts leaves out what a search reads besides (features, tables, codes); memory "
            "needed counts it. 1 MB is 1,000,000 bytes."
        )
        if published is not None and "counted_items" in published:
            counted = span(published["counted_items"])
            sentences.append(
                f"The published memory counts {counted} items, and ours those of the database, so compare the bytes of "
                "an item. Where the published memory is of a codebook alone, it is left out."
            )
    split = halves.is_any_split(tidy)
    if grid.layout == "pareto":
        each = "chosen for a level of quality" if split else "that reaches a level of quality"
        sentences.append(
            f"Each line is the fastest search {each}: one query at a time on one thread, and all queries in one call "
            "on all threads. Precision is a share of that of our own linear scan."
        )
    if grid.layout == "systems":
        each = "chosen for a level of recall" if split else "that reaches a level of recall"
        sentences.append(
            f"Each line is the fastest search of an index {each}, one query at a time on one thread. The time holds "
            "the driver and, where there is one, the server; an empty query stands beside it. "
            "Building holds the loading of the rows. 1 MB is 1,000,000 bytes."
        )
    return [*sentences, halves.ABOUT] if split and grid.layout in ("pareto", "systems") else sentences
