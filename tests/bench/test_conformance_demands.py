"""Each check is passed by a plugin that is right, and failed by plugins that are wrong in what it asks.

A wrong plugin is the right one with a member changed, and the failure must say what was asked.
"""

import threading
from dataclasses import replace
from itertools import count

import numpy as np
import pytest

from bench import conformance
from bench.conformance import Nonconformity
from bench.interfaces import Codes, Items
from bench.plugins import registry

TIMES = count()
FINITE = "right is finite ones"


def but(base, **members):
    """The plugin with other members."""
    return type("Wrong", (base,), members)


def after(base, method, change):
    """The plugin, with what a method returns changed."""
    return but(base, **{method: lambda self, *given: change(getattr(base, method)(self, *given))})


class Scan:
    """Brute force over the first ``reach`` features, ties by position."""

    reads = ("features",)
    query_parameters = ("reach",)

    def __init__(self, *, reach: int = 1000):
        self.set_query(reach=reach)

    def check(self, dim, bits):
        pass

    def build(self, database):
        self._rows = self._read(database)
        return self

    def _read(self, corpus):
        if corpus.features is None:
            raise ValueError("it reads features, and there are none")
        return corpus.features.astype(np.float64)

    def set_query(self, **parameters):
        for name, value in parameters.items():
            if name != "reach" or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} = {value!r}: reach must be a whole number from 1")
            self.reach = value

    def search(self, queries, k):
        asked = self._read(queries)
        if k < 1 or asked.shape[1] != self._rows.shape[1]:
            raise ValueError(f"k = {k} must be at least 1, and {asked.shape[1]} be {self._rows.shape[1]} dimensions")
        ids = np.argsort(self._distances(asked), axis=1, kind="stable")[:, :k]
        return np.pad(ids, ((0, 0), (0, k - ids.shape[1])), constant_values=-1)

    def _distances(self, asked):
        return ((asked[:, None] - self._rows[None, : self._seen()]) ** 2).sum(axis=2)

    def _seen(self):
        return self.reach

    def size_bytes(self):
        return self._rows.nbytes

    def query_cost(self):
        return float(self._rows.nbytes), 0.0

    def save(self, folder):
        np.save(folder / "rows.npy", self._rows)

    def load(self, folder):
        self._rows = np.load(folder / "rows.npy")
        return self


def answering(change):
    """A scan whose answers are changed by ``change(ids, queries, k, index)``."""

    def search(self, queries, k):
        return change(Scan.search(self, queries, k), queries, k, self)

    return but(Scan, search=search)


class Greatest(Scan):
    """Its reach never falls."""

    def __init__(self, *, reach: int = 1):
        super().__init__(reach=reach)

    def set_query(self, **parameters):
        before = getattr(self, "reach", 0)
        super().set_query(**parameters)
        self.reach = max(before, self.reach)


class Spoilt(Scan):
    """A value that it refuses is kept."""

    def set_query(self, **parameters):
        super().set_query(**{name: value for name, value in parameters.items() if name != "reach"})
        self.reach = parameters.get("reach", 1)
        super().set_query(reach=self.reach)


class Poisoned(Scan):
    """After a refusal it refuses everything."""

    def set_query(self, **parameters):
        if getattr(self, "refused", False):
            raise ValueError("the parameter reach was refused before, so was no_such_parameter")
        self.refused = True
        super().set_query(**parameters)
        self.refused = False


class Turning(Scan):
    """Each that is built turns its answers further."""

    def build(self, database):
        self._turn = next(TIMES)
        return super().build(database)

    def search(self, queries, k):
        return np.roll(super().search(queries, k), self._turn, axis=1)


class Straying(Turning):
    """Each second that is built answers with what is far, and says that it is not deterministic."""

    deterministic = False

    def search(self, queries, k):
        return Scan.search(self, queries, k + 300 * (self._turn % 2))[:, -k:]


def reinterpreted(self, corpus):
    """The features, as if one row stood behind the other in memory."""
    rows = corpus.features
    return np.lib.stride_tricks.as_strided(rows, strides=(rows.shape[1] * rows.itemsize, rows.itemsize)).astype("f8")


def centred_in_place(self, corpus):
    """The features, after their mean was taken from them where they are."""
    rows = corpus.features
    rows -= np.float32(1)
    return rows


