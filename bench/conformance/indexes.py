"""What an index must keep to."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.conformance import data
from bench.conformance.answers import K, agree, deterministic, distances, recall
from bench.conformance.demands import (
    REFUSED,
    Make,
    Nonconformity,
    NotAsked,
    array_bytes,
    check_cost,
    check_ids,
    check_size,
    demand,
    must_accept,
    must_refuse,
    outcome,
    unchanged,
)
from bench.interfaces import Corpus
from bench.plugins import registry
from bench.timing.load import one_thread, quiet

SWEEP = (1, 4, 16, 64)
RECALL_SLACK = 0.2
"""By how much the recall of an approximate search may stray on so few items."""

NEAR = 0.7
"""What is found is nearer than this, as a share of the mean distance of all items."""

MOST_CPU = 1.25
"""CPU time of the process, over that of the thread that asks."""

PATIENCE, LEAST_SECONDS = 2.0, 0.02
"""Until a share of CPU time that is too high is final, and of one round in which it is taken."""


def declares_what_it_reads(make: Make) -> None:
    """``reads`` names fields of ``Corpus``, and with these alone the index answers as with all."""
    index = make()
    known = {field.name for field in fields(Corpus)}
    right = isinstance(index.reads, tuple) and len(index.reads) > 0 and set(index.reads) <= known
    demand(right, f"reads is {index.reads!r}; right is a tuple of some of {', '.join(sorted(known))}")
    database, queries = data.corpora()
    fewer = data.only(database, index.reads), data.only(queries, index.reads)
    whole = _built(make).search(queries, K)
    agree(make(), whole, _built(make, fewer[0]).search(fewer[1], K), "a corpus of what it reads alone")


def a_corpus_without_what_it_reads_is_refused(make: Make) -> None:
    """``build`` of a corpus without the fields that it reads is a ValueError in words."""
    index = make()
    database, _ = data.corpora()
    others = tuple(field.name for field in fields(Corpus) if field.name not in index.reads)
    if "features" not in others and "codes" not in others:
        raise NotAsked("it reads all that makes a corpus")
    must_refuse(lambda: index.build(data.only(database, others)), f"build without {', '.join(index.reads)}")


def build_returns_the_index(make: Make) -> None:
    """``build`` returns the index itself."""
    index = make()
    built = _build(index, data.corpora()[0])
    demand(built is index, f"build returned {type(built).__name__}; right is the index itself")


def answers_are_ids(make: Make) -> None:
    """Answers are int64 [q, k], positions in the database, none twice for a query, -1 only behind what is found."""
    index, (_, queries) = _built(make), data.corpora()
    for count in (len(queries), 1):
        for k in (1, K, 100):
            ids = index.search(queries.part(0, count), k)
            check_ids(ids, count, k, data.ITEMS, f"{count} queries for {k} neighbours")


def found_items_are_near(make: Make) -> None:
    """What is found is much nearer to the query than an item at random."""
    index, (database, queries) = _built(make), data.corpora()
    away = distances(index.reads, database, queries)
    ids = index.search(queries, K)
    found = ids >= 0
    demand(found.any(), f"{len(queries)} queries that lie in the clusters of the database: nothing is found")
    near = np.take_along_axis(away, np.maximum(ids, 0), axis=1)[found].mean()
    demand(
        near < NEAR * away.mean(),
        f"items found are {near:.3g} away on average, all items {away.mean():.3g}; right is the nearest",
    )


def more_neighbours_than_items_are_padded(make: Make) -> None:
    """Where k is more than the items, the rest of the answer is -1."""
    index, (_, queries) = _built(make), data.corpora()
    k = data.ITEMS + 7
    for count in (len(queries), 1):
        ids = index.search(queries.part(0, count), k)
        check_ids(ids, count, k, data.ITEMS, f"{k} neighbours of {data.ITEMS} items")


def an_empty_database_is_refused_or_has_no_answers(make: Make) -> None:
    """A database of no items is a ValueError in words, or every answer is -1."""
    database, queries = data.corpora()
    asked = "a database of no items"
    ids = outcome(lambda: make().build(database.part(0, 0)).search(queries, K), asked)
    if ids is not REFUSED:
        check_ids(ids, len(queries), K, 0, asked)


def one_item_is_found_or_refused(make: Make) -> None:
    """A database of one item answers with it, then -1, or is a ValueError in words."""
    one = data.corpora()[0].part(0, 1)
    asked = "a database of one item, asked for it"
    ids = outcome(lambda: make().build(one).search(one, 3), asked)
    if ids is not REFUSED:
        check_ids(ids, 1, 3, 1, asked)
        demand(ids.tolist() == [[0, -1, -1]], f"{asked}: {ids.tolist()}; right is [[0, -1, -1]]")


def no_queries_have_no_answers(make: Make) -> None:
    """No queries are answered by an array int64 [0, k]."""
    index, (_, queries) = _built(make), data.corpora()
    check_ids(index.search(queries.part(0, 0), K), 0, K, data.ITEMS, "no queries")


def equal_items_are_answers_once_each(make: Make) -> None:
    """Of a database half of which are copies of one item, each copy is an answer once at most."""
    database, queries = data.corpora()
    rows = np.arange(data.ITEMS)
    rows[::2] = 0
    index = _built(make, database.take(rows))
    k = data.ITEMS // 2 + 5
    for count in (3, 1):
        check_ids(index.search(queries.part(0, count), k), count, k, data.ITEMS, "a database of copies")


def equal_queries_get_equal_answers(make: Make) -> None:
    """Two equal queries of a batch get the same answer."""
    index, (_, queries) = _built(make), data.corpora()
    ids = index.search(queries, K)
    agree(index, ids[-2:-1], ids[-1:], "two equal queries", slice(-1, None))


def built_alike_it_answers_alike(make: Make) -> None:
    """Two indexes that are built the same way answer the same, unless it says ``deterministic = False``."""
    if not deterministic(make()):
        raise NotAsked("it says deterministic = False")
    _, queries = data.corpora()
    agree(make(), _built(make).search(queries, K), _built(make).search(queries, K), "two indexes built alike")


def a_batch_is_answered_like_single_queries(make: Make) -> None:
    """A batch has the answers that its queries have one at a time."""
    index, (_, queries) = _built(make), data.corpora()
    single = np.concatenate([index.search(queries.part(row, row + 1), K) for row in range(len(queries))])
    agree(index, index.search(queries, K), single, "a batch and its queries one at a time")


def read_only_arrays_are_accepted(make: Make) -> None:
    """Arrays that must not be written to, as the store hands them out, are answered the same."""
    database, queries = (data.mapped(part, data.read_only) for part in data.corpora())
    expected = _built(make).search(data.corpora()[1], K)
    ids = must_accept(lambda: make().build(database).search(queries, K), "read-only arrays")
    agree(make(), expected, ids, "read-only arrays")


def strided_arrays_are_answered_the_same_or_refused(make: Make) -> None:
    """Arrays that are not contiguous are answered the same, or are a ValueError in words."""
    _other_arrays(make, lambda part: data.mapped(part, data.strided), "arrays with strides")


def float64_is_answered_the_same_or_refused_by_name(make: Make) -> None:
    """Values in float64 are answered as in float32, or are a ValueError that names the type."""
    if "features" not in make().reads and "real_codes" not in make().reads:
        raise NotAsked("it reads codes alone")
    wide: Callable[[NDArray[Any]], NDArray[Any]] = lambda array: array.astype(np.float64)  # noqa: E731
    _other_arrays(make, lambda part: data.mapped(part, wide, words=False), "values in float64", "float64", "float32")


def inputs_are_not_changed(make: Make) -> None:
    """Neither building nor searching writes to the arrays of the corpus."""
    database, queries = data.corpora()
    with unchanged({**data.arrays_of(database, "database"), **data.arrays_of(queries, "queries")}):
        index = _built(make, database)
        index.search(queries, K)
        index.search(queries.part(0, 1), K)


def questions_that_do_not_fit_are_refused(make: Make) -> None:
    """k = 0, and queries of another dimension or code length than the database's, are ValueErrors in words."""
    index, (_, queries) = _built(make), data.corpora()
    must_refuse(lambda: index.search(queries, 0), "k = 0")
    rows = np.ones((2, data.DIM - 3), dtype=np.int64)
    other = data.corpus(rows, np.ones((data.DIM - 3, data.BITS + 22), dtype=np.int64))
    what = (
        f"queries of {data.DIM - 3} dimensions and {data.BITS + 22} bits for a database of {data.DIM} and {data.BITS}"
    )
    must_refuse(lambda: index.search(other, K), what)
    must_refuse(lambda: index.search(other.part(0, 1), K), f"one of the {what}")


