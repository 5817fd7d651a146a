"""The contracts: the data that flow between the stages, and the members that a plugin must offer.

The data are plain arrays or one of four small dataclasses. A plugin is found by entry point and checked by structure,
so it needs no base class. Its constructor only stores its parameters: keyword arguments with annotations and defaults,
and a ``ValueError`` for a bad value. Its module stays cheap to import: torch and the like are imported where they are
used. A parameter whose annotation allows a ``Path`` may name a file: keys hold its content, wherever it is. Its class
may have ``check_parameters``, a dict: the parameters that ``bench check`` gives it where ``--set`` says nothing, for
instance those that make a network small and avoid a download.

Two more members are optional. They are only printed, decide no result and are in no key. ``label`` is the method's
name in tables, figures and pages, such as "ExchNet"; without it, the plugin's name is printed. ``family`` is the group
that the method is shown in: for indexes "exact", "hash tables", "code scan", "inverted file", "graph" or "tree", for
hashers "unsupervised", "supervised", "deep" or "deep, asymmetric", or any other text; without it, "other". Each is a
text of the class; ``family`` may be a property where parameters decide it.

A process that a plugin starts is killed when the plugin's own process ends. One that has BENCH_TIDIES in its
environment has a minute more to remove what is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal, NewType, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Int = NDArray[np.int64]
Words = NDArray[np.uint64]
Labels = NDArray[Any]
"""The classes of items: a number each, int64 [n], or where an item may have several, sets, bool [n, classes]."""
SplitName = Literal["train", "database", "query"]
Model = Literal["last", "best_on_validation", "oracle"]
IndexName = NewType("IndexName", str)
"""A parameter of this type names an index plugin that the plugin works by: keys hold the source of that, too."""

T = TypeVar("T")


class Images(Protocol):
    """Images by position: ``images[i]`` is uint8 [height, width, 3], RGB."""

    def __len__(self) -> int: ...
    def __getitem__(self, position: int, /) -> NDArray[np.uint8]: ...


@dataclass(frozen=True)
class Subset:
    """The images at ``rows`` of other images, each read when it is indexed."""

    images: Images
    rows: Int

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, position: int, /) -> NDArray[np.uint8]:
        return self.images[int(self.rows[position])]


@dataclass(frozen=True)
class Items:
    """Items of one split: ids int64 [n], labels, and images, vectors (float32 [n, d]) or codes, or several of these.

    Without labels (see ``Dataset``) every label is -1.

    ``fingerprint`` identifies the content: equal fingerprints mean equal items in equal order. An empty fingerprint
    identifies nothing: no result that is computed from such items is cached.
    """

    ids: Int
    labels: Labels
    fingerprint: str
    images: Images | None = None
    vectors: Float | None = None
    codes: Codes | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Int) -> Items:
        """The items at ``rows`` (int64 [m]), in that order."""
        return self._at(rows, rows, self.fingerprint.encode() + np.ascontiguousarray(rows).tobytes())

    def part(self, start: int, stop: int) -> Items:
        """The items from ``start`` to before ``stop``, their arrays as views."""
        content = f"{self.fingerprint}\0{start}\0{stop}".encode()
        return self._at(slice(start, stop), np.arange(start, stop, dtype=np.int64), content)

    def _at(self, place: Int | slice, rows: Int, content: bytes) -> Items:
        """The items at a place, which are ``rows``. ``content``: what their fingerprint is the hash of."""
        return Items(
            ids=self.ids[place],
            labels=self.labels[place],
            fingerprint=blake2b(content, digest_size=16).hexdigest(),
            images=None if self.images is None else Subset(self.images, rows),
            vectors=None if self.vectors is None else self.vectors[place],
            codes=None if self.codes is None else Codes(self.codes.words[place], self.codes.bits),
        )


@dataclass(frozen=True)
class Codes:
    """Binary codes packed little-endian: words uint64 [n, ceil(bits / 64)]; bit j of a code is bit j % 64 of word
    j // 64; padding bits are zero.
    """

    words: Words
    bits: int

    def __len__(self) -> int:
        return len(self.words)

    @classmethod
    def pack(cls, values: NDArray[Any]) -> Self:
        """Codes of real values or ±1 [n, bits] (x >= 0 is bit 1), or of a boolean array (True is bit 1).

        Raises ValueError: the values are of an unsigned type, so none is below 0: bits 0 and 1 are given as booleans.
        """
        if values.dtype.kind == "u":
            raise ValueError(f"values of {values.dtype} are never below 0: give bits as booleans, as in values > 0")
        ones = values if values.dtype == np.bool_ else values >= 0
        rows, bits = ones.shape
        padded = np.zeros((rows, -(-bits // 64) * 64), dtype=np.bool_)
        padded[:, :bits] = ones
        packed = np.packbits(padded, axis=1, bitorder="little")
        return cls(packed.view("<u8").astype(np.uint64, copy=False), bits)

    def unpack(self) -> NDArray[np.int8]:
        """The codes as -1 and +1, int8 [n, bits]."""
        packed = np.ascontiguousarray(self.words, dtype="<u8").view(np.uint8)
        ones = np.unpackbits(packed, axis=1, count=self.bits, bitorder="little")
        return ones.astype(np.int8) * 2 - 1


@dataclass(frozen=True)
class Corpus:
    """The data that an index is built on or searched with: features float32 [n, d], codes, or both.

    ``real_codes``: the real values whose signs are the codes, float32 [n, bits], where the hasher has them.
    """

    features: Float | None = None
    codes: Codes | None = None
    real_codes: Float | None = None

    def __len__(self) -> int:
        part = self.features if self.features is not None else self.codes
        return 0 if part is None else len(part)

    def take(self, rows: Int) -> Corpus:
        """The rows ``rows`` (int64 [m]), in that order, as copies."""
        return Corpus(
            None if self.features is None else self.features[rows],
            None if self.codes is None else Codes(self.codes.words[rows], self.codes.bits),
            None if self.real_codes is None else self.real_codes[rows],
        )

    def part(self, start: int, stop: int) -> Corpus:
        """The rows from ``start`` to before ``stop``, as views."""
        return Corpus(
            None if self.features is None else self.features[start:stop],
            None if self.codes is None else Codes(self.codes.words[start:stop], self.codes.bits),
            None if self.real_codes is None else self.real_codes[start:stop],
        )


def untracked(steps: Iterable[T], description: str, total: int | None = None) -> Iterable[T]:
    """The steps themselves: a ``track`` that shows nothing."""
    return steps


def unheard(line: str) -> None:
    """A ``say`` that shows nothing."""


class Oracle(Protocol):
    """The mAP of a model on the test queries: the model's ``encode``, and the codes that it learned for the train
    items, if any. ``step``: the number of steps of the training that are done, by which the mAP over the training is
    drawn; without it, the models are counted.
    """

    def __call__(
        self, encode: Callable[[Items], Codes], database_codes: Codes | None, step: int | None = None, /
    ) -> float: ...


@dataclass(frozen=True)
class Context:
    """The seed, device, folders and functions that a run lends a plugin while the plugin loads or fits.

    ``folder`` is the plugin's own: it survives an interruption (checkpoints, logs) and is kept. ``cache`` is shared by
    all plugins and runs, so files in it are named by content. Without them nothing is kept. ``track(steps, description,
    total)`` passes the steps through and shows progress. ``say(line)`` shows a line that the user must know, for
    instance that there is less than a parameter allows; lines said while fitting stand in the records too, as
    ``remarks``. ``oracle`` judges a model on the test queries; it is lent only where a grid asks for the model
    ``oracle``.
    """

    seed: int = 0
    device: str = "cpu"
    folder: Path | None = None
    cache: Path | None = None
    track: Callable[..., Iterable[Any]] = untracked
    say: Callable[[str], None] = unheard
    oracle: Oracle | None = None


class Dataset(Protocol):
    """Items with an official split. ``train_in_database``: the train items are the database items.

    ``content``: the content of its items, "images", "vectors", or "codes", beside which the items may have vectors.

    Four more members are optional. ``hasher``: the plugin that passes on the codes of a data set of codes; in its cells
    every hasher stands for that one. ``labelled``: whether the items have labels, known before ``load`` (True where the
    files can't be read yet); without it, they have. Without labels ``classes`` is empty, a search has no precision and
    no mAP, and a cell that needs labels is refused. ``dataset_name``: the name of the data where the user gives none;
    without it, or with None, the last part of ``data_dir``, or else the plugin's name. ``remarks``: after ``load``, the
    facts about the items that a reader of the figures must know, a text each: they go on the screen and under the
    tables.
    """

    classes: tuple[str, ...]
    train_in_database: bool
    content: Literal["images", "vectors", "codes"]

    def fingerprint(self) -> str:
        """Identity of the content, found without reading all of it into memory.

        Raises ValueError: it can't be read.
        """
        ...

    def load(self, context: Context) -> Self:
        """Read, make or download the items, and check them. A ValueError names the fault and its place."""
        ...

    def split(self, name: SplitName) -> Items: ...


class Embedder(Protocol):
    """Items to real-valued features, compared by Euclidean distance. ``dim`` is their dimension.

    One more member is optional, of hashers too. ``by_rows = True``: what it makes of an item depends on that item
    alone, and it keeps nothing of the items that it reads. Then a run asks for one part of a large split after another,
    and holds no more than a part in memory. Without it, a run asks for all items of a split at once.
    """

    def fit(self, train: Items, context: Context) -> Self: ...
    def embed(self, items: Items) -> Float: ...


class Hasher(Protocol):
    """Items to codes of ``bits`` bits. ``database_codes_``: the codes learned for the train items, or None.

    Seven more members are optional. ``by_rows``: see ``Embedder``. ``passes_on = True``: its codes are those that the
    data set holds, so that no training and no encoding is timed. ``supervised``: whether ``fit`` reads the labels;
    without it, it does. ``models``: the kinds of ``Model`` that its training, with its parameters, can end with;
    without it, only the last. ``use(model)``: from now on ``encode`` and ``database_codes_`` are that model's.
    ``encode_real(items)``: the real values whose signs ``encode`` packs, float32 [n, bits]. ``figures_``: after
    ``fit``, finite numbers by name that describe it, for instance the codes that the classes were given; they become
    the columns ``fit_NAME``. A ``fit`` that reads labels and takes no sets of classes raises ``Unsuitable`` for them.

    A scikit-learn transformer with a parameter ``bits`` is a hasher too (`bench.plugins.estimators`): ``fit(X, y)``,
    ``transform(X)`` to {0, 1}; its ``random_state``, if it has one, is the seed.
    """

    bits: int
    database_codes_: Codes | None

    def fit(self, train: Items, context: Context) -> Self: ...
    def encode(self, items: Items) -> Codes: ...


class Unavailable(Exception):
    """A plugin raises this in ``check`` or ``build`` where this machine lacks a library or a device that it needs.

    The message names the missing part and says how to get it. The cell is skipped, which is no failure.
    """


class Unsuitable(ValueError):
    """A plugin raises this in ``fit``, ``check`` or ``build``: data and parameters are right, but do not go together.

    There are fewer items or dimensions than the parameters name; the message says which, and what would do. The cell is
    skipped, which is no failure; raised by ``check`` while a grid is read, it refuses the cell. Where a parameter is a
    bound ("at most"), fewer items are no reason for it: the plugin takes all there are, and tells by ``Context.say``.
    """


class Index(Protocol):
    """An index finds the nearest neighbours of queries among the items of a database.

    ``reads`` names the fields of ``Corpus`` that it is built on and searched with. ``query_parameters`` names the
    parameters that may change after ``build``; like all parameters, they are attributes of the same name. Where it
    names any, the index has ``set_query(**parameters)``, which sets some of them or all: an unknown name or a bad value
    is a ValueError, and then nothing is set.

    These members are optional. ``baseline = True``: it searches all features exactly, and other indexes are compared
    with it. ``check(dim, bits)`` is called before anything runs: it raises ``Unsuitable`` where its parameters cannot
    serve features of ``dim`` dimensions and codes of ``bits`` bits (each None where only the data will tell, or where
    there are none), ``Unavailable`` as above. ``deterministic``: whether indexes that are built alike answer alike, and
    a query alone as in a batch; without it, they do. ``query_cost()``: bytes that one query must read, and
    floating-point operations it must do, the physical floor; without it, unknown. ``paper_bytes()``: memory as the
    paper counts it. ``save(folder)`` writes the built index into a folder. ``load(folder)`` of a new index with the
    same parameters reads it, in place of ``build``, and returns the index.

    Of a database engine: ``layer`` is a text of the class, "library" (without it), "embedded" or "server", and is only
    printed. ``start()`` starts what the index needs, before ``build`` is timed; without it, ``build`` starts that.
    ``empty_query()`` asks the engine for nothing. ``load_seconds()``: the part of the build that wrote the rows, None
    if it can't be told. ``disk_bytes()``, and ``server_bytes()``: the memory of the processes that the index started,
    None if unknown.
    """

    @property
    def reads(self) -> tuple[str, ...]: ...
    @property
    def query_parameters(self) -> tuple[str, ...]: ...

    def build(self, database: Corpus) -> Self: ...
    def search(self, queries: Corpus, k: int) -> Int:
        """Ids (positions in the database) int64 [q, k], nearest first, -1 where there are fewer than k.

        A single query is answered in the calling thread, several may be shared among threads.
        """
        ...

    def size_bytes(self) -> int:
        """Bytes that must stay in memory to answer queries, the float features included where they are read."""
        ...


class Reranker(Protocol):
    """A reranker orders the candidates of any index by the Euclidean distance of their features."""

    def build(self, features: Float) -> Self: ...

    def nearest(self, queries: Float, candidates: Int, k: int) -> Int:
        """The k nearest of each query's candidates (ids int64 [q, n], -1 where there are fewer), int64 [q, k].

        Ties go to the smaller id. Threads as in ``Index.search``.
        """
        ...

    def size_bytes(self) -> int:
        """Bytes that must stay in memory, the features that are read included."""
        ...

    def query_cost(self, candidates: int) -> tuple[float, float]:
        """Bytes that must be read and operations that must be done to re-rank ``candidates`` of one query."""
        ...