def nameless(self, corpus):
    """The features, or an error that leaves open what is wrong."""
    if corpus.features is None or corpus.features.dtype != np.float32:
        raise ValueError("not what it reads")
    return corpus.features.astype("f8")


def first_of_equal(ids, queries, k, index):
    """The first of the items that are equal, in place of each."""
    _, first, which = np.unique(index._rows, axis=0, return_index=True, return_inverse=True)
    return np.where(ids >= 0, first[which[ids]], -1)


def with_a_thread(ids, queries, k, index):
    """The same answers, after another thread has done the work once more."""
    if len(queries) == 1:
        other = threading.Thread(target=lambda: Scan.search(index, queries, k))
        other.start()
        other.join()
    return ids


def needs(rows):
    """``build`` that looks at a row without asking how many there are."""

    def build(self, database):
        self.last = database.features[rows - 1]
        return Scan.build(self, database)

    return build


INDEXES = {
    "build_returns_the_index": [(but(Scan, build=lambda self, d: None), "build returned NoneType; right is the index")],
    "declares_what_it_reads": [
        (but(Scan, reads="features"), "reads is 'features'; right is a tuple of"),
        (but(Scan, reads=("pixels",)), "right is a tuple of some of codes, features, real_codes"),
        (but(Scan, reads=("codes",)), "build refused 640 items .* there are none"),
        (Straying, "a corpus of what it reads alone: the answers have .* in common"),
    ],
    "a_corpus_without_what_it_reads_is_refused": [
        (but(Scan, _read=lambda self, c: np.zeros((len(c), 64))), "build without features: accepted"),
        (
            but(Scan, _read=lambda self, c: c.features + 0.0),
            "build without features: TypeError: .*right is .*ValueError",
        ),
    ],
    "answers_are_ids": [
        (after(Scan, "search", lambda ids: ids.astype(np.int32)), "got a ndarray of int32 .*; right is an array int64"),
        (after(Scan, "search", lambda ids: ids.tolist()), "got a list"),
        (after(Scan, "search", lambda ids: ids.T), r"int64 \[1, 24\]; right is an array int64 \[24, 1\]"),
        (after(Scan, "search", lambda ids: ids + 1), r"ids from \d+ to 640; right is 0 \.\. 639, or -1"),
        (after(Scan, "search", lambda ids: ids[:, :1] + 0 * ids), r"id \[\d+\] twice for one query"),
        (after(Scan, "search", lambda ids: np.where(np.arange(ids.shape[1]) < 2, -1, ids)), "ids behind -1"),
    ],
    "found_items_are_near": [
        (after(Scan, "_distances", np.negative), "items found are .* right is the nearest"),
        (after(Scan, "search", lambda ids: 0 * ids - 1), "nothing is found"),
    ],
    "more_neighbours_than_items_are_padded": [
        (after(Scan, "search", lambda ids: ids[:, :640]), r"647 neighbours of 640 items: .*\[24, 640\]; right"),
    ],
    "an_empty_database_is_refused_or_has_no_answers": [
        (after(Scan, "search", lambda ids: np.maximum(ids, 0)), "a database of no items: ids from 0 to 0"),
        (but(Scan, build=needs(1)), "a database of no items: IndexError"),
    ],
    "one_item_is_found_or_refused": [
        (answering(lambda ids, q, k, i: ids if len(i._rows) > 1 else 0 * ids - 1), r"right is \[\[0, -1, -1\]\]"),
        (but(Scan, build=needs(2)), "a database of one item.*: IndexError"),
    ],
    "no_queries_have_no_answers": [
        (after(Scan, "search", lambda ids: ids if len(ids) else ids[:, :0]), r"no queries: .*\[0, 0\]"),
    ],
    "equal_items_are_answers_once_each": [(answering(first_of_equal), "a database of copies: id .* twice")],
    "equal_queries_get_equal_answers": [
        (
            after(Scan, "search", lambda ids: np.vstack([ids[:-1], ids[-1:, ::-1]])),
            "equal queries: 1 of 1 answers differ",
        ),
    ],
    "built_alike_it_answers_alike": [(Turning, "two indexes built alike: 24 of 24 answers differ; right is none")],
    "a_batch_is_answered_like_single_queries": [
        (
            after(Scan, "search", lambda ids: ids[:, ::-1] if len(ids) == 1 else ids),
            "at a time: 24 of 24 answers differ",
        ),
    ],
    "a_single_query_runs_in_the_calling_thread": [
        (answering(with_a_thread), "times the CPU time of the calling thread; right is at most 1.25"),
    ],
    "read_only_arrays_are_accepted": [
        (but(Scan, _read=centred_in_place), "read-only arrays: ValueError: .*; right is to accept")
    ],
    "strided_arrays_are_answered_the_same_or_refused": [
        (but(Scan, _read=reinterpreted), "arrays with strides in the database: .* answers differ"),
    ],
    "float64_is_answered_the_same_or_refused_by_name": [
        (but(Scan, _read=lambda self, c: c.features.view(np.float32)[:, :64]), "values in float64 in the .* differ"),
        (but(Scan, _read=nameless), "the ValueError 'not what it reads' must name float64 or float32"),
    ],
    "inputs_are_not_changed": [(but(Scan, _read=centred_in_place), "the features of the database were changed")],
    "questions_that_do_not_fit_are_refused": [
        (
            but(Scan, search=lambda self, q, k: np.zeros((len(q), k), np.int64)),
            "k = 0: accepted; right is a ValueError",
        ),
        (
            but(Scan, search=lambda self, q, k: Scan.search(self, q, max(k, 1))),
            "k = 0: accepted; right is a ValueError",
        ),
        (after(Scan, "_read", lambda rows: np.resize(rows, (len(rows), 64))), "queries of 61 dimensions .*: accepted"),
    ],
    "parameters_are_attributes_that_set_query_takes": [
        (but(Scan, query_parameters=("reach", "ef")), "query_parameters is .*; right is a tuple of parameters"),
        (but(Scan, __init__=lambda self, *, reach=1: None), "attributes of the same name; reach is not"),
        (
            but(Scan, __init__=lambda self, *, reach=0: setattr(self, "reach", reach)),
            "set_query of what the parameters are, .*: ValueError",
        ),
        (
            but(Scan, __init__=lambda self, *, reach=1: setattr(self, "reach", reach), set_query=None),
            "set_query of what the parameters are, .*: TypeError",
        ),
    ],
    "set_query_refuses_what_is_wrong_and_stays_as_it_was": [
        (
            but(Scan, set_query=lambda self, **p: setattr(self, "reach", 9)),
            r"set_query\(no_such_parameter=3\): accepted",
        ),
        (but(Scan, set_query=lambda self, *, reach: setattr(self, "reach", reach)), "no_such_parameter=3.: TypeError"),
        (Spoilt, "after set_query.reach='no such value'. the parameters are .*; right is .*1000"),
        (Poisoned, "after what set_query refused, set_query of .*: ValueError: .* refused before"),
    ],
    "answers_depend_on_the_parameters_that_are_set_last": [(Greatest, "reach = 1, then 64, then 1 again: 24 of 24")],
    "recall_goes_one_way_with_a_parameter": [
        (but(Scan, _seen=lambda self: 1000 if self.reach == 4 else 1), r"reach is 1: 0\.0\d, 4: 1\.00.*; right is one"),
    ],
    "size_covers_its_arrays": [
        (but(Scan, size_bytes=lambda self: 8), r"size_bytes\(\) is 8, and the arrays that it holds take 327680"),
        (but(Scan, size_bytes=lambda self: 0), r"size_bytes\(\) is 0; right is a whole number above 0"),
        (but(Scan, paper_bytes=lambda self: -1), r"paper_bytes\(\) is -1; right is"),
    ],
    "query_cost_is_a_floor": [
        (but(Scan, query_cost=lambda self: (1e9, 0.0)), "reads 1000000000 bytes of 327680 in memory"),
        (but(Scan, query_cost=lambda self: (1.0, -1.0)), "finite and not below 0"),
        (but(Scan, query_cost=lambda self: (1.0, float("nan"))), "finite and not below 0"),
    ],
    "check_is_cheap_and_agrees_with_build": [
        (but(Scan, check=lambda self, d, b: setattr(self, "_scratch", np.zeros(9))), "check changed _scratch"),
        (but(Scan, check=lambda self, d, b: d + b), r"check\(64, None\) .*: TypeError"),
        (
            but(Scan, check=lambda self, d, b: self.set_query(reach=0)),
            r"check\(64, 48\) .*: ValueError: .*; right is to accept",
        ),
    ],
    "a_loaded_index_answers_like_the_saved": [
        (but(Scan, save=lambda self, f: np.save(f / "rows.npy", self._rows[::-1])), "after save and load it answers"),
        (but(Scan, load=lambda self, f: Scan.load(Scan(), f)), "load returned Scan; right is the index itself"),
    ],
}


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


