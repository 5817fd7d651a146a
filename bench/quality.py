"""The quality columns of a record, from what a cell produced: a ranking by codes, by features, or neighbour lists."""

from __future__ import annotations

from bench.interfaces import Codes, Corpus, Float, Int
from bench.metrics import HammingRanking, average_precision_by_distance, precision_at, recall_at


def of_codes(queries: Codes, database: Codes, query_labels: Int, database_labels: Int, k: int) -> dict[str, float]:
    """Means over the queries of the full ranking by Hamming distance.

    ``map`` and the precisions are expectations over random order inside a tie; ``map_best`` and ``map_worst`` have the
    relevant items of a tie first and last, ``map_by_index`` has them by their position in the database.
    """
    ranking = HammingRanking.of(queries, database, query_labels, database_labels)
    return {
        "map": float(ranking.average_precision().mean()),
        "map_best": float(ranking.average_precision(ties="best").mean()),
        "map_worst": float(ranking.average_precision(ties="worst").mean()),
        "map_by_index": float(ranking.average_precision(ties="index").mean()),
        f"precision_at_{k}": float(ranking.precision_at(k).mean()),
        "precision_within_2": float(ranking.precision_within(2).mean()),
    }


def of_features(queries: Float, database: Float, query_labels: Int, database_labels: Int) -> dict[str, float]:
    """``map`` of the full ranking by Euclidean distance, a mean over the queries."""
    return {"map": float(average_precision_by_distance(queries, database, query_labels, database_labels).mean())}


def of_neighbours(
    neighbours: Int, exact: Int, database: Corpus, queries: Corpus, query_labels: Int, database_labels: Int, k: int
) -> dict[str, float]:
    """Precision by label and recall against the exact neighbours, of the lists int64 [q, k] that a search returned."""
    assert database.features is not None and queries.features is not None
    return {
        f"precision_at_{k}": precision_at(neighbours, query_labels, database_labels, k),
        f"recall_at_{k}": recall_at(neighbours, exact, database.features, queries.features, k),
    }
