"""Re-ranking: the candidates of any index in order of the Euclidean distance of their features.

A candidate costs a row at a random place of memory, so the three rerankers differ in the share that they read.
``Float32`` reads all of the row. ``Float16`` reads half, and its order is that of the rounded features. ``Int8`` reads
a quarter or less, and then the float32 rows of the few candidates in doubt: its result is that of ``Float32``.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from math import sqrt
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Corpus, Float, Int, Unsuitable
from methods.parameters import Count, check_parameters
from methods.search.common.inputs import features_of
from methods.search.common.threads import by_queries
from methods.search.features.products import compare, lowered_norms

BLOCK_ROWS = 4096
LARGEST_CODE, LARGEST_QUERY_CODE, LARGEST_INT32 = 127, 2**15 - 1, 2**31 - 1
EPSILON, TINY = float(np.finfo(np.float32).eps), float(np.finfo(np.float32).tiny)

GEMM_SHARE = 1 / 16
"""Share of the database: with more candidates, a batch is cheaper as a matrix product with all rows. Its 2 d operations
a row take about a sixteenth of the time that a row at a random place takes to arrive.
"""

LINE, LEFT_OUT, SAMPLE_ROWS = 64, 0.005, 16_384
"""Int8 keeps whole cache lines of leading dimensions, which leave out at most this share of the variance, judged by
some of the rows. Any axes give the same ids, better ones sooner.
"""


def _checked(queries: Float, candidates: Int, k: int, dim: int) -> tuple[Float, Int, Int]:
    """Queries and candidates as the kernels take them, and ids to fill in; ill-fitting ones are refused."""
    vectors = features_of(Corpus(queries), "re-ranking", dim)
    if k < 1:
        raise ValueError(f"k = {k} must be at least 1")
    if candidates.dtype != np.int64 or candidates.ndim != 2 or len(candidates) != len(vectors):
        found = f"{candidates.dtype} {list(candidates.shape)}"
        raise ValueError(f"candidates are int64 [{len(vectors)}, n], one row a query, not {found}")
    return vectors, np.ascontiguousarray(candidates), np.empty((len(vectors), k), dtype=np.int64)


class Float32:
    """Exact distances of the float32 features, read in place: in float64, from differences."""

    def build(self, features: Float) -> Self:
        from methods.search.features.kernels import entry as kernels

        self._kernels: Any = kernels
        self._features: Float = features_of(Corpus(features), "re-ranking")
        self._norms: Float | None = None
        return self

    def nearest(self, queries: Float, candidates: Int, k: int) -> Int:
        vectors, some, ids = _checked(queries, candidates, k, self._features.shape[1])
        if len(vectors) > 1 and some.shape[1] > GEMM_SHARE * len(self._features):
            self._by_products(vectors, some, ids)
        else:
            by_queries(
                lambda part: self._kernels.rerank(self._features, vectors[part], some[part], ids[part]), len(ids)
            )
        return ids

    def _by_products(self, vectors: Float, candidates: Int, ids: Int) -> None:
        if self._norms is None:
            self._norms = lowered_norms(self._features)
        compare(self._kernels.rerank_by_products, self._features, self._norms, vectors, candidates, ids)

    def size_bytes(self) -> int:
        return self._features.nbytes

    def query_cost(self, candidates: int) -> tuple[float, float]:
        """The candidates' rows once; 3 operations a dimension."""
        dim = self._features.shape[1]
        return 4.0 * candidates * dim, 3.0 * candidates * dim


