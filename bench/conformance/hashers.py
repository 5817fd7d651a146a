"""What a hasher must keep to, a scikit-learn transformer too (see ``bench.plugins.estimators``)."""

from __future__ import annotations

from functools import partial
from typing import Any, get_args

import numpy as np

from bench.conformance import data, fitting
from bench.conformance.demands import REFUSED, Make, NotAsked, demand, must_accept, must_refuse, outcome
from bench.interfaces import Codes, Context, Items, Model, Words
from bench.plugins.estimators import as_hasher

LENGTHS = (12, 70)
ROUNDING = 1e-4
"""A bit may differ where its real value is less than this share of the largest: sums round by their order."""


def codes_are_packed(make: Make) -> None:
    """``encode`` makes ``Codes``: uint64 [n, ceil(bits / 64)], padding bits zero."""
    hasher = _fitted(make)(data.train_items(), fitting.context())
    for some in (data.train_items(), data.other_items()):
        _check_codes(hasher.encode(some), len(some), hasher.bits, f"encode of {len(some)} items")


def bits_are_honoured(make: Make) -> None:
    """Codes have as many bits as the parameter ``bits`` says, 12 and 70 too, or it is a ValueError that names bits."""
    for bits in LENGTHS:
        asked = f"bits = {bits}"
        hasher = outcome(partial(_plain_fit, make, bits), asked, "bits")
        if hasher is not REFUSED:
            demand(hasher.bits == bits, f"{asked}: the attribute bits is {hasher.bits}; right is {bits}")
            _check_codes(hasher.encode(data.other_items()), data.OTHERS, bits, asked)


def no_bits_are_refused(make: Make) -> None:
    """bits = 0 is a ValueError that names bits, at the latest in ``fit``."""
    must_refuse(partial(_plain_fit, make, 0), "bits = 0", "bits")


def the_same_seed_gives_the_same_codes(make: Make) -> None:
    """Two fits of the same items and seed make the same codes, of the database too."""
    learned = [hasher.database_codes_ for hasher in fitting.repeats(_fitted(make), _rows, _agree)]
    if learned[0] is not None:
        same = np.array_equal(learned[0].words, learned[1].words)
        demand(same, f"two fits of seed {fitting.SEED}: database_codes_ differ; right is the same")


def codes_do_not_depend_on_the_other_items(make: Make) -> None:
    """Some items, in any order, have the codes that they have among all."""
    fitting.row_by_row(_fitted(make), _rows, _agree)


def one_item_is_encoded(make: Make) -> None:
    """An item alone has the code that it has among others."""
    fitting.one_at_a_time(_fitted(make), _rows, _agree)


def real_values_have_the_signs_of_the_codes(make: Make) -> None:
    """``encode_real`` makes finite float32 [n, bits], whose signs are the codes (0 is bit 1)."""
    hasher, others = _fitted(make)(data.train_items(), fitting.context()), data.other_items()
    if not hasattr(hasher, "encode_real"):
        raise NotAsked("it has no encode_real")
    real = hasher.encode_real(others)
    right = isinstance(real, np.ndarray) and real.dtype == np.float32 and real.shape == (len(others), hasher.bits)
    got = f"{getattr(real, 'dtype', type(real).__name__)} {list(np.shape(real))}"
    demand(right, f"encode_real returned {got}; right is float32 {[len(others), hasher.bits]}")
    demand(np.isfinite(real).all(), "encode_real returned values that are not finite; right is finite ones")
    _agree(hasher, others, hasher.encode(others).words, Codes.pack(real).words, "encode, and the signs of encode_real")


def database_codes_are_of_the_train_items(make: Make) -> None:
    """``database_codes_`` after ``fit`` is None, or codes of all train items."""
    hasher = _fitted(make)(data.train_items(), fitting.context())
    demand(hasattr(hasher, "database_codes_"), "it has no database_codes_ after fit; right is codes, or None")
    if hasher.database_codes_ is not None:
        _check_codes(hasher.database_codes_, data.TRAIN, hasher.bits, "database_codes_")


def models_can_be_used(make: Make) -> None:
    """Each of ``models`` can be used after ``fit``, "last" is what ``fit`` ends with, and another name is refused."""
    lent = fitting.context(oracle=lambda encode, database_codes: float(encode(data.other_items()).words[0, 0] % 7))
    hasher, others = _fitted(make)(data.train_items(), lent), data.other_items()
    models = getattr(hasher, "models", ("last",))
    known = get_args(Model)
    right = "last" in models and set(models) <= set(known)
    demand(right, f'models is {models!r}; right is "last" and any of {", ".join(known)}')
    if not hasattr(hasher, "use"):
        demand(tuple(models) == ("last",), f"models is {models!r}, and it has no use(model); right is to have it")
        raise NotAsked("it has one model, the last")
    after_fit = hasher.encode(others).words
    for model in models:
        asked = f'use("{model}"), which models names'
        must_accept(partial(hasher.use, model), asked)
        _check_codes(hasher.encode(others), len(others), hasher.bits, f'encode after use("{model}")')
        if hasher.database_codes_ is not None:
            _check_codes(hasher.database_codes_, data.TRAIN, hasher.bits, f'database_codes_ after use("{model}")')
    hasher.use("last")
    _agree(hasher, others, after_fit, hasher.encode(others).words, 'after fit, and after use("last")')
    must_refuse(lambda: hasher.use("no such model"), 'use("no such model")')