class Median:
    """A scikit-learn transformer."""

    supervised = False

    def __init__(self, bits: int = 8):
        self.bits = bits

    def get_params(self, deep=True):
        return {"bits": self.bits}

    def set_params(self, **parameters):
        vars(self).update(parameters)
        return self

    def fit(self, X, y=None):
        if self.bits < 1:
            raise ValueError(f"bits={self.bits} must be at least 1")
        self._medians = np.median(self._finite(X)[:, : self.bits], axis=0)
        return self

    def transform(self, X):
        return (self._finite(X)[:, : self.bits] >= self._medians).astype(np.uint8)

    def _finite(self, X):
        if not np.isfinite(X).all():
            raise ValueError("X has values that are not finite")
        return X


def by_batch(self, items):
    """Values that depend on what else is in the batch."""
    values = self._read(items)
    return (values - values.mean(axis=0)) @ self._planes


def by_what_is_left(self, train, context):
    """A seed that depends on the files that are in the folder; one more is left there."""
    if context.folder is None:
        return context.seed
    left = len(list(context.folder.iterdir()))
    (context.folder / f"{left}.txt").touch()
    return 100 + left


def halved_in_place(vectors):
    vectors /= np.float32(2)
    return vectors


def random_codes(self):
    return Codes.pack(np.random.default_rng().standard_normal((120, self.bits)))


