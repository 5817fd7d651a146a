"""Features and codes made part by part: the same as of the whole, and never more of them in memory than some parts."""

import tracemalloc

import numpy as np
import pytest

from bench.grids import grid_file
from bench.grids.grid_file import Options
from bench.interfaces import Codes, Context, Items
from bench.stages import coding, parts
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store

ROWS, DIM, BITS = 80_000, 32, 64
GRID = f"""
title = "t"
dataset = "vectors"
recipe = "r"
[[cells]]
embedder = "identity"
hasher = "lsh"
input = "identity"
bits = {BITS}
index = "asymmetric_scan"
rerank = "float32"
candidates = 20
[recipes.r]
"""


@pytest.fixture
def made(tmp_path):
    """A function that makes the features and the codes of a grid in a cache of its own, and returns their arrays."""
    rng = np.random.default_rng(0)
    np.save(tmp_path / "train.npy", rng.standard_normal((ROWS, DIM), dtype=np.float32))
    np.save(tmp_path / "test.npy", rng.standard_normal((50, DIM), dtype=np.float32))
    (tmp_path / "g.toml").write_text(GRID)
    grid = grid_file.load(str(tmp_path / "g.toml"), Options(data_dir=tmp_path))

    def make(cache):
        pipeline = Pipeline(grid, Store(tmp_path / cache), Context(cache=tmp_path / cache), lambda _: None)
        (cell,) = grid.cells
        return {**pipeline.features(cell, cell.embedder).arrays, **pipeline.codes(cell).arrays}

    return make


def test_parts_make_what_the_whole_makes_and_hold_a_fraction_of_it(made, monkeypatch):
    monkeypatch.setattr(Pipeline, "_encoding", lambda *_: None)
    monkeypatch.setattr(parts, "PART_ROWS", ROWS)
    whole = made("whole")
    monkeypatch.setattr(parts, "PART_ROWS", 1024)
    monkeypatch.setattr("bench.store.entries.MAPPED_SHARE", 0)
    tracemalloc.start()
    by_parts = made("parts")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert {*by_parts} == {"database", "query", *(f"last-{one}" for one in ("query", "encoded"))} | {
        f"last-{one}-real" for one in ("query", "encoded")
    }
    for name, array in whole.items():
        np.testing.assert_array_equal(by_parts[name], array)
    assert peak < by_parts["last-encoded-real"].nbytes * 0.6  # files are read and checked by a few MB


def sliced(by_rows, seen):
    """A hasher of the signs of vectors that notes how many items it is asked for."""

    class Signs:
        bits = 6
        database_codes_ = Codes.pack(np.ones((3, 6)))

        def encode(self, items):
            seen.append(len(items))
            return Codes.pack(items.vectors)

    Signs.by_rows = by_rows
    return Signs()


@pytest.mark.parametrize(("by_rows", "asked"), [(True, [4, 4, 2, 3]), (False, [10, 3])])
def test_learned_codes_stand_at_their_rows_whichever_part_they_fall_in(by_rows, asked, monkeypatch):
    monkeypatch.setattr(parts, "PART_ROWS", 4)
    rng, seen, trained = np.random.default_rng(1), [], np.array([0, 5, 9])
    items = {
        name: Items(np.arange(n), np.zeros(n), name, vectors=rng.standard_normal((n, 6)).astype(np.float32))
        for name, n in (("database", 10), ("query", 3))
    }
    names = {"last-learned", "last-encoded", "last-query"}
    arrays = {}
    for name, rows, block in coding.coded(sliced(by_rows, seen), "last", names, items.get, trained):
        assert rows == (3 if name == "last-query" else 10)
        arrays.setdefault(name, []).append(block)
    arrays = {name: np.concatenate(blocks)[:, 0] for name, blocks in arrays.items()}
    encoded = Codes.pack(items["database"].vectors).words[:, 0]
    expected = [0b111111 if row in trained else encoded[row] for row in range(10)]
    assert arrays["last-learned"].tolist() == expected and arrays["last-encoded"].tolist() == encoded.tolist()
    assert seen == asked  # nothing is encoded twice


def test_a_part_is_a_view_with_a_fingerprint_of_its_own():
    vectors = np.arange(20, dtype=np.float32).reshape(10, 2)
    items = Items(np.arange(10), np.arange(10) % 3, "f", images=vectors, vectors=vectors, codes=Codes.pack(vectors))
    part = items.part(3, 7)
    assert part.ids.tolist() == [3, 4, 5, 6] and part.labels.tolist() == [0, 1, 2, 0] and len(part.codes) == 4
    assert np.shares_memory(part.vectors, vectors) and part.images[1].tolist() == [8, 9]
    assert len({items.fingerprint, part.fingerprint, items.part(3, 8).fingerprint}) == 3
