"""Codes that nobody here has learned: those that the data set holds."""

from __future__ import annotations

from typing import Self

from bench.interfaces import Codes, Context, Items


class Given:
    """The codes of the items as they are, for data sets of codes; their length is that of the data."""

    label = "Given codes"
    family = "given"
    supervised = False
    passes_on = True
    by_rows = True
    bits: int

    def fit(self, train: Items, context: Context) -> Self:
        self.bits = _codes(train).bits
        self.database_codes_: Codes | None = None
        return self

    def encode(self, items: Items) -> Codes:
        codes = _codes(items)
        if codes.bits != self.bits:
            raise ValueError(f"given: the items have codes of {codes.bits} bits, those fitted had {self.bits} bits")
        return codes


def _codes(items: Items) -> Codes:
    if items.codes is None:
        raise ValueError("given passes codes on, and these items have none: choose a hasher that makes codes")
    return items.codes
