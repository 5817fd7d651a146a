"""What an index must keep to."""

from __future__ import annotations

import tempfile
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.conformance import data
from bench.conformance.arrays import K, built, check_bytes, check_cost, check_ids, check_size, taken_as_they_come
from bench.conformance.demands import REFUSED, Make, NotAsked, demand, must_accept, must_refuse, outcome
from bench.interfaces import Corpus, Int
from bench.plugins import registry
from bench.timing.load import one_thread

SWEEP = (1, 4, 16, 64)
RECALL_SLACK = 0.2
"""By how much the recall of an approximate search may stray on so few items."""

LEAST_RECALL, SAME_RECALL = 0.1, 0.1
"""Guesses have a sixth of it; by how much it may differ where equal answers are not promised."""


def what_it_reads_decides_its_answers(make: Make) -> None:
    """``reads`` names fields of ``Corpus``: built alike, or of these alone, it answers alike; without these ``build``
    is a ValueError in words.
    """
    index, (database, queries) = make(), data.corpora()
    known = {field.name for field in fields(Corpus)}
    right = isinstance(index.reads, tuple) and len(index.reads) > 0 and set(index.reads) <= known
    demand(right, f"reads is {index.reads!r}; right is a tuple of some of {', '.join(sorted(known))}")
    alone, asked = (_only(part, {*index.reads}) for part in (database, queries))
    with one_thread():  # of several that build a graph beside other work, one may lose a region of it
        first, second = (built(make, database).search(queries, K) for _ in range(2))
        third = built(make, alone).search(asked, K)
    _agree(index, first, second, "two indexes built alike")
    _agree(index, first, third, "a corpus of what it reads alone")
    if others := {"features", "codes"} - {*index.reads}:
        lacking = _only(database, others | known - {*index.reads})
        must_refuse(lambda: make().build(lacking), f"build without {', '.join(index.reads)}")


def answers_are_ids(make: Make) -> None:
    """Answers are int64 [q, k], positions in the database, none twice for a query, -1 only behind what is found."""
    index, (database, queries) = _built(make)
    for count in (data.QUERIES, 1, 0):
        for k in (1, K, 100, data.ITEMS + 7):
            ids = index.search(queries.part(0, count), k)
            check_ids(ids, count, k, len(database), f"{count} queries for {k} neighbours of {len(database)} items")


def found_items_are_near(make: Make) -> None:
    """What is found is among the nearest more often than items at random."""
    index, (_, queries) = _built(make)
    share = _recall(index, index.search(queries, K))
    demand(share >= LEAST_RECALL, f"recall@{K} is {share:.2f}; right is the nearest, at least {LEAST_RECALL}")


def few_items_are_found_or_refused(make: Make) -> None:
    """A database of no items has no answers, one of one item answers with it, or is a ValueError in words."""
    database, queries = data.corpora()
    none, one = database.part(0, 0), database.part(0, 1)
    cases = {"a database of no items": (none, queries), "a database of one item, asked for it": (one, one)}
    for asked, (few, questions) in cases.items():
        ids = outcome(partial(_answer, make, few, questions), asked)
        if ids is not REFUSED:
            check_ids(ids, len(questions), K, len(few), asked)
            demand(not len(few) or ids[0, 0] == 0, f"{asked}: {ids.tolist()}; right is 0, then -1")


def equal_items_are_answers_once_each(make: Make) -> None:
    """Of a database half of which are copies of one item, each copy is an answer once at most."""
    database, queries = data.corpora()
    rows = np.arange(data.ITEMS)
    rows[::2] = 0
    index, k = built(make, database.take(rows)), data.ITEMS // 2 + 5
    for count in (3, 1):
        check_ids(index.search(queries.part(0, count), k), count, k, data.ITEMS, "a database of copies")


def a_batch_is_answered_like_single_queries(make: Make) -> None:
    """A batch has the answers that its queries have one at a time, equal queries equal ones."""
    index, (_, queries) = _built(make)
    single = np.concatenate([index.search(queries.part(row, row + 1), K) for row in range(len(queries))])
    _agree(index, index.search(queries, K), single, "a batch and its queries one at a time")


