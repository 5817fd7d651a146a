"""What a hasher must keep to, a scikit-learn transformer too (see ``bench.plugins.estimators``)."""

from __future__ import annotations

from functools import partial
from typing import Any, get_args

import numpy as np

from bench.conformance import data, fitted
from bench.conformance.demands import (
    REFUSED,
    Make,
    Nonconformity,
    NotAsked,
    check_codes,
    check_values,
    demand,
    must_accept,
    must_refuse,
    outcome,
)
from bench.interfaces import Codes, Context, Items, Model, Words
from bench.plugins.estimators import as_hasher
from bench.plugins.figures import figures_of

LENGTHS = (12, 70)
ROUNDING = 1e-4
"""A bit may differ where its real value is less than this share of the largest: sums round by their order."""


def codes_are_packed(make: Make) -> None:
    """``encode`` makes ``Codes``: uint64 [n, ceil(bits / 64)], padding bits zero; ``database_codes_`` too, or None."""
    hasher = KIND.fit(make)
    for some in (data.train_items(), data.other_items()):
        check_codes(hasher.encode(some), len(some), hasher.bits, f"encode of {len(some)} items")
    demand(hasattr(hasher, "database_codes_"), "it has no database_codes_ after fit; right is codes, or None")
    _check_learned(hasher, "database_codes_")


def bits_are_honoured_or_refused_by_name(make: Make) -> None:
    """Codes have as many bits as ``bits`` says, 12 and 70 too, or it is a ValueError that names bits, as 0 must be."""
    for bits in LENGTHS:
        hasher = outcome(partial(_of_length, make, bits), f"bits = {bits}", "bits")
        if hasher is not REFUSED:
            demand(hasher.bits == bits, f"bits = {bits}: the attribute bits is {hasher.bits}; right is {bits}")
            check_codes(hasher.encode(data.other_items()), data.OTHERS, bits, f"bits = {bits}")
    must_refuse(partial(_of_length, make, 0), "bits = 0", "bits")


def real_values_have_the_signs_of_the_codes(make: Make) -> None:
    """``encode_real`` makes finite float32 [n, bits], whose signs are the codes (0 is bit 1)."""
    hasher, others = KIND.fit(make), data.other_items()
    if not hasattr(hasher, "encode_real"):
        raise NotAsked("it has no encode_real")
    real = hasher.encode_real(others)
    check_values(real, [len(others), hasher.bits], "encode_real")
    _agree(hasher, others, hasher.encode(others).words, Codes.pack(real).words, "encode, and the signs of encode_real")


def models_can_be_used(make: Make) -> None:
    """Each of ``models`` can be used after ``fit``, "last" is what ``fit`` ends with, and another name is refused."""
    others = data.other_items()
    hasher = KIND.fit(make, oracle=lambda encode, codes, step=None: float(encode(others).words[0, 0] % 7))
    models, known = getattr(hasher, "models", ("last",)), get_args(Model)
    right = "last" in models and set(models) <= set(known)
    demand(right, f'models is {models!r}; right is "last" and any of {", ".join(known)}')
    if not hasattr(hasher, "use"):
        demand(tuple(models) == ("last",), f"models is {models!r}, and it has no use(model); right is to have it")
        raise NotAsked("it has one model, the last")
    after_fit = hasher.encode(others).words
    for model in (*models, "last"):
        must_accept(partial(hasher.use, model), f'use("{model}"), which models names')
        check_codes(hasher.encode(others), len(others), hasher.bits, f'encode after use("{model}")')
        _check_learned(hasher, f'database_codes_ after use("{model}")')
    _agree(hasher, others, after_fit, hasher.encode(others).words, 'after fit, and after use("last")')
    must_refuse(lambda: hasher.use("no such model"), 'use("no such model")')


def labels_are_read_where_it_is_supervised(make: Make) -> None:
    """Train items of one class are a ValueError that names the class or the labels; with ``supervised = False`` other
    labels make no other codes, nor do none (-1).
    """
    train, others = data.train_items(), data.other_items()
    if getattr(make(), "supervised", True):
        one = data.changed(train, labels=np.zeros_like(train.labels))
        must_refuse(partial(KIND.read, make, one, others), "train items of one class", "class", "label")
        return
    hasher = KIND.fit(make)
    labellings = {"other": np.random.default_rng(4).permutation(train.labels), "no": np.full_like(train.labels, -1)}
    for which, labels in labellings.items():
        codes = _rows(KIND.fit(make, data.changed(train, labels=labels)), others)
        _agree(hasher, others, _rows(hasher, others), codes, f"supervised is False, and {which} labels")


def figures_of_the_fit_are_numbers(make: Make) -> None:
    """``figures_``, after ``fit``, has finite numbers by name."""
    hasher = KIND.fit(make)
    if not hasattr(hasher, "figures_"):
        raise NotAsked("it has no figures_")
    try:
        figures_of(hasher)
    except ValueError as fault:
        raise Nonconformity(str(fault)) from fault


def vectors_with_nan_are_refused(make: Make) -> None:
    """Vectors with NaN are a ValueError in words, where it reads vectors."""
    hasher, train = KIND.fit(make), data.train_items()
    vectors = np.array(train.vectors)
    vectors[::2, ::2] = np.nan
    bad = data.changed(train, vectors=vectors)
    codes = outcome(lambda: _rows(hasher, bad), "vectors with NaN")
    if codes is not REFUSED and np.array_equal(codes, _rows(hasher, train)):
        raise NotAsked("it reads no vectors")
    must_refuse(partial(KIND.read, make, bad, bad), "vectors with NaN")


def _of_length(make: Make, bits: int) -> Any:
    """A hasher of so many bits, fitted; whatever it raises comes through."""
    return as_hasher(make(bits=bits)).fit(data.train_items(), Context(seed=fitted.SEED))


def _rows(hasher: Any, some: Items) -> Words:
    words: Words = hasher.encode(some).words
    return words


def _agree(hasher: Any, some: Items, first: Words, second: Words, asked: str) -> None:
    """Nonconformity: codes of the same items differ in a bit whose real value, where it is known, is no rounding."""
    shapes = f"{list(first.shape)} and {list(second.shape)}"
    demand(first.shape == second.shape, f"{asked}: {shapes}; right is the same shape")
    differing = Codes(first, hasher.bits).unpack() != Codes(second, hasher.bits).unpack()
    if differing.any() and hasattr(hasher, "encode_real"):
        real = np.abs(hasher.encode_real(some))
        differing &= real > ROUNDING * real.max()
    count = int(differing.any(axis=1).sum())
    demand(count == 0, f"{asked}: {count} of {len(first)} codes differ; right is none")


def _check_learned(hasher: Any, asked: str) -> None:
    if hasher.database_codes_ is not None:
        check_codes(hasher.database_codes_, data.TRAIN, hasher.bits, asked)


KIND = fitted.Fitted(_rows, _agree, as_hasher)
