"""Indexes and rerankers: those that are right, and by the check that must fail and words of its message, wrong ones."""

import numpy as np

from tests.bench.faults.toys import TIMES, after, but, doubled_and_halved_in_place, doubled_in_place


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


def scan(**members):
    return but(Scan, **members)


def answering(change):
    """A scan whose ids are changed."""
    return after(Scan, "search", change)


def starting_at(reach):
    """A constructor that sets ``reach`` unasked, whatever it is."""
    return lambda self, *, reach=reach: setattr(self, "reach", reach)


def kept_though_refused(self, **parameters):
    vars(self).update(parameters)
    Scan.set_query(self, **parameters)


def refusing_all_after_a_refusal(self, **parameters):
    if hasattr(self, "refused"):
        raise ValueError("the parameter reach was refused before")
    self.refused = True
    Scan.set_query(self, **parameters)
    del self.refused


def counted(self, database):
    self.count = next(TIMES)
    return Scan.build(self, database)


def turned(self, queries, k):
    return np.roll(Scan.search(self, queries, k), self.count, axis=1)


def far_each_second_time(self, queries, k):
    return Scan.search(self, queries, k + 300 * (self.count % 2))[:, -k:]


def reinterpreted(self, corpus):
    """The features, as if one row stood behind the other in memory."""
    rows = corpus.features
    return np.lib.stride_tricks.as_strided(rows, strides=(rows.shape[1] * rows.itemsize, rows.itemsize)).astype("f8")


def nameless(self, corpus):
    """The features, or an error that leaves open what is wrong."""
    if corpus.features is None or corpus.features.dtype != np.float32:
        raise ValueError("not what it reads")
    return corpus.features.astype("f8")


def first_of_equal(self, queries, k):
    """The first of the items that are equal, in place of each."""
    ids = Scan.search(self, queries, k)
    _, first, which = np.unique(self._rows, axis=0, return_index=True, return_inverse=True)
    return np.where(ids >= 0, first[which[ids]], -1)


def fails_on(items):
    """``build`` that fails on so few items."""
    return lambda self, database: Scan.build(self, database if len(database) != items else database.features[items])


