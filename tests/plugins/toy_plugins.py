"""Plugins of a third party, found by entry point: the tests put this folder on the path, nothing more."""

import time
from pathlib import Path
from typing import ClassVar

import numpy as np

from bench.interfaces import Codes, Items, Unavailable, Unsuitable


class Signs:
    """Random hyperplanes, which note each fit in the cache folder."""

    def __init__(self, *, bits: int = 16, seeded: bool = True):
        self.bits, self.seeded = bits, seeded

    def fit(self, train, context):
        with (Path(context.cache) / "fits.txt").open("a") as file:
            file.write("fit\n")
        generator = np.random.default_rng(context.seed)
        self.planes_ = generator.standard_normal((train.vectors.shape[1], self.bits)).astype(np.float32)
        self.database_codes_ = self.encode(train)
        return self

    def encode(self, items):
        return Codes.pack(self.encode_real(items))

    def encode_real(self, items):
        return items.vectors @ self.planes_


class Collapsed(Signs):
    """Random hyperplanes of which the first ``constant`` bits are the same for all items."""

    def __init__(self, *, bits: int = 16, constant: int = 16):
        super().__init__(bits=bits)
        self.constant = constant

    def encode_real(self, items):
        values = super().encode_real(items)
        values[:, : self.constant] = 1
        return values


class Failing:
    """An embedder that fails while it fits."""

    def __init__(self, *, dim: int = 4):
        self.dim = dim

    def fit(self, train, context):
        raise RuntimeError("the toy fails on purpose")


class WrongIds:
    """An index that answers with ids outside the database."""

    reads = ("features",)
    query_parameters = ()

    def __init__(self, *, crash: bool = False):
        self.crash = crash

    def build(self, database):
        if self.crash:
            raise MemoryError("the toy is out of memory")
        self.size = len(database)
        return self

    def search(self, queries, k):
        return np.full((len(queries), k), self.size, dtype=np.int64)

    def size_bytes(self):
        return 0


class Scan:
    """Brute force over features, codes or real codes, ties by position; ``reach`` is how many of the items it sees."""

    query_parameters = ("reach",)
    installed = False
    builds: ClassVar[list[int]] = []

    def __init__(self, *, field: str = "features", reach: int = 1000, needed_by: str = "", block: int = 1):
        """``needed_by``: the method, check or build, that misses a library; or "data", which are too few to build on.

        ``block`` changes nothing.
        """
        self.field, self.reach, self.needed_by, self.block = field, reach, needed_by, block
        self.reads = (field,)

    def check(self, dim, bits):
        self._need("check")

    def _need(self, method):
        if self.needed_by == method and not self.installed:
            raise Unavailable("toy_library is not installed: pip install toy_library")

    def build(self, database):
        self._need("build")
        self.builds.append(len(database))
        if self.needed_by == "data":
            raise Unsuitable(f"{len(database)} items are too few for a toy scan of more")
        self._rows = self._read(database)
        return self

    def set_query(self, reach):
        self.reach = reach

    def search(self, queries, k):
        distances = ((self._read(queries)[:, None] - self._rows[: self.reach]) ** 2).sum(axis=2)
        near = np.argsort(distances, axis=1, kind="stable")[:, :k]
        self.complete_share_ = float(self.reach >= len(self._rows))
        return np.pad(near, ((0, 0), (0, k - near.shape[1])), constant_values=-1)

    def _read(self, corpus):
        values = getattr(corpus, self.field)
        return (values.unpack() if self.field == "codes" else values).astype(np.float64)

    def size_bytes(self):
        return self._rows.nbytes


class Silent(Scan):
    """A scan whose build takes more than half a second, of which nothing is heard."""

    def build(self, database):
        time.sleep(0.6)
        return super().build(database)


class Reranker:
    """Candidates in order of the distance of features rounded to steps."""

    def __init__(self, *, step: float = 0.0):
        self.step = step

    def build(self, features):
        self._features = self._rounded(features)
        return self

    def nearest(self, queries, candidates, k):
        known = np.sort(np.where(candidates < 0, len(self._features), candidates), axis=1)
        rows = np.vstack([self._features, np.full_like(self._features[:1], np.inf)])
        distances = ((rows[known] - queries[:, None]) ** 2).sum(axis=2)
        order = np.argsort(distances, axis=1, kind="stable")[:, :k]
        ids = np.take_along_axis(known, order, axis=1)
        ids = np.pad(ids, ((0, 0), (0, k - ids.shape[1])), constant_values=len(self._features))
        return np.where(ids == len(self._features), -1, ids)

    def _rounded(self, features):
        return np.round(features / self.step) * self.step if self.step else features.astype(np.float64)

    def size_bytes(self):
        return self._features.nbytes

    def query_cost(self, candidates):
        return 8.0 * candidates * self._features.shape[1], 3.0 * candidates * self._features.shape[1]