def a_single_query_runs_in_the_calling_thread(make: Make) -> None:
    """A single query is answered in the calling thread, on one CPU.

    Counted is CPU time, that of the process over that of the thread: unlike wall time, it does not grow while other
    processes keep the CPUs busy. The best of the rounds counts, as threads of an earlier batch may still spin.
    """
    index, (_, queries) = _built(make), data.corpora()
    singles = [queries.part(row, row + 1) for row in range(len(queries))]
    least, deadline = math.inf, time.monotonic() + PATIENCE
    with one_thread(), quiet():
        while least > MOST_CPU and time.monotonic() < deadline:
            least = min(least, _cpu_share(lambda: [index.search(query, K) for query in singles]))
    demand(
        least <= MOST_CPU,
        f"single queries take {least:.2f} times the CPU time of the calling thread; right is at most {MOST_CPU}",
    )


def parameters_are_attributes_that_set_query_takes(make: Make) -> None:
    """``query_parameters`` are parameters of the constructor and attributes, and ``set_query`` takes what they are.

    That is how a grid asks: all query parameters at once, those at their defaults too.
    """
    index = _built(make)
    names, known = index.query_parameters, registry.parameters(type(index))
    right = isinstance(names, tuple) and set(names) <= set(known)
    demand(
        right, f"query_parameters is {names!r}; right is a tuple of parameters of the constructor, {', '.join(known)}"
    )
    lacking = [name for name in known if not hasattr(index, name)]
    demand(not lacking, f"the constructor's parameters are attributes of the same name; {', '.join(lacking)} is not")
    if values := _set_values(index):
        must_accept(lambda: index.set_query(**values), f"set_query of what the parameters are, {values}")