class Float16:
    """Distances of the features rounded to float16: half the bytes. ``on_disk``: in a temporary file, mapped.

    With ``on_disk`` the database may be larger than memory: the rows read often stay in the page cache.
    """

    def __init__(self, *, on_disk: bool = False) -> None:
        self.on_disk = on_disk

    def build(self, features: Float) -> Self:
        """Round the features, in blocks.

        Raises Unsuitable: a value is beyond float16's range of 65,504.
        """
        from methods.search.features.kernels import entry as kernels

        self._kernels: Any = kernels
        rows = features_of(Corpus(features), "re-ranking")
        if self.on_disk:
            with tempfile.TemporaryFile(prefix="bench-float16-") as file:
                # The mapping keeps the file's content; its name is gone at once.
                halves: Any = np.memmap(file, np.float16, "w+", shape=rows.shape) if rows.size else rows.astype("f2")
        else:
            halves = np.empty(rows.shape, dtype=np.float16)
        for start in range(0, len(rows), BLOCK_ROWS):
            block = rows[start : start + BLOCK_ROWS]
            with np.errstate(over="ignore"):
                halves[start : start + BLOCK_ROWS] = block
            if not np.isfinite(halves[start : start + BLOCK_ROWS]).all():
                raise Unsuitable(f"float16 holds values up to 65504, the features go up to {np.abs(block).max():g}")
        self._rows: NDArray[np.uint16] = halves.view(np.uint16)
        return self

    def nearest(self, queries: Float, candidates: Int, k: int) -> Int:
        vectors, some, ids = _checked(queries, candidates, k, self._rows.shape[1])
        by_queries(lambda part: self._kernels.rerank(self._rows, vectors[part], some[part], ids[part]), len(ids))
        return ids

    def size_bytes(self) -> int:
        """The rounded features; none on disk, where they may be dropped from memory."""
        return 0 if self.on_disk else self._rows.nbytes

    def query_cost(self, candidates: int) -> tuple[float, float]:
        dim = self._rows.shape[1]
        return 2.0 * candidates * dim, 3.0 * candidates * dim


class _Largest(NamedTuple):
    """Bounds on queries and rows for `methods.search.features.kernels.int8.round_queries`.

    code: the largest number in a rounded query, so that int32 holds its products; norm: the largest norm of an int8 row
    in units of the features; code_norm: the same in units of the steps; rest_norm: the largest norm of a part left out.
    """

    code: int
    norm: float
    code_norm: float
    rest_norm: float


