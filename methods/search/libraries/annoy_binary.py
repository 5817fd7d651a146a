"""Annoy (Bernhardsson, Spotify) on codes: a forest of trees that split by one bit each, by Hamming distance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Int
from methods.parameters import Count, Natural
from methods.search.common.library import CodeLibraryIndex, file_bytes
from methods.search.common.threads import by_queries


@dataclass(kw_only=True, eq=False)
class AnnoyBinary(CodeLibraryIndex):
    """Annoy on codes: trees that split by a bit; ``search_k`` codes are compared.

    Annoy takes a code as a list of numbers and packs it itself. The CPUs share out the trees, so the forest depends on
    the seed and on the number of CPUs.
    """

    name = "annoy_binary"
    module = "annoy"
    label = "Annoy on codes"
    family = "tree"
    query_parameters = ("search_k",)
    n_trees: Count = 50
    search_k: Count = 5000
    seed: Natural = 0

    def _build(self, rows: NDArray[Any]) -> Any:
        """Annoy tells the trees' size by saving them, and from then on reads them from that file, mapped."""
        import annoy

        index = annoy.AnnoyIndex(8 * rows.shape[1], "hamming")
        index.set_seed(self.seed)
        for row, code in enumerate(rows):
            index.add_item(row, _numbers(code))
        index.build(self.n_trees, n_jobs=-1)
        self._bytes = file_bytes(lambda path: index.save(path, prefault=True))
        return index

    def _ask(self, rows: NDArray[Any], k: int) -> Int:
        ids = np.full((len(rows), k), -1, dtype=np.int64)

        def answer(part: slice) -> None:
            for row, code in zip(ids[part], rows[part], strict=True):
                found = self._index.get_nns_by_vector(_numbers(code), k, self.search_k)
                row[: len(found)] = found

        by_queries(answer, len(rows))
        return ids

    def size_bytes(self) -> int:
        return self._bytes


def _numbers(code: NDArray[np.uint8]) -> list[int]:
    """The bits of a code, a number each."""
    bits: list[int] = np.unpackbits(code).tolist()
    return bits