def random_seed(self, train, context):
    return None


CHANGING = after(Planes, "_read", halved_in_place)
BLIND = but(Planes, _read=lambda self, items: items.vectors + 0)
HASHERS = {
    "codes_are_packed": [
        (after(Planes, "encode", lambda c: Codes(c.words | np.uint64(1 << 63), 8)), "padding bits that are set"),
        (after(Planes, "encode", lambda c: c.words), "encode of 120 items is a ndarray; right is"),
        (after(Planes, "encode", lambda c: Codes(c.unpack(), 8)), "words int8 .*; right is uint64"),
        (after(Planes, "encode", lambda c: Codes(c.words, 9)), "has 9 bits; right is 8"),
        (after(Planes, "fit", lambda fitted: None), "fit returned NoneType; right is the plugin itself"),
    ],
    "bits_are_honoured": [
        (but(Planes, __init__=lambda self, *, bits=8: setattr(self, "bits", 8)), "bits = 12: the attribute bits is 8"),
        (after(Planes, "encode_real", lambda real: real[:, :64]), "bits = 70 has 64 bits; right is 70"),
    ],
    "no_bits_are_refused": [
        (but(Planes, __init__=lambda self, *, bits=8: setattr(self, "bits", bits)), "bits = 0: accepted"),
    ],
    "the_same_seed_gives_the_same_codes": [
        (but(Planes, _seed=random_seed), "two fits of seed 3: .* codes differ"),
        (but(Planes, database_codes_=property(random_codes)), "two fits of seed 3: database_codes_ differ"),
    ],
    "codes_do_not_depend_on_the_other_items": [
        (but(Planes, encode_real=by_batch), "in another order, and among all: ")
    ],
    "one_item_is_encoded": [(but(Planes, encode_real=by_batch), "one at a time, and together: ")],
    "real_values_have_the_signs_of_the_codes": [
        (after(Planes, "encode", lambda c: Codes.pack(-c.unpack())), "signs of encode_real: 24 of 24"),
        (after(Planes, "encode_real", lambda real: real.astype("f8")), "returned float64 .*; right is float32"),
        (after(Planes, "encode_real", lambda real: real * np.float32("inf")), FINITE),
    ],
    "database_codes_are_of_the_train_items": [
        (but(Planes, database_codes_=Codes.pack(np.ones((3, 8)))), r"database_codes_ has words uint64 \[3, 1\]"),
        (but(Planes, database_codes_=property(lambda self: self.no_such)), "it has no database_codes_ after fit"),
    ],
    "models_can_be_used": [
        (but(Planes, models=("last", "best_on_validation")), "it has no use"),
        (but(Models, models=("best_on_validation",)), 'right is "last" and any of'),
        (but(Models, models=("last", "oracle")), r'use\("oracle"\), which models names: ValueError'),
        (but(Models, use=lambda self, m: setattr(self, "_planes", self._kept[m])), "no such model.*KeyError"),
        (but(Models, use=lambda self, m: setattr(self, "_planes", self._kept["last"])), "no such model.*accepted"),
    ],
    "what_is_not_supervised_reads_no_labels": [
        (but(Planes, _seed=lambda self, t, c: int(t.labels[:40].sum())), "and other labels: .*differ"),
        (but(Planes, _seed=lambda self, t, c: int(t.labels[0] < 0)), "and no labels: .*differ"),
    ],
    "one_class_is_refused_if_supervised": [(but(Planes, supervised=True), "train items of one class: accepted")],
    "vectors_with_nan_are_refused": [
        (but(Planes, _read=lambda self, items: np.nan_to_num(items.vectors)), "vectors with NaN: accepted"),
    ],
    "a_folder_and_a_cache_change_nothing": [
        (but(Planes, _seed=by_what_is_left), "with a folder and a cache: .*differ")
    ],
    "items_are_not_changed": [(CHANGING, "the vectors were changed")],
    "read_only_items_are_accepted": [(CHANGING, "fit refused .* read-only")],
    "items_that_it_cannot_read_are_refused": [(BLIND, "items without vectors: TypeError")],
}