def set_query_refuses_what_is_wrong_and_stays_as_it_was(make: Make) -> None:
    """``set_query`` of an unknown name or a bad value is a ValueError in words, and changes nothing."""
    index, (_, queries) = _built(make), data.corpora()
    if not (index.query_parameters or hasattr(index, "set_query")):
        raise NotAsked("it has no query parameters")
    before, values = index.search(queries, K), _set_values(index)
    must_refuse(partial(index.set_query, no_such_parameter=3), "set_query(no_such_parameter=3)", "no_such_parameter")
    for name in index.query_parameters:
        for value in ("no such value", -(10**9)):
            asked = f"set_query({name}={value!r})"
            must_refuse(partial(index.set_query, **{name: value}), asked, name)
            demand(
                _set_values(index) == values,
                f"after {asked} the parameters are {_set_values(index)}; right is {values}",
            )
    agree(index, before, index.search(queries, K), "before and after what set_query refused")
    must_accept(partial(index.set_query, **values), f"after what set_query refused, set_query of {values}")


def answers_depend_on_the_parameters_that_are_set_last(make: Make) -> None:
    """``set_query`` acts on a built index at once: set back, it answers as before."""
    _, queries = data.corpora()
    for index, name, values in _swept(make):
        index.set_query(**{name: values[0]})
        first = index.search(queries, K)
        index.set_query(**{name: values[-1]})
        index.search(queries, K)
        index.set_query(**{name: values[0]})
        agree(
            index, first, index.search(queries, K), f"{name} = {values[0]}, then {values[-1]}, then {values[0]} again"
        )


def recall_goes_one_way_with_a_parameter(make: Make) -> None:
    """Along a query parameter that takes whole numbers, recall only rises or only falls."""
    database, queries = data.corpora()
    for index, name, values in _swept(make):
        away = distances(index.reads, database, queries)
        recalls = []
        for value in values:
            index.set_query(**{name: value})
            recalls.append(recall(index.search(queries, K), away))
        steps = np.diff(recalls)
        strayed = min(steps[steps > 0].sum(), -steps[steps < 0].sum())
        listed = ", ".join(f"{value}: {share:.2f}" for value, share in zip(values, recalls, strict=True))
        demand(strayed <= RECALL_SLACK, f"recall@{K} by {name} is {listed}; right is one direction")


def size_covers_its_arrays(make: Make) -> None:
    """``size_bytes`` is at least what the arrays take that the index holds; ``paper_bytes``, if there, is above 0."""
    index = _built(make)
    check_size(index)
    if hasattr(index, "paper_bytes"):
        paper = index.paper_bytes()
        right = isinstance(paper, int | np.integer) and paper > 0
        demand(right, f"paper_bytes() is {paper!r}; right is a whole number above 0")


def query_cost_is_a_floor(make: Make) -> None:
    """``query_cost`` is bytes, no more than the index takes, and operations, neither below 0."""
    index = _built(make)
    if not hasattr(index, "query_cost"):
        raise NotAsked("it has no query_cost")
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
    demand(array_bytes(index) == 0, f"after check it holds {array_bytes(index)} bytes of arrays; right is none")