def arrays_are_taken_as_they_come(make: Make) -> None:
    """No array is written to, and those that must not be are answered the same; arrays with strides and in float64 are
    answered the same too, or a ValueError, which names the type.
    """
    given = dict(zip(("database", "queries"), data.corpora(), strict=True))
    taken_as_they_come(partial(_answer, make), given, partial(_agree, make()))


def questions_that_do_not_fit_are_refused(make: Make) -> None:
    """k = 0, and queries of another dimension or code length than the database's, are ValueErrors in words."""
    index, (_, queries) = _built(make)
    must_refuse(lambda: index.search(queries, 0), "k = 0")
    dim, bits = data.DIM - 3, data.BITS + 22
    other = data.corpus(np.ones((2, dim), dtype=np.int64), np.ones((dim, bits), dtype=np.int64))
    what = f"queries of {dim} dimensions and {bits} bits for a database of {data.DIM} and {data.BITS}"
    must_refuse(lambda: index.search(other, K), what)
    must_refuse(lambda: index.search(other.part(0, 1), K), f"one of the {what}")


def set_query_takes_what_is_right_and_nothing_else(make: Make) -> None:
    """``query_parameters`` are parameters of the constructor, which are attributes. ``set_query`` takes what they are,
    all at once, as a grid asks; an unknown name or a bad value is a ValueError that names it, and changes nothing.
    """
    index, (_, queries) = _built(make)
    names, known = index.query_parameters, registry.parameters(type(index))
    right = f"right is a tuple of parameters of the constructor, {', '.join(known)}"
    demand(isinstance(names, tuple) and set(names) <= set(known), f"query_parameters is {names!r}; {right}")
    lacking = [name for name in known if not hasattr(index, name)]
    demand(not lacking, f"the constructor's parameters are attributes of the same name; {', '.join(lacking)} is not")
    if not (names or hasattr(index, "set_query")):
        raise NotAsked("it has no query parameters")
    values = {name: getattr(index, name) for name in names}
    must_accept(lambda: index.set_query(**values), f"set_query of what the parameters are, {values}")
    before = index.search(queries, K)
    bad = [(name, value) for name in names for value in ("no such value", -(10**9))]
    for name, value in (("no_such_parameter", 3), *bad):
        asked = f"set_query({name}={value!r})"
        must_refuse(partial(index.set_query, **{name: value}), asked, name)
        now = {name: getattr(index, name) for name in names}
        demand(now == values, f"after {asked} the parameters are {now}; right is {values}")
    _agree(index, before, index.search(queries, K), "before and after what set_query refused")
    must_accept(lambda: index.set_query(**values), f"after what set_query refused, set_query of {values}")


def set_query_acts_at_once_and_one_way(make: Make) -> None:
    """Along a query parameter of whole numbers recall only rises or only falls; set back, it answers as before."""
    database, queries = data.corpora()
    swept = False
    for name in make().query_parameters:
        index, answers = built(make, database), dict[int, Int]()
        for value in SWEEP:
            if outcome(partial(index.set_query, **{name: value}), f"{name} = {value}") is not REFUSED:
                answers[value] = index.search(queries, K)
        if len(answers) > 1:
            swept, (low, *_, high) = True, [*answers]
            index.set_query(**{name: low})
            again = index.search(queries, K)
            _agree(index, answers[low], again, f"{name} = {low}, then {high}, then {low} again")
            recalls = {value: _recall(index, ids) for value, ids in answers.items()}
            steps = np.diff([*recalls.values()])
            strayed = min(steps[steps > 0].sum(), -steps[steps < 0].sum())
            listed = ", ".join(f"{value}: {share:.2f}" for value, share in recalls.items())
            demand(strayed <= RECALL_SLACK, f"recall@{K} by {name} is {listed}; right is one direction")
    if not swept:
        raise NotAsked("it has no query parameter that takes whole numbers")


