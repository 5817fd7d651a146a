import errno
from dataclasses import replace

import numpy as np
import pytest

from bench.grids import grid_file
from bench.grids.grid_file import Options
from bench.interfaces import Codes, Context
from bench.plugins import registry
from bench.quality.neighbours import radius_of
from bench.quality.ranking import mean_average_precision
from bench.stages import nearest
from bench.stages.corpora import Corpora
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store
from bench.system.files import DiskFull

pytestmark = pytest.mark.usefixtures("third_party")


@pytest.fixture
def make(tmp_path):
    """The pipeline of a grid with these cells, on clusters or another data set, on a cache of its own."""

    def pipeline(cells, dataset="toy_clusters", top="", options=Options()):  # noqa: B008
        path = tmp_path / "g.toml"
        path.write_text(f'title = "t"\ndataset = "{dataset}"\nrecipe = "r"\n{top}\n[[cells]]\n{cells}\n[recipes.r]\n')
        cache = tmp_path / "cache"
        cache.mkdir(exist_ok=True)
        return Pipeline(grid_file.load(str(path), options), Store(cache), Context(cache=cache), lambda _: None)

    return pipeline


def trained_labels(pipeline, cell):
    return np.load(pipeline.store.root / "work" / pipeline.codes_key(cell) / "labels.npy")


def oracle_scores(pipeline, cell):
    return np.load(pipeline.store.root / "work" / pipeline.codes_key(cell) / "scores.npy")


