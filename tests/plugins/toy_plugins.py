"""Plugins of a third party, found by entry point: the tests put this folder on the path, nothing more."""

from pathlib import Path

import numpy as np

from bench.interfaces import Codes


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
        return Codes.pack(items.vectors @ self.planes_)


class Failing:
    """An embedder that fails while it fits."""

    def __init__(self, *, dim: int = 4):
        self.dim = dim

    def fit(self, train, context):
        raise RuntimeError("the toy fails on purpose")


class WrongIds:
    """An index that answers with ids outside the database."""

    query_parameters = ()

    def __init__(self, *, crash: bool = False):
        self.crash = crash

    def check(self, dim, bits):
        pass

    def build(self, database):
        if self.crash:
            raise MemoryError("the toy is out of memory")
        self.size = len(database)
        return self

    def set_query(self):
        pass

    def search(self, queries, k):
        return np.full((len(queries), k), self.size, dtype=np.int64)

    def size_bytes(self):
        return 0

    def query_cost(self):
        return 0.0, 0.0