def size_and_cost_are_of_what_it_holds(make: Make) -> None:
    """``size_bytes`` covers the arrays that it holds; ``query_cost``, if there, is bytes, no more than these, and
    operations; ``paper_bytes``, if there, is above 0.
    """
    index, _ = _built(make)
    check_size(index)
    if hasattr(index, "paper_bytes"):
        check_bytes(index.paper_bytes(), "paper_bytes()")
    if hasattr(index, "query_cost"):
        check_cost(index.query_cost(), index.size_bytes(), "query_cost()")


def check_is_cheap_and_agrees_with_build(make: Make) -> None:
    """``check`` accepts what ``build`` accepts, with None for what is not known yet, and changes nothing."""
    index = make()
    if not hasattr(index, "check"):
        raise NotAsked("it has no check")
    _built(make)
    before = dict(getattr(index, "__dict__", {}))
    for dim, bits in ((data.DIM, data.BITS), (data.DIM, None), (None, data.BITS), (None, None)):
        asked = f"check({dim}, {bits}) where build accepts {data.DIM} dimensions and {data.BITS} bits"
        must_accept(partial(index.check, dim, bits), asked)
    after = getattr(index, "__dict__", {})
    changed = [name for name in {**before, **after} if before.get(name) is not after.get(name)]
    demand(not changed, f"check changed {', '.join(changed)}; right is that it only looks")


def a_loaded_index_answers_like_the_saved(make: Make) -> None:
    """What ``save(folder)`` wrote, ``load(folder)`` of a new index reads: the answers are equal."""
    index, (_, queries) = _built(make)
    if not (hasattr(index, "save") and hasattr(index, "load")):
        raise NotAsked("it has no save and load")
    with tempfile.TemporaryDirectory() as folder:
        index.save(Path(folder))
        other = make()
        loaded = other.load(Path(folder))
        demand(loaded is other, f"load returned {type(loaded).__name__}; right is the index itself")
        ids = loaded.search(queries, K)
    demand(np.array_equal(ids, index.search(queries, K)), "after save and load it answers otherwise; right is the same")


def _built(make: Make) -> tuple[Any, tuple[Corpus, Corpus]]:
    """An index, built, and the corpora: its database and queries."""
    corpora = data.corpora()
    return built(make, corpora[0]), corpora


def _only(corpus: Corpus, names: set[str]) -> Corpus:
    """The corpus with these fields alone."""
    return Corpus(**{name: getattr(corpus, name) for name in names})


def _answer(make: Make, database: Corpus, queries: Corpus) -> Int:
    """The answer of an index that is built for it and asked for the first query too; what is raised comes through."""
    with one_thread():  # as above
        index = make().build(database)
    index.search(queries.part(0, 1), K)
    ids: Int = index.search(queries, K)
    return ids


def _agree(index: Any, first: Int, second: Int, asked: str) -> None:
    """Nonconformity: two answers to all queries differ; in recall, where the index says ``deterministic = False``."""
    if getattr(index, "deterministic", True):
        differing = int((first != second).any(axis=1).sum()) if first.shape == second.shape else len(first)
        demand(differing == 0, f"{asked}: {differing} of {len(first)} answers differ; right is none")
        return
    shares = [_recall(index, ids) for ids in (first, second)]
    near = abs(shares[0] - shares[1]) <= SAME_RECALL
    demand(near, f"{asked}: recall@{K} is {shares[0]:.2f} and {shares[1]:.2f}; right is the same, up to {SAME_RECALL}")


def _recall(index: Any, ids: Int) -> float:
    """The share of the K nearest that are found, or items as near."""
    away = _distances(index)
    near = np.take_along_axis(away, np.maximum(ids, 0), axis=1) <= np.sort(away, axis=1)[:, K - 1 : K]
    return float((near & (ids >= 0)).mean())


def _distances(index: Any) -> NDArray[np.float64]:
    """Squared distances [q, n] by what the index reads: of features, of codes, or of real codes of unit length."""
    field = next(name for name in ("features", "codes", "real_codes") if name in index.reads)
    parts = [getattr(part, field) for part in data.corpora()]
    rows, asked = (np.asarray(part.unpack() if field == "codes" else part, dtype=np.float64) for part in parts)
    if field == "real_codes":
        rows, asked = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in (rows, asked))
    return np.asarray(((asked[:, None] - rows[None]) ** 2).sum(axis=2))
