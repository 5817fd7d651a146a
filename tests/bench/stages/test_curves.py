"""mAP over a training, and learned codes beside encoded ones, against a formula of their own."""

import json
from dataclasses import replace

import numpy as np
import pytest

from bench.grids import grid_file
from bench.interfaces import Codes, Context, Items
from bench.stages.coding import completed
from bench.stages.corpora import Corpora
from bench.stages.curves import Judge, figure_name, read_curve
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store

PROTOCOLS = ("seen_seen", "seen_all", "unseen", "unseen_all")


def expected_map(queries, database, asked, labels):
    """The mean over the queries of the expectation of AP over random order inside ties, place by place."""
    scores = []
    for code, label in zip(queries.unpack(), asked, strict=True):
        distances, relevant = (database.unpack() != code).sum(axis=1), labels == label
        before, found, total = 0, 0, 0.0
        for distance in np.unique(distances):
            tied = relevant[distances == distance]
            n, r = len(tied), int(tied.sum())
            for place in range(1, n + 1):
                others = (place - 1) * (r - 1) / (n - 1) if n > 1 else 0.0
                total += r / n * (found + 1 + others) / (before + place)
            before, found = before + n, found + r
        scores.append(total / max(relevant.sum(), 1))
    return float(np.mean(scores))


def random_items(count, rng, bits=6):
    words = Codes.pack(rng.random((count, bits)) < 0.5)
    return Items(np.arange(count), np.arange(count) % 5, "", vectors=words.unpack().astype(np.float32))


def sign(items):
    return Codes.pack(items.vectors)


@pytest.mark.parametrize("seed", range(3))
def test_every_figure_of_a_step_is_the_map_of_its_rows_and_codes(tmp_path, seed):
    rng = np.random.default_rng(seed)
    database, queries = random_items(40, rng), random_items(15, rng)
    out, asked_out = database.labels >= 3, queries.labels >= 3
    every = {"seen": (~out, ~asked_out), "unseen": (out, asked_out)}
    rows = {
        "seen_seen": tuple(map(np.flatnonzero, every["seen"])),
        "seen_all": (np.arange(40), np.flatnonzero(~asked_out)),
        "unseen": tuple(map(np.flatnonzero, every["unseen"])),
        "unseen_all": (np.arange(40), np.flatnonzero(asked_out)),
    }
    trained = np.flatnonzero(~out)
    learned = Codes.pack(rng.random((len(trained), 6)) < 0.5)
    chosen = Judge(database, queries, rows, trained, tmp_path)(sign, learned, 5)
    (figures,) = read_curve(tmp_path)
    mixed = sign(database).unpack().copy()
    mixed[trained] = learned.unpack()
    wanted = {"step": 5}
    for protocol, (of_database, of_queries) in rows.items():
        for kind, codes in (("encoded", sign(database)), ("learned", Codes.pack(mixed))):
            if (protocol, kind) != ("unseen", "learned"):
                wanted[figure_name(protocol, kind)] = expected_map(
                    sign(queries.take(of_queries)),
                    Codes(codes.words[of_database], 6),
                    queries.labels[of_queries],
                    database.labels[of_database],
                )
    assert figures == pytest.approx(wanted) and len(set(wanted.values())) == 8
    assert chosen == figures["seen_seen learned"]


def test_a_training_that_goes_on_replaces_the_steps_that_it_does_again(tmp_path):
    rng = np.random.default_rng(0)
    items = random_items(20, rng)
    rows = {"seen": (np.arange(20), np.arange(20))}

    def judge(step, encode=sign):
        return Judge(items, items, rows, None, tmp_path)(encode, None, step)

    first = [judge(step) for step in (1, 2, 3)]
    again = judge(2, lambda items: Codes.pack(items.vectors[:, [0, 0, 0, 1, 1, 2]]))
    assert [one["step"] for one in read_curve(tmp_path)] == [1, 2] and again != first[1]
    assert read_curve(tmp_path)[1]["seen encoded"] == again
    (tmp_path / "curve.json").write_text("{")
    assert read_curve(tmp_path) == [] == read_curve(tmp_path / "nowhere")


def test_models_without_a_step_are_counted(tmp_path):
    items = random_items(20, np.random.default_rng(0))
    judge = Judge(items, items, {"seen": (np.arange(20), np.arange(20))}, np.arange(20), tmp_path)
    for _ in range(3):
        judge(sign, Codes.pack(items.vectors))
    assert [one["step"] for one in read_curve(tmp_path)] == [1, 2, 3]
    assert {*read_curve(tmp_path)[0]} == {"step", "seen learned"}  # all of the database was learned: none is encoded


