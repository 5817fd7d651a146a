"""The contracts: what flows between the stages, and what a plugin must offer.

Everything that flows is a plain array or one of four small dataclasses; every plugin is found by entry point and
checked by structure, so it needs no base class of ours. A plugin's constructor only stores its parameters (keyword
arguments with annotations and defaults; ``ValueError`` for a bad value) and its module stays cheap to import: torch
and the like are imported where they are used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Int = NDArray[np.int64]
Words = NDArray[np.uint64]
SplitName = Literal["train", "database", "query"]
Model = Literal["last", "best_on_validation", "oracle"]
T = TypeVar("T")


class Images(Protocol):
    """Images by position: ``images[i]`` is uint8 [height, width, 3], RGB."""

    def __len__(self) -> int: ...
    def __getitem__(self, position: int, /) -> NDArray[np.uint8]: ...


@dataclass(frozen=True)
class Subset:
    """The images at ``rows`` of other images, read when they are asked for."""

    images: Images
    rows: Int

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, position: int, /) -> NDArray[np.uint8]:
        return self.images[int(self.rows[position])]


@dataclass(frozen=True)
class Items:
    """Labelled items of one split: ids and labels int64 [n], and images or vectors (float32 [n, d]), or both.

    ``fingerprint`` identifies the content: equal fingerprints mean equal items in equal order. An empty one identifies
    nothing: what is computed from such items is not cached.
    """

    ids: Int
    labels: Int
    fingerprint: str
    images: Images | None = None
    vectors: Float | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Int) -> Items:
        """The items at ``rows`` (int64 [m]), in that order."""
        digest = blake2b(self.fingerprint.encode() + np.ascontiguousarray(rows).tobytes(), digest_size=16)
        return Items(
            ids=self.ids[rows],
            labels=self.labels[rows],
            fingerprint=digest.hexdigest(),
            images=None if self.images is None else Subset(self.images, rows),
            vectors=None if self.vectors is None else self.vectors[rows],
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
        """Codes of real values or ±1 [n, bits] (x >= 0 is bit 1), or of a boolean array (True is bit 1)."""
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
    """What an index is built on, or asked with: features float32 [n, d], codes, or both."""

    features: Float | None = None
    codes: Codes | None = None

    def __len__(self) -> int:
        part = self.features if self.features is not None else self.codes
        return 0 if part is None else len(part)

    def part(self, start: int, stop: int) -> Corpus:
        """The rows from ``start`` to before ``stop``, as views."""
        return Corpus(
            None if self.features is None else self.features[start:stop],
            None if self.codes is None else Codes(self.codes.words[start:stop], self.codes.bits),
        )


def untracked(steps: Iterable[T], description: str, total: int | None = None) -> Iterable[T]:
    """The steps themselves: a ``track`` that shows nothing."""
    return steps


@dataclass(frozen=True)
class Context:
    """What a run lends a plugin while it loads or fits.

    ``folder`` is the plugin's own, survives an interruption (checkpoints, logs) and is kept; ``cache`` is shared by all
    plugins and runs (name files by content); without them nothing is kept. ``track(steps, description, total)`` passes
    the steps through and shows progress. ``oracle(encode, database_codes)`` is the mAP of a model on the test queries,
    lent only where a grid asks for the model that is best on them.
    """

    seed: int = 0
    device: str = "cpu"
    folder: Path | None = None
    cache: Path | None = None
    track: Callable[..., Iterable[Any]] = untracked
    oracle: Callable[[Callable[[Items], Codes], Codes | None], float] | None = None


class Dataset(Protocol):
    """Items with an official split. ``train_in_database``: the train items are the database items.

    ``content``: what its items hold, "images" or "vectors".
    """

    classes: tuple[str, ...]
    train_in_database: bool
    content: Literal["images", "vectors"]

    def fingerprint(self) -> str:
        """Identity of the content, found without reading all of it into memory. ValueError: it can't be read."""
        ...

    def load(self, context: Context) -> Self:
        """Read, make or download the items, and check them. ValueError says what is wrong and where."""
        ...

    def split(self, name: SplitName) -> Items: ...


class Embedder(Protocol):
    """Items to real-valued features, compared by Euclidean distance. ``dim`` is their dimension."""

    def fit(self, train: Items, context: Context) -> Self: ...
    def embed(self, items: Items) -> Float: ...


class Hasher(Protocol):
    """Items to codes of ``bits`` bits. ``database_codes_``: codes learned for the train items, where there are.

    Two more members are optional. ``models``: the kinds of ``Model`` that its training, as its parameters stand, can
    end with; without it, only the last. ``use(model)``: from now on ``encode`` and ``database_codes_`` are that one's.

    A scikit-learn transformer with a parameter ``bits`` is a hasher too (see ``bench.estimators``): ``fit(X, y)``,
    ``transform(X)`` to {0, 1}; its ``random_state``, if it has one, is the seed.
    """

    bits: int
    database_codes_: Codes | None

    def fit(self, train: Items, context: Context) -> Self: ...
    def encode(self, items: Items) -> Codes: ...


class Index(Protocol):
    """Search. ``query_parameters`` names the parameters that ``set_query`` may change after ``build``."""

    query_parameters: ClassVar[tuple[str, ...]]

    def check(self, dim: int | None, bits: int | None) -> None:
        """ValueError where these parameters cannot serve features of ``dim`` dimensions and codes of ``bits`` bits.

        Asked before anything runs: ``dim`` is None where only the data will tell it, ``bits`` where there are no codes.
        """
        ...

    def build(self, database: Corpus) -> Self: ...
    def set_query(self, **parameters: Any) -> None: ...

    def search(self, queries: Corpus, k: int) -> Int:
        """Ids (positions in the database) int64 [q, k], nearest first, -1 where there are fewer than k."""
        ...

    def size_bytes(self) -> int:
        """Bytes that must stay in memory to answer queries, the float features included where they are read."""
        ...

    def query_cost(self) -> tuple[float, float]:
        """Bytes that one query must read, and floating-point operations it must do: the physical floor."""
        ...
