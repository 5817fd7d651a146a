"""Exact search by torch: the brute force that a GPU makes fast, and the control for it on the CPU."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np

from bench.interfaces import Corpus, Float, Int, Unavailable
from methods.search.inputs import items_of, only
from methods.search.libraries import neighbours

Device = Literal["cuda", "cpu"]
BLOCK_BYTES = 256 * 2**20
"""A block's scores take at most this much."""


class TorchScan:
    """Exact neighbours by torch, as matrix products, on a GPU or the CPU.

    Distances are float32 sums of squared norms and products, so neighbours that differ by rounding alone may swap.
    """

    reads: ClassVar[tuple[str, ...]] = ("features",)
    query_parameters: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *, device: Device = "cuda") -> None:
        if device not in get_args(Device):
            raise ValueError(f"device = {device!r} must be one of {', '.join(get_args(Device))}")
        self.device = device

    def check(self, dim: int | None, bits: int | None) -> None:
        """Unavailable: ``device = "cuda"`` without a GPU."""
        import torch

        if self.device == "cuda" and not torch.cuda.is_available():
            raise Unavailable("device = 'cuda': torch finds no GPU on this machine")

    def build(self, database: Corpus) -> Self:
        """Copy the features to the device, with their squared norms."""
        self.check(None, None)
        import torch

        self._torch: Any = torch
        self._features: Any = torch.tensor(items_of(database, "torch_scan"), device=self.device)
        self._norms: Any = (self._features**2).sum(dim=1)
        return self

    def set_query(self, **parameters: Any) -> None:
        """There is nothing to set. ValueError: something is given."""
        only("torch_scan", self.query_parameters, parameters)

    def search(self, queries: Corpus, k: int) -> Int:
        """See `bench.interfaces.Index`. ValueError: k < 1, or the queries do not fit."""
        return neighbours("torch_scan", tuple(self._features.shape), queries, k, self._ask)

    def _ask(self, vectors: Float, k: int) -> Int:
        before = self._torch.get_num_threads()
        if len(vectors) == 1:
            self._torch.set_num_threads(1)
        block = max(1, BLOCK_BYTES // self._norms.nbytes)
        ids = np.empty((len(vectors), k), dtype=np.int64)
        try:
            for start in range(0, len(vectors), block):
                asked = self._torch.tensor(vectors[start : start + block], device=self.device)
                scores = self._torch.addmm(self._norms, asked, self._features.T, alpha=-2)
                ids[start : start + block] = scores.topk(k, largest=False).indices.cpu().numpy()
        finally:
            self._torch.set_num_threads(before)
        return ids

    def size_bytes(self) -> int:
        """The features and their norms."""
        return int(self._features.nbytes + self._norms.nbytes)

    def query_cost(self) -> tuple[float, float]:
        """All features once; a multiplication and an addition per value."""
        return float(self._features.nbytes), 2.0 * self._features.numel()
