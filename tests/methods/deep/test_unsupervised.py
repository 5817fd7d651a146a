"""The deep hashers without labels: they learn from vectors and images alone, repeat, resume, and read no label."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.interfaces import Codes, Context, Items
from bench.plugins import registry
from bench.quality.ranking import mean_average_precision
from methods.embedding.pretrained import Pretrained
from methods.hashing.deep.bi_half import BiHalf
from methods.hashing.deep.cibhash import CIBHash
from methods.hashing.deep.greedy_hash_u import GreedyHashU
from methods.hashing.deep.sdc import SDC
from tests.methods.deep.conftest import Interrupted, InterruptingTrack

SMALL = {"bits": 12, "backbone": "small", "weights": "synthetic", "image_size": 16, "batch_size": 32, "epochs": 10}
METHODS = {
    GreedyHashU: {**SMALL, "learning_rate": 0.05},
    BiHalf: {**SMALL, "learning_rate": 0.05},
    SDC: {**SMALL, "learning_rate": 1e-3},
    CIBHash: {**SMALL, "hidden": 32, "epochs": 5},
}
every_method = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)


def clustered(count, seed):
    """Items of four clusters of vectors [count, 24], without labels, and the clusters."""
    rng = np.random.default_rng(seed)
    clusters = rng.integers(0, 4, count)
    centres = np.random.default_rng(9).standard_normal((4, 24))
    vectors = (centres[clusters] + 0.4 * rng.standard_normal((count, 24))).astype(np.float32)
    return Items(np.arange(count), np.full(count, -1), f"clusters-{count}-{seed}", vectors=vectors), clusters


@pytest.fixture(scope="module")
def vectors():
    return clustered(160, 0)[0]


def few_epochs(method, **more):
    return method(**{**METHODS[method], "epochs": 2, **more})


def test_all_registered_deep_hashers_without_labels_are_here():
    deep = {p.load() for p in registry.plugins("hasher").values() if p.module.startswith("methods.hashing.deep.")}
    assert {method for method in deep if not getattr(method, "supervised", True)} == set(METHODS)


@every_method
def test_codes_of_unseen_vectors_rank_their_cluster_first(method):
    (train, of_train), (queries, of_queries) = clustered(160, 0), clustered(80, 1)
    hasher = method(**METHODS[method]).fit(train, Context())
    codes, database = hasher.encode(queries), hasher.encode(train)
    assert codes.bits == 12 and hasher.database_codes_ is None and hasher.models == ("last", "oracle")
    chance = np.mean(np.square(np.bincount(of_train) / 160)) * 4
    assert mean_average_precision(codes, database, of_queries, of_train) > chance + 0.3


@pytest.mark.long
@pytest.mark.parametrize(
    ("method", "kind"), [*[(method, "vectors") for method in METHODS], (SDC, "images"), (CIBHash, "images")]
)
def test_no_label_is_read(train, vectors, method, kind):
    """Other labels, none, and sets of classes make the same training: its log and its codes are equal."""
    items = vectors if kind == "vectors" else train
    labels = np.random.default_rng(1).integers(0, 4, len(items))
    labellings = [
        labels,
        np.random.default_rng(2).permutation(labels),
        np.full(len(items), -1),
        labels[:, None] == [0, 1],
    ]
    fitted = [few_epochs(method).fit(replace(items, labels=labels), Context(seed=3)) for labels in labellings]
    for other in fitted[1:]:
        assert other.after_fit().training.history == fitted[0].after_fit().training.history
        assert np.array_equal(other.encode_real(items), fitted[0].encode_real(items))


@every_method
def test_a_seed_decides_the_codes(vectors, method):
    values = [few_epochs(method).fit(vectors, Context(seed=seed)).encode_real(vectors) for seed in (0, 0, 1)]
    assert np.array_equal(values[0], values[1]) and not np.array_equal(values[0], values[2])


@pytest.mark.long
@pytest.mark.parametrize(("method", "kind"), [(SDC, "vectors"), (BiHalf, "images"), (CIBHash, "images")])
def test_an_interrupted_training_ends_bit_for_bit_like_an_uninterrupted_one(train, vectors, tmp_path, method, kind):
    items = vectors if kind == "vectors" else train
    whole = few_epochs(method, epochs=3).fit(items, Context(folder=tmp_path / "whole"))
    with pytest.raises(Interrupted):
        track = InterruptingTrack("bits: steps", 2)
        few_epochs(method, epochs=3).fit(items, Context(folder=tmp_path / "cut", track=track))
    track = InterruptingTrack("bits: steps", None)
    resumed = few_epochs(method, epochs=3).fit(items, Context(folder=tmp_path / "cut", track=track))
    assert track.passed == 1
    assert (tmp_path / "cut/log.csv").read_text() == (tmp_path / "whole/log.csv").read_text()
    assert np.array_equal(resumed.encode_real(items), whole.encode_real(items))


@pytest.mark.parametrize("kind", ["vectors", "images"])
def test_torch_generators_are_left_alone(train, vectors, kind):
    state = torch.random.get_rng_state()
    few_epochs(CIBHash).fit(vectors if kind == "vectors" else train, Context())
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("method", [BiHalf, SDC])
def test_images_are_read_as_the_embedder_of_pretrained_features_reads_them(train, queries, method):
    embedder = Pretrained(backbone="small", weights="synthetic", image_size=16, normalise=False).fit(train, Context())
    from_images = few_epochs(method).fit(train, Context())
    from_features = few_epochs(method).fit(replace(train, images=None, vectors=embedder.embed(train)), Context())
    asked = replace(queries, images=None, vectors=embedder.embed(queries))
    assert np.array_equal(from_images.encode_real(queries), from_features.encode_real(asked))


@pytest.mark.parametrize("method", [GreedyHashU, SDC])
def test_the_scale_of_vectors_changes_nothing(vectors, method):
    """A power of two, so that no rounding differs."""
    wide = replace(vectors, vectors=vectors.vectors * np.float32(2**20))
    values = [few_epochs(method).fit(items, Context()).encode_real(items) for items in (vectors, wide)]
    assert np.array_equal(*values)


def test_vectors_are_read_where_an_input_gives_images_some(train, vectors):
    both = replace(vectors, images=train.images)
    values = [few_epochs(SDC).fit(items, Context()).encode_real(items) for items in (vectors, both)]
    assert np.array_equal(*values)


def test_cibhash_says_that_vectors_have_no_views_but_dropout(train, vectors):
    said = []
    few_epochs(CIBHash, dropout=0.25).fit(vectors, Context(say=said.append))
    (line,) = [line for line in said if "cropped" in line]
    assert line.startswith("dropout=0.25: vectors")
    said.clear()
    few_epochs(CIBHash).fit(train, Context(say=said.append))
    assert not any("cropped" in line for line in said)


def test_the_oracle_may_choose_a_model(vectors):
    seen = []

    def oracle(encode, database_codes, step=None):
        seen.append(encode(vectors).words)
        return 1 - 0.1 * len(seen)

    hasher = few_epochs(BiHalf, validate_every=1, learning_rate=0.5).fit(vectors, Context(oracle=oracle))
    hasher.use("oracle")
    assert len(seen) == 2 and np.array_equal(hasher.encode(vectors).words, seen[0])


@pytest.mark.parametrize(
    ("fault", "changes"),
    [
        ("neither", {"vectors": None}),
        ("finite", {"vectors": np.full((160, 24), np.nan, np.float32)}),
        ("finite", {"vectors": np.where(np.arange(160)[:, None] == 159, np.inf, np.ones((160, 24), np.float32))}),
        ("same features", {"vectors": np.ones((160, 24), np.float32)}),
        ("same features", {"vectors": np.zeros((160, 24), np.float32)}),
    ],
)
@every_method
def test_what_cannot_be_learned_from_is_refused(vectors, method, fault, changes):
    with pytest.raises(ValueError, match=fault):
        few_epochs(method).fit(replace(vectors, **changes), Context())


def test_one_item_is_refused(vectors):
    with pytest.raises(ValueError, match="all 1 train items"):
        few_epochs(SDC).fit(vectors.take(np.array([3])), Context())


@pytest.mark.parametrize("count", [2, 3, 5])
@every_method
def test_two_items_are_enough(vectors, method, count):
    few = vectors.take(np.arange(count))
    assert np.isfinite(few_epochs(method).fit(few, Context()).encode_real(few)).all()


@pytest.mark.parametrize("method", [BiHalf, CIBHash])
def test_other_vectors_than_those_of_the_training_are_refused(train, vectors, method):
    hasher = few_epochs(method).fit(vectors, Context())
    with pytest.raises(ValueError, match="24 dimensions, and these vectors have 5"):
        hasher.encode(replace(vectors, vectors=vectors.vectors[:, :5]))
    with pytest.raises(ValueError, match="trained on vectors"):
        hasher.encode(train)
    with pytest.raises(ValueError, match="finite"):
        hasher.encode(replace(vectors, vectors=vectors.vectors * np.float32(np.nan)))


@pytest.mark.parametrize("method", [BiHalf, CIBHash])
def test_random_features_of_images_are_refused(train, vectors, method):
    with pytest.raises(ValueError, match=r"weights='none'.*input"):
        few_epochs(method, weights="none").fit(train, Context())
    few_epochs(method, weights="none", epochs=1).fit(vectors, Context())


def test_equal_views_are_refused(train, vectors):
    with pytest.raises(ValueError, match=r"dropout=0\.0"):
        few_epochs(CIBHash, dropout=0.0).fit(vectors, Context())
    assert isinstance(few_epochs(CIBHash, dropout=0.0, epochs=1).fit(train, Context()).encode(train), Codes)


@pytest.mark.parametrize("name", ["validation", "pretrain_epochs", "frozen_trunk", "backbone_rate"])
@every_method
def test_what_would_read_labels_or_train_a_backbone_is_no_parameter(method, name):
    with pytest.raises(TypeError, match=name):
        method(**{name: 1})


@pytest.mark.parametrize(
    ("method", "wrong"),
    [
        (GreedyHashU, {"regularisation": -1.0}), (BiHalf, {"pull": -1.0}), (BiHalf, {"batch_size": 1}),
        (SDC, {"shape": 0.0}), (SDC, {"from_zero": 1}), (CIBHash, {"temperature": 0.0}), (CIBHash, {"dropout": 1.0}),
        (CIBHash, {"hidden": 0}), (SDC, {"bits": 0}), (SDC, {"weights": "nowhere"}),
    ],
)  # fmt: skip
def test_wrong_parameters_are_named(method, wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        method(**wrong)
