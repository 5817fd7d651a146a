"""The model of the data that the site reads of a report, checked, for a report may be damaged or of another version."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from bench.grids.cells import Layout
from bench.plugins.registry import Kind
from bench.records import columns

LATENCY = columns.LATENCY.name


class _Part(BaseModel):
    """A part of a payload. Keys that the site does not read are left out."""

    model_config = ConfigDict(extra="ignore", protected_namespaces=())


class GridPart(_Part):
    """The grid that a report is about."""

    name: str
    title: str
    layout: Layout
    reference: str | None = None
    recipe: str = ""
    k: int = 10


class Measure(_Part):
    """A quality: the column that it is in, its name and a short heading."""

    id: str
    name: str
    brief: str = ""


class Named(_Part):
    """A choice of features or a protocol."""

    id: str
    name: str


class Method(_Part):
    """A way to search or to rank: an index on codes or features, or a hasher whose codes are ranked."""

    id: str
    name: str
    index: str | None = None
    hasher: str | None = None

    def plugins(self) -> Iterator[tuple[Kind, str]]:
        """Its index and its hasher, if it has them."""
        kinds: tuple[Kind, ...] = ("index", "hasher")
        return ((kind, name) for kind in kinds if (name := getattr(self, kind)))


class Row(_Part):
    """The cells that differ by seed alone, with the means over the finished ones in columns of their own."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())

    method: str
    seeds: list[Any] = Field(default_factory=list)
    failed: int = 0
    features: str = ""
    protocol: str = ""
    machine: str = ""
    setting: str = ""
    status: str | None = None
    reason: str | None = None
    environment: int | None = None
    finished: str | None = None

    def figure(self, column: str) -> float | None:
        """The number in a column. None if the row has none."""
        value = (self.model_extra or {}).get(column)
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            return None
        return float(value)

    def endings(self) -> Counter[str]:
        """The statuses of its cells, one a seed: "ok", the kind of failure, or "" for cells not yet run."""
        count, status = max(len(self.seeds), 1), self.status or ""
        return Counter({"ok": count - self.failed, "failed": self.failed} if status == "ok" else {status: count})


class DataSet(_Part):
    """The part of a report that is about one data set."""

    id: str
    name: str
    measures: list[Measure] = Field(default_factory=list)
    protocols: list[Named] = Field(default_factory=list)
    features: list[Named] = Field(default_factory=list)
    methods: list[Method] = Field(default_factory=list)
    rows: list[Row] = Field(default_factory=list)


class Payload(_Part):
    """A report."""

    grid: GridPart
    environments: list[dict[str, Any]] = Field(default_factory=list)
    sets: list[DataSet] = Field(min_length=1)
