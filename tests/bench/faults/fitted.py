"""Hashers and embedders: those that are right, and by the check that must fail and words of its message, wrong ones."""

import numpy as np

from bench.interfaces import Codes
from tests.bench.faults.toys import TIMES, after, but, doubled_and_halved_in_place, doubled_in_place


class Planes:
    """Random hyperplanes."""

    supervised = False
    database_codes_ = None

    def __init__(self, *, bits: int = 8):
        if bits < 1:
            raise ValueError(f"bits = {bits} must be at least 1")
        self.bits = bits

    def fit(self, train, context):
        self._planes = self._drawn(train, self._seed(train, context))
        return self

    def _drawn(self, train, seed):
        shape = self._read(train).shape[1], self.bits
        return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)

    def _seed(self, train, context):
        return context.seed

    def _read(self, items):
        if items.vectors is None or not np.isfinite(items.vectors).all():
            raise ValueError("it reads vectors, and they must be finite")
        return items.vectors

    def encode(self, items):
        return Codes.pack(self.encode_real(items))

    def encode_real(self, items):
        return self._read(items) @ self._planes


class Models(Planes):
    """Planes of another seed are the model that was best on validation."""

    models = ("last", "best_on_validation")

    def fit(self, train, context):
        self._kept = {model: self._drawn(train, step) for step, model in enumerate(Models.models)}
        self.use("last")
        return self

    def use(self, model):
        if model not in self._kept:
            raise ValueError(f"model {model!r} is none of {', '.join(self._kept)}")
        self._planes = self._kept[model]


Columns = but(
    Planes, __init__=lambda self: vars(self).update(dim=6, bits=6), embed=lambda self, items: self.encode_real(items)
)
"""Random combinations of a vector's values, by the same means."""


def planes(**members):
    return but(Planes, **members)


def by_batch(self, items):
    """Values that depend on what else is in the batch."""
    values = self._read(items)
    return (values - values.mean(axis=0)) @ self._planes


def by_what_is_left(self, train, context):
    """A seed that depends on the files that are in the folder; one more is left there."""
    if context.folder is None:
        return context.seed
    (context.folder / f"{next(TIMES)}.txt").touch()
    return 100 + len(list(context.folder.iterdir()))


def noting_the_folder(self, train, context):
    """The seed; the folder is known from then on."""
    self._folder = context.folder
    return context.seed


def leaving_files(self, items):
    """The values; a file is left for the items."""
    if self._folder is not None:
        (self._folder / f"{len(items)}.txt").touch()
    return self._read(items) @ self._planes


def random_codes(self):
    return Codes.pack(np.random.default_rng().standard_normal((120, self.bits)))


def faults_of_fitted(base, rows, different):
    """What hashers and embedders are asked alike: ``rows`` is the method that makes values, which are ``different``."""
    return {
        "two_fits_of_a_seed_agree": {
            f"two fits of seed 3: .*{different}": but(base, _seed=lambda self, train, context: None),
            f", with a folder and a cache: .*{different}": but(base, _seed=by_what_is_left),
        },
        "a_row_does_not_depend_on_the_other_items": {
            f"in another order, and among all: .*{different}": but(base, **{rows: by_batch}),
            f"one at a time, and among all: .*{different}": after(base, rows, lambda v: v if len(v) > 1 else -v),
        },
        "parts_make_what_the_whole_makes": {
            "by_rows is 1; right is True or False": but(base, by_rows=1),
            f"by_rows is True, the whole, and its parts: .*{different}": but(base, by_rows=True, **{rows: by_batch}),
            "of the parts it keeps .*14.txt.*; right is nothing": but(
                base, by_rows=True, _seed=noting_the_folder, **{rows: leaving_files}
            ),
        },
        "items_are_left_as_they_are": {
            "the vectors of the train items were changed": after(base, "_read", doubled_in_place),
            "read-only arrays: ValueError: .* read-only": after(base, "_read", doubled_and_halved_in_place),
        },
        "items_that_it_cannot_read_are_refused": {
            "items without vectors: TypeError": but(base, _read=lambda self, items: items.vectors + 0),
        },
    }


