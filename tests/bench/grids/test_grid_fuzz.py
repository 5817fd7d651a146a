"""Grids, ``--set`` and parameters of every type: one line of ValueError, or a grid that means something.

BENCH_FUZZ_EXAMPLES=20000 looks for longer, --hypothesis-seed=N from another seed.
"""

import datetime
import json
import math
import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bench.grids import grid_file
from bench.grids.cells import from_json, to_json
from bench.grids.expansion import MOST_CELLS
from bench.grids.files import built_in
from bench.grids.grid_file import Options
from bench.grids.model import GridFile
from bench.grids.protocols import CLASSES
from bench.grids.sizes import Sizes, sized
from bench.plugins import registry
from bench.system.wording import MESSAGE

EXAMPLES = int(os.environ.get("BENCH_FUZZ_EXAMPLES", "120"))
PLUGINS = [(kind, name) for kind in registry.GROUPS for name in registry.plugins(kind)]
SMALL = """
title = "Small"
dataset = "vectors"
recipe = "quick"
layout = "methods"
reference = "supp_table1"
k = 5
seeds = [0, 1]
unseen_share = 0.5
split_seed = 3
[measure]
queries = 20
rounds = 2
replicates = 2
queries_per_round = 5
split = "tune/report"
[measure.vectors]
queries = 10
[[cells]]
embedder = "triplet"
index = ["linear_scan", "kd_tree"]
rerank = "int8"
candidates = [20, "sqrt(n)"]
[[cells]]
hasher = "exchnet"
bits = [16, 32]
exchnet.parts = 2
database_codes = ["encoded", "learned"]
index = "hash_tables"
key_bits = 8
[[cells]]
embedder = "identity"
index = "faiss"
factory = "IVF{min(n / 252.5, 4 * sqrt(n))},Flat"
nprobe = ["n ** 0.25", 3]
seeds = [4]
[recipes.quick]
[recipes.quick.triplet]
dim = 8
backbone = "small"
[recipes.quick.triplet.vectors]
margin = 0.3
[recipes.quick.hasher]
backbone = "small"
[recipes.paper]
[datasets.vectors]
data_dir = "/tmp"
[vectors]
triplet = "identity"
exchnet = "itq"
"""

texts = st.one_of(
    st.sampled_from(["", "a", "auto", "quick", "\0", "a\nb", "x" * 5000, "../..", "[red]", "$x_1$", "2024-05-01", "é"]),
    st.sampled_from([name for _, name in PLUGINS]),
    st.sampled_from(["n", "4 * sqrt(n)", "n ** n ** n", "bits / (d - d)", "min(n", "IVF{n},Flat", "{", "{d}{n", "-n"]),
    st.text(max_size=10),
)
numbers = st.one_of(
    st.sampled_from([0, -1, 1, 2, 7, 10**6, 2**31, 2**32, 2**63 - 1, 2**63, -(2**63), 10**30]),
    st.sampled_from([0.0, -0.0, 0.5, 1.5, -1.5, 1e-320, 1e308, math.inf, -math.inf, math.nan]),
    st.integers(-10, 200),
    st.floats(),
)
zones = st.sampled_from([None, datetime.UTC, datetime.timezone(datetime.timedelta(hours=-7))])
moments = st.one_of(st.dates(), st.times(), st.datetimes(timezones=zones))
scalars = st.one_of(texts, numbers, st.booleans(), moments)
keys = st.one_of(st.sampled_from(["bits", "dim", "seeds", "index", "vectors", "itq", "a b", "a.b", ""]), texts)


class Literal(str):
    """A value by its text in TOML."""


deep = [Literal("[" * depth + "]" * depth) for depth in (9, 90, 900)] + [Literal("{" + "a." * 2000 + "a = 1}")]
endless = [Literal("0x" + "f" * 5000), Literal("1" * 5000), Literal("[0x" + "f" * 5000 + "]"), Literal("1e9999")]
odd = [*deep, *endless, [], {}, [[]], [{}], list(range(400)), {"a": {"b": {}}}]
values = st.sampled_from(odd) | st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)


def toml(value):
    """The value in TOML's syntax, its tables inline."""
    match value:
        case bool():
            return str(value).lower()
        case int():
            return hex(value) if value >= 2**63 else str(value)
        case Literal():
            return value
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case list():
            return f"[{', '.join(map(toml, value))}]"
        case dict():
            return f"{{{', '.join(f'{toml(key)} = {toml(inner)}' for key, inner in value.items())}}}"
        case datetime.date() | datetime.time():
            return value.isoformat()
    return str(value)


