"""Checks that the parts of a cell fit each other and the data, before anything runs."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from bench.grids.cells import Cell
from bench.grids.protocols import CLASSES
from bench.interfaces import Unavailable
from bench.plugins import registry
from bench.plugins.choices import ROLES, Choice, Role
from bench.plugins.estimators import as_hasher

MOST_BITS = 2**16


def check(cell: Cell, content: str, labelled: bool, k: int) -> None:
    """Raises ValueError: the parts of a cell do not fit each other, k neighbours, the ``content`` of the data set, or
    its lack of labels.
    """
    _check_parts(cell, k)
    for role, choice in cell.choices():
        registry.build(ROLES[role], choice.name, choice.parameters)
    hasher = _built(cell, "hasher")
    if cell.hasher is not None:
        if getattr(hasher, "bits", 0) > MOST_BITS:
            raise ValueError(f"bits = {hasher.bits}: codes have at most {MOST_BITS:,}")
        models = getattr(hasher, "models", ("last",))
        if cell.model not in models:
            raise ValueError(f"model = {cell.model!r}: {cell.hasher.name} offers {', '.join(map(repr, models))}")
        if getattr(hasher, "passes_on", False) and content != "codes":
            passing = f"hasher = {cell.hasher.name!r} passes on the codes of a data set"
            raise ValueError(f"{passing}, and this one holds {content}")
        if content == "images" and cell.input is None and not hasattr(hasher, "encode"):
            raise ValueError(
                f"hasher = {cell.hasher.name!r} reads vectors and the data set holds images; "
                "name the embedder whose features it reads, as in input = 'pretrained'"
            )
    if not labelled:
        _check_without_labels(cell)
    if cell.index is not None:
        _check_reads(cell)
        with suppress(Unavailable):  # the run skips the cell
            ask_index(cell)


def ask_index(cell: Cell) -> None:
    """Call ``check`` of the cell's index, if the cell has an index and this has a ``check``.

    Raises ValueError, Unavailable: see ``bench.interfaces.Index``.
    """
    index = _built(cell, "index")
    if cell.index is None or not hasattr(index, "check"):
        return
    dim, bits = getattr(_built(cell, "embedder"), "dim", None), getattr(_built(cell, "hasher"), "bits", None)
    try:
        index.check(dim=dim, bits=bits)
    except ValueError as fault:
        raise ValueError(f"{cell.index.name}: {fault}") from fault


def reads(cell: Cell) -> tuple[str, ...]:
    """The fields of ``Corpus`` that the cell's index reads."""
    return () if cell.index is None else tuple(_built(cell, "index").reads)


def _built(cell: Cell, role: Role) -> Any:
    choice: Choice | None = getattr(cell, role)
    return None if choice is None else registry.build(ROLES[role], choice.name, choice.parameters)


def _check_without_labels(cell: Cell) -> None:
    """Raises ValueError: the cell needs labels."""
    if cell.index is None:
        what = "a ranking (a cell without an index)"
    elif cell.protocol != "seen":
        what = f"protocol = {cell.protocol!r}"
    elif cell.model == "oracle":
        what = "model = 'oracle'"
    elif cell.hasher is not None and getattr(_built(cell, "hasher"), "supervised", True):
        what = f"hasher = {cell.hasher.name!r} (which does not say supervised = False)"
    else:
        return
    raise ValueError(f"{what} needs labels, and the data set has none")


def _check_reads(cell: Cell) -> None:
    """Raises ValueError: no plugin of the cell makes the fields that its index reads."""
    assert cell.index is not None
    what, wanted = f"index = {cell.index.name!r} reads", reads(cell)
    if "features" in wanted and cell.embedder is None:
        raise ValueError(f"{what} features: key 'embedder' is missing")
    if {"codes", "real_codes"} & {*wanted} and cell.hasher is None:
        raise ValueError(f"{what} codes: key 'hasher' is missing")
    if "real_codes" in wanted and not hasattr(as_hasher(_built(cell, "hasher")), "encode_real"):
        assert cell.hasher is not None
        raise ValueError(f"{what} real codes, which hasher = {cell.hasher.name!r} does not offer (no encode_real)")


def _check_parts(cell: Cell, k: int) -> None:
    """Raises ValueError: a part is missing, or a part has no use beside the others."""
    if cell.index is None and (cell.hasher is None) == (cell.embedder is None):
        raise ValueError("without an index a cell ranks by a hasher or by an embedder: name exactly one of the two")
    if cell.hasher is None:
        for name in ("input", "model", "database_codes"):
            value = getattr(cell, name)
            if value is not None:
                raise ValueError(f"{name} = {getattr(value, 'name', value)!r} without a hasher")
    if cell.database_codes == "learned" and CLASSES[cell.protocol]["database"] == "unseen":
        raise ValueError(
            f"database_codes = 'learned' with protocol = {cell.protocol!r}: there are no learned codes of classes "
            "that were not trained on; 'encoded' is right"
        )
    _check_rerank(cell, k)


def _check_rerank(cell: Cell, k: int) -> None:
    if cell.rerank is None:
        if cell.candidates is not None:
            raise ValueError(f"candidates = {cell.candidates} without rerank, which puts them in order")
        return
    what = f"rerank = {cell.rerank.name!r}"
    if cell.index is None:
        raise ValueError(f"{what} without an index, whose candidates it puts in order")
    if cell.embedder is None:
        raise ValueError(f"{what} orders by features: key 'embedder' is missing")
    if cell.candidates is None:
        raise ValueError(f"{what}: key 'candidates' is missing, the number of neighbours that are re-ranked")
    if "candidates" in _built(cell, "index").query_parameters:
        raise ValueError(f"{what}: index = {cell.index.name!r} has a parameter 'candidates' of its own")
    if cell.candidates < k:
        raise ValueError(f"candidates = {cell.candidates} must be at least k = {k}")