@dataclass(kw_only=True, eq=False)
class Int8:
    """Provably the result of Float32, by int8 rows first, of the leading principal ``dims`` where these say enough.

    A feature x is rotated to its principal axes if fewer than all dimensions are kept, and its leading part is rounded
    to int8 with one step per dimension. The rounding error and the norm of the part left out are known of each row. So
    the int8 row tells a candidate whose distance cannot be among the k smallest, and only the others' float32 rows are
    read. ``dims`` None takes as many dimensions as hold nearly all of the variance, in steps of a cache line. After a
    search, ``read_share_`` is the share of the candidates whose float32 row was read.
    """

    dims: Count | None = None

    def __post_init__(self) -> None:
        check_parameters(self)

    def build(self, features: Float) -> Self:
        """Find the axes and round, in blocks; the features are kept too, without a copy."""
        from methods.search.features.kernels import entry as kernels

        self._kernels: Any = kernels
        self._features: Float = features_of(Corpus(features), "re-ranking")
        n, dim = self._features.shape
        self._axes = _principal_axes(self._features, self.dims)
        kept = dim if self._axes is None else self._axes.shape[1]
        largest = np.zeros(kept, dtype=np.float32)
        for start in range(0, n, BLOCK_ROWS):
            largest = np.maximum(largest, np.abs(self._leading(self._features[start : start + BLOCK_ROWS])).max(axis=0))
        steps = largest / LARGEST_CODE
        self._steps: Float = np.where(steps > TINY, steps, 1).astype(np.float32)
        self._codes = np.empty((n, kept), dtype=np.int8)
        self._rounded = np.empty(n, dtype=kernels.ROUNDED_ROW)
        for start in range(0, n, BLOCK_ROWS):
            self._round(slice(start, start + BLOCK_ROWS))
        self._largest = self._find_largest()
        return self

    @np.errstate(over="ignore", invalid="ignore")  # An overflow excludes nothing.
    def _leading(self, rows: Float) -> Float:
        return rows if self._axes is None else rows @ self._axes

    def _rest(self, rows: Float, leading: Float) -> NDArray[np.float64]:
        """The norm of the part left out of each row, float64."""
        if self._axes is None:
            return np.zeros(len(rows))
        whole = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
        return np.sqrt(np.maximum(0, whole - np.einsum("ij,ij->i", leading, leading, dtype=np.float64)))

    @np.errstate(over="ignore", invalid="ignore")
    def _round(self, part: slice) -> None:
        """Fill in a part of the int8 rows, and the three numbers of each."""
        rows = self._features[part]
        leading = self._leading(rows)
        codes = np.rint(leading / self._steps).clip(-LARGEST_CODE, LARGEST_CODE).astype(np.int8)
        restored = codes * self._steps.astype(np.float64)
        norms = np.einsum("ij,ij->i", restored, restored)
        errors = np.sqrt(((leading - restored) ** 2).sum(axis=1))
        # The errors grow by the float32 rounding of the rotation and of these three numbers themselves.
        errors += 4 * EPSILON * (np.sqrt(norms) + errors) * np.sqrt(rows.shape[1])
        self._codes[part] = codes
        rounded = self._rounded[part]
        rounded["squared_norm"], rounded["error"], rounded["rest_norm"] = norms, errors, self._rest(rows, leading)

    def _find_largest(self) -> _Largest:
        squared_code_norms = np.einsum("ij,ij->i", self._codes, self._codes, dtype=np.int64)
        return _Largest(
            code=min(LARGEST_QUERY_CODE, LARGEST_INT32 // (LARGEST_CODE * max(1, self._codes.shape[1]))),
            norm=sqrt(self._rounded["squared_norm"].max(initial=0)),
            code_norm=sqrt(squared_code_norms.max(initial=0)),
            rest_norm=float(self._rounded["rest_norm"].max(initial=0)),
        )

    def nearest(self, queries: Float, candidates: Int, k: int) -> Int:
        vectors, some, ids = _checked(queries, candidates, k, self._features.shape[1])
        codes, rounded = self._rounded_queries(vectors)
        kernel, rows = self._kernels.rerank_int8, (self._features, self._codes, self._rounded)
        read = by_queries(
            lambda part: kernel(*rows, vectors[part], codes[part], rounded[part], some[part], ids[part]), len(ids)
        )
        self.read_share_ = sum(read) / max(some.size, 1)
        return ids

    def _rounded_queries(self, vectors: Float) -> tuple[NDArray[np.int16], NDArray[np.void]]:
        """The leading parts of queries as int16 [q, m], and the four numbers of each, ROUNDED_QUERY [q]."""
        leading = np.ascontiguousarray(self._leading(vectors))
        codes = np.empty(leading.shape, dtype=np.int16)
        rounded = np.empty(len(vectors), dtype=self._kernels.ROUNDED_QUERY)
        self._kernels.round_queries(vectors, leading, self._steps, *self._largest, codes, rounded)
        return codes, rounded

    def size_bytes(self) -> int:
        """The features, the int8 rows with their three numbers each, and the axes."""
        axes = 0 if self._axes is None else self._axes.nbytes
        return self._features.nbytes + self._codes.nbytes + self._rounded.nbytes + self._steps.nbytes + axes

    def query_cost(self, candidates: int) -> tuple[float, float]:
        """The int8 rows and what is known of each; 2 operations a dimension. The float32 rows depend on the query."""
        kept = self._codes.shape[1]
        return candidates * (kept + 12.0), 2.0 * candidates * kept


def _principal_axes(features: Float, dims: int | None) -> Float | None:
    """The ``dims`` axes of largest second moment, float32 [d, dims], or enough axes; None for all dimensions.

    The moment is about the origin, so that a rotation is enough. The variance decides how many axes are enough, as it
    does for distances. Far from the origin all dimensions are kept: the mean would be one axis, with steps too coarse
    for the differences along it.
    """
    dim = features.shape[1]
    if len(features) == 0 or dim <= (LINE if dims is None else dims):
        return None
    some = features[:: -(-len(features) // SAMPLE_ROWS)].astype(np.float64)
    mean = some.mean(axis=0)
    sizes, axes = np.linalg.eigh(some.T @ some / len(some))
    axes = axes[:, ::-1]
    if dims is None:
        held = np.cumsum(sizes[::-1] - (mean @ axes) ** 2)
        if mean @ mean > held[-1]:
            return None
        dims = LINE * (int(np.argmax(held >= (1 - LEFT_OUT) * held[-1])) // LINE + 1)
    return np.ascontiguousarray(axes[:, :dims], dtype=np.float32) if dims < dim else None