def test_a_training_that_fills_the_disk_names_its_folder(make, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    pipeline = make('hasher = "toy_guesses"')
    (cell,) = pipeline.grid.cells
    monkeypatch.setattr(registry.load("hasher", "toy_guesses"), "fit", full)
    folder = pipeline.store.work(pipeline.codes_key(cell))
    with pytest.raises(DiskFull, match=f"no space is left to write {folder}: "):
        pipeline.codes(cell)


def test_classes_that_are_asked_for_as_unseen_are_never_trained_on(make):
    pipeline = make('protocol = ["unseen", "unseen_all"]\nhasher = "toy_guesses"', top="unseen_share = 0.4")
    unseen = set(pipeline.unseen())
    assert len(unseen) == 2
    labels = pipeline.labels().arrays
    among, within = pipeline.grid.cells
    for cell in (among, within):
        pipeline.codes(cell)
        trained = trained_labels(pipeline, cell)
        assert set(trained) == set(range(6)) - unseen and len(trained) == 180 * 4 / 6
        assert set(labels["query"][pipeline.query_rows(cell)]) == unseen
    assert set(labels["database"][pipeline.database_rows(among)]) == unseen
    assert len(pipeline.database_rows(within)) == 180


@pytest.mark.long
def test_the_embedder_in_front_of_a_hasher_does_not_see_unseen_classes_either(make, tmp_path):
    pipeline = make('protocol = "unseen"\nhasher = "toy_medians"\ninput = "toy_pixels"')
    pipeline.codes(pipeline.grid.cells[0])
    assert (tmp_path / "cache" / "fits.txt").read_text() == f"pixels of {180 * 4 // 6}\n"


def test_protocols_with_unseen_classes_share_a_training_and_the_seen_one_knows_nothing_of_the_split(make):
    names = '["seen", "unseen", "unseen_all", "seen_seen", "seen_all"]'
    cells = f'protocol = {names}\nhasher = "toy_guesses"\nmodel = ["last", "oracle"]'
    pipeline = make(cells)
    keys = {cell.protocol: set() for cell in pipeline.grid.cells}
    for cell in pipeline.grid.cells:
        keys[cell.protocol].add(pipeline.codes_key(cell))
    (seen,), *others = (keys[name] for name in ("seen", "unseen", "unseen_all", "seen_seen", "seen_all"))
    assert all(other == others[0] and len(other) == 1 and seen not in other for other in others)
    among = others[0].pop()
    other = make(cells, top="split_seed = 1")
    assert other.codes_key(other.grid.cells[0]) == seen
    assert other.codes_key(other.grid.cells[1]) != among


@pytest.mark.long
def test_one_training_gives_the_codes_of_every_model_that_a_cell_asks_for(make):
    pipeline = make('hasher = "toy_guesses"\nmodel = ["last", "best_on_validation"]')
    last, best = pipeline.grid.cells
    assert pipeline.codes_key(last) == pipeline.codes_key(best)
    codes = pipeline.codes(last)
    assert codes.meta["models"] == ["last", "best_on_validation"]
    assert set(codes.arrays) == {f"{model}-{part}" for model in codes.meta["models"] for part in ("encoded", "query")}
    assert not np.array_equal(codes.arrays["last-query"], codes.arrays["best_on_validation-query"])
    asked = make('hasher = "toy_guesses"\nmodel = ["last", "oracle"]')
    assert asked.codes_key(asked.grid.cells[0]) == asked.codes_key(asked.grid.cells[1]) != pipeline.codes_key(last)
    codes = asked.codes(asked.grid.cells[0])
    assert codes.meta["models"] == ["last", "best_on_validation", "oracle"]
    assert set(codes.arrays) == {f"{model}-{part}" for model in ("last", "oracle") for part in ("encoded", "query")}


def encodings(monkeypatch):
    """How many items are encoded at each call from here on."""
    from toy_plugins import Guesses

    counts = []
    encode = Guesses.encode

    def counted(self, items):
        counts.append(len(items))
        return encode(self, items)

    monkeypatch.setattr(Guesses, "encode", counted)
    return counts


def test_nothing_is_encoded_that_no_cell_reads(make, monkeypatch):
    pipeline = make('hasher = "toy_guesses"\nlearns = true\ndatabase_codes = "learned"')
    counts = encodings(monkeypatch)
    assert set(pipeline.codes(pipeline.grid.cells[0]).arrays) == {"last-query", "last-learned"}
    assert max(counts) == 36  # the queries, and no item of the database


def test_a_grid_that_reads_more_of_a_training_adds_it_and_keeps_what_there_is(make, monkeypatch):
    few = make('hasher = "toy_guesses"')
    before = few.codes(few.grid.cells[0])
    more = make('hasher = "toy_guesses"\nmodel = ["last", "best_on_validation"]')
    last, best = more.grid.cells
    assert more.codes_key(last) == few.codes_key(few.grid.cells[0])
    assert [stage.holds(before.meta) for cell in (last, best) for stage in more.stages(cell)] == [True, False]
    counts = encodings(monkeypatch)
    after = more.codes(best)
    assert counts.count(180) == 1  # the database by the model that is new
    assert all(np.array_equal(after.arrays[name], before.arrays[name]) for name in before.arrays)
    assert set(after.arrays) - set(before.arrays) == {"best_on_validation-encoded", "best_on_validation-query"}
    assert after.meta["fit_seconds"] == before.meta["fit_seconds"]


@pytest.mark.long
def test_codes_of_a_training_that_came_out_otherwise_are_all_made_again(make, monkeypatch):
    few = make('hasher = "toy_guesses"')
    before = few.codes(few.grid.cells[0])
    from toy_plugins import Guesses

    fit = Guesses.fit
    monkeypatch.setattr(Guesses, "fit", lambda self, train, context: fit(self, train, replace(context, seed=1)))
    more = make('hasher = "toy_guesses"\nmodel = ["last", "best_on_validation"]')
    after = more.codes(more.grid.cells[1])
    assert not np.array_equal(after.arrays["last-query"], before.arrays["last-query"])
    alone = Pipeline(more.grid, Store(more.store.root / "another"), more.context, lambda _: None)
    assert all(
        np.array_equal(after.arrays[name], array) for name, array in alone.codes(more.grid.cells[0]).arrays.items()
    )


@pytest.mark.long
def test_how_long_a_training_took_is_not_known_where_an_earlier_run_began_it(make):
    pipeline = make('hasher = "toy_guesses"\nbits = [8, 9]')
    whole, resumed = pipeline.grid.cells
    folder = pipeline.store.work(pipeline.codes_key(resumed))
    folder.mkdir(parents=True)
    (folder / "checkpoint.safetensors").touch()
    for cell in (whole, resumed):
        pipeline.codes(cell)
    corpora = Corpora(pipeline)
    assert (corpora.costs(whole)[0]["fit_seconds"] or 0) > 0
    assert corpora.costs(resumed)[0]["fit_seconds"] is None


@pytest.mark.long
def test_a_training_is_asked_for_the_oracle_of_its_own_cells_alone(make):
    pipeline = make('hasher = "toy_guesses"\nmodel = "oracle"\nbits = 8\n[[cells]]\nhasher = "toy_guesses"\nbits = 9')
    asked, other = pipeline.grid.cells
    assert "oracle" in pipeline.codes(asked).meta["models"]
    assert "oracle" not in pipeline.codes(other).meta["models"]


@pytest.mark.long
@pytest.mark.parametrize("protocol", ["seen", "seen_seen", "seen_all", "unseen", "unseen_all"])
def test_the_oracles_figure_is_the_map_of_the_queries_of_seen_classes_among_items_of_these(make, protocol):
    pipeline = make(f'protocol = "{protocol}"\nhasher = "toy_guesses"\nmodel = "oracle"\nbits = 16')
    cell = pipeline.grid.cells[0]
    arrays, labels = pipeline.codes(cell).arrays, pipeline.labels().arrays
    by = replace(cell, protocol="seen" if protocol == "seen" else "seen_seen")
    asked, searched = pipeline.query_rows(by), pipeline.database_rows(by)
    found = mean_average_precision(
        Codes(arrays["oracle-query"][asked], 16),
        Codes(arrays["oracle-encoded"][searched], 16),
        labels["query"][asked],
        labels["database"][searched],
    )
    scores = oracle_scores(pipeline, cell)
    assert len(set(scores)) == 4 and found == pytest.approx(scores.max())


@pytest.mark.long
def test_the_oracle_judges_learned_codes_where_they_are_codes_of_the_database(make):
    cells = 'protocol = ["seen", "unseen_all"]\nhasher = "toy_guesses"\nmodel = "oracle"\nlearns = true'
    pipeline, apart = make(cells), make(cells, dataset="toy_clusters_apart")
    for cell in pipeline.grid.cells:  # one code for all items
        pipeline.codes(cell)
        assert oracle_scores(pipeline, cell) == pytest.approx([oracle_scores(pipeline, cell)[0]] * 4)
    for cell in apart.grid.cells:
        apart.codes(cell)
        assert len(set(oracle_scores(apart, cell))) == 4


def test_codes_learned_for_train_items_that_are_not_the_database_are_not_kept(make):
    pipeline = make('hasher = "toy_signs"\ndatabase_codes = "learned"', dataset="toy_clusters_apart")
    assert set(pipeline.codes(pipeline.grid.cells[0]).arrays) == {"last-query"}
    with pytest.raises(ValueError, match="learned no database codes"):
        Corpora(pipeline).of(pipeline.grid.cells[0])


@pytest.mark.long
def test_an_estimator_reads_the_features_of_the_input_and_is_seeded(make):
    pipeline = make('hasher = "toy_medians"\nbits = 12\ninput = "toy_pixels"\ndim = 3\nseeds = [0, 1]')
    cell = pipeline.grid.cells[1]
    vectors = pipeline.dataset.split("database").vectors[:, :3]
    columns = np.random.default_rng(1).integers(3, size=12)
    expected = Codes.pack(vectors[:, columns] >= np.median(vectors[:, columns], axis=0))
    assert np.array_equal(pipeline.codes(cell).arrays["last-encoded"], expected.words)


@pytest.mark.long
def test_the_input_of_train_items_outside_the_database_is_their_own_features(make):
    pipeline = make('hasher = "toy_medians"\nbits = 12\ninput = "toy_pixels"', dataset="toy_clusters_apart")
    cell = pipeline.grid.cells[0]
    train, query = (pipeline.dataset.split(name).vectors[:, :12] for name in ("train", "query"))
    assert np.array_equal(pipeline.features(cell, cell.input).arrays["train"], train)
    columns = np.random.default_rng(0).integers(12, size=12)
    expected = Codes.pack(query[:, columns] >= np.median(train[:, columns], axis=0))
    assert np.array_equal(pipeline.codes(cell).arrays["last-query"], expected.words)


@pytest.mark.long
def test_images_reach_an_estimator_as_features(make):
    few = ["image_size=8", "class_count=3", "train_per_class=20", "query_per_class=5", "occlusion=0.0"]
    options = Options(settings=[f"synthetic_food101.{text}" for text in few])
    pipeline = make('hasher = "toy_medians"\ninput = "toy_pixels"', dataset="synthetic_food101", options=options)
    codes = pipeline.codes(pipeline.grid.cells[0]).arrays
    assert codes["last-encoded"].shape == (60, 1) and codes["last-query"].shape == (15, 1)


def test_what_decides_the_codes_is_in_their_key(make):
    base = 'hasher = "toy_medians"\n'
    cells = [base, base + 'input = "toy_pixels"', base + 'input = "toy_pixels"\ndim = 4', base + "bits = 9"]
    keys = {pipeline.codes_key(pipeline.grid.cells[0]) for pipeline in map(make, cells)}
    assert len(keys) == len(cells)


def test_codes_of_another_number_than_the_items_are_refused(make, monkeypatch):
    pipeline = make('hasher = "toy_guesses"')
    monkeypatch.setattr("toy_plugins.Guesses._coded", lambda self, planes, items: Codes.pack(np.ones((3, self.bits))))
    with pytest.raises(ValueError, match=r"3 encoded codes of 8 bits; expected 180"):
        pipeline.codes(pipeline.grid.cells[0])


def test_queries_are_drawn_for_an_index_and_a_ranking_asks_all_of_them(make):
    cells = 'embedder = "toy_pixels"\nindex = "linear_scan"\n[[cells]]\nembedder = "toy_pixels"'
    pipeline = make(cells, options=Options(settings=["measure.queries=10"]))
    searched, ranked = pipeline.grid.cells
    assert len(pipeline.query_rows(searched)) == 10 and len(pipeline.query_rows(ranked)) == 36


@pytest.mark.long
def test_exact_neighbours_are_those_of_the_protocol(make):
    pipeline = make('protocol = ["seen", "unseen"]\nembedder = "identity"\nindex = "linear_scan"', top="k = 3")
    for cell in pipeline.grid.cells:
        queries = pipeline.dataset.split("query").vectors[pipeline.query_rows(cell)].astype(np.float64)
        database = pipeline.dataset.split("database").vectors[pipeline.database_rows(cell)].astype(np.float64)
        distances = ((queries[:, None] - database) ** 2).sum(axis=2)
        assert np.array_equal(nearest.exact(pipeline, cell), np.argsort(distances, axis=1)[:, :3])


@pytest.mark.long
def test_the_distance_of_the_kth_code_is_computed_once_for_cells_of_the_same_codes_and_queries(make, monkeypatch):
    counted = []
    monkeypatch.setattr("bench.quality.neighbours.radius_of", lambda *args: counted.append(args) or radius_of(*args))
    codes = 'hasher = "lsh"\nbits = 16\nseeds = [0, 1]\n'
    cells = f'{codes}index = "hamming_scan"\n[[cells]]\n{codes}index = "hash_tables"\nkey_bits = 8'
    pipeline = make(cells, top="k = 3", options=Options(settings=["measure.queries=10"]))
    corpora = Corpora(pipeline)
    found = [corpora.radius(cell) for cell in pipeline.grid.cells]
    assert len(found) == 4 and len(counted) == 2
    for cell, radius in zip(pipeline.grid.cells, found, strict=True):
        database, queries = (corpus.codes.unpack() for corpus in corpora.of(cell))
        distances = (queries[:, None] != database).sum(axis=2)
        assert np.array_equal(radius, np.sort(distances, axis=1)[:, 2]) and len(radius) == 10


def test_the_labels_of_a_whole_split_are_not_copied(make, monkeypatch):
    pipeline = make('hasher = "toy_signs"')
    entry = pipeline.labels()
    monkeypatch.setattr(Pipeline, "labels", lambda self: entry)
    database, queries = Corpora(pipeline).labels(pipeline.grid.cells[0])
    assert database is entry.arrays["database"] and queries is entry.arrays["query"]


REAL = 'hasher = "toy_signs"\nindex = "toy_scan"\nfield = "real_codes"\n'


def test_real_codes_are_kept_where_an_index_of_the_grid_reads_them(make):
    cells = 'hasher = "toy_signs"\nindex = "toy_scan"\nfield = ["codes", "real_codes"]\n[[cells]]\nhasher = "toy_signs"'
    pipeline = make(cells)
    by_codes, by_real, ranked = pipeline.grid.cells
    assert pipeline.codes_key(by_codes) == pipeline.codes_key(by_real) == pipeline.codes_key(ranked)
    arrays = pipeline.codes(by_real).arrays
    assert set(arrays) == {f"last-{name}" for name in ("encoded", "query", "encoded-real", "query-real")}
    for part in ("encoded", "query"):
        real = arrays[f"last-{part}-real"]
        assert real.dtype == np.float32 and real.shape == (len(arrays[f"last-{part}"]), 16)
        assert np.array_equal(Codes.pack(real).words, arrays[f"last-{part}"])
    plain = make('hasher = "toy_signs"')
    assert plain.codes_key(plain.grid.cells[0]) == pipeline.codes_key(by_real)
    assert np.array_equal(plain.codes(plain.grid.cells[0]).arrays["last-query"], arrays["last-query"])


@pytest.mark.long
def test_only_the_training_whose_real_codes_are_read_keeps_them(make):
    pipeline = make(REAL + 'bits = 8\n[[cells]]\nhasher = "toy_signs"\nbits = [8, 9]')
    searched, same, other = pipeline.grid.cells
    assert "last-query-real" in pipeline.codes(searched).arrays
    assert pipeline.codes_key(searched) == pipeline.codes_key(same)
    assert "last-query-real" not in pipeline.codes(other).arrays


def test_the_real_codes_of_an_estimator_are_its_decision_function(make):
    pipeline = make(REAL.replace("toy_signs", "toy_real_medians") + "bits = 5")
    cell = pipeline.grid.cells[0]
    vectors = {name: pipeline.dataset.split(name).vectors for name in ("database", "query")}
    columns = np.random.default_rng(0).integers(16, size=5)
    expected = vectors["query"][:, columns] - np.median(vectors["database"][:, columns], axis=0)
    assert pipeline.codes(cell).arrays["last-query-real"] == pytest.approx(expected)


@pytest.mark.parametrize(
    "wrong", [np.ones((180, 3), np.float32), np.ones((180, 16)), np.full((180, 16), np.nan, np.float32)]
)
def test_real_codes_of_another_type_or_shape_are_refused(make, monkeypatch, wrong):
    pipeline = make(REAL)
    monkeypatch.setattr("toy_plugins.Signs.encode", lambda self, items: None)
    monkeypatch.setattr("toy_plugins.Signs.encode_real", lambda self, items: wrong)
    with pytest.raises(ValueError, match=r"encode_real returned .*expected finite float32 \[180, 16\]"):
        pipeline.codes(pipeline.grid.cells[0])


def test_learned_codes_of_the_database_have_no_real_values(make):
    pipeline = make(REAL + 'database_codes = ["encoded", "learned"]')
    encoded, learned = pipeline.grid.cells
    corpora = Corpora(pipeline)
    database, queries = corpora.of(encoded)
    assert database.real_codes.shape == (180, 16) and queries.real_codes.shape == (36, 16)
    database, queries = corpora.of(learned)
    assert database.real_codes is None and queries.real_codes.shape == (36, 16)
