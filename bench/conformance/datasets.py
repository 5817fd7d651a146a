"""What a data set must keep to. It is loaded without a cache: give it parameters that make it small."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np

from bench.conformance.demands import Make, NotAsked, demand
from bench.interfaces import Context, Items, SplitName
from bench.plugins import registry

SAMPLED = 5
"""Images that are looked at, from the start and the end of a split."""


def the_fingerprint_is_stable(make: Make) -> None:
    """Two instances have the same fingerprint, a text that is not empty, before and after ``load``."""
    first, second = make(), make()
    before = first.fingerprint()
    demand(isinstance(before, str) and before != "", f"fingerprint() is {before!r}; right is a text that is not empty")
    demand(before == second.fingerprint(), "two instances have different fingerprints; right is the same")
    demand(before == first.load(Context()).fingerprint(), "load changed the fingerprint; right is the same")


def other_data_have_another_fingerprint(make: Make) -> None:
    """With another ``seed``, where it is a parameter, the fingerprint is another."""
    dataset = make()
    if "seed" not in registry.parameters(type(dataset)):
        raise NotAsked("it has no parameter seed")
    other = make(seed=dataset.seed + 1)
    demand(dataset.fingerprint() != other.fingerprint(), "another seed has the same fingerprint; right is another")


def load_returns_the_data_set(make: Make) -> None:
    """``load`` returns the data set itself."""
    dataset = make()
    loaded = dataset.load(Context())
    demand(loaded is dataset, f"load returned {type(loaded).__name__}; right is the data set itself")


def ids_are_disjoint(make: Make) -> None:
    """Ids are int64 [n], each once in a split, and no query's is in the database or the train split."""
    splits = _splits(make)
    for name, items in splits.items():
        right = items.ids.dtype == np.int64 and items.ids.shape == (len(items),) and len(items) > 0
        demand(right, f"{name}: ids are {items.ids.dtype} {list(items.ids.shape)}; right is int64 [n], n above 0")
        demand(len(np.unique(items.ids)) == len(items), f"{name}: an id stands there twice; right is once")
    for name in ("database", "train"):
        shared = np.intersect1d(splits[name].ids, splits["query"].ids)
        demand(len(shared) == 0, f"{len(shared)} ids are in {name} and query, first {shared[:1]}; right is none")


def labels_are_classes(make: Make) -> None:
    """Labels are int64 [n], positions in ``classes``; without labels ``classes`` is empty and each is -1."""
    dataset = make()
    said = getattr(dataset, "labelled", True)
    for name, items in _splits(lambda: dataset).items():
        right = items.labels.dtype == np.int64 and items.labels.shape == (len(items),)
        demand(right, f"{name}: labels are {items.labels.dtype} {list(items.labels.shape)}; right is int64 [n]")
        low, high = (0, len(dataset.classes) - 1) if said else (-1, -1)
        inside = items.labels.min() >= low and items.labels.max() <= high
        got = f"labels from {items.labels.min()} to {items.labels.max()}"
        demand(inside, f"{name}: labelled is {said}, {got}; right is from {low} to {high}")
    named = all(isinstance(one, str) for one in dataset.classes) and len(set(dataset.classes)) == len(dataset.classes)
    demand(named, f"classes are {dataset.classes!r}; right is a name each, none twice")
    demand(said or not dataset.classes, f"labelled is False, and classes are {dataset.classes!r}; right is none")


def train_in_database_is_true_or_not(make: Make) -> None:
    """``train_in_database`` says whether the train items are the database items, in the same order."""
    dataset = make()
    said = dataset.train_in_database
    splits = _splits(lambda: dataset)
    same = np.array_equal(splits["train"].ids, splits["database"].ids)
    demand(said == same, f"train_in_database is {said}, and the ids are {'' if same else 'not '}the same")


def content_is_what_it_says(make: Make) -> None:
    """``content`` is "images", and images are uint8 [height, width, 3], or "vectors", finite float32 [n, d]."""
    dataset = make()
    content = dataset.content
    demand(content in ("images", "vectors"), f"content is {content!r}; right is images or vectors")
    splits = _splits(lambda: dataset)
    for name, items in splits.items():
        held = {"images": items.images, "vectors": items.vectors}[content]
        demand(held is not None, f"{name}: content is {content}, and it holds none; right is what it says")
        (_check_images if content == "images" else _check_vectors)(name, items)
    if content == "vectors":
        dims = {name: items.vectors.shape[1] for name, items in splits.items() if items.vectors is not None}
        demand(len(set(dims.values())) == 1, f"dimensions are {dims}; right is the same in all splits")


def splits_have_fingerprints_of_their_own(make: Make) -> None:
    """A split's fingerprint is a text that is not empty, the same after another ``load``, the queries' another."""
    first, second = (_splits(make) for _ in range(2))
    for name, items in first.items():
        demand(items.fingerprint != "", f"{name}: the fingerprint is empty; right is one that identifies the items")
        same = items.fingerprint == second[name].fingerprint
        demand(same, f"{name}: two loads have different fingerprints; right is the same")
    other = first["query"].fingerprint not in (first["database"].fingerprint, first["train"].fingerprint)
    demand(other, "queries have the fingerprint of other items; right is one of their own")


def two_loads_hold_the_same(make: Make) -> None:
    """Two instances hold the same items in the same order."""
    first, second = (_splits(make) for _ in range(2))
    for name, items in first.items():
        for what in ("ids", "labels", "vectors"):
            values, others = getattr(items, what), getattr(second[name], what)
            same = values is others is None or np.array_equal(values, others)
            demand(same, f"{name}: two loads have different {what}; right is the same")
        for row in _sample(items):
            same = np.array_equal(items.images[row], second[name].images[row])  # type: ignore[index]
            demand(same, f"{name}: two loads have different images at {row}; right is the same")


CHECKS = (
    the_fingerprint_is_stable,
    other_data_have_another_fingerprint,
    load_returns_the_data_set,
    ids_are_disjoint,
    labels_are_classes,
    train_in_database_is_true_or_not,
    content_is_what_it_says,
    splits_have_fingerprints_of_their_own,
    two_loads_hold_the_same,
)


def _splits(make: Make) -> dict[str, Items]:
    """The splits of a data set, loaded."""
    dataset: Any = make().load(Context())
    return {name: dataset.split(name) for name in get_args(SplitName)}


def _sample(items: Items) -> list[int]:
    """Rows of images that are looked at; none where the items have none."""
    if items.images is None:
        return []
    last = len(items) - 1
    return sorted({*range(min(SAMPLED, len(items))), *range(max(0, last - SAMPLED), len(items))})


def _check_images(name: str, items: Items) -> None:
    images: Any = items.images
    demand(len(images) == len(items), f"{name}: {len(images)} images of {len(items)} items; right is one each")
    for row in _sample(items):
        image = images[row]
        right = isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
        got = f"{getattr(image, 'dtype', type(image).__name__)} {list(np.shape(image))}"
        demand(right, f"{name}: image {row} is {got}; right is uint8 [height, width, 3]")


def _check_vectors(name: str, items: Items) -> None:
    vectors: Any = items.vectors
    right = vectors.dtype == np.float32 and vectors.ndim == 2 and len(vectors) == len(items)
    demand(right, f"{name}: vectors are {vectors.dtype} {list(vectors.shape)}; right is float32 [{len(items)}, d]")
    demand(np.isfinite(vectors).all(), f"{name}: vectors are not finite; right is finite ones")
