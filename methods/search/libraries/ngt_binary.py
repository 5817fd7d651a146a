"""NGT (Iwasaki, Miyazaki 2018, Yahoo Japan) on codes: a graph with edges both ways, by Hamming distance."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from bench.interfaces import Int
from methods.parameters import Count
from methods.search.common.library import CodeLibraryIndex, saved_bytes, threads


@dataclass(kw_only=True, eq=False)
class NGTBinary(CodeLibraryIndex):
    """ANNG by NGT on codes: ``edges`` a new node, ``epsilon`` says how far beyond the k-th distance it still looks."""

    name = "ngt_binary"
    module = "ngtpy"
    label = "NGT on codes"
    family = "graph"
    deterministic = False
    query_parameters = ("epsilon",)
    edges: Count = 10
    epsilon: Annotated[float, Ge(-1)] = 0.1

    def _build(self, rows: NDArray[Any]) -> Any:
        """NGT makes an index in a folder, which is not needed once the index is in memory."""
        import ngtpy

        made = []

        def insert(folder: Path) -> None:
            path = str(folder / "index")
            ngtpy.create(
                path, rows.shape[1], edge_size_for_creation=self.edges, distance_type="Hamming", object_type="Byte"
            )
            index = ngtpy.Index(path, log_disabled=True)
            index.batch_insert(rows, num_threads=threads(len(rows)))
            index.save()
            made.append(index)

        self._bytes = saved_bytes(insert)
        return made[0]

    def _ask(self, rows: NDArray[Any], k: int) -> Int:
        ids = np.full((len(rows), k), -1, dtype=np.int64)
        for row, code in zip(ids, rows, strict=True):
            found = self._index.search(code, k, epsilon=self.epsilon, with_distance=False)
            row[: len(found)] = found
        return ids

    def size_bytes(self) -> int:
        return self._bytes