class FailingHasher:
    """A hasher that fails while it fits, and notes that it tried."""

    def __init__(self, *, bits: int = 8):
        self.bits = bits

    def fit(self, train, context):
        with (Path(context.cache) / "fits.txt").open("a") as file:
            file.write("failed\n")
        raise RuntimeError("the toy hasher fails on purpose")

    def encode(self, items):
        raise AssertionError("encode without fit")


class Guesses:
    """Several sets of random hyperplanes: the last, the second as best on validation, and the oracle's choice."""

    database_codes_ = None

    def __init__(self, *, bits: int = 8, guesses: int = 4, validation: bool = True, learns: bool = False):
        self.bits, self.guesses, self.validation, self.learns = bits, guesses, validation, learns
        self.models = ("last", *(["best_on_validation"] if validation else []), "oracle")

    def fit(self, train, context):
        np.save(context.folder / "labels.npy", train.labels)
        shape = (self.guesses, train.vectors.shape[1], self.bits)
        sets = np.random.default_rng(context.seed).standard_normal(shape)
        learned = Codes.pack(np.ones((len(train), self.bits))) if self.learns else None
        self._sets = {"last": sets[-1], "best_on_validation": sets[1]}
        if context.oracle is not None:
            scores = [context.oracle(lambda items, one=one: self._coded(one, items), learned) for one in sets]
            np.save(context.folder / "scores.npy", scores)
            self._sets["oracle"] = sets[int(np.argmax(scores))]
        self.database_codes_ = learned
        self.figures_ = {"guesses": self.guesses, "mean": float(sets.mean())}
        return self

    def use(self, model):
        self._set = self._sets[model]

    def encode(self, items):
        return self._coded(self._set, items)

    def _coded(self, planes, items):
        return Codes.pack(items.vectors @ planes)


class Medians:
    """A scikit-learn transformer: random columns, each split at its median."""

    def __init__(self, bits: int = 8, random_state: int | None = 0):
        self.bits, self.random_state = bits, random_state

    def get_params(self, deep=True):
        return {"bits": self.bits, "random_state": self.random_state}

    def set_params(self, **parameters):
        vars(self).update(parameters)
        return self

    def fit(self, X, y=None):
        self.columns_ = np.random.default_rng(self.random_state).integers(X.shape[1], size=self.bits)
        self.medians_ = np.median(X[:, self.columns_], axis=0)
        return self

    def transform(self, X):
        return (X[:, self.columns_] >= self.medians_).astype(np.uint8)


class RealMedians(Medians):
    """Medians that tell how far from its median a column is."""

    def decision_function(self, X):
        return X[:, self.columns_].astype(np.float64) - self.medians_


class Pixels:
    """Images as the values of their pixels, or vectors without their last columns; notes each fit."""

    def __init__(self, *, dim: int = 12):
        self.dim = dim

    def fit(self, train, context):
        with (Path(context.cache) / "fits.txt").open("a") as file:
            file.write(f"pixels of {len(train)}\n")
        return self

    def embed(self, items):
        if items.vectors is not None:
            return items.vectors[:, : self.dim]
        rows = [items.images[i].reshape(-1)[:: max(1, items.images[i].size // self.dim)] for i in range(len(items))]
        return np.stack(rows).astype(np.float32)[:, : self.dim]


class Clusters:
    """Six clusters of vectors, made on the spot; the train items are the database."""

    train_in_database = True
    content = "vectors"
    classes = tuple("abcdef")

    def __init__(self, *, seed: int = 0):
        self.seed = seed

    def fingerprint(self):
        return f"{type(self).__name__}-{self.seed}"

    def load(self, context):
        generator = np.random.default_rng(self.seed)
        centres = generator.standard_normal((6, 16)) * 2
        self._splits, first = {}, 0
        for name, count in (("database", 180), ("query", 36), ("train", 90)):
            labels = np.arange(count, dtype=np.int64) % 6
            vectors = (centres[labels] + generator.standard_normal((count, 16))).astype(np.float32)
            ids = np.arange(first, first + count, dtype=np.int64)
            self._splits[name] = Items(ids, labels, f"{self.fingerprint()}/{name}", vectors=vectors)
            first += count
        return self

    def split(self, name):
        return self._splits["database" if name == "train" and self.train_in_database else name]


class ClustersApart(Clusters):
    """Clusters whose train items are not in the database."""

    train_in_database = False


class FromFile(Pixels):
    """Vectors times the number in a file; notes each fit."""

    def __init__(self, *, dim: int = 12, path: Path | None = None):
        super().__init__(dim=dim)
        self.path = path

    def embed(self, items):
        return super().embed(items) * np.float32(self.path.read_text())
