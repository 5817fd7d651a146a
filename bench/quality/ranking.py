"""Computes the quality of rankings by label: rankings by codes, and rankings by distances of features.

Where toolkits differ, these rules hold unless a caller asks otherwise: tied items are in random order and a figure is
its exact expectation over that order; a query without a relevant item scores 0 and stays in the mean.

``HammingRanking.of`` passes over the codes once and counts. Every figure of the ranking follows from these counts, as
McSherry and Najork (ECIR 2008) have shown for tied scores. Labels are class numbers, int64 [n], and items of one class
are relevant to each other; or sets of classes, bool or 0 and 1 [n, classes], and items that share at least one class
are relevant to each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from bench.given.labels import check_labels
from bench.interfaces import Codes, Float, Int, Labels
from bench.quality import kernels
from bench.quality.labels import (
    Scores,
    by_word,
    check_choice,
    check_features,
    check_padding,
    label_words,
    most_labels,
)

Ties = Literal["expected", "best", "worst", "index"]
"""The order of items at equal distance: random, relevant ones first, relevant ones last, or by position."""

Denominator = Literal["relevant", "min_k_relevant", "retrieved"]
"""The divisor of average precision: relevant items in the database, at most k of them, or those retrieved."""


@dataclass(frozen=True)
class Convention:
    """The convention by which a code base computes mAP from rankings.

    ``zero_hits``: a query with no relevant item among the first k counts as 0, or is left out of the mean.
    ``drops_last``: the ranking ends before its last item unless k is given.
    """

    ties: Ties = "expected"
    denominator: Denominator = "relevant"
    zero_hits: Literal["zero", "left_out"] = "zero"
    drops_last: bool = False


PRESETS = {
    "tie_expected": Convention(),
    "deephash_pytorch": Convention("index", "retrieved", drops_last=True),
    "semicon": Convention("index", "retrieved", drops_last=True),
    "adsh": Convention("index", "retrieved"),
    "sdh_demo": Convention("index", "retrieved"),
    "hashnet": Convention("index", "retrieved", zero_hits="left_out"),
}
"""The conventions by name: ours, and those of code whose figures are published.

* ``deephash_pytorch``: `CalcTopMap` of swuxyj/DeepHash-pytorch. It slices ``[0:topK]``, and topK = -1, the setting for
  CIFAR-10 among others, drops the last-ranked item.