class Columns(Planes):
    """Random combinations of a vector's values, by the same means."""

    def __init__(self):
        self.dim = self.bits = 6

    def embed(self, items):
        return self._read(items) @ self._planes


EMBEDDERS = {
    "features_are_finite_float32": [
        (after(Columns, "embed", lambda made: made.astype("f8")), "returned float64 .*; right is float32"),
        (after(Columns, "embed", lambda made: made[:, 1:]), r"float32 \[24, 5\]; right is float32 \[24, 6\]"),
        (after(Columns, "embed", lambda made: made * np.float32("inf")), FINITE),
        (but(Columns, dim=property(lambda self: self.no_such, lambda self, dim: None)), "it has no dim after fit"),
    ],
    "the_same_seed_gives_the_same_features": [(but(Columns, _seed=random_seed), "two fits of seed 3: features differ")],
    "features_do_not_depend_on_the_other_items": [
        (but(Columns, embed=by_batch), "among all: features differ by up to")
    ],
    "one_item_is_embedded": [(but(Columns, embed=by_batch), "one at a time, and together: features differ")],
    "a_folder_and_a_cache_change_nothing": [
        (but(Columns, _seed=by_what_is_left), "with a folder and a cache: features differ"),
    ],
    "items_are_not_changed": [(after(Columns, "_read", halved_in_place), "the vectors were changed")],
    "read_only_items_are_accepted": [(after(Columns, "_read", halved_in_place), "fit refused .* read-only")],
    "items_that_it_cannot_read_are_refused": [
        (but(Columns, _read=lambda self, items: items.vectors + 0), "items without vectors: TypeError"),
    ],
}


class Exact:
    """Brute force among the candidates."""

    def build(self, features):
        self._rows = self._prepared(features)
        return self

    def _prepared(self, features):
        return features.astype(np.float64)

    def nearest(self, queries, candidates, k):
        if k < 1 or queries.shape[1] != self._rows.shape[1] or len(queries) != len(candidates):
            raise ValueError("k, the dimensions or the number of candidates do not fit")
        ids = np.full((len(queries), k), -1, dtype=np.int64)
        for query, given, answer in zip(queries, candidates, ids, strict=True):
            known = self._known(given)
            order = np.argsort(((self._rows[known] - query) ** 2).sum(axis=1), kind="stable")[:k]
            answer[: len(order)] = known[order]
        return ids

    def _known(self, given):
        return np.sort(given[given >= 0])

    def size_bytes(self):
        return self._rows.nbytes

    def query_cost(self, candidates):
        return 8.0 * candidates, 1.0 * candidates


