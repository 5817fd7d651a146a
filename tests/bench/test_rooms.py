"""The rooms of the harness and the keys that name them. ``python -m tests.bench.test_rooms`` renews the digests."""

import ast
import dataclasses
import io
import json
import tokenize
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path

import pytest

from bench.grids import grid_file
from bench.grids.grid_file import Options
from bench.interfaces import Context
from bench.plugins import registry
from bench.records.keys import key, search_key
from bench.stages import nearest
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store
from bench.store.identity import digest, imports, room_modules
from bench.store.rooms import ROOMS, room_of
from tests.conftest import CHECKOUT

DIGESTS = Path(__file__).with_name("rooms.json")
DECIDE_NOTHING = {
    *(
        "bench",
        "bench.__main__",
        "bench.cli",
        "bench.cluster",
        "bench.conformance",
        "bench.evaluation",
        "bench.grids",
        "bench.plans",
        "bench.plugins",
    ),
    *("bench.records", "bench.report", "bench.runs", "bench.store", "bench.system", "bench.workers"),
}
"""The modules and packages of the harness that are in no room."""

GRID = """
title = "t"
dataset = "toy_clusters"
recipe = "r"
unseen_share = 0.4
[[cells]]
embedder = "identity"
hasher = "toy_signs"
bits = 16
index = "toy_scan"
field = "codes"
protocol = ["seen", "unseen"]
[[cells]]
hasher = "toy_medians"
input = "identity"
[recipes.r]
"""


def now():
    return {name: {"version": room.version, "digest": digest(list(sources(name)))} for name, room in ROOMS.items()}


def sources(room):
    """The modules of a room, each without docstrings, comments and empty lines; the same in every version of Python."""
    for module in room_modules(room):
        text = Path(find_spec(module).origin).read_text(encoding="utf-8")
        words = set()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                words |= {*range(node.lineno, node.end_lineno + 1)}
        lines = [line for at, line in enumerate(without_comments(text), start=1) if at not in words]
        yield module, [line.rstrip() for line in lines if line.strip()]


def without_comments(text):
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            lines[token.start[0] - 1] = lines[token.start[0] - 1][: token.start[1]]
    return lines


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_is_what_its_version_says(name):
    told = (
        f"the source of the room {name!r} has changed: if a stored number may come out otherwise, raise its version in "
        "bench/store/rooms.py; then, or if none can, renew its digest by python -m tests.bench.test_rooms"
    )
    assert json.loads(DIGESTS.read_text()).get(name) == now()[name], told


def test_every_module_of_the_harness_is_in_a_room_or_known_to_decide_nothing():
    files = [path.relative_to(CHECKOUT).with_suffix("") for path in (CHECKOUT / "bench").rglob("*.py")]
    modules = {".".join(file.parts[:-1] if file.name == "__init__" else file.parts) for file in files}
    outside = {name for name in modules if room_of(name) is None and not around(name) & DECIDE_NOTHING - {"bench"}}
    assert outside == {"bench"}
    assert {one for one in DECIDE_NOTHING if room_of(one) is not None or one not in modules} == set()


def around(module):
    """A module and the packages that it is in."""
    return {*accumulate(module.split("."), "{}.{}".format)}


def test_no_built_in_plugin_reads_the_harness_outside_of_its_rooms():
    modules = {one.module for kind in registry.GROUPS for one in registry.plugins(kind).values()}
    read = {name for module in modules for name in imports(module)[0] if name.partition(".")[0] == "bench"}
    assert {name for name in read if room_of(name) is None} == set()


def test_only_the_hashers_that_alternate_depend_on_the_update_of_free_codes():
    modules = {name: point.module for name, point in registry.plugins("hasher").items() if "toy" not in name}
    update = "methods.hashing.deep.training.code_update"
    alternating = {"adsh", "exchnet", "a2_net", "semicon", "agmh", "dahnet"}
    assert {name for name in modules if update in imports(modules[name])[0]} == alternating


KEYS = {
    "labels": {"artifacts"},
    "features": {"artifacts", "contracts"},
    "codes": {"artifacts", "contracts"},
    "codes of an estimator": {"artifacts", "contracts", "adapters"},
    "codes without the unseen classes": {"artifacts", "contracts", "protocols"},
    "exact neighbours": {"artifacts", "contracts", "protocols", "exact", "metrics"},
    "search": {"artifacts", "contracts", "protocols", "corpora", "searching"},
    "record": {"artifacts", "contracts", "protocols", "corpora", "searching", "quality", "metrics"},
}


@pytest.fixture
def keys(tmp_path, third_party):
    """The keys of a small grid's first cells, by what they name."""
    (tmp_path / "g.toml").write_text(GRID)

    def found():
        grid = grid_file.load(str(tmp_path / "g.toml"), Options())
        pipeline = Pipeline(grid, Store(tmp_path), Context(cache=tmp_path), lambda _: None)
        seen, unseen, estimator = grid.cells
        return {
            "labels": pipeline.labels_key,
            "features": pipeline.features_key(seen, seen.embedder),
            "codes": pipeline.codes_key(seen),
            "codes of an estimator": pipeline.codes_key(estimator),
            "codes without the unseen classes": pipeline.codes_key(unseen),
            "exact neighbours": nearest.exact_key(pipeline, seen),
            "search": search_key(pipeline, seen),
            "record": key(pipeline, seen),
        }

    return found


@pytest.mark.parametrize("room", ROOMS)
def test_the_version_of_a_room_is_a_part_of_the_keys_that_it_decides(room, keys, monkeypatch):
    before = keys()
    monkeypatch.setitem(ROOMS, room, dataclasses.replace(ROOMS[room], version=-1))
    after = keys()
    assert {name for name in before if before[name] != after[name]} == {n for n, rooms in KEYS.items() if room in rooms}


if __name__ == "__main__":
    DIGESTS.write_text(json.dumps(now(), indent=2) + "\n")
