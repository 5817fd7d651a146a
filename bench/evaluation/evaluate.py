"""The figures of a ranking by codes from anywhere, with what makes such figures wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.evaluation.sources import read
from bench.given.forms import Given, as_codes
from bench.given.labels import number_classes, of_one_kind, read_labels
from bench.grids.published import load_reference
from bench.interfaces import Int, Labels
from bench.quality.ranking import PRESETS, HammingRanking
from bench.quality.variety import constant_bits, distinct_codes

Source = str | Path | NDArray[Any]
PLACES = (10, 100, 1000)
"""The numbers of neighbours at which figures are given."""
RADIUS = 2
SPREAD = 0.01
"""A difference between best and worst ties above which the order of ties decides the figure."""
LEAST_CLASSES, CLEARLY = 8, 0.3
"""Classes over which bits are compared, and by how much another bit must agree better."""


@dataclass(frozen=True)
class Evaluation:
    """Figures of a ranking by Hamming distance, as shares of 1, means over the queries.

    ``map`` is the expectation over random order inside ties; ``map_best`` and ``map_worst`` put the relevant items of
    a tie first and last, ``map_by_index`` orders them by position. ``map_at``, ``precision_at`` and ``ndcg_at`` are by
    number of neighbours. ``curve`` is precision and recall within each radius from 0. With a ``convention``,
    ``map_by_convention`` is the mAP that its code base would print
    for the first ``k`` items (None: all); ``published`` is the value of a reference.
    """

    bits: int
    queries: int
    database_items: int
    multi_label: bool
    map: float
    map_best: float
    map_worst: float
    map_by_index: float
    map_at: dict[int, float]
    precision_at: dict[int, float]
    ndcg_at: dict[int, float]
    precision_within_2: float
    recall_within_2: float
    curve: dict[str, list[float]]
    convention: str | None = None
    k: int | None = None
    map_by_convention: float | None = None
    reference: str | None = None
    published: float | None = None
    remarks: tuple[str, ...] = field(default=())


def evaluate(
    query: Source,
    database: Source,
    query_labels: Source,
    database_labels: Source,
    bits: int | None = None,
    at: Sequence[int] = PLACES,
    convention: str | None = None,
    k: int | None = None,
    reference: str | None = None,
) -> Evaluation:
    """Evaluate codes from arrays or files (see `bench.given.files`), of the forms of ``as_codes``.

    ``convention`` is one of `bench.quality.ranking.PRESETS`, ``k`` the length of its list (None: the whole database).
    ``reference`` is a published value as ``TABLE:DATASET/HASHER/BITS``.

    Raises ValueError: a file, an array, a convention or a reference is wrong.
    """
    if convention is not None and convention not in PRESETS:
        raise ValueError(f"convention {convention!r}: expected one of {', '.join(PRESETS)}")
    if k is not None and convention is None:
        raise ValueError(
            f"k = {k}: it is the length of a convention's list; give a convention too: {', '.join(PRESETS)}"
        )
    published = None if reference is None else published_map(reference)
    given, labels = _given((query, database), (query_labels, database_labels), bits)
    ranking = HammingRanking.of(given[0].codes, given[1].codes, *labels)
    asked, items = dict.fromkeys(at), len(given[1].codes)
    places = [n for n in asked if n <= items]
    beyond = [] if tuple(at) == PLACES else [n for n in asked if n > items]
    precision, recall = ranking.precision_recall_curve()
    figures = {
        ties: float(ranking.average_precision(ties=ties).mean()) for ties in ("expected", "best", "worst", "index")
    }
    return Evaluation(
        bits=given[0].codes.bits,
        queries=len(given[0].codes),
        database_items=len(given[1].codes),
        multi_label=labels[0].ndim == 2,
        map=figures["expected"],
        map_best=figures["best"],
        map_worst=figures["worst"],
        map_by_index=figures["index"],
        map_at={n: float(ranking.average_precision(n, denominator="min_k_relevant").mean()) for n in places},
        precision_at={n: float(ranking.precision_at(n).mean()) for n in places},
        ndcg_at={n: float(ranking.ndcg_at(n).mean()) for n in places},
        precision_within_2=float(ranking.precision_within(RADIUS).mean()),
        recall_within_2=float(ranking.recall_within(RADIUS).mean()),
        curve={"precision": precision.tolist(), "recall": recall.tolist()},
        convention=convention,
        k=k,
        map_by_convention=None if convention is None else ranking.mean_average_precision(k, convention),
        reference=reference,
        published=published,
        remarks=(*_beyond(beyond, items), *_remarks(given[0], given[1], labels, ranking, figures)),
    )


def _given(
    codes: tuple[Source, Source], labels: tuple[Source, Source], bits: int | None
) -> tuple[tuple[Given, Given], tuple[Labels, Labels]]:
    """Codes and labels, those of the queries first.

    Raises ValueError: see ``evaluate``.
    """
    names = ("query", "database")
    (first, query), (second, database) = (_array(name, one) for name, one in zip(names, codes, strict=True))
    given = as_codes((first, second), query, database, bits)
    (first, query), (second, database) = (
        _array(f"{name} labels", own, len(one.codes)) for name, own, one in zip(names, labels, given, strict=True)
    )
    query, database = (
        read_labels(where, own, len(one.codes))
        for where, own, one in zip((first, second), (query, database), given, strict=True)
    )
    query, database = of_one_kind((first, second), (query, database))
    _, of_database, of_query = number_classes(f"{first} and {second}", database, query, signed=True)
    return given, (of_query, of_database)


def published_map(reference: str) -> float:
    """The published mAP of ``TABLE:DATASET/HASHER/BITS``, a share of 1. Of a table with several protocols one is named
    too, as in ``TABLE:DATASET/HASHER/BITS/PROTOCOL``.

    Raises ValueError: there is none, or there are several.
    """
    table, _, place = reference.partition(":")
    parts = place.split("/")
    if len(parts) not in (3, 4) or not parts[2].isdigit():
        raise ValueError(f"reference {reference!r}: expected TABLE:DATASET/HASHER/BITS, as paper_table2:cub200/dpsh/32")
    rows = load_reference(table)
    if "map" not in rows:
        raise ValueError(f"reference {reference!r}: the table {table} holds no mAP")
    dataset, hasher, bits, *protocol = parts
    found = rows[(rows["dataset"] == dataset) & (rows["hasher"] == hasher) & (rows["bits"] == int(bits))]
    protocols = ", ".join(found["protocol"])
    found = found[found["protocol"].isin(protocol)] if protocol else found
    if protocols and len(found) != 1:
        raise ValueError(f"reference {reference!r}: add one of its protocols, as in /seen_all; there are {protocols}")
    if not len(found):
        known = sorted({f"{one.dataset}/{one.hasher}/{one.bits:.0f}" for one in rows.itertuples()})
        raise ValueError(f"reference {reference!r}: {table} has no such value; it has {', '.join(known[:12])}, …")
    return float(found["map"].iloc[0])


def _array(name: str, source: Source, rows: int | None = None) -> tuple[str, NDArray[Any]]:
    return (name, np.asarray(source)) if not isinstance(source, str | Path) else read(source, rows)


def _beyond(places: Sequence[int], items: int) -> Iterator[str]:
    """The remark on numbers of neighbours that the database does not have."""
    if places:
        named = ", ".join(f"{n:,}" for n in places)
        yield f"no figure is given at {named}: the database has {items:,} items"


def _remarks(
    query: Given, database: Given, labels: tuple[Labels, Labels], ranking: HammingRanking, figures: dict[str, float]
) -> Iterator[str]:
    """What makes such figures wrong, or other than a reader would think."""
    yield from dict.fromkeys((*query.remarks, *database.remarks))
    distinct = distinct_codes(database.codes)
    if figures["best"] - figures["worst"] > SPREAD:
        spread = 100 * (figures["best"] - figures["worst"])
        yield (
            f"ties decide up to {spread:.1f} points of mAP, among {distinct:,} distinct codes of "
            f"{len(database.codes):,} items; a figure by position depends on the order of the file"
        )
    if labels[1].ndim == 1 and distinct <= len(np.unique(labels[1])):
        yield "the database has at most one code a class: these codes are learned from labels, not encoded from items"
    constant = constant_bits(database.codes)
    if constant > 0:
        yield f"{constant} of {query.codes.bits} bits are the same in the whole database"
    shared = _shared_rows(query.values, database.values)
    if shared:
        yield f"{shared:,} queries stand in the database, equal in all their real values: they find themselves"
    lonely = int((ranking.relevant.sum(axis=1) == 0).sum())
    if lonely:
        yield f"{lonely:,} queries have no relevant item in the database; they count as 0"
    yield from _disagreeing(query, database, labels)


def _shared_rows(query: NDArray[Any], database: NDArray[Any]) -> int:
    """The queries that equal a row of the database in real values; of codes alone equality says nothing."""
    if query.dtype.kind != "f" or database.dtype != query.dtype or len(np.unique(query[0])) <= 2:
        return 0
    rows = [
        np.ascontiguousarray(one).view(np.dtype((np.void, one.itemsize * one.shape[1])))[:, 0]
        for one in (query, database)
    ]
    return int(np.isin(rows[0], rows[1]).sum())


def _disagreeing(query: Given, database: Given, labels: tuple[Labels, Labels]) -> Iterator[str]:
    """Bits of the queries that vary over the classes as another bit of the database does, or as its opposite."""
    if labels[0].ndim == 2:
        return
    classes = np.intersect1d(*labels)
    if len(classes) < LEAST_CLASSES:
        return
    means = [_class_means(one, own, classes) for one, own in ((query, labels[0]), (database, labels[1]))]
    varying = [one.std(axis=0) > 0 for one in means]
    both = np.flatnonzero(varying[0] & varying[1])
    if len(both) < 2:
        return
    scaled = [(one[:, both] - one[:, both].mean(axis=0)) / one[:, both].std(axis=0) for one in means]
    agreement = scaled[0].T @ scaled[1] / len(classes)
    own = np.diagonal(agreement)
    if (own < -CLEARLY).mean() > 0.5:
        yield "most query bits are the opposite of the database's: one of the two is inverted"
    elif (agreement.max(axis=1) > own + CLEARLY).mean() > 0.5:
        yield "most query bits vary over the classes as other bits of the database do: their orders of bits differ"


def _class_means(given: Given, labels: Int, classes: Int) -> NDArray[np.float64]:
    """The mean of each bit over the items of each class, float64 [classes, bits]."""
    values = given.codes.unpack().astype(np.float64)
    return np.stack([values[labels == one].mean(axis=0) for one in classes])
