"""Data sets: those that are right, and by the check that must fail and words of its message, wrong ones."""

from dataclasses import replace

import numpy as np

from bench.interfaces import Items
from tests.bench.faults.toys import TIMES, after, but


class Clusters:
    """Vectors; the train items are the database."""

    classes = ("a", "b", "c")
    train_in_database = True
    content = "vectors"

    def __init__(self, *, seed: int = 0):
        self.seed = seed

    def fingerprint(self):
        return f"clusters {self.seed}"

    def load(self, context):
        rng = np.random.default_rng(self.seed)
        self._splits = {"database": self._items(rng, 0, 12), "query": self._items(rng, 12, 6)}
        self._splits["train"] = self._splits["database"]
        return self

    def _items(self, rng, first, number):
        ids = np.arange(first, first + number)
        vectors = rng.standard_normal((number, 4), dtype=np.float32)
        return Items(ids, ids % 3, f"{self.fingerprint()} {first}", vectors=vectors)

    def split(self, name):
        return self._splits[name]


def holding(base, **parts):
    """A data set some of whose parts are changed, by ``change(part)``."""

    def changed(items):
        return replace(items, **{name: change(getattr(items, name)) for name, change in parts.items()})

    return after(base, "_items", changed)


def noise(items):
    images = np.random.default_rng(0).integers(0, 256, (len(items), 8, 8, 3)).astype(np.uint8)
    return replace(items, images=images)


def clusters(**members):
    return but(Clusters, **members)


Noise = after(clusters(content="images"), "_items", noise)
Unlabelled = holding(clusters(classes=(), labelled=False), labels=lambda labels: labels * 0 - 1)
DATASETS = {
    "the_fingerprint_is_of_the_data": {
        "two instances have different fingerprints": clusters(fingerprint=lambda self: f"{next(TIMES)}"),
        "right is a text that is not empty": clusters(fingerprint=lambda self: ""),
        "load changed the fingerprint": clusters(fingerprint=lambda self: f"{hasattr(self, '_splits')}"),
        "another seed has the same fingerprint; right is another": clusters(fingerprint=lambda self: "clusters"),
        "load returned NoneType": clusters(load=lambda self, context: None),
    },
    "ids_are_disjoint": {
        r"6 ids are in database and query, first \[0\]; right is none": holding(Clusters, ids=lambda ids: ids - ids[0]),
        "an id stands there twice": holding(Clusters, ids=lambda ids: ids // 2),
        r"ids are int32 \[12\]; right is int64": holding(Clusters, ids=lambda ids: ids.astype(np.int32)),
        "train_in_database is False, and the ids are the same": clusters(train_in_database=False),
    },
    "labels_are_classes": {
        "labels from 0 to 2; right is from 0 to 1": clusters(classes=("a", "b")),
        "labels are float64": holding(Clusters, labels=lambda labels: labels.astype(float)),
        "right is a name each, none twice": clusters(classes=("a", "b", "b")),
        "labelled is False, and classes are": but(Unlabelled, classes=("a", "b")),
        "labelled is False, labels from 0 to 2; right is from -1 to -1": clusters(labelled=False),
    },
    "content_is_what_it_says": {
        "content is images, and it holds none": clusters(content="images"),
        "content is 'sounds'; right is one of images, vectors, codes": clusters(content="sounds"),
        "image 0 is float64 .*; right is uint8": holding(Noise, images=lambda images: images / 255),
        r"\[3, 8, 8\]; right is uint8": holding(Noise, images=lambda images: images.transpose(0, 3, 1, 2)),
        r"vectors: float64 \[12, 4\]": holding(Clusters, vectors=lambda vectors: vectors.astype("f8")),
        "right is finite ones": holding(Clusters, vectors=lambda vectors: vectors * np.float32("inf")),
        r"query: .*\[6, 1\]; right .*\[6, 3\]": holding(Clusters, vectors=lambda rows: rows[:, : len(rows) // 4]),
    },
    "two_loads_hold_the_same": {
        "queries have the fingerprint of other items": holding(Clusters, fingerprint=lambda text: "items"),
        "the fingerprint is empty": holding(Clusters, fingerprint=lambda text: ""),
        "two loads have different fingerprints": holding(Clusters, fingerprint=lambda text: f"{next(TIMES)}"),
        "two loads have different vectors": holding(Clusters, vectors=lambda vectors: vectors + next(TIMES)),
        "two loads have different labels": holding(Clusters, labels=lambda labels: labels + next(TIMES)),
        "different images at 0": holding(Noise, images=lambda images: images + np.uint8(next(TIMES) % 256)),
    },
}
