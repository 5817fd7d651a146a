"""Computes the quality columns of a record from a ranking by codes, a ranking by features, or neighbour lists."""

from __future__ import annotations

import numpy as np

from bench.interfaces import Codes, Corpus, Float, Int, Labels
from bench.quality.neighbours import precision_at, recall_at, recall_at_by_codes
from bench.quality.ranking import HammingRanking, average_precision_by_distance
from bench.quality.variety import constant_bits, distinct_codes


def of_codes(
    queries: Codes, database: Codes, query_labels: Labels, database_labels: Labels, k: int
) -> dict[str, float]:
    """The columns of the full ranking by Hamming distance, means over the queries.

    ``map`` and the precisions are expectations over random order inside a tie. ``map_best`` and ``map_worst`` have the
    relevant items of a tie first and last. ``map_by_index`` has the items of a tie by their position in the database.
    ``ndcg_at_k`` grades items by the number of labels that they share with the query.
    """
    ranking = HammingRanking.of(queries, database, query_labels, database_labels)
    return {
        "map": float(ranking.average_precision().mean()),
        "map_best": float(ranking.average_precision(ties="best").mean()),
        "map_worst": float(ranking.average_precision(ties="worst").mean()),
        "map_by_index": float(ranking.average_precision(ties="index").mean()),
        f"precision_at_{k}": float(ranking.precision_at(k).mean()),
        f"ndcg_at_{k}": float(ranking.ndcg_at(k).mean()),
        "precision_within_2": float(ranking.precision_within(2).mean()),
    }


def of_database_codes(codes: Codes, labels: Labels | None) -> dict[str, int]:
    """The columns by which a collapse shows: bits that are the same in all codes of the database, codes that differ,
    and, with the ``labels`` of its items, the classes that these should tell apart.
    """
    columns = {"constant_bits": constant_bits(codes), "distinct_codes": distinct_codes(codes)}
    if labels is not None:
        present = len(np.unique(labels)) if labels.ndim == 1 else int(labels.any(axis=0).sum())
        columns["database_classes"] = present
    return columns


def of_features(queries: Float, database: Float, query_labels: Labels, database_labels: Labels) -> dict[str, float]:
    """The column ``map`` of the full ranking by Euclidean distance, a mean over the queries."""
    return {"map": float(average_precision_by_distance(queries, database, query_labels, database_labels).mean())}


def of_neighbours(
    neighbours: Int,
    exact: Int | None,
    database: Corpus,
    queries: Corpus,
    labels: tuple[Labels, Labels] | None,
    k: int,
    radius: Int | None = None,
) -> dict[str, float]:
    """Precision by label and recall against exact search, for the lists int64 [q, k] that a search returned.

    With features, exact search is by features, and ``exact`` has its ids int64 [q, k]. Without, it is by Hamming
    distance, and ``radius`` is that of ``radius_of``, if it is known. ``labels``: those of the database and of the
    queries. Without them there is no precision.
    """
    if exact is not None and database.features is not None and queries.features is not None:
        recall = recall_at(neighbours, exact, database.features, queries.features, k)
    else:
        assert database.codes is not None and queries.codes is not None
        recall = recall_at_by_codes(neighbours, queries.codes, database.codes, k, radius)
    if labels is None:
        return {f"recall_at_{k}": recall}
    of_database, of_queries = labels
    return {
        f"precision_at_{k}": precision_at(neighbours, of_queries, of_database, k),
        f"recall_at_{k}": recall,
    }