def a_loaded_index_answers_like_the_saved(make: Make) -> None:
    """What ``save(folder)`` wrote, ``load(folder)`` of a new index reads: the answers are equal."""
    index, (_, queries) = _built(make), data.corpora()
    if not (hasattr(index, "save") and hasattr(index, "load")):
        raise NotAsked("it has no save and load")
    with tempfile.TemporaryDirectory() as folder:
        index.save(Path(folder))
        other = make()
        loaded = other.load(Path(folder))
        demand(loaded is other, f"load returned {type(loaded).__name__}; right is the index itself")
        ids = loaded.search(queries, K)
    demand(np.array_equal(ids, index.search(queries, K)), "after save and load it answers otherwise; right is the same")


CHECKS = (
    build_returns_the_index,
    declares_what_it_reads,
    a_corpus_without_what_it_reads_is_refused,
    answers_are_ids,
    found_items_are_near,
    more_neighbours_than_items_are_padded,
    an_empty_database_is_refused_or_has_no_answers,
    one_item_is_found_or_refused,
    no_queries_have_no_answers,
    equal_items_are_answers_once_each,
    equal_queries_get_equal_answers,
    built_alike_it_answers_alike,
    a_batch_is_answered_like_single_queries,
    a_single_query_runs_in_the_calling_thread,
    read_only_arrays_are_accepted,
    strided_arrays_are_answered_the_same_or_refused,
    float64_is_answered_the_same_or_refused_by_name,
    inputs_are_not_changed,
    questions_that_do_not_fit_are_refused,
    parameters_are_attributes_that_set_query_takes,
    set_query_refuses_what_is_wrong_and_stays_as_it_was,
    answers_depend_on_the_parameters_that_are_set_last,
    recall_goes_one_way_with_a_parameter,
    size_covers_its_arrays,
    query_cost_is_a_floor,
    check_is_cheap_and_agrees_with_build,
    a_loaded_index_answers_like_the_saved,
)


def _built(make: Make, database: Corpus | None = None) -> Any:
    """An index on the database. Nonconformity: it refuses these items."""
    return _build(make(), data.corpora()[0] if database is None else database)


def _build(index: Any, database: Corpus) -> Any:
    try:
        return index.build(database)
    except ValueError as fault:
        what = f"{len(database)} items of {data.DIM} dimensions and {data.BITS} bits"
        raise Nonconformity(f"build refused {what}: {fault}; give it parameters that fit them") from fault


def _set_values(index: Any) -> dict[str, Any]:
    """The query parameters as they are."""
    return {name: getattr(index, name) for name in index.query_parameters}


def _other_arrays(make: Make, change: Callable[[Corpus], Corpus], asked: str, *names: str) -> None:
    """Changed arrays in the database, then in the queries: the same answers, or a ValueError in words."""
    database, queries = data.corpora()
    index = _built(make)
    expected = index.search(queries, K)
    where = f"{asked} in the database"
    ids = outcome(lambda: make().build(change(database)).search(queries, K), where, *names)
    if ids is not REFUSED:
        agree(index, expected, ids, where)
    where = f"{asked} in the queries"
    ids = outcome(lambda: index.search(change(queries), K), where, *names)
    if ids is not REFUSED:
        agree(index, expected, ids, where)


def _cpu_share(work: Callable[[], Any]) -> float:
    """CPU time of the process over that of this thread, while the work is done again and again for LEAST_SECONDS."""
    wall, process, thread = time.perf_counter(), time.process_time(), time.thread_time()
    while time.perf_counter() - wall < LEAST_SECONDS:
        work()
    return (time.process_time() - process) / max(time.thread_time() - thread, 1e-9)


def _swept(make: Make) -> list[tuple[Any, str, list[int]]]:
    """For each query parameter a built index, its name, and the numbers of SWEEP that it takes: two or more.

    Nothing is set on the index yet: which numbers it takes, another was asked.

    NotAsked: there is no such parameter.
    """
    found = []
    for name in make().query_parameters:
        other = _built(make)
        taken = [v for v in SWEEP if outcome(partial(other.set_query, **{name: v}), f"{name} = {v}") is not REFUSED]
        if len(taken) > 1:
            found.append((_built(make), name, taken))
    if not found:
        raise NotAsked("it has no query parameter that takes whole numbers")
    return found