INDEXES = {
    "what_it_reads_decides_its_answers": {
        "reads is 'features'; right is a tuple of": scan(reads="features"),
        "right is a tuple of some of codes, features, real_codes": scan(reads=("pixels",)),
        "build refused 640 items .* there are none": scan(reads=("codes",)),
        "build without features: accepted": scan(_read=lambda self, corpus: np.zeros((len(corpus), 64))),
        "without features: TypeError: .*right is .*ValueError": scan(_read=lambda self, corpus: corpus.features + 0.0),
        "two indexes built alike: 24 of 24 answers differ; right is none": scan(build=counted, search=turned),
        "two indexes built alike: recall@10 is .* right is the same": scan(
            build=counted, search=far_each_second_time, deterministic=False
        ),
    },
    "answers_are_ids": {
        "build returned NoneType; right is the plugin itself": scan(build=lambda self, database: None),
        "search returned int32 .*, expected int64": answering(lambda ids: ids.astype(np.int32)),
        "search returned a list; right is an array": answering(lambda ids: ids.tolist()),
        r"returned int64 \[1, 24\], expected int64 \[24, 1\]": answering(lambda ids: ids.T),
        r"ids from \d+ to 640, expected -1 \.\. 639": answering(lambda ids: ids + 1),
        "24 queries for 10 neighbours .* an id twice": answering(lambda ids: ids[:, :1] + 0 * ids),
        "ids behind -1": answering(lambda ids: np.where(np.arange(ids.shape[1]) < 2, -1, ids)),
        r"for 647 neighbours of 640 items: .*\[24, 640\]": answering(lambda ids: ids[:, :640]),
        r"0 queries for 1 .*int64 \[0, 0\]": answering(lambda ids: ids if len(ids) else ids[:, :0]),
    },
    "found_items_are_near": {
        "recall@10 is 0.00; right is the nearest": after(Scan, "_distances", np.negative),
        "recall@10 is 0.00": answering(lambda ids: 0 * ids - 1),
    },
    "few_items_are_found_or_refused": {
        "a database of no items: search returned ids from 0 to 0": answering(lambda ids: np.maximum(ids, 0)),
        "a database of no items: IndexError": scan(build=fails_on(0)),
        "a database of one item.*right is 0": scan(_seen=lambda self: self.reach if len(self._rows) > 1 else 0),
        "a database of one item.*: IndexError": scan(build=fails_on(1)),
    },
    "equal_items_are_answers_once_each": {"a database of copies: .* an id twice": scan(search=first_of_equal)},
    "a_batch_is_answered_like_single_queries": {
        "at a time: 24 of 24 answers differ": answering(lambda ids: ids[:, ::-1] if len(ids) == 1 else ids),
        "at a time: 23 of 24 answers differ": answering(lambda ids: np.vstack([ids[:-1], ids[-1:, ::-1]])),
    },
    "arrays_are_taken_as_they_come": {
        "the features of the database were changed": scan(_read=lambda self, c: doubled_in_place(c.features)),
        "read-only arrays: ValueError: .*; right is to accept": scan(
            _read=lambda self, corpus: doubled_and_halved_in_place(corpus.features)
        ),
        "arrays with strides in the database: .* answers differ": scan(_read=reinterpreted),
        "values in float64 in the .* differ": scan(_read=lambda self, c: c.features.view(np.float32)[:, :64]),
        "the ValueError 'not what it reads' must name float64 or float32": scan(_read=nameless),
    },
    "questions_that_do_not_fit_are_refused": {
        "k = 0: accepted; right is a ValueError": scan(search=lambda self, q, k: np.zeros((len(q), k), np.int64)),
        "k = 0: accepted": scan(search=lambda self, q, k: Scan.search(self, q, max(k, 1))),
        "queries of 61 dimensions .*: accepted": after(Scan, "_read", lambda rows: np.resize(rows, (len(rows), 64))),
    },
    "set_query_takes_what_is_right_and_nothing_else": {
        "query_parameters is .*; right is a tuple of parameters": scan(query_parameters=("reach", "ef")),
        "attributes of the same name; reach is not": scan(__init__=lambda self, *, reach=1: None),
        "set_query of what the parameters are, .*: ValueError": scan(__init__=starting_at(0)),
        "set_query of what the parameters are, .*: TypeError": scan(__init__=starting_at(1), set_query=None),
        r"set_query\(no_such_parameter=3\): accepted": scan(set_query=lambda self, **p: setattr(self, "reach", 9)),
        "no_such_parameter=3.: TypeError": scan(set_query=lambda self, *, reach: setattr(self, "reach", reach)),
        "after set_query.reach='no such value'. the parameters are .*; right is .*1000": scan(
            set_query=kept_though_refused
        ),
        "after what set_query refused, set_query of .*: .* refused before": scan(
            set_query=refusing_all_after_a_refusal
        ),
    },
    "set_query_acts_at_once_and_one_way": {
        "reach = 1, then 64, then 1 again: 24 of 24": scan(
            __init__=starting_at(1), set_query=lambda self, reach: setattr(self, "reach", max(reach, self.reach))
        ),
        r"reach is 1: 0\.0\d, 4: 1\.00.*; right is one": scan(_seen=lambda self: 1000 if self.reach == 4 else 1),
    },
    "size_and_cost_are_of_what_it_holds": {
        r"size_bytes\(\) is 8, and the arrays that it holds take 327680": scan(size_bytes=lambda self: 8),
        r"size_bytes\(\) is 0; right is a whole number above 0": scan(size_bytes=lambda self: 0),
        r"paper_bytes\(\) is -1; right is": scan(paper_bytes=lambda self: -1),
        "reads 1000000000 bytes of 327680 in memory": scan(query_cost=lambda self: (1e9, 0.0)),
        r"-1.0\); right is .*not below 0": scan(query_cost=lambda self: (1.0, -1.0)),
        r"nan\); right is .*finite": scan(query_cost=lambda self: (1.0, float("nan"))),
    },
    "check_is_cheap_and_agrees_with_build": {
        "check changed _scratch": scan(check=lambda self, dim, bits: setattr(self, "_scratch", np.zeros(9))),
        r"check\(64, None\) .*: TypeError": scan(check=lambda self, dim, bits: dim + bits),
        r"check\(64, 48\) .*: ValueError: .*; right is to accept": scan(check=lambda self, *_: self.set_query(reach=0)),
    },
    "a_loaded_index_answers_like_the_saved": {
        "after save and load it answers": scan(save=lambda self, f: np.save(f / "rows.npy", self._rows[::-1])),
        "load returned Scan; right is the index itself": scan(load=lambda self, folder: Scan.load(Scan(), folder)),
    },
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


def exact(**members):
    return but(Exact, **members)


def sorted_in_place(back):
    """Candidates that are sorted where they are, and then maybe put ``back``."""

    def nearest(self, queries, candidates, k):
        before = candidates.copy()
        candidates.sort(axis=1)
        ids = Exact.nearest(self, queries, candidates, k)
        if back:
            candidates[:] = before
        return ids

    return exact(nearest=nearest)


def as_many_as_candidates(self, queries, candidates, k):
    return Exact.nearest(self, queries, candidates, min(k, candidates.shape[1]))


RERANKERS = {
    "the_nearest_candidates_are_answered": {
        "build returned NoneType": exact(build=lambda self, features: None),
        "20 candidates: .*; right by dist": after(Exact, "_prepared", lambda rows: np.round(rows / 8) * 8),
        "right by distance, then id, is": exact(_known=lambda self, given: np.sort(given)[::-1]),
        "partly -1: ": exact(_known=lambda self, given: np.sort(given)),
        r"9 neighbours of 4 candidates: .*\[24, 4\]": exact(nearest=as_many_as_candidates),
        "20 candidates: .*; right by distance, then id": exact(_known=lambda self, given: given),
        ", one query at a time: ": after(Exact, "nearest", lambda ids: ids[:, ::-1] if len(ids) == 1 else ids),
        "no queries: ": after(Exact, "nearest", lambda ids: ids if len(ids) else ids[:, :0]),
    },
    "arrays_are_taken_as_they_come": {
        "the candidates were changed": sorted_in_place(back=False),
        "read-only arrays: ValueError: .* read-only": sorted_in_place(back=True),
    },
    "questions_that_do_not_fit_are_refused": {
        "k = 0: accepted": exact(nearest=lambda self, queries, some, k: np.zeros((len(queries), k), np.int64)),
    },
    "size_and_cost_are_of_what_it_holds": {
        r"size_bytes\(\) is 9, and the arrays": exact(size_bytes=lambda self: 9),
        r"query_cost\(20\) is .* not below 0": exact(query_cost=lambda self, candidates: (-1.0, 0.0)),
        r"less than query_cost\(20\).*; right is that it grows": exact(query_cost=lambda self, c: (1.0, 1000.0 - c)),
    },
}
