"""Makes each stage of a grid once: labels, features, codes and exact neighbours, stored under the hash of their inputs.

A stage is read from the store, or made and stored. The data set is loaded only when a stage must be made. Features and
codes cover the whole database and all queries. A protocol selects the items that are trained on, so a key holds the
split of the classes where it holds some out; the protocols that hold classes out share their trainings. A protocol
selects the rows that are searched when features and codes are read.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bench.grids import protocols
from bench.grids.cells import Cell, Grid
from bench.grids.protocols import ProtocolName
from bench.interfaces import Context, Int, Items, Labels, Model, Oracle, SplitName
from bench.plugins import registry
from bench.plugins.choices import Choice, keyed_parameters
from bench.plugins.estimators import as_hasher
from bench.plugins.figures import figures_of
from bench.stages import coding
from bench.stages.coding import Splits, arrays_read, is_finite
from bench.stages.curves import Judge, read_curve
from bench.stages.encoding import encoding
from bench.stages.parts import parts
from bench.store.entries import Entry, Made, Meta, Store
from bench.store.identity import digest, room_identity, source_identity
from bench.store.parts import Part, whole
from bench.system.environment import libraries
from bench.system.files import room_for
from bench.system.machines import here


@dataclass(frozen=True)
class Stage:
    """An entry of the store that a cell needs: its kind, its key, its maker, and the arrays that the cell reads.

    Codes are made array by array as cells read them. Others are made whole, so their ``arrays`` is empty. A part of
    exact neighbours is not needed where the ``whole`` is stored, which is the key of an entry of the same kind.
    ``plugin``: the name of the plugin that makes it, if one does.
    """

    kind: Literal["features", "codes", "exact"]
    key: str
    make: Callable[[], Entry]
    arrays: frozenset[str] = frozenset()
    whole: str | None = None
    plugin: str | None = None

    def holds(self, meta: Meta) -> bool:
        """Whether the entry, by its description, holds the arrays that the cell reads."""
        return _holds(self.arrays, meta)


@dataclass(frozen=True)
class Pipeline:
    """The stages of one grid. ``context`` has the device and the progress; ``say`` gets a line for each stage made."""

    grid: Grid
    store: Store
    context: Context
    say: Callable[[str], None] = print

    def on_grid(self, grid: Grid) -> Pipeline:
        """The pipeline of another grid. What is known of the data set is kept where it is the same."""
        other = dataclasses.replace(self, grid=grid)
        if grid.dataset == self.grid.dataset:
            vars(other).update(vars(self) | {"grid": grid})
        return other

    @cached_property
    def dataset_identity(self) -> str:
        """The identity of the data set: its plugin, source and content.

        Raises ValueError: the content can't be read.
        """
        name = self.grid.dataset.name
        return digest([name, self._content, _source("dataset", name)])

    @cached_property
    def dataset_fingerprint(self) -> str:
        """12 hex digits of the data set's plugin and content, without its source.

        Raises ValueError: the content can't be read.
        """
        return digest([self.grid.dataset.name, self._content])[:12]

    @cached_property
    def _content(self) -> str:
        choice = self.grid.dataset
        content: str = registry.build("dataset", choice.name, choice.parameters).fingerprint()
        return content

    @cached_property
    def dataset(self) -> Any:
        """The data set, loaded and checked. A ValueError names a fault in it and the place."""
        choice = self.grid.dataset
        self.say(f"load {choice.name}")
        dataset = registry.build("dataset", choice.name, choice.parameters)
        return dataset.load(self.context)

    def labels(self) -> Entry:
        """Arrays ``database`` and ``query`` (labels); meta: ``classes``, ``remarks``, ``train_in_database``."""
        return self.store.once("labels", self.labels_key, self._read_labels)

    @cached_property
    def labels_key(self) -> str:
        """The key of the labels, with the data set's parameters: these may decide its remarks and its refusal."""
        return digest(["labels", self.dataset_identity, self.grid.dataset.parameters, room_identity("artifacts")])

    def _read_labels(self) -> Made:
        dataset = self.dataset
        meta = {
            "classes": list(dataset.classes),
            "remarks": list(getattr(dataset, "remarks", ())),
            "train_in_database": dataset.train_in_database,
        }
        labels = {name: dataset.split(name).labels for name in ("database", "query")}
        # Without classes each is -1, and only their number is read: a byte an item is enough.
        return meta, labels if dataset.classes else {name: one.astype(np.int8) for name, one in labels.items()}

    def unseen(self) -> Int:
        """The labels that the grid's split holds out of training under the protocols with unseen classes."""
        arrays = self.labels().arrays
        return self.grid.class_split.unseen(np.concatenate([arrays["database"], arrays["query"]]))

    def database_rows(self, cell: Cell) -> Int:
        """The database items that are searched, int64, ascending."""
        return self._rows(cell, "database", self.labels().arrays["database"])

    def query_rows(self, cell: Cell) -> Int:
        """The queries' rows, int64, ascending. An index answers as many as the grid says, drawn by seed, or one half
        of these if the grid splits them. A ranking has all.
        """
        rows = self._rows(cell, "query", self.labels().arrays["query"])
        measure = self.grid.measure
        return rows if cell.index is None else protocols.drawn(rows, measure.queries, measure.split, cell.seed)

    def _rows(self, cell: Cell, split: SplitName, labels: Labels) -> Int:
        if cell.protocol == "seen":
            return np.arange(len(labels), dtype=np.int64)
        return protocols.rows(cell.protocol, split, labels, self.unseen())

    def stages(self, cell: Cell) -> Iterator[Stage]:
        """The stages of a cell, each after the stages that it needs."""
        for choice in (cell.embedder, cell.input):
            if choice is not None:
                make = partial(self.features, cell, choice)
                yield Stage("features", self.features_key(cell, choice), make, plugin=choice.name)
        if cell.hasher is not None:
            make, arrays = partial(self.codes, cell), arrays_read(cell)
            yield Stage("codes", self.codes_key(cell), make, arrays, plugin=cell.hasher.name)

    def features_key(self, cell: Cell, choice: Choice) -> str:
        """The key of an embedder's features, with the cell's seed and protocol."""
        return digest([*self._plugin("embedder", choice, cell.seed), *self._training(cell)])

    def codes_key(self, cell: Cell) -> str:
        """The key of the training behind a cell's codes. The evaluations of the oracle are a part of it."""
        assert cell.hasher is not None
        adapted = not hasattr(registry.load("hasher", cell.hasher.name), "encode")
        oracle = [judged_by(cell.protocol), room_identity("metrics")] if self._wants_oracle(cell) else None
        return digest(
            [
                *self._plugin("hasher", cell.hasher, cell.seed),
                *self._training(cell),
                {
                    "input": cell.input and self.features_key(cell, cell.input),
                    "oracle": oracle,
                    "adapter": room_identity("adapters") if adapted else None,
                },
            ]
        )

    def _plugin(self, kind: registry.Kind, choice: Choice, seed: int) -> list[Any]:
        plugin = [kind, choice.name, keyed_parameters(kind, choice), _source(kind, choice.name)]
        return [self.dataset_identity, plugin, seed, room_identity("artifacts", "contracts")]

    def _training(self, cell: Cell) -> list[Any]:
        """The part of a key for the classes that are trained on. It is empty where all classes are trained on."""
        if cell.protocol not in protocols.HELD_OUT:
            return []
        return [{"class_split": self.grid.class_split.identity(), "rooms": room_identity("protocols")}]

    def _wants_oracle(self, cell: Cell) -> bool:
        """Whether a cell of the grid asks for the model ``oracle`` of this training."""
        return any(
            other.model == "oracle"
            and (judged_by(other.protocol), other.input, other.hasher, other.seed)
            == (judged_by(cell.protocol), cell.input, cell.hasher, cell.seed)
            for other in self.grid.cells
        )

    def features(self, cell: Cell, choice: Choice) -> Entry:
        """Arrays ``database`` and ``query`` (float32 [n, d]), and ``train`` where the train items are not the database.

        ``choice``: the cell's embedder or its input. Meta: ``fit_seconds``, ``remarks`` (of fitting), ``encoding``.

        Raises ValueError: features are of another type or shape, or not finite.
        """
        key = self.features_key(cell, choice)
        return self.store.once("features", key, partial(self._embed, cell, choice, key))

    def _embed(self, cell: Cell, choice: Choice, key: str) -> Made:
        embedder = registry.build("embedder", choice.name, choice.parameters)
        fitted = self._fit(embedder, choice, cell, key, self.dataset.split)
        encoding = self._encoding(embedder.embed, self.dataset.split("query"))
        return {**self._made_by(choice), **fitted, "encoding": encoding}, self._embedded(embedder, choice.name)

    def _embedded(self, embedder: Any, name: str) -> Iterator[Part]:
        """The parts of the features of each split."""
        own = () if self.dataset.train_in_database else ("train",)
        for split in ("database", "query", *own):
            items = self.dataset.split(split)
            for _, some in parts(embedder, items):
                rows = embedder.embed(some)
                if rows.dtype != np.float32 or rows.ndim != 2 or not is_finite(rows):
                    found = f"{rows.dtype} {list(rows.shape)}"
                    raise ValueError(f"{name}: embed({split}) returned {found}; expected finite float32 [n, d]")
                yield Part(split, len(items), rows)

    def codes(self, cell: Cell) -> Entry:
        """Packed words and real values of the codes of one training, at least the arrays that the cell reads.

        `bench.stages.coding` names the arrays. Meta: ``bits``, ``models``, ``made`` (the arrays that cells asked for),
        ``fit_seconds``, ``remarks``, ``figures`` (those that the hasher tells of its fit), ``encoding``, which starts
        from the input's features where there is an input, and ``curve`` where the training had an oracle (see
        `bench.stages.curves`). Arrays that a cell of another grid reads are added later by the same training.

        Raises ValueError: codes are of another number or length, or real values of another type or shape.
        """
        key = self.codes_key(cell)
        return self.store.once("codes", key, partial(self._hash, cell, key), partial(_holds, arrays_read(cell)))

    def _hash(self, cell: Cell, key: str) -> Made:
        """Fit the hasher, and make the missing arrays that cells of the grid read."""
        assert cell.hasher is not None
        split = self._read_by_hasher(cell)
        oracle = self._oracle(cell, split, self.store.work(key)) if self._wants_oracle(cell) else None
        hasher = as_hasher(registry.build("hasher", cell.hasher.name, cell.hasher.parameters))
        fitted = self._fit(hasher, cell.hasher, cell, key, split, oracle)
        offered: tuple[Model, ...] = getattr(hasher, "models", ("last",))
        models = [model for model in offered if model != "oracle" or oracle is not None]
        asked, earlier = self._asked(key), self.store.find("codes", key)
        if earlier is not None and not coding.is_of(hasher, earlier, split("query")):
            asked, earlier = asked | {*earlier.meta["made"]}, None
        made = set() if earlier is None else {*earlier.meta["made"]}
        stored = () if earlier is None else [whole(name, array) for name, array in earlier.arrays.items()]
        trained, missing = self._trained_database(cell), asked - made
        new = (coding.coded(hasher, model, missing, split, trained) for model in models)
        arrays = chain(stored, chain.from_iterable(new))
        if earlier is not None:
            return {**earlier.meta, "made": sorted(asked | made)}, arrays
        meta = {**self._made_by(cell.hasher), "bits": hasher.bits, "models": models, **fitted, "made": sorted(asked)}
        meta["figures"] = figures_of(hasher)
        if oracle is not None:
            meta["curve"] = read_curve(self.store.work(key))
        if getattr(hasher, "passes_on", False):
            return {**meta, "fit_seconds": None, "encoding": None}, arrays
        coding.use(hasher, models[-1])
        meta["encoding"] = self._encoding(hasher.encode, split("query"))
        return meta, arrays

    def _asked(self, key: str) -> set[str]:
        """The arrays that the grid's cells read of one training."""
        cells = [cell for cell in self.grid.cells if cell.hasher is not None and self.codes_key(cell) == key]
        return {name for cell in cells for name in arrays_read(cell)}

    def _encoding(self, encode: Callable[[Items], Any], queries: Items) -> dict[str, Any]:
        """The time to encode a query, as the fields of `bench.stages.encoding.Encoding`."""
        measure = self.grid.measure
        return vars(encoding(encode, queries, measure.replicates, measure.batch_seconds / measure.rounds))

    def _read_by_hasher(self, cell: Cell) -> Splits:
        """The data set's items. If the cell has an input, its features are their vectors."""
        if cell.input is None:
            splits: Splits = self.dataset.split
            return splits
        key, arrays = self.features_key(cell, cell.input), self.features(cell, cell.input).arrays

        def split(name: SplitName) -> Items:
            items: Items = self.dataset.split(name)
            vectors = arrays["database" if name == "train" and self.dataset.train_in_database else name]
            return dataclasses.replace(items, vectors=vectors, fingerprint=digest([items.fingerprint, key]))

        return split

    def _trained_database(self, cell: Cell) -> Int | None:
        """The rows of the database that are trained on, to which learned codes belong. None if the train items are no
        database items.
        """
        if not self.dataset.train_in_database:
            return None
        train: Items = self.dataset.split("train")
        return self._rows(cell, "train", train.labels)

    def _oracle(self, cell: Cell, split: Splits, folder: Path) -> Oracle:
        """The ``oracle`` of ``Context``, which notes the training's curve in the folder of the training."""
        items = {name: split(name) for name in ("database", "query")}
        rows: dict[ProtocolName, tuple[Int, Int]] = {}
        for protocol in protocols.HELD_OUT if cell.protocol in protocols.HELD_OUT else (cell.protocol,):
            one = dataclasses.replace(cell, protocol=protocol, index=None)
            try:
                rows[protocol] = self.database_rows(one), self.query_rows(one)
            except ValueError:  # of the others the data may have no query
                if protocol == judged_by(cell.protocol):
                    raise
        return Judge(items["database"], items["query"], rows, self._trained_database(cell), folder)

    def _fit(
        self, plugin: Any, choice: Choice, cell: Cell, key: str, split: Splits, oracle: Oracle | None = None
    ) -> Meta:
        """Fit a plugin on the train items of the cell's protocol. Returns ``fit_seconds`` and the ``remarks`` it said.

        The seconds are None if the folder holds files of an earlier run, whose time is not known.
        """
        train = split("train")
        train = _take(train, self._rows(cell, "train", train.labels))
        folder = self.store.work(key)
        folder.mkdir(parents=True, exist_ok=True)
        resumed = any(folder.iterdir())
        remarks: list[str] = []

        def say(line: str) -> None:
            remarks.append(f"{choice.name}: {line}")
            self.say(remarks[-1])

        start = time.perf_counter()
        with room_for(folder):  # a plugin writes its checkpoints and its log itself
            plugin.fit(train, dataclasses.replace(self.context, seed=cell.seed, folder=folder, oracle=oracle, say=say))
        return {"fit_seconds": None if resumed else time.perf_counter() - start, "remarks": remarks}

    def _made_by(self, choice: Choice) -> Meta:
        plugin = {"name": choice.name, "parameters": choice.parameters}
        made = {"dataset": self.grid.dataset.describe(), "grid": self.grid.name, "libraries": libraries()}
        return {**plugin, **made, **here()}


def judged_by(protocol: ProtocolName) -> ProtocolName:
    """The protocol by whose queries the oracle of a training is chosen.

    A training that holds classes out has one oracle, whichever of its protocols asks for it: the best on queries of the
    classes that were trained on, among items of these, as in DSH_Analysis.
    """
    return "seen_seen" if protocol in protocols.HELD_OUT else protocol


def _holds(arrays: frozenset[str], meta: Meta) -> bool:
    """Whether an entry, by its description, holds the arrays."""
    return arrays <= {*meta.get("made", ())}


def _take(items: Items, rows: Int) -> Items:
    """The items at ascending rows. If these are all rows, they are the items themselves, with their fingerprint."""
    return items if len(rows) == len(items) else items.take(rows)


def _source(kind: registry.Kind, name: str) -> dict[str, Any]:
    return source_identity(registry.find(kind, name).module)
