"""Exact search by torch: the brute force that a GPU makes fast, and the control for it on the CPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bench.interfaces import Float, Int, Unavailable
from methods.search.common.library import LibraryIndex
from methods.search.common.threads import by_queries
from methods.search.features.products import lowered_norms, margins

BLOCK_BYTES = 256 * 2**20
"""Largest size of a block's scores."""

SPARE = 10
"""Rows beyond the k best by products that are measured too: the first unmeasured one tells whether that was enough."""


@dataclass(kw_only=True, eq=False)
class TorchScan(LibraryIndex):
    """Exact neighbours by torch, as matrix products, on a GPU or the CPU.

    The products only exclude rows, as `methods.search.features.products` says. The other rows are measured on the CPU
    in float64, from differences. A query whose products do not tell, such as one far from the origin, is answered by a
    scan there.
    """

    name = "torch_scan"
    module = "torch"
    label = "PyTorch scan"
    family = "exact"
    device: Literal["cuda", "cpu"] = "cuda"

    def check(self, dim: int | None, bits: int | None) -> None:
        import torch

        if self.device == "cuda" and not torch.cuda.is_available():
            raise Unavailable("device = 'cuda': torch finds no GPU on this machine")

    def _build(self, features: Float) -> Any:
        """The features on the device, with their squared norms; a value that is not finite is refused."""
        import torch

        from methods.search.features.kernels import entry as kernels

        self._torch, self._kernels = torch, kernels
        self._rows = features
        norms = lowered_norms(features)
        copied = torch.tensor(features, device=self.device)
        copied[torch.tensor(np.isinf(norms), device=self.device)] = 0  # The products of these rows might overflow.
        self._norms: Any = torch.tensor(norms, device=self.device)
        return copied

    def _ask(self, vectors: Float, k: int) -> Int:
        before = self._torch.get_num_threads()
        if len(vectors) == 1:
            self._torch.set_num_threads(1)
        block = max(1, BLOCK_BYTES // self._norms.nbytes)
        ids = np.empty((len(vectors), k), dtype=np.int64)
        try:
            for start in range(0, len(vectors), block):
                self._fill(vectors[start : start + block], ids[start : start + block])
        finally:
            self._torch.set_num_threads(before)
        return ids

    def _fill(self, vectors: Float, ids: Int) -> None:
        """Fill in the nearest rows of a block of queries."""
        allowed = margins(vectors)
        multiplied = np.where(np.isfinite(allowed[:, 1:]), vectors, np.float32(0))
        asked = self._torch.tensor(multiplied, device=self.device)
        scores = self._torch.addmm(self._norms, asked, self._index.T, alpha=-2)
        best = scores.topk(min(ids.shape[1] + SPARE, len(self._rows)), largest=False)
        candidates = np.ascontiguousarray(best.indices.cpu().numpy())
        self._kernels.rerank(self._rows, vectors, candidates, ids)
        if candidates.shape[1] == len(self._rows):
            return
        radius = ((self._rows[ids[:, -1]].astype(np.float64) - vectors) ** 2).sum(axis=1)
        excluded = best.values[:, -1].cpu().numpy() > radius * allowed[:, 0] + allowed[:, 1]
        left = np.flatnonzero(~excluded)

        def scan(part: slice) -> None:
            for query in left[part]:
                self._kernels.nearest(self._rows, vectors[query], ids[query])

        if len(left):
            by_queries(scan, len(left))

    def size_bytes(self) -> int:
        """The features, on the device and in memory for measuring, and their norms."""
        return int(self._rows.nbytes + self._index.nbytes + self._norms.nbytes)

    def query_cost(self) -> tuple[float, float]:
        return float(self._index.nbytes), 2.0 * self._index.numel()