* ``semicon``: `mean_average_precision` of aassxun/SEMICON (and DSH_Analysis, TreezzZ's repositories), the same slice.
* ``adsh``: `calc_map` and, with k, `calc_topMap` of jiangqy/ADSH-AAAI2018, Matlab and PyTorch.
* ``sdh_demo``: `cat_apcal` of bd622/DiscretHashing over Matlab's sort, which is stable.
* ``hashnet``: `mean_average_precision` of thuml/HashNet (k = 5000, ImageNet 1000) and `get_mAPs` of thulab/DeepHash.

All but the Matlab ones sort with an unstable argsort. Its order inside a tie is undefined, and is taken to be by
position.
"""


@dataclass(frozen=True)
class HammingRanking:
    """The rankings of the database by Hamming distance, one a query, as counts. ``of`` makes them.

    ``counts`` int32 [q, bits + 1, grades]: database items by distance and by the number of labels that they share with
    the query (0 or 1 for class numbers). Figures are float64 [q], one a query. With ``ties`` "best" the items of a tie
    that share most labels are first, with "worst" last, and with "index" the order is by position, as after a stable
    sort, which takes another pass over the codes.
    """

    query_codes: Codes
    database_codes: Codes
    query_labels: Labels
    database_labels: Labels
    counts: NDArray[np.int32]

    @classmethod
    def of(cls, query_codes: Codes, database_codes: Codes, query_labels: Labels, database_labels: Labels) -> Self:
        """Count the items by distance and shared labels.

        Raises ValueError: codes differ in length, padding is not zero, labels do not fit, or there are no items.
        """
        if query_codes.bits != database_codes.bits:
            raise ValueError(f"query codes have {query_codes.bits} bits, database codes {database_codes.bits}")
        check_padding("query", query_codes)
        check_padding("database", database_codes)
        check_labels("query", query_labels, len(query_codes), "iu")
        check_labels("database", database_labels, len(database_codes), "iu")
        labels = label_words(query_labels, database_labels)
        grades = 2 if query_labels.ndim == 1 else 1 + min(most_labels(query_labels), most_labels(database_labels))
        counts = np.zeros((len(query_codes), query_codes.bits + 1, grades), dtype=np.int32)
        kernels.count(by_word(query_codes.words), by_word(database_codes.words), *labels, counts)
        return cls(query_codes, database_codes, query_labels, database_labels, counts)

    @cached_property
    def items(self) -> Int:
        """The number of database items at each distance, [q, bits + 1]."""
        return self.counts.sum(axis=2, dtype=np.int64)

    @cached_property
    def relevant(self) -> Int:
        """The number of relevant items at each distance, [q, bits + 1]."""
        return self.counts[:, :, 1:].sum(axis=2, dtype=np.int64)

    def average_precision(
        self, k: int | None = None, ties: Ties = "expected", denominator: Denominator = "relevant"
    ) -> Scores:
        """The sum of the precisions at the relevant items among the first k (all), over the ``denominator``; or 0.

        With "retrieved" the figure can fall when a relevant item moves up (relevant, not, relevant: 5/6; relevant,
        not, not: 1), so its "best" order may score below the expectation.

        Raises ValueError: k < 1, or an unknown choice.
        """
        check_choice("ties", ties, Ties)
        check_choice("denominator", denominator, Denominator)
        size = len(self.database_codes)
        k, retrieved = _first(k, size), denominator == "retrieved"
        possible = _possible(self.relevant.sum(axis=1), k, denominator)
        if ties == "index":
            sums, hits, _ = self._in_id_order(k)
            return _share(sums, hits if retrieved else possible)
        items, relevant = self._tie_groups(ties, np.sign(self._gains()))
        scores = np.zeros(len(items))
        kernels.score_groups(items, relevant.astype(np.int64), k, retrieved, _harmonic(size), scores)
        return scores if retrieved else _share(scores, possible)

    def mean_average_precision(self, k: int | None = None, preset: str = "tie_expected") -> float:
        """The mAP among the first k (all) by one of ``PRESETS``; 0 if no query stays in the mean.

        Raises ValueError: k < 1, or an unknown preset.
        """
        if preset not in PRESETS:
            raise ValueError(f"preset = {preset!r}; one of {', '.join(PRESETS)}")
        convention = PRESETS[preset]
        if k is None and convention.drops_last:
            k = len(self.database_codes) - 1
        scores = self.average_precision(k, convention.ties, convention.denominator)
        if convention.zero_hits == "left_out":
            scores = scores[scores > 0]  # The score is 0 exactly where no item among the first k is relevant.
        return float(scores.mean()) if len(scores) else 0.0

    def precision_at(self, n: int, ties: Ties = "expected") -> Scores:
        """The share of relevant items among the first n. Places after the last item of the database count as wrong.

        Raises ValueError: n < 1, or an unknown choice of ties.
        """
        return self._hits_at(n, ties) / n

    def precision_within(self, radius: int, empty: float = 0.0) -> Scores:
        """The share of relevant items among those within a Hamming radius; ``empty`` if there are no items.

        The usual reading of precision within radius 2 counts an empty result as 0.

        Raises ValueError: radius < 0.
        """
        _check_radius(radius)
        return _share(self.relevant[:, : radius + 1].sum(axis=1), self.items[:, : radius + 1].sum(axis=1), empty)

    def recall_within(self, radius: int) -> Scores:
        """The share of the database's relevant items that lie within a Hamming radius; 0 if none is relevant.

        Raises ValueError: radius < 0.
        """
        _check_radius(radius)
        return _share(self.relevant[:, : radius + 1].sum(axis=1), self.relevant.sum(axis=1))

    def precision_recall_curve(
        self, numbers: Sequence[int] | Int | None = None, empty: float = 0.0
    ) -> tuple[Scores, Scores]:
        """Precision and recall, each a mean over the queries, within every radius 0..bits: float64 [bits + 1].

        With ``numbers`` they are among the first n for each of these, tied items in random order: float64 [numbers].
        ``empty`` is the precision of a radius that holds no item.

        Raises ValueError: a number is below 1.
        """
        if numbers is not None:
            hits = np.stack([self._hits_at(int(n), "expected") for n in numbers], axis=1)
            found = np.broadcast_to(np.asarray(numbers, dtype=np.int64), hits.shape)
        else:
            hits, found = np.cumsum(self.relevant, axis=1), np.cumsum(self.items, axis=1)
        totals = self.relevant.sum(axis=1, keepdims=True)
        return _share(hits, found, empty).mean(axis=0), _share(hits, np.broadcast_to(totals, hits.shape)).mean(axis=0)

    def ndcg_at(self, n: int, ties: Ties = "expected") -> Scores:
        """The discounted gain of the first n over that of the best ranking possible; 0 if no item is relevant.

        An item that shares g labels gains 2^g - 1 (0 or 1 for class numbers), at place i over log2(1 + i): Järvelin and
        Kekäläinen (2002) with the exponential gain that multi-label hashing reports (Zhao et al., CVPR 2015). A tie
        group's expectation is its mean gain times its places' discounts.

        Raises ValueError: n < 1, or an unknown choice of ties.
        """
        check_choice("ties", ties, Ties)
        n, size = _first(n, len(self.database_codes), "n"), len(self.database_codes)
        gains = self._gains()
        weights = np.concatenate(([0.0], np.cumsum((np.arange(size) < n) / np.log2(np.arange(2, size + 2)))))
        best_first = self.counts.sum(axis=1, dtype=np.int64)[:, ::-1]
        ideal = _expected_sum(best_first, best_first * gains[::-1], weights)
        if ties == "index":
            return _share(self._in_id_order(n)[2], ideal)
        return _share(_expected_sum(*self._tie_groups(ties, gains), weights), ideal)

    def _hits_at(self, n: int, ties: Ties) -> Scores:
        """The number of relevant items among the first n."""
        check_choice("ties", ties, Ties)
        size = len(self.database_codes)
        if ties == "index":
            return self._in_id_order(_first(n, size, "n"))[1]
        groups = self._tie_groups(ties, np.sign(self._gains()))
        return _expected_sum(*groups, np.minimum(np.arange(size + 1.0), _first(n, size, "n")))

    def _gains(self) -> Scores:
        return np.exp2(np.arange(self.counts.shape[2])) - 1

    def _tie_groups(self, ties: Ties, gains: Scores) -> tuple[Int, Scores]:
        """The number of items of each tie group, nearest first, and the sum of their gains, both [q, groups].

        In the best and the worst order the items of a distance are no longer tied: items that share g labels are a
        group of their own.
        """
        if ties == "expected":
            total: Scores = self.counts @ gains
            return self.items, total
        order = slice(None, None, -1) if ties == "best" else slice(None)
        apart = self.counts[:, :, order].astype(np.int64)
        rows = len(apart)
        return apart.reshape(rows, -1), np.multiply(apart, gains[order]).reshape(rows, -1)

    def _in_id_order(self, k: int) -> NDArray[np.float64]:
        """The sum of precisions, relevant items and discounted gain of the first k, ties by position: [3, q]."""
        scores = np.zeros((len(self.query_codes), 3))
        kernels.score_in_id_order(
            by_word(self.query_codes.words),
            by_word(self.database_codes.words),
            *label_words(self.query_labels, self.database_labels),
            self.counts,
            k,
            self._gains(),
            1 / np.log2(np.arange(2, k + 2)),
            scores,
        )
        return scores.T


def average_precision(
    query_codes: Codes,
    database_codes: Codes,
    query_labels: Labels,
    database_labels: Labels,
    k: int | None = None,
    ties: Ties = "expected",
    denominator: Denominator = "relevant",
) -> Scores:
    """The average precision of each query over a Hamming ranking: see ``HammingRanking.average_precision``."""
    ranking = HammingRanking.of(query_codes, database_codes, query_labels, database_labels)
    return ranking.average_precision(k, ties, denominator)


def mean_average_precision(
    query_codes: Codes,
    database_codes: Codes,
    query_labels: Labels,
    database_labels: Labels,
    k: int | None = None,
    preset: str = "tie_expected",
) -> float:
    """The mAP over a Hamming ranking, a number in 0..1: see ``HammingRanking.mean_average_precision``."""
    ranking = HammingRanking.of(query_codes, database_codes, query_labels, database_labels)
    return ranking.mean_average_precision(k, preset)


def average_precision_by_distance(
    query_features: Float,
    database_features: Float,
    query_labels: Labels,
    database_labels: Labels,
    k: int | None = None,
    denominator: Denominator = "relevant",
) -> Scores:
    """The average precision of each query over the ranking by Euclidean distance, float64 [q].

    Features are float32 [q, d] and [n, d]. Distances are summed in float64 from differences, so that nothing cancels
    and equal items tie exactly; a tie counts as its expectation. Only the distances of relevant items are sorted, and
    the other items are counted between them: O(n log r) for r relevant items. A thread holds 8 n distances.

    Raises ValueError: features or labels do not fit, a feature is not finite, k < 1, or an unknown denominator.
    """
    check_choice("denominator", denominator, Denominator)
    check_features("query", query_features)
    check_features("database", database_features)
    if query_features.shape[1] != database_features.shape[1]:
        raise ValueError(f"query features are {query_features.shape[1]}-d, database {database_features.shape[1]}-d")
    check_labels("query", query_labels, len(query_features), "iu")
    check_labels("database", database_labels, len(database_features), "iu")
    size = len(database_features)
    k, retrieved = _first(k, size), denominator == "retrieved"
    scores, totals = np.zeros(len(query_features)), np.zeros(len(query_features), dtype=np.int64)
    kernels.score_distances(
        np.ascontiguousarray(query_features),
        np.ascontiguousarray(database_features),
        *label_words(query_labels, database_labels),
        k,
        retrieved,
        _harmonic(size),
        scores,
        totals,
    )
    return scores if retrieved else _share(scores, _possible(totals, k, denominator))


def _expected_sum(items: Int, gains: NDArray[Any], weights: Scores) -> Scores:
    """The expected sum of gain times weight over the ranking: each tie group's mean gain times its places' weights.

    ``weights[i]`` is the sum of the weights of the first i places.
    """
    end = np.cumsum(items, axis=1)
    return _share(gains * (weights[end] - weights[end - items]), items).sum(axis=1)


def _share(part: NDArray[Any], whole: NDArray[Any], empty: float = 0.0) -> Scores:
    return np.divide(part, whole, out=np.full(part.shape, empty), where=whole > 0)


def _possible(relevant: Int, k: int, denominator: Denominator) -> Int:
    return relevant if denominator == "relevant" else np.minimum(relevant, k)


def _harmonic(size: int) -> Scores:
    """The sums 1 + 1/2 + ... + 1/j for j = 0..size."""
    return np.concatenate(([0.0], np.cumsum(1.0 / np.arange(1, size + 1))))


def _first(number: int | None, size: int, name: str = "k") -> int:
    if number is not None and number < 1:
        raise ValueError(f"{name} = {number}; at least 1")
    return size if number is None else min(number, size)


def _check_radius(radius: int) -> None:
    if radius < 0:
        raise ValueError(f"radius = {radius}; at least 0")
