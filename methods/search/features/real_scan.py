"""The codes' real values, before the sign is taken: the result of a hash code that lost nothing."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from bench.interfaces import Corpus, Float, Int
from methods.search.features.linear_scan import LinearScan


class RealScan:
    """Exact search by the cosine of the real codes: the control for the loss of binary codes."""

    label = "Scan of real codes"
    family = "code scan"
    reads: ClassVar[tuple[str, ...]] = ("real_codes",)
    query_parameters: ClassVar[tuple[str, ...]] = ()

    def build(self, database: Corpus) -> Self:
        self._scan = LinearScan().build(Corpus(_unit(database)))
        return self

    def search(self, queries: Corpus, k: int) -> Int:
        return self._scan.search(Corpus(_unit(queries)), k)

    def size_bytes(self) -> int:
        return self._scan.size_bytes()

    def query_cost(self) -> tuple[float, float]:
        return self._scan.query_cost()


def _unit(corpus: Corpus) -> Float:
    if corpus.real_codes is None:
        raise ValueError("real_scan reads real codes, and the corpus has none: they exist of encoded codes alone")
    lengths = np.sqrt(np.einsum("ij,ij->i", corpus.real_codes, corpus.real_codes, dtype=np.float64))[:, None]
    return np.ascontiguousarray(corpus.real_codes / np.where(lengths > 0, lengths, 1), dtype=np.float32)
