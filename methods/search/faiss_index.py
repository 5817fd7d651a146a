"""Any faiss index (Douze et al. 2024) by its factory string, as a user would build it."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self, get_args

from numpy.typing import NDArray

from bench.interfaces import Corpus, Float, Int, Unavailable
from methods.search import faiss_calls
from methods.search.inputs import at_least, items_of, only
from methods.search.libraries import neighbours

Device = Literal["cpu", "cuda"]
ATTRIBUTES = {"nprobe": "nprobe", "ef_search": "efSearch", "k_factor": "k_factor", "qb": "qb"}
LARGEST_QB = 8
GRAPHS = ("HNSW", "NSG")
"""Built on several threads, in an order of their own."""


class Faiss:
    """Any faiss index by its factory string: "Flat", "IVF300,PQ128x4fs,RFlat", "HNSW32", "IVF300,RaBitQ,RFlat" ...

    ``nprobe``: lists visited; ``ef_search``: nodes kept in a graph search; ``k_factor``: times k candidates are
    refined; ``qb``: bits of a query's values (RaBitQ). None is faiss's own default. ``seed`` is that of clusterings and
    graphs. Inside a composed index the outermost part that has a parameter takes it.
    """

    label = "faiss"
    reads: ClassVar[tuple[str, ...]] = ("features",)
    query_parameters: ClassVar[tuple[str, ...]] = tuple(ATTRIBUTES)
    nprobe: int | None
    ef_search: int | None
    k_factor: int | None
    qb: int | None

    def __init__(
        self,
        *,
        factory: str = "Flat",
        nprobe: int | None = None,
        ef_search: int | None = None,
        k_factor: int | None = None,
        qb: int | None = None,
        device: Device = "cpu",
        seed: int = 0,
    ) -> None:
        if device not in get_args(Device):
            raise ValueError(f"device = {device!r} must be one of {', '.join(get_args(Device))}")
        self.factory = factory
        self.device = device
        at_least(0, seed=seed)
        self.seed = seed
        self.set_query(nprobe=nprobe, ef_search=ef_search, k_factor=k_factor, qb=qb)
        self.deterministic = not any(graph in factory for graph in GRAPHS)
        if factory == "Flat":
            self.query_cost = self._scan_cost

    @property
    def family(self) -> str:
        """By what finds the items: lists, a graph, or a scan of vectors or of their codes."""
        if "IVF" in self.factory:
            return "inverted file"
        if any(graph in self.factory for graph in GRAPHS):
            return "graph"
        return "exact" if self.factory == "Flat" else "code scan"

    def check(self, dim: int | None, bits: int | None) -> None:
        """ValueError: faiss makes no such index, or the index lacks a parameter that is set.

        Unsuitable: it makes none of ``dim`` dimensions. Unavailable: no GPU that it can use, with ``device = "cuda"``.
        """
        if self.device == "cuda":
            import faiss

            if getattr(faiss, "get_num_gpus", lambda: 0)() < 1:
                raise Unavailable("device = 'cuda': this faiss finds no GPU (see README, faiss on a GPU)")
        if dim is None:
            self._refuse_unreadable()
        else:
            self._refuse_missing(_holders(self._made(dim)), self._chosen())

    def _refuse_unreadable(self) -> None:
        """ValueError: what no dimension makes a factory string."""
        try:
            self._made(64)
        except ValueError as fault:
            if "could not parse" in str(fault) or "stoi" in str(fault):
                raise ValueError(f"factory = {self.factory!r}: faiss makes no index of it") from fault

    def _made(self, dim: int) -> Any:
        import faiss

        try:
            return faiss.index_factory(dim, self.factory)
        except RuntimeError as fault:
            what = f"factory = {self.factory!r} with {dim} dimensions"
            raise faiss_calls.refusal(what, fault) from fault

    def _chosen(self) -> dict[str, int | None]:
        return {name: getattr(self, name) for name in ATTRIBUTES}

    def _refuse_missing(self, holders: dict[str, Any], values: dict[str, int | None]) -> None:
        missing = [name for name, value in values.items() if value is not None and name not in holders]
        if missing:
            raise ValueError(f"{missing[0]} = {values[missing[0]]}: the index {self.factory!r} has none")

    def build(self, database: Corpus) -> Self:
        """Train the index on the database and add it. ValueError: faiss cannot, and why; the others as in `check`."""
        features = items_of(database, "faiss")
        n, dim = self._shape = features.shape
        self.check(dim, None)
        index = self._made(dim)
        for part in faiss_calls.parts(index):
            faiss_calls.prepare(part, self.seed)
        try:
            index.train(features)
            index.add(features)
            self._index = index if self.device == "cpu" else self._on_gpu(index)
        except RuntimeError as fault:
            what = f"factory = {self.factory!r} with {n} items of {dim} dimensions"
            raise faiss_calls.refusal(what, fault) from fault
        self._found = _holders(self._index)
        self._defaults = {name: getattr(holder, ATTRIBUTES[name]) for name, holder in self._found.items()}
        self.set_query(**self._chosen())
        return self

    def _on_gpu(self, index: Any) -> Any:
        import faiss

        self._resources = faiss.StandardGpuResources()
        return faiss.index_cpu_to_gpu(self._resources, 0, index)

    def set_query(self, **parameters: Any) -> None:
        """Set query parameters; None is faiss's default. ValueError: no such parameter, or the index has none."""
        only("faiss", self.query_parameters, parameters)
        at_least(1, **{name: value for name, value in parameters.items() if value is not None})
        if (parameters.get("qb") or 0) > LARGEST_QB:
            raise ValueError(f"qb = {parameters['qb']} must be from 1 to {LARGEST_QB}")
        built = hasattr(self, "_index")
        if built:
            self._refuse_missing(self._found, parameters)
        for name, value in parameters.items():
            setattr(self, name, value)
            if built and name in self._found:
                setattr(self._found[name], ATTRIBUTES[name], self._defaults[name] if value is None else value)

    def search(self, queries: Corpus, k: int) -> Int:
        """See `bench.interfaces.Index`. ValueError: k < 1, or the queries do not fit."""
        return neighbours("faiss", self._shape, queries, k, self._ask)

    def _ask(self, vectors: Float, k: int) -> NDArray[Any]:
        return faiss_calls.search(self._index, vectors, k)

    def size_bytes(self) -> int:
        """See `methods.search.faiss_calls.size_bytes`."""
        import faiss

        return faiss_calls.size_bytes(self._index if self.device == "cpu" else faiss.index_gpu_to_cpu(self._index))

    def _scan_cost(self) -> tuple[float, float]:
        """Of a flat index: all features once; a multiplication and an addition per value."""
        n, dim = self._shape
        return 4.0 * n * dim, 2.0 * n * dim


def _holders(index: Any) -> dict[str, Any]:
    """The outermost part of the index that has each query parameter, where one has it."""
    holders: dict[str, Any] = {}
    for part in faiss_calls.parts(index):
        for name, attribute in ATTRIBUTES.items():
            for holder in (part, getattr(part, "hnsw", None)):
                if hasattr(holder, attribute):
                    holders.setdefault(name, holder)
    return holders
