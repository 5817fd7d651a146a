"""Any faiss index (Douze et al. 2024) by its factory string, as a user would build it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le
from numpy.typing import NDArray

from bench.interfaces import Float, Unavailable
from methods.parameters import Count, Natural
from methods.search.common.inputs import only
from methods.search.common.library import LibraryIndex
from methods.search.faiss import calls

ATTRIBUTES = {"nprobe": "nprobe", "ef_search": "efSearch", "k_factor": "k_factor", "qb": "qb"}
GRAPHS = ("HNSW", "NSG")
"""Indexes that several threads build in varying order."""


@dataclass(kw_only=True, eq=False)
class Faiss(LibraryIndex):
    """Any faiss index by its factory string: "Flat", "IVF300,PQ128x4fs,RFlat", "HNSW32", "IVF300,RaBitQ,RFlat" ...

    None is faiss's own default. In a composed index the outermost part that has a parameter takes it.

    ``nprobe``: lists visited
    ``ef_search``: nodes kept in a graph search
    ``k_factor``: k times this many candidates are refined
    ``qb``: bits of a query's values (RaBitQ)
    ``seed``: of clusterings and graphs
    """

    name = "faiss"
    label = "faiss"
    query_parameters = tuple(ATTRIBUTES)
    factory: str = "Flat"
    nprobe: Count | None = None
    ef_search: Count | None = None
    k_factor: Count | None = None
    qb: Annotated[int, Ge(1), Le(8)] | None = None
    device: Literal["cpu", "cuda"] = "cpu"
    seed: Natural = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.deterministic = not any(graph in self.factory for graph in GRAPHS)
        if self.factory == "Flat":
            self.query_cost = self._scan_cost

    @property
    def family(self) -> str:
        if "IVF" in self.factory:
            return "inverted file"
        if any(graph in self.factory for graph in GRAPHS):
            return "graph"
        return "exact" if self.factory == "Flat" else "code scan"

    def check(self, dim: int | None, bits: int | None) -> None:
        """Raises ValueError: faiss makes no such index, or the index lacks a given parameter.

        Raises Unsuitable: faiss makes no such index of ``dim`` dimensions.

        Raises Unavailable: ``device`` is "cuda", and faiss finds no GPU.
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
        """Refuse a string of which faiss makes no index in any dimension."""
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
            raise calls.refusal(what, fault) from fault

    def _chosen(self) -> dict[str, int | None]:
        return {name: getattr(self, name) for name in ATTRIBUTES}

    def _refuse_missing(self, holders: dict[str, Any], values: dict[str, int | None]) -> None:
        missing = [name for name, value in values.items() if value is not None and name not in holders]
        if missing:
            raise ValueError(f"{missing[0]} = {values[missing[0]]}: the index {self.factory!r} has none")

    def _build(self, features: Float) -> Any:
        n, dim = features.shape
        index = self._made(dim)
        for part in calls.parts(index):
            calls.prepare(part, self.seed)
        try:
            index.train(features)
            index.add(features)
            index = index if self.device == "cpu" else self._on_gpu(index)
        except RuntimeError as fault:
            what = f"factory = {self.factory!r} with {n} items of {dim} dimensions"
            raise calls.refusal(what, fault) from fault
        self._found = _holders(index)
        self._defaults = {name: getattr(holder, ATTRIBUTES[name]) for name, holder in self._found.items()}
        self.set_query(**self._chosen())
        return index

    def _on_gpu(self, index: Any) -> Any:
        import faiss

        self._resources = faiss.StandardGpuResources()
        return faiss.index_cpu_to_gpu(self._resources, 0, index)

    def set_query(self, **parameters: Any) -> None:
        """Set query parameters; None is faiss's default.

        Raises ValueError: the name is unknown, or the index has no such parameter.
        """
        only(self.name, self.query_parameters, parameters)
        built = hasattr(self, "_found")
        if built:
            self._refuse_missing(self._found, parameters)
        super().set_query(**parameters)
        for name, value in parameters.items():
            if built and name in self._found:
                setattr(self._found[name], ATTRIBUTES[name], self._defaults[name] if value is None else value)

    def _ask(self, vectors: Float, k: int) -> NDArray[Any]:
        return calls.search(self._index, vectors, k)

    def size_bytes(self) -> int:
        import faiss

        return calls.size_bytes(self._index if self.device == "cpu" else faiss.index_gpu_to_cpu(self._index))

    def _scan_cost(self) -> tuple[float, float]:
        n, dim = self._shape
        return 4.0 * n * dim, 2.0 * n * dim


def _holders(index: Any) -> dict[str, Any]:
    """The outermost part of the index that has each query parameter, if one has it."""
    holders: dict[str, Any] = {}
    for part in calls.parts(index):
        for name, attribute in ATTRIBUTES.items():
            for holder in (part, getattr(part, "hnsw", None)):
                if hasattr(holder, attribute):
                    holders.setdefault(name, holder)
    return holders
