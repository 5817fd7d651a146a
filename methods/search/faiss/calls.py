"""Calls of faiss: a single query on one thread, a batch as matrix products, and global settings restored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Int, Unsuitable

GEMM_QUERIES = 20
"""A matrix product pays from about this many queries on. faiss's own threshold is 128,000 values, 250 queries of 512
dimensions: 240 of them take ten times as long.
"""

UNSUITABLE = ("should be a multiple of", "cannot output", "should be at least as large as")
"""faiss's messages for dimensions that it cannot divide, or are too few to project on, and for too few items."""


def search(index: Any, queries: NDArray[Any], k: int) -> Int:
    """Ids int64 [q, k], -1 if faiss finds fewer; float32 queries [q, d], or uint8 [q, d / 8] of a binary index."""
    import faiss

    threads, threshold = faiss.omp_get_max_threads(), faiss.cvar.distance_compute_blas_threshold
    if len(queries) == 1:
        faiss.omp_set_num_threads(1)
    elif len(queries) >= GEMM_QUERIES:
        faiss.cvar.distance_compute_blas_threshold = 1
    try:
        return np.asarray(index.search(queries, k)[1], dtype=np.int64)
    finally:
        faiss.omp_set_num_threads(threads)
        faiss.cvar.distance_compute_blas_threshold = threshold


def parts(index: Any) -> Iterator[Any]:
    """The index and all indexes inside it, the outermost first, each as its own class."""
    import faiss

    waiting = [index]
    while waiting:
        part = faiss.downcast_index(waiting.pop(0))
        yield part
        inner = (getattr(part, name, None) for name in ("base_index", "index", "quantizer", "storage"))
        waiting.extend(one for one in inner if one is not None)


def prepare(part: Any, seed: int) -> None:
    """Seed the clusterings and the graph of one untrained index, binary or not, without the indexes inside it.

    faiss only warns below 39 points a centroid; a small database is the caller's choice.
    """
    clusterings = [owner.cp for owner in (part, getattr(part, "pq", part)) if hasattr(owner, "cp")]
    for clustering in clusterings:
        clustering.seed = seed
        clustering.min_points_per_centroid = 1
    if hasattr(part, "hnsw"):
        part.hnsw.rng = type(part.hnsw.rng)(seed)


def size_bytes(index: Any) -> int:
    """The index as faiss writes it, and the tables of centroid-codeword products that it keeps in memory besides."""
    import faiss

    tables = (part.precomputed_table for part in parts(index) if hasattr(part, "precomputed_table"))
    return int(faiss.serialize_index(index).nbytes) + sum(4 * table.size() for table in tables)


def refusal(what: str, fault: RuntimeError) -> ValueError:
    """faiss's refusal of ``what``, without the place in its source: Unsuitable for the data, else ValueError."""
    words = str(fault).rpartition(".cpp:")[2].partition(": ")[2] or str(fault)
    kind = Unsuitable if any(word in words for word in UNSUITABLE) else ValueError
    return kind(f"{what}: {words}")
