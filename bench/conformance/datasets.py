"""What a data set must keep to. It is loaded without a cache: give it parameters that make it small."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np

from bench.conformance.demands import Make, check_codes, check_values, demand
from bench.interfaces import Context, Items, SplitName
from bench.plugins import registry

SAMPLED = 5
"""Images that are looked at, from the start and the end of a split."""


def the_fingerprint_is_of_the_data(make: Make) -> None:
    """The fingerprint is a text, the same of two instances and after ``load``, which returns the data set itself; with
    another ``seed``, where that is a parameter, it is another.
    """
    first, second = make(), make()
    before = first.fingerprint()
    demand(isinstance(before, str) and before != "", f"fingerprint() is {before!r}; right is a text that is not empty")
    demand(before == second.fingerprint(), "two instances have different fingerprints; right is the same")
    loaded = first.load(Context())
    demand(loaded is first, f"load returned {type(loaded).__name__}; right is the data set itself")
    demand(before == first.fingerprint(), "load changed the fingerprint; right is the same")
    if "seed" in registry.parameters(type(first)):
        other = make(seed=first.seed + 1).fingerprint()
        demand(before != other, "another seed has the same fingerprint; right is another")


def ids_are_disjoint(make: Make) -> None:
    """Ids are int64 [n], each once in a split, and no query's is in the database or the train split.
    ``train_in_database`` says whether these two are the same, in the same order.
    """
    dataset, splits = _loaded(make)
    for name, items in splits.items():
        _check_int64(items.ids, items, f"{name}: ids")
        demand(len(np.unique(items.ids)) == len(items) > 0, f"{name}: an id stands there twice, or none; right is once")
    for name in ("database", "train"):
        shared = np.intersect1d(splits[name].ids, splits["query"].ids)
        demand(len(shared) == 0, f"{len(shared)} ids are in {name} and query, first {shared[:1]}; right is none")
    said, same = dataset.train_in_database, np.array_equal(splits["train"].ids, splits["database"].ids)
    demand(said == same, f"train_in_database is {said}, and the ids are {'' if same else 'not '}the same")


def labels_are_classes(make: Make) -> None:
    """Labels are int64 [n], positions in ``classes``, or sets of these, bool [n, classes]; without labels ``classes``
    is empty and each is -1.
    """
    dataset, splits = _loaded(make)
    said, classes = getattr(dataset, "labelled", True), dataset.classes
    low, high = (0, len(classes) - 1) if said else (-1, -1)
    for name, items in splits.items():
        if items.labels.ndim == 2:
            right = items.labels.dtype == np.bool_ and items.labels.shape == (len(items), len(classes))
            got = f"{name}: labels are {items.labels.dtype} {list(items.labels.shape)}, labelled is {said}"
            demand(right and said, f"{got}; right is bool [n, {len(classes)}], a column a class")
            continue
        _check_int64(items.labels, items, f"{name}: labels")
        least, most = items.labels.min(), items.labels.max()
        got = f"{name}: labelled is {said}, labels from {least} to {most}"
        demand(least >= low and most <= high, f"{got}; right is from {low} to {high}")
    named = all(isinstance(one, str) for one in classes) and len(set(classes)) == len(classes)
    demand(named, f"classes are {classes!r}; right is a name each, none twice")
    demand(said or not classes, f"labelled is False, and classes are {classes!r}; right is none")


def content_is_what_it_says(make: Make) -> None:
    """``content`` is "images", and images are uint8 [height, width, 3], or "vectors", finite float32 [n, d], or
    "codes", uint64 [n, ceil(bits / 64)] of one length with padding bits that are zero.
    """
    dataset, splits = _loaded(make)
    content = dataset.content
    known = ("images", "vectors", "codes")
    demand(content in known, f"content is {content!r}; right is one of {', '.join(known)}")
    for name, items in splits.items():
        held = getattr(items, content)
        demand(held is not None, f"{name}: content is {content}, and it holds none; right is what it says")
        demand(len(held) == len(items), f"{name}: {len(held)} {content} of {len(items)} items; right is one each")
        if items.codes is not None:
            check_codes(items.codes, len(items), splits["train"].codes.bits, f"{name}: codes")  # type: ignore[union-attr]
        if items.vectors is not None:
            dim = splits["train"].vectors.shape[-1]  # type: ignore[union-attr]
            check_values(items.vectors, [len(items), dim], f"{name}: vectors")
        for row in _sample(items):
            _check_image(items.images[row], f"{name}: image {row}")  # type: ignore[index]


def two_loads_hold_the_same(make: Make) -> None:
    """Two instances hold the same items in the same order, under fingerprints that are not empty; the queries' is
    another.
    """
    (_, first), (_, second) = _loaded(make), _loaded(make)
    for name, items in first.items():
        demand(items.fingerprint != "", f"{name}: the fingerprint is empty; right is one that identifies the items")
        same = items.fingerprint == second[name].fingerprint
        demand(same, f"{name}: two loads have different fingerprints; right is the same")
        again = _arrays(second[name])
        for what, values in _arrays(items).items():
            same = values is again[what] is None or np.array_equal(values, again[what])
            demand(same, f"{name}: two loads have different {what}; right is the same")
        for row in _sample(items):
            same = np.array_equal(items.images[row], second[name].images[row])  # type: ignore[index]
            demand(same, f"{name}: two loads have different images at {row}; right is the same")
    other = first["query"].fingerprint not in (first["database"].fingerprint, first["train"].fingerprint)
    demand(other, "queries have the fingerprint of other items; right is one of their own")


def _loaded(make: Make) -> tuple[Any, dict[str, Items]]:
    """A data set, loaded, and its splits."""
    dataset: Any = make().load(Context())
    return dataset, {name: dataset.split(name) for name in get_args(SplitName)}


def _arrays(items: Items) -> dict[str, Any]:
    """What two loads must have alike, images apart. None: the items have none."""
    words = None if items.codes is None else items.codes.words
    return {"ids": items.ids, "labels": items.labels, "vectors": items.vectors, "codes": words}


def _sample(items: Items) -> list[int]:
    """Rows of images that are looked at; none where the items have none."""
    rows = range(len(items)) if items.images is not None else range(0)
    return sorted({*rows[:SAMPLED], *rows[-SAMPLED:]})


def _check_int64(values: Any, items: Items, what: str) -> None:
    right = values.dtype == np.int64 and values.shape == (len(items),)
    demand(right, f"{what} are {values.dtype} {list(values.shape)}; right is int64 [n]")


def _check_image(image: Any, what: str) -> None:
    right = isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
    got = f"{getattr(image, 'dtype', type(image).__name__)} {list(np.shape(image))}"
    demand(right, f"{what} is {got}; right is uint8 [height, width, 3]")
