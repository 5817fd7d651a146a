"""Two answers of an index compared, and how near their items are."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.conformance import data
from bench.conformance.demands import demand
from bench.interfaces import Corpus, Float, Int

K = 10
LEAST_AGREEMENT = 0.9
"""Share of answers that two searches must have in common, ties aside, where exact equality is not promised."""


def deterministic(index: Any) -> bool:
    """Whether the index promises equal answers, as it does where it says nothing."""
    return bool(getattr(index, "deterministic", True))


def agree(index: Any, first: Int, second: Int, asked: str, rows: slice = slice(None)) -> None:
    """Nonconformity: two answers to the queries at ``rows`` differ; by much, where it is not deterministic."""
    if deterministic(index):
        differing = int((first != second).any(axis=1).sum()) if first.shape == second.shape else len(first)
        demand(differing == 0, f"{asked}: {differing} of {len(first)} answers differ; right is none")
        return
    database, queries = data.corpora()
    away = distances(index.reads, database, queries)[rows]
    shared = min(_shared(first, second, away), _shared(second, first, away))
    demand(
        shared >= LEAST_AGREEMENT,
        f"{asked}: the answers have {shared:.0%} in common; right is at least {LEAST_AGREEMENT:.0%}",
    )


def _shared(ids: Int, others: Int, away: Float) -> float:
    """The share of the answers that are as near as the farthest of the others' of the same query."""
    near = np.take_along_axis(away, np.maximum(ids, 0), axis=1)
    farthest = np.take_along_axis(away, np.maximum(others, 0), axis=1)
    bound = np.where(others >= 0, farthest, -1).max(axis=1, keepdims=True)
    found = ids >= 0
    return float(((near <= bound) & found).sum() / max(1, found.sum()))


def recall(ids: Int, away: Float) -> float:
    """The share of the K nearest that are found, or items as near."""
    bound = np.sort(away, axis=1)[:, K - 1 : K]
    return float(((np.take_along_axis(away, np.maximum(ids, 0), axis=1) <= bound) & (ids >= 0)).mean())


def distances(reads: tuple[str, ...], database: Corpus, queries: Corpus) -> Float:
    """Distances [q, n] by what is read: Euclidean of features, Hamming of codes, else the cosine's of real codes."""
    if "features" in reads:
        rows, asked = (np.asarray(part.features, dtype=np.float64) for part in (database, queries))
        return np.asarray(np.sqrt(((asked[:, None] - rows[None]) ** 2).sum(axis=2)))
    if "codes" in reads:
        words = [part.codes.words for part in (database, queries) if part.codes is not None]
        return np.bitwise_count(words[1][:, None] ^ words[0][None]).sum(axis=2, dtype=np.float32)
    rows, asked = (np.asarray(part.real_codes, dtype=np.float64) for part in (database, queries))
    rows, asked = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in (rows, asked))
    return np.asarray(1 - asked @ rows.T)