def test_learned_codes_of_another_number_or_length_are_refused():
    encoded = Codes.pack(np.ones((4, 8)))
    with pytest.raises(ValueError, match="3 learned codes; expected 2, one a train item"):
        completed(Codes.pack(np.ones((3, 8))), np.array([0, 2]), encoded)
    with pytest.raises(ValueError, match="learned codes have 9 bits, encoded ones 8"):
        completed(Codes.pack(np.ones((2, 9))), np.array([0, 2]), encoded)


GRID = """
title = "t"
dataset = "toy_clusters"
recipe = "r"
unseen_share = 0.35
unseen_classes = "last"
[[cells]]
protocol = ["seen_seen", "seen_all", "unseen", "unseen_all"]
hasher = "toy_guesses"
bits = 12
learns = true
model = ["last", "best_on_validation", "oracle"]
[[cells]]
protocol = ["seen_seen", "seen_all", "unseen_all"]
hasher = "toy_guesses"
bits = 12
learns = true
model = ["last", "oracle"]
database_codes = "learned"
[recipes.r]
"""


@pytest.fixture
def pipeline(tmp_path, third_party):
    (tmp_path / "g.toml").write_text(GRID)
    return Pipeline(
        grid_file.load(str(tmp_path / "g.toml")), Store(tmp_path), Context(cache=tmp_path), lambda line: None
    )


def by_label(self, labels):
    """Codes of labels: the number of the label, bit by bit."""
    return Codes.pack((labels[:, None] >> np.arange(self.bits)) % 2 == 1)


@pytest.mark.long
def test_all_figures_of_a_training_come_from_one_fit(pipeline, monkeypatch):
    from toy_plugins import Guesses

    fits, fit = [], Guesses.fit

    def counted(self, train, context):
        fits.append(train.labels)
        fit(self, train, context)
        self.database_codes_ = by_label(self, train.labels)
        return self

    monkeypatch.setattr(Guesses, "fit", counted)
    corpora, labels = Corpora(pipeline), pipeline.labels().arrays
    out = {name: labels[name] >= 4 for name in labels}
    kinds = {
        "seen_seen": (~out["database"], ~out["query"]),
        "seen_all": (np.full(180, True), ~out["query"]),
        "unseen": (out["database"], out["query"]),
        "unseen_all": (np.full(180, True), out["query"]),
    }
    found = {}
    for cell in pipeline.grid.cells:
        (database, queries), entry = corpora.of(cell), pipeline.codes(cell)
        words, asked = entry.arrays[f"{cell.model}-encoded"].copy(), entry.arrays[f"{cell.model}-query"]
        if cell.database_codes == "learned":
            words[~out["database"]] = by_label(Guesses(bits=12), labels["database"][~out["database"]]).words
        of_database, of_queries = kinds[cell.protocol]
        assert np.array_equal(database.codes.words, words[of_database])
        assert np.array_equal(queries.codes.words, asked[of_queries])
        known = labels["query"][of_queries], labels["database"][of_database]
        wanted = expected_map(queries.codes, database.codes, *known)
        found[cell.protocol, cell.model, cell.database_codes] = corpora.map(cell)
        assert corpora.map(cell) == pytest.approx(wanted)
    assert len(fits) == 1 and set(fits[0]) == {0, 1, 2, 3}
    assert len(set(found.values())) > 12


@pytest.mark.long
def test_the_curve_of_a_training_ends_with_the_figures_of_its_last_model(pipeline):
    corpora = Corpora(pipeline)
    for cell in pipeline.grid.cells:
        pipeline.codes(cell)
        steps, over = corpora.curve(cell)
        assert steps.tolist() == [1, 2, 3, 4] and steps.dtype == np.int64
        if cell.model == "last":
            assert over[-1] == pytest.approx(corpora.map(cell))
        if (cell.protocol, cell.model) == ("seen_seen", "oracle") and cell.database_codes == "learned":
            assert over.max() == pytest.approx(corpora.map(cell))


def test_a_record_of_codes_without_a_curve_has_none(pipeline):
    plain = replace(pipeline.grid, cells=tuple(cell for cell in pipeline.grid.cells if cell.model == "last"))
    other = pipeline.on_grid(plain)
    assert len(Corpora(other).of(plain.cells[0])[0]) and len(Corpora(other).curve(plain.cells[0])[0]) == 0


def test_an_interrupted_training_keeps_its_curve_in_its_folder(pipeline):
    cell = pipeline.grid.cells[0]
    entry = pipeline.codes(cell)
    text = (pipeline.store.work(pipeline.codes_key(cell)) / "curve.json").read_text()
    assert json.loads(text) == entry.meta["curve"]