def what_is_not_supervised_reads_no_labels(make: Make) -> None:
    """With ``supervised = False`` other labels make no other codes, nor do none (-1)."""
    if _supervised(make):
        raise NotAsked("it is supervised, or does not say that it is not")
    train, others = data.train_items(), data.other_items()
    hasher = _fitted(make)(train, fitting.context())
    expected = hasher.encode(others).words
    labellings = {"other": np.random.default_rng(4).permutation(train.labels), "no": np.full_like(train.labels, -1)}
    for which, labels in labellings.items():
        codes = _fitted(make)(data.relabelled(train, labels), fitting.context()).encode(others)
        _agree(hasher, others, expected, codes.words, f"supervised is False, and {which} labels")


def one_class_is_refused_if_supervised(make: Make) -> None:
    """Train items of one class are a ValueError that names the class or the labels, where it is supervised."""
    if not _supervised(make):
        raise NotAsked("it says supervised = False")
    train = data.train_items()
    one = data.relabelled(train, np.zeros_like(train.labels))
    must_refuse(lambda: as_hasher(make()).fit(one, fitting.context()), "train items of one class", "class", "label")


def vectors_with_nan_are_refused(make: Make) -> None:
    """Vectors with NaN are a ValueError in words, where it reads vectors."""
    fitting.refuses_nan(lambda: as_hasher(make()), _rows)


def a_folder_and_a_cache_change_nothing(make: Make) -> None:
    """With a folder and a cache, and again with what was left there, the codes are those without."""
    fitting.nothing_kept(_fitted(make), _rows, _agree)


def items_are_not_changed(make: Make) -> None:
    """Neither ``fit`` nor ``encode`` writes to the items' arrays."""
    fitting.leaves_items_alone(_fitted(make), _rows)


def read_only_items_are_accepted(make: Make) -> None:
    """Items whose arrays must not be written to, as the store hands them out, have the same codes."""
    fitting.takes_read_only(_fitted(make), _rows, _agree)


def items_that_it_cannot_read_are_refused(make: Make) -> None:
    """Items without images, or without vectors, are encoded or a ValueError in words."""
    fitting.refuses_what_it_cannot_read(lambda: as_hasher(make()), _rows)


CHECKS = (
    codes_are_packed,
    bits_are_honoured,
    no_bits_are_refused,
    the_same_seed_gives_the_same_codes,
    codes_do_not_depend_on_the_other_items,
    one_item_is_encoded,
    real_values_have_the_signs_of_the_codes,
    database_codes_are_of_the_train_items,
    models_can_be_used,
    what_is_not_supervised_reads_no_labels,
    one_class_is_refused_if_supervised,
    vectors_with_nan_are_refused,
    a_folder_and_a_cache_change_nothing,
    items_are_not_changed,
    read_only_items_are_accepted,
    items_that_it_cannot_read_are_refused,
)


def _fitted(make: Make) -> fitting.Fitted:
    def fitted(train: Items, lent: Context) -> Any:
        return fitting.fit(as_hasher(make()), train, lent)

    return fitted


def _plain_fit(make: Make, bits: int) -> Any:
    """A hasher of so many bits; whatever it raises comes through."""
    return as_hasher(make(bits=bits)).fit(data.train_items(), fitting.context())


def _supervised(make: Make) -> bool:
    return bool(getattr(make(), "supervised", True))


def _rows(hasher: Any, some: Items) -> Words:
    words: Words = hasher.encode(some).words
    return words


def _agree(hasher: Any, some: Items, first: Words, second: Words, asked: str) -> None:
    """Nonconformity: codes of the same items differ in a bit whose real value, where it is known, is no rounding."""
    demand(
        first.shape == second.shape, f"{asked}: {list(first.shape)} and {list(second.shape)}; right is the same shape"
    )
    differing = Codes(first, hasher.bits).unpack() != Codes(second, hasher.bits).unpack()
    if differing.any() and hasattr(hasher, "encode_real"):
        real = np.abs(hasher.encode_real(some))
        differing &= real > ROUNDING * real.max()
    demand(
        not differing.any(), f"{asked}: {int(differing.any(axis=1).sum())} of {len(first)} codes differ; right is none"
    )


def _check_codes(codes: Any, count: int, bits: int, asked: str) -> None:
    demand(isinstance(codes, Codes), f"{asked} is a {type(codes).__name__}; right is bench.interfaces.Codes")
    demand(codes.bits == bits, f"{asked} has {codes.bits} bits; right is {bits}")
    shape = [count, -(-bits // 64)]
    right = codes.words.dtype == np.uint64 and list(codes.words.shape) == shape
    demand(right, f"{asked} has words {codes.words.dtype} {list(codes.words.shape)}; right is uint64 {shape}")
    padding = codes.words[:, -1] >> np.uint64((bits - 1) % 64) >> np.uint64(1)
    demand(not padding.any(), f"{asked} has padding bits that are set; right is zero beyond bit {bits - 1}")
