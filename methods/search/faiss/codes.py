"""faiss's indexes of binary codes, against which this project's hash tables and scans are measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from bench.interfaces import Corpus, Int, Unsuitable
from methods.parameters import Count, Natural, TwoOrMore, check_parameters, check_values
from methods.search.common.inputs import bytes_of, check_k, codes_of, only
from methods.search.common.kinds import set_own
from methods.search.faiss import calls

DEFAULTS: dict[str, dict[str, int]] = {
    "flat": {},
    "hash": {"key_bits": 16, "nflip": 2},
    "multi_hash": {"tables": 2, "key_bits": 16, "nflip": 1},
    "ivf": {"centroids": 256, "nprobe": 8},
    "hnsw": {"m": 32, "ef_search": 64},
}
QUERY = ("nflip", "nprobe", "ef_search")

HEAP_BELOW = 20
"""A flat scan collects fewer neighbours than this in a heap, more by counting distances. Counting is as fast up to 10,
1.4 times as fast for 50, and 3 times for 1,000 (75,750 codes of 64 bits).
"""

BUCKET_BYTES = 48
"""Bytes of a bucket in libstdc++'s unordered_map beside its ids: the key, a vector's three pointers, two links."""


@dataclass(kw_only=True, eq=False)
class FaissBinary:
    """faiss on codes: a flat scan, one hash table or several, an inverted file, or a graph.

    Each ``kind`` has its own parameters with defaults. The nearest codes come first, with ties in no defined order, and
    -1 stands for a missing neighbour.

    ``hash``: the key is the first ``key_bits`` bits, and all keys are looked up that differ in up to ``nflip`` bits
    ``multi_hash``: the same for each of ``tables`` keys, cut from the code one after another
    ``ivf``: ``centroids``, ``nprobe``
    ``hnsw``: ``m``, ``ef_search``
    """

    label = "faiss on codes"
    reads: ClassVar[tuple[str, ...]] = ("codes",)

    kind: Literal["flat", "hash", "multi_hash", "ivf", "hnsw"] = "flat"
    key_bits: Count | None = None
    tables: Count | None = None
    nflip: Natural | None = None
    centroids: Count | None = None
    nprobe: Count | None = None
    m: TwoOrMore | None = None
    ef_search: Count | None = None
    seed: Natural = 0

    def __post_init__(self) -> None:
        check_parameters(self)
        self.deterministic = self.kind != "hnsw"  # several threads build the graph in varying order
        self.query_parameters: tuple[str, ...] = tuple(name for name in DEFAULTS[self.kind] if name in QUERY)
        set_own(self, DEFAULTS)
        self._refuse_flips(self._values())
        if self.kind == "flat":
            self.query_cost = self._scan_cost

    @property
    def family(self) -> str:
        families = {"flat": "code scan", "ivf": "inverted file", "hnsw": "graph"}
        return families.get(self.kind, "hash tables")

    def _values(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in DEFAULTS[self.kind]}

    def _refuse_flips(self, values: dict[str, int]) -> None:
        if "nflip" in values and values["nflip"] > values["key_bits"]:
            raise ValueError(f"nflip = {values['nflip']} must be at most key_bits = {values['key_bits']}")

    def check(self, dim: int | None, bits: int | None) -> None:
        """Raises Unsuitable: the keys of all tables are longer than codes of ``bits`` bits."""
        tables, key_bits = self._values().get("tables", 1), self._values().get("key_bits", 0)
        if bits is not None and tables * key_bits > bits:
            raise Unsuitable(f"tables = {tables} of key_bits = {key_bits} need longer codes than bits = {bits}")

    def build(self, database: Corpus) -> Self:
        codes = codes_of(database, "faiss_binary")
        least = self._values().get("centroids", 1)
        if len(codes) < least:
            raise Unsuitable(f"faiss_binary: {len(codes)} items are too few, kind = {self.kind!r} needs {least}")
        self.check(None, codes.bits)
        self._bits = codes.bits
        index = self._made(64 * codes.words.shape[1])
        calls.prepare(index, self.seed)
        rows = bytes_of(codes)  # whole words: faiss is slow on other lengths
        if self.kind == "ivf":
            index.train(rows)
        index.add(rows)
        self._index: Any = index
        self._tune()
        return self

    def _made(self, bits: int) -> Any:
        import faiss

        values = self._values()
        match self.kind:
            case "hash":
                return faiss.IndexBinaryHash(bits, values["key_bits"])
            case "multi_hash":
                return faiss.IndexBinaryMultiHash(bits, values["tables"], values["key_bits"])
            case "ivf":
                self._quantizer = faiss.IndexBinaryFlat(bits)
                return faiss.IndexBinaryIVF(self._quantizer, bits, values["centroids"])
            case "hnsw":
                return faiss.IndexBinaryHNSW(bits, values["m"])
        return faiss.IndexBinaryFlat(bits)

    def set_query(self, **parameters: Any) -> None:
        """Set the query parameter of this kind; None is its default.

        Raises ValueError: the kind has no such parameter, or the value is out of bounds.
        """
        given: dict[str, Any] = {
            name: DEFAULTS[self.kind].get(name) if value is None else value for name, value in parameters.items()
        }
        only(f"faiss_binary of kind = {self.kind!r}", self.query_parameters, given)
        check_values(type(self), given)
        self._refuse_flips(self._values() | given)
        for name, value in given.items():
            setattr(self, name, value)
        if hasattr(self, "_index"):
            self._tune()

    def _tune(self) -> None:
        values = self._values()
        match self.kind:
            case "hash" | "multi_hash":
                self._index.nflip = values["nflip"]
            case "ivf":
                self._index.nprobe = values["nprobe"]
            case "hnsw":
                self._index.hnsw.efSearch = values["ef_search"]

    def search(self, queries: Corpus, k: int) -> Int:
        check_k(k)
        rows = bytes_of(codes_of(queries, "faiss_binary", self._bits))
        if self.kind == "flat":  # counting finds nothing at all in an inverted file (faiss 1.15)
            self._index.use_heap = k < HEAP_BELOW
        return calls.search(self._index, rows, k)

    def size_bytes(self) -> int:
        """The index as faiss writes it; of hash tables, which faiss packs for that, an id a code and the buckets."""
        import faiss

        n, code_bytes = self._index.ntotal, self._index.d // 8
        if self.kind in ("hash", "multi_hash"):
            ids = 8 * n * self._values().get("tables", 1)
            return int(n * code_bytes + ids + BUCKET_BYTES * self._index.hashtable_size())
        return int(faiss.serialize_index_binary(self._index).nbytes)

    def paper_bytes(self) -> int:
        """The codes alone, which the paper's Table 1 counts."""
        return int(self._index.ntotal) * self._bits // 8

    def _scan_cost(self) -> tuple[float, float]:
        return float(self._index.ntotal * self._index.d // 8), 0.0