def sorted_in_place(self, queries, candidates, k):
    candidates.sort(axis=1)
    return Exact.nearest(self, queries, candidates, k)


def as_many_as_candidates(self, queries, candidates, k):
    return Exact.nearest(self, queries, candidates, min(k, candidates.shape[1]))


RERANKERS = {
    "build_returns_the_reranker": [(but(Exact, build=lambda self, f: None), "build returned NoneType")],
    "candidates_come_nearest_first": [
        (
            after(Exact, "_prepared", lambda rows: np.round(rows / 8) * 8),
            "20 candidates of 24 queries: .*; right by dist",
        ),
        (but(Exact, _known=lambda self, given: np.sort(given)[::-1]), "right by distance, then id, is"),
    ],
    "missing_candidates_are_left_out": [(but(Exact, _known=lambda self, given: np.sort(given)), "partly -1: ")],
    "more_neighbours_than_candidates_are_padded": [
        (but(Exact, nearest=as_many_as_candidates), r"9 neighbours of 4 candidates: got .*\[24, 4\]"),
    ],
    "the_order_of_candidates_does_not_matter": [(but(Exact, _known=lambda self, given: given), "in reverse order")],
    "a_batch_is_answered_like_single_queries": [
        (
            after(Exact, "nearest", lambda ids: ids[:, ::-1] if len(ids) == 1 else ids),
            "20 candidates: a batch is answered",
        ),
        (after(Exact, "nearest", lambda ids: ids if len(ids) else ids[:, :0]), "no queries: "),
    ],
    "read_only_arrays_are_accepted": [
        (but(Exact, nearest=sorted_in_place), "read-only arrays: ValueError: .* read-only")
    ],
    "inputs_are_not_changed": [(but(Exact, nearest=sorted_in_place), "the candidates were changed")],
    "questions_that_do_not_fit_are_refused": [
        (but(Exact, nearest=lambda self, q, c, k: np.zeros((len(q), k), np.int64)), "k = 0: accepted"),
    ],
    "size_covers_its_arrays": [(but(Exact, size_bytes=lambda self: 9), r"size_bytes\(\) is 9, and the arrays")],
    "query_cost_is_a_floor": [
        (but(Exact, query_cost=lambda self, c: (-1.0, 0.0)), r"query_cost\(20\) is .* not below 0"),
        (
            but(Exact, query_cost=lambda self, c: (1.0, 1000.0 - c)),
            r"less than query_cost\(20\).*; right is that it grows",
        ),
    ],
}


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


class Noise(Clusters):
    """Images."""

    content = "images"

    def _items(self, rng, first, number):
        images = rng.integers(0, 256, (number, 8, 8, 3)).astype(np.uint8)
        return replace(super()._items(rng, first, number), images=images)


class Unlabelled(Clusters):
    """Vectors without labels."""

    classes = ()
    labelled = False

    def _items(self, rng, first, number):
        return replace(super()._items(rng, first, number), labels=np.full(number, -1))


def holding(base, **parts):
    """A data set some of whose parts are changed, by ``change(part)``."""

    def changed(items):
        return replace(items, **{name: change(getattr(items, name)) for name, change in parts.items()})

    return after(base, "_items", changed)