HASHERS = faults_of_fitted(Planes, "encode_real", "codes differ") | {
    "codes_are_packed": {
        "padding bits that are set": after(Planes, "encode", lambda c: Codes(c.words | np.uint64(1 << 63), 8)),
        "encode of 120 items is a ndarray; right is": after(Planes, "encode", lambda codes: codes.words),
        "words int8 .*; right is uint64": after(Planes, "encode", lambda codes: Codes(codes.unpack(), 8)),
        "has 9 bits; right is 8": after(Planes, "encode", lambda codes: Codes(codes.words, 9)),
        "fit returned NoneType; right is the plugin itself": after(Planes, "fit", lambda fitted: None),
        r"database_codes_ has words uint64 \[3, 1\]": planes(database_codes_=Codes.pack(np.ones((3, 8)))),
        "it has no database_codes_ after fit": planes(database_codes_=property(lambda self: self.no_such)),
    },
    "bits_are_honoured_or_refused_by_name": {
        "bits = 12: the attribute bits is 8": planes(__init__=lambda self, *, bits=8: setattr(self, "bits", 8)),
        "bits = 70 has 64 bits; right is 70": after(Planes, "encode_real", lambda real: real[:, :64]),
        "bits = 0: accepted": planes(__init__=lambda self, *, bits=8: setattr(self, "bits", bits)),
    },
    "real_values_have_the_signs_of_the_codes": {
        "signs of encode_real: 24 of 24": after(Planes, "encode", lambda codes: Codes.pack(-codes.unpack())),
        "encode_real: float64 .*; right is float32": after(Planes, "encode_real", lambda real: real.astype("f8")),
        "right is finite ones": after(Planes, "encode_real", lambda real: real * np.float32("inf")),
    },
    "models_can_be_used": {
        "it has no use": planes(models=("last", "best_on_validation")),
        'right is "last" and any of': but(Models, models=("best_on_validation",)),
        r'use\("oracle"\), which models names: ValueError': but(Models, models=("last", "oracle")),
        "no such model.*KeyError": but(Models, use=lambda self, m: setattr(self, "_planes", self._kept[m])),
        "no such model.*accepted": but(Models, use=lambda self, m: setattr(self, "_planes", self._kept["last"])),
    },
    "labels_are_read_where_it_is_supervised": {
        "and other labels: .*differ": planes(_seed=lambda self, train, context: int(train.labels[:40].sum())),
        "and no labels: .*differ": planes(_seed=lambda self, train, context: int(train.labels[0] < 0)),
        "train items of one class: accepted": planes(supervised=True),
    },
    "figures_of_the_fit_are_numbers": {
        "figures_ has 'distance': nan; right is a name and a finite number": planes(figures_={"distance": np.nan}),
        "figures_ has 'far': 1000000.*; right is a name and a finite number": planes(figures_={"far": 10**30}),
        "figures_ has 'flag': True; right is a name and a finite number": planes(figures_={"flag": True}),
        "figures_ has 'least distance': 3": planes(figures_={"least distance": 3}),
        "figures_ has 'best': 'linear'": planes(figures_={"best": "linear"}),
    },
    "vectors_with_nan_are_refused": {
        "vectors with NaN: accepted": planes(_read=lambda self, items: np.nan_to_num(items.vectors)),
    },
}
HASHERS["two_fits_of_a_seed_agree"]["database_codes_ differ"] = planes(database_codes_=property(random_codes))
EMBEDDERS = faults_of_fitted(Columns, "embed", "features differ by up to") | {
    "features_are_finite_float32": {
        "float64 .*; right is float32": after(Columns, "embed", lambda made: made.astype("f8")),
        r"float32 \[24, 5\]; right is float32 \[24, 6\]": after(Columns, "embed", lambda made: made[:, 1:]),
        "right is finite ones": after(Columns, "embed", lambda made: made * np.float32("inf")),
        "it has no dim": but(Columns, __init__=lambda self: setattr(self, "bits", 6)),
    },
}