def places(value, place=()):
    """The places of all values within one, by keys and positions."""
    yield place
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield from places(inner, (*place, key))


def changed(value, place, change):
    """The value with ``change`` made at a place."""
    if not place:
        return change(value)
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[place[0]] = changed(value[place[0]], place[1:], change)
    return copy


def with_one_more(value, key, new):
    return {**value, key: new} if isinstance(value, dict) else [*value, new]


def without(value, key):
    if isinstance(value, dict):
        return {other: inner for other, inner in value.items() if other != key}
    return [inner for position, inner in enumerate(value) if position != key]


@st.composite
def documents(draw):
    """The text of a grid: a built-in one or the small one, with values replaced, added, removed or wrapped."""
    name = draw(st.sampled_from(["", "", "", "", *built_in()]))
    document = tomllib.loads(built_in()[name].read_text() if name else SMALL)
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.sampled_from([place for place in places(document) if place]))
        kind = draw(st.sampled_from(["replace", "replace", "add", "remove", "wrap"]))
        new, key = draw(values), draw(keys | st.sampled_from([*GridFile.model_fields]))
        inside, last = place[:-1], place[-1]
        if kind == "replace":
            document = changed(document, place, lambda _, new=new: new)
        elif kind == "wrap":
            document = changed(document, place, lambda old, key=key: {key: old} if key == "vectors" else [old])
        elif kind == "add":
            document = changed(document, inside, lambda old, key=key, new=new: with_one_more(old, key, new))
        else:
            document = changed(document, inside, lambda old, last=last: without(old, last))
    return "\n".join(f"{toml(key)} = {toml(value)}" for key, value in document.items())


@st.composite
def set_texts(draw):
    """The text of a ``--set``."""
    owners = st.sampled_from(["", "", "measure.", "vectors.", "itq.", "exchnet.", "faiss.", "hdf5.", "a.b."]) | texts
    names = st.sampled_from(
        [*GridFile.model_fields, "index", "bits", "factory", "candidates", "rounds", "split", "key_bits", "embedder"]
    )
    value = draw(values.map(toml) | texts | st.sampled_from(["", "1\nk = 2", "[1", "'", "\udcff", "0x" + "f" * 9999]))
    return f"{draw(owners)}{draw(names | texts)}{draw(st.sampled_from(['=', '=', '=', '', '==']))}{value}"


options = st.builds(
    Options,
    dataset=st.none() | st.sampled_from([name for kind, name in PLUGINS if kind == "dataset"]) | texts,
    data_dir=st.none() | st.sampled_from([Path("/tmp"), Path("/no/such"), Path("\udcff"), Path("a\nb")]),
    recipe=st.none() | st.sampled_from(["quick", "paper", "pretrained"]) | texts,
    seed=st.none() | st.integers(),
    settings=st.lists(set_texts(), max_size=3),
    dataset_name=st.none() | texts,
)
mostly_none = st.just(Options()) | options


def said_in_one_line(fault):
    """Whether a message can stand on one line of a terminal."""
    message = str(fault)
    return message.isprintable() and 0 < len(message) <= MESSAGE + 2


@pytest.mark.long
@given(documents(), mostly_none, st.integers(1, 10**9), st.none() | st.integers(1, 5000))
@example(SMALL, Options(), 75_750, 16)
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
def test_a_grid_of_any_types_is_refused_in_one_line_or_has_cells(tmp_path_factory, text, options, items, dim):
    path = tmp_path_factory.getbasetemp() / "fuzzed.toml"
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    try:
        names = grid_file.dataset_names(str(path), options)
        grid = grid_file.load(str(path), options)
    except ValueError as fault:
        assert said_in_one_line(fault)
        assert any(place in str(fault) for place in ("fuzzed.toml", "--")), fault
        return
    assert grid.dataset.name in names and 1 <= len(grid.cells) <= MOST_CELLS
    assert from_json(to_json(grid)) == grid
    try:
        cells = sized(grid, Sizes(dict.fromkeys(CLASSES, items), dim)).cells
    except ValueError as fault:
        assert said_in_one_line(fault)
        return
    assert 1 <= len(cells) <= MOST_CELLS