DATASETS = {
    "the_fingerprint_is_stable": [
        (but(Clusters, fingerprint=lambda self: f"{next(TIMES)}"), "two instances have different fingerprints"),
        (but(Clusters, fingerprint=lambda self: ""), "right is a text that is not empty"),
        (but(Clusters, fingerprint=lambda self: f"{hasattr(self, '_splits')}"), "load changed the fingerprint"),
    ],
    "other_data_have_another_fingerprint": [
        (but(Clusters, fingerprint=lambda self: "clusters"), "another seed has the same fingerprint; right is another"),
    ],
    "load_returns_the_data_set": [(but(Clusters, load=lambda self, context: None), "load returned NoneType")],
    "ids_are_disjoint": [
        (
            holding(Clusters, ids=lambda ids: ids - ids[0]),
            r"6 ids are in database and query, first \[0\]; right is none",
        ),
        (holding(Clusters, ids=lambda ids: ids // 2), "an id stands there twice; right is once"),
        (holding(Clusters, ids=lambda ids: ids.astype(np.int32)), r"ids are int32 \[12\]; right is int64"),
    ],
    "labels_are_classes": [
        (but(Clusters, classes=("a", "b")), "labels from 0 to 2; right is from 0 to 1"),
        (holding(Clusters, labels=lambda labels: labels.astype(float)), "labels are float64"),
        (but(Clusters, classes=("a", "b", "b")), "right is a name each, none twice"),
        (but(Unlabelled, classes=("a", "b")), "labelled is False, and classes are"),
        (but(Clusters, labelled=False), "labelled is False, labels from 0 to 2; right is from -1 to -1"),
    ],
    "train_in_database_is_true_or_not": [
        (but(Clusters, train_in_database=False), "train_in_database is False, and the ids are the same"),
    ],
    "content_is_what_it_says": [
        (but(Clusters, content="images"), "content is images, and it holds none"),
        (but(Clusters, content="sounds"), "content is 'sounds'; right is images or vectors"),
        (holding(Noise, images=lambda images: images / 255), "image 0 is float64 .*; right is uint8"),
        (holding(Noise, images=lambda images: images.transpose(0, 3, 1, 2)), r"\[3, 8, 8\]; right is uint8"),
        (holding(Clusters, vectors=lambda vectors: vectors.astype("f8")), r"vectors are float64 \[12, 4\]"),
        (holding(Clusters, vectors=lambda vectors: vectors * np.float32("inf")), FINITE),
        (holding(Clusters, vectors=lambda vectors: vectors[:, : len(vectors) // 4]), "the same in all splits"),
    ],
    "splits_have_fingerprints_of_their_own": [
        (holding(Clusters, fingerprint=lambda text: "items"), "queries have the fingerprint of other items"),
        (holding(Clusters, fingerprint=lambda text: ""), "the fingerprint is empty"),
        (holding(Clusters, fingerprint=lambda text: f"{next(TIMES)}"), "two loads have different fingerprints"),
    ],
    "two_loads_hold_the_same": [
        (holding(Clusters, vectors=lambda vectors: vectors + next(TIMES)), "two loads have different vectors"),
        (holding(Clusters, labels=lambda labels: labels + next(TIMES)), "two loads have different labels"),
        (holding(Noise, images=lambda images: images + np.uint8(next(TIMES) % 256)), "different images at 0"),
    ],
}


RIGHT = {
    "index": [Scan, but(Scan, deterministic=False)],
    "hasher": [Planes, Models, Median],
    "embedder": [Columns],
    "reranker": [Exact],
    "dataset": [Clusters, Noise, Unlabelled],
}
WRONG = {"index": INDEXES, "hasher": HASHERS, "embedder": EMBEDDERS, "reranker": RERANKERS, "dataset": DATASETS}


@pytest.mark.parametrize(
    ("kind", "toy"), [pytest.param(k, toy, id=f"{k}-{toy.__name__}") for k, toys in RIGHT.items() for toy in toys]
)
def test_a_plugin_that_is_right_passes_all_checks(kind, toy):
    assert [str(verdict) for verdict in conformance.verdicts(kind, toy) if verdict.status == "failed"] == []


@pytest.mark.parametrize(
    ("kind", "name", "toy", "message"),
    [
        pytest.param(kind, name, toy, message, id=f"{kind}-{name}-{number}")
        for kind, checks in WRONG.items()
        for name, toys in checks.items()
        for number, (toy, message) in enumerate(toys)
    ],
)
def test_a_plugin_that_is_wrong_fails_the_check_which_says_what_was_asked(kind, name, toy, message):
    (check,) = [check for check in conformance.checks(kind) if check.__name__ == name]
    with pytest.raises(Nonconformity, match=message):
        check(toy)


@pytest.mark.parametrize("kind", registry.GROUPS)
def test_every_check_says_its_demand_and_has_a_plugin_that_fails_it(kind):
    names = [check.__name__ for check in conformance.checks(kind)]
    assert len(set(names)) == len(names) and set(names) == set(WRONG[kind])
    assert all(check.__doc__ and check.__doc__.split("\n")[0].endswith(".") for check in conformance.checks(kind))
