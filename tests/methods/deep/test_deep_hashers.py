"""All deep hashers: they learn, repeat, resume, keep the model that was best; each loss is the published formula."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.interfaces import Context, Unsuitable
from bench.plugins import registry
from bench.quality.ranking import mean_average_precision
from methods.hashing.deep.a2_net import A2Net
from methods.hashing.deep.adsh import ADSH
from methods.hashing.deep.agmh import AGMH
from methods.hashing.deep.chn import CHN
from methods.hashing.deep.class_code import ClassCode
from methods.hashing.deep.csq import CSQ
from methods.hashing.deep.dahnet import DAHNet
from methods.hashing.deep.dcdh import DCDH
from methods.hashing.deep.dpn import DPN
from methods.hashing.deep.dpsh import DPSH
from methods.hashing.deep.dsh import DSH
from methods.hashing.deep.dtsh import DTSH
from methods.hashing.deep.exchnet import ExchNet
from methods.hashing.deep.fish import FISH
from methods.hashing.deep.greedy_hash import GreedyHash
from methods.hashing.deep.hashnet import HashNet
from methods.hashing.deep.orthohash import OrthoHash
from methods.hashing.deep.psldh import PSLDH
from methods.hashing.deep.semicon import SEMICON
from methods.hashing.deep.training.learning import set_aside
from tests.methods.deep.conftest import QUICK, Interrupted, InterruptingTrack, toy_items

EPOCHS = {"bits": 12, "epochs": 10, "batch_size": 32, "backbone_rate": 1.0, **QUICK}
TURNS = {"bits": 12, "iterations": 8, "epochs": 2, "samples": 120, "batch_size": 32, **QUICK}
METHODS = {
    DPSH: {**EPOCHS, "learning_rate": 0.05, "momentum": 0.9},
    DSH: {**EPOCHS, "learning_rate": 0.01},
    HashNet: {**EPOCHS, "learning_rate": 0.02},
    CSQ: {**EPOCHS, "learning_rate": 3e-3},
    OrthoHash: {**EPOCHS, "learning_rate": 3e-3},
    GreedyHash: {**EPOCHS, "learning_rate": 0.01},
    ClassCode: EPOCHS,
    FISH: {**EPOCHS, "learning_rate": 0.02},
    PSLDH: {**EPOCHS, "learning_rate": 0.05, "momentum": 0.9},
    DPN: {**EPOCHS, "learning_rate": 0.01},
    DTSH: {**EPOCHS, "learning_rate": 0.1, "positives": 5, "negatives": 20},
    DCDH: {**EPOCHS, "learning_rate": 0.02},
    CHN: {**EPOCHS, "learning_rate": 0.02, "width": 16},
    ADSH: {**TURNS, "learning_rate": 0.01},
    ExchNet: {**TURNS, "learning_rate": 0.01},
    A2Net: {**TURNS, "learning_rate": 0.01},
    SEMICON: {**TURNS, "learning_rate": 0.01},
    AGMH: {**TURNS, "learning_rate": 0.01, "heads": 2},
    DAHNet: {**TURNS, "learning_rate": 0.01},
}
ALTERNATING = {ADSH, ExchNet, A2Net, SEMICON, AGMH, DAHNet}
FREE_CODES = ALTERNATING | {ClassCode, FISH, CHN}
every_method = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)


def test_all_registered_deep_hashers_are_here():
    deep = {p.load() for p in registry.plugins("hasher").values() if p.module.startswith("methods.hashing.deep.")}
    assert {method for method in deep if getattr(method, "supervised", True)} == set(METHODS)


@pytest.mark.long
@every_method
def test_codes_of_unseen_images_rank_their_class_first(train, queries, tmp_path, method):
    hasher = method(**METHODS[method]).fit(train, Context(folder=tmp_path))
    codes, database = hasher.encode(queries), hasher.encode(train)
    assert codes.words.shape == (80, 1) and codes.bits == 12 and np.all(codes.words < 2**12)
    chance = np.mean(np.square(np.bincount(train.labels) / 160)) * 4
    assert mean_average_precision(codes, database, queries.labels, train.labels) > chance + 0.25
    assert (hasher.database_codes_ is not None) == (method in FREE_CODES)
    if hasher.database_codes_ is not None:
        learned = mean_average_precision(codes, hasher.database_codes_, queries.labels, train.labels)
        assert learned > chance + 0.3
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    losses = [float(value) for row in rows for name, value in row.items() if name.endswith(("_loss", "entropy"))]
    assert len(rows) == hasher.after_fit().steps and losses and np.all(np.isfinite(losses))


@pytest.mark.parametrize(
    "method",
    [CSQ, ADSH, *(pytest.param(one, marks=pytest.mark.long) for one in (DPSH, DTSH, FISH, CHN, SEMICON, DAHNet))],
    ids=lambda method: method.__name__,
)
def test_an_interrupted_training_ends_bit_for_bit_like_an_uninterrupted_one(train, queries, tmp_path, method):
    shorter = {"epochs": 3} if method not in ALTERNATING else {"iterations": 3, "epochs": 1}
    settings = {**METHODS[method], **shorter, "validation": 20, "validate_every": 1}
    whole = method(**settings).fit(train, Context(folder=tmp_path / "whole"))
    with pytest.raises(Interrupted):
        method(**settings).fit(train, Context(folder=tmp_path / "cut", track=InterruptingTrack("bits: steps", 2)))
    track = InterruptingTrack("bits: steps", None)
    resumed = method(**settings).fit(train, Context(folder=tmp_path / "cut", track=track))
    assert track.passed == 1
    assert (tmp_path / "cut/log.csv").read_text() == (tmp_path / "whole/log.csv").read_text()
    for model in ("last", "best_on_validation"):
        whole.use(model)
        resumed.use(model)
        assert np.array_equal(resumed.encode(queries).words, whole.encode(queries).words)


@pytest.mark.long
@pytest.mark.parametrize("method", [OrthoHash, ADSH], ids=lambda method: method.__name__)
@pytest.mark.parametrize("folder", [True, False])
def test_the_model_that_was_best_is_kept_for_each_criterion(train, queries, tmp_path, method, folder):
    """The oracle is made to like the first network best, and validation has its own opinion, found in the log."""
    seen, codes, steps = [], [], []

    def oracle(encode, database_codes, step):
        steps.append(step)
        codes.append((encode(queries).words, database_codes))
        seen.append(1.0 - 0.1 * len(seen))
        return seen[-1]

    settings = {**METHODS[method], "validation": 30, "validate_every": 1}
    hasher = method(**settings).fit(train, Context(folder=tmp_path if folder else None, oracle=oracle))
    history = hasher.after_fit().training.history
    assert [row["oracle_map"] for row in history] == seen and len(seen) == len(history)
    assert steps == [row["step"] + 1 for row in history]
    assert np.array_equal(hasher.encode(queries).words, codes[-1][0])
    hasher.use("oracle")
    assert np.array_equal(hasher.encode(queries).words, codes[0][0])
    if method is ADSH:
        assert np.array_equal(hasher.database_codes_.words, codes[0][1].words)
    hasher.use("best_on_validation")
    best = int(np.argmax([row["held_out_map"] for row in history]))
    assert np.array_equal(hasher.encode(queries).words, codes[best][0])
    hasher.use("last")
    assert np.array_equal(hasher.encode(queries).words, codes[-1][0])


def test_models_that_were_not_asked_for_are_not_there(train):
    hasher = OrthoHash(**{**METHODS[OrthoHash], "epochs": 1})
    assert hasher.models == ("last", "oracle")
    with pytest.raises(ValueError, match="fit comes before"):
        hasher.encode(train)
    hasher.fit(train, Context())
    with pytest.raises(ValueError, match="best_on_validation"):
        hasher.use("best_on_validation")
    assert OrthoHash(validation=10).models == ("last", "best_on_validation", "oracle")


@pytest.mark.parametrize("method", [DPSH, ADSH], ids=lambda method: method.__name__)
def test_held_out_images_change_nothing(train, method):
    shorter = {"epochs": 2} if method is DPSH else {"iterations": 2, "epochs": 1}
    settings = {**METHODS[method], **shorter, "frozen_trunk": False, "pretrain_epochs": 0, "validation": 30}
    first = method(**settings).fit(train, Context())
    images = train.images.copy()
    images[first.after_fit().held_out] = 0
    second = method(**settings).fit(replace(train, images=images), Context())
    assert np.array_equal(first.encode(train).words, second.encode(train).words)


@every_method
def test_one_class_and_items_without_images_are_refused(train, method):
    with pytest.raises(ValueError, match="class"):
        method(**METHODS[method]).fit(replace(train, labels=np.zeros_like(train.labels)), Context())
    with pytest.raises(ValueError, match="images"):
        method(**METHODS[method]).fit(replace(train, images=None), Context())


@pytest.mark.parametrize(
    ("method", "wrong"),
    [
        (DPSH, {"quantisation": -1.0}), (DSH, {"regularisation": -1.0}), (HashNet, {"pairs": "all"}),
        (CSQ, {"epochs": 0}), (OrthoHash, {"margin": -0.1}), (GreedyHash, {"learning_rate": 0.0}),
        (FISH, {"salient": 1.5}), (PSLDH, {"scale": -1.0}), (DPN, {"margin": 0.0}),
        (DTSH, {"negatives": 0}), (DCDH, {"sigma": 0.0}), (CHN, {"smoothing": 1.5}),
        (ADSH, {"quantisation": -1.0}), (A2Net, {"parts": -1}), (SEMICON, {"bits": 5}), (ADSH, {"optimizer": "lion"}),
        (AGMH, {"stride": 3}), (DAHNet, {"bits": 5}),
    ],
)  # fmt: skip
def test_wrong_parameters_are_named(method, wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        method(**wrong)


def test_the_trivial_baseline_codes_the_database_by_label_and_queries_by_the_classifier(train, queries):
    hasher = ClassCode(**METHODS[ClassCode]).fit(train, Context())
    database, found = hasher.database_codes_.words[:, 0], hasher.encode(queries).words[:, 0]
    by_label = {int(label): int(code) for label, code in zip(train.labels, database, strict=True)}
    assert len(set(by_label.values())) == 4
    assert all(by_label[int(label)] == code for label, code in zip(train.labels, database, strict=True))
    accuracy = np.mean([by_label[int(label)] == code for label, code in zip(queries.labels, found, strict=True)])
    reached = mean_average_precision(hasher.encode(queries), hasher.database_codes_, queries.labels, train.labels)
    assert accuracy > 0.6 and reached >= accuracy


def test_codes_of_an_item_do_not_depend_on_its_neighbours_in_a_batch(train):
    hasher = SEMICON(**{**METHODS[SEMICON], "iterations": 1, "epochs": 1, "suppression": 1.0}).fit(train, Context())
    alone = np.concatenate([hasher.encode(train.take(np.array([row]))).words for row in range(12)])
    assert np.array_equal(alone, hasher.encode(train.take(np.arange(12))).words)


def test_all_items_of_a_data_set_may_be_fewer_than_a_batch():
    small = toy_items(20, 3)
    assert len(ADSH(**{**METHODS[ADSH], "iterations": 1}).fit(small, Context()).database_codes_) == 20


def test_torch_generators_are_left_alone(train):
    state = torch.random.get_rng_state()
    HashNet(**{**METHODS[HashNet], "epochs": 1}).fit(train, Context(seed=3))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_parameters_that_a_method_inherits_are_checked_by_the_registry():
    assert registry.build("hasher", "csq", {"backbone": "resnet18", "weights": "none"}).backbone == "resnet18"
    with pytest.raises(ValueError, match="backbone = 'vgg'"):
        registry.build("hasher", "csq", {"backbone": "vgg"})


@settings(max_examples=60)
@given(st.lists(st.integers(1, 30), min_size=2, max_size=6), st.integers(0, 200), st.integers(0, 2**32))
def test_what_is_set_aside_leaves_an_item_of_each_class_and_three_quarters(sizes, count, seed):
    classes = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    held_out, rows = set_aside(classes, count, np.random.default_rng(seed))
    n = len(classes)
    assert sorted([*held_out, *rows]) == list(range(n)) and np.all(np.diff(held_out) > 0)
    assert set(classes[rows]) == set(range(len(sizes)))
    assert len(held_out) == min(count, max(1, n // 4), n - len(sizes))


@pytest.mark.long
@pytest.mark.parametrize("sizes", [(2, 2), (60, 1), (5, 30, 1), (100, 20)])
@every_method
def test_few_items_and_unequal_classes_are_learned_from(train, method, sizes):
    rows = np.concatenate([np.resize(np.flatnonzero(train.labels == c), size) for c, size in enumerate(sizes)])
    few = train.take(rows)
    shorter = {"epochs": 2} if method not in ALTERNATING else {"iterations": 2, "epochs": 1, "samples": 2000}
    hasher = method(**{**METHODS[method], **shorter, "validation": 300, "validate_every": 1}).fit(few, Context())
    hasher.use("best_on_validation")
    assert len(hasher.encode(few)) == sum(sizes)


def test_classes_of_one_item_each_cannot_be_validated(train):
    rows = np.array([np.flatnonzero(train.labels == label)[0] for label in range(4)])
    with pytest.raises(Unsuitable, match="validation=10: each of 4 train items is the only one of its class"):
        OrthoHash(**QUICK, validation=10).fit(train.take(rows), Context())


@settings(max_examples=60)
@given(st.integers(2, 40), st.integers(0, 20), st.integers(0, 2**32))
def test_of_sets_too_an_item_of_each_class_is_learned_from(items, count, seed):
    sets = np.random.default_rng(seed).random((items, 5)) < 0.3
    held_out, rows = set_aside(sets, count, np.random.default_rng(seed))
    assert sorted([*held_out, *rows]) == list(range(items)) and len(held_out) <= min(count, max(1, items // 4))
    assert np.array_equal(sets[rows].any(axis=0), sets.any(axis=0))


def with_sets(items):
    """The toy items with their class, and where their colour is red with that, too."""
    sets = np.column_stack([np.eye(4, dtype=bool)[items.labels], items.labels % 2 == 1])
    return replace(items, labels=sets, fingerprint=f"{items.fingerprint}, sets")


@pytest.mark.parametrize("method", [DPSH, HashNet])
def test_sets_of_classes_are_learned_from(train, queries, method):
    some, asked = with_sets(train), with_sets(queries)
    hasher = method(**METHODS[method]).fit(some, Context())
    found = mean_average_precision(hasher.encode(asked), hasher.encode(some), asked.labels, some.labels)
    chance = (asked.labels.astype(int) @ some.labels.T.astype(int) > 0).mean()
    assert found > chance + 0.1


def test_a_method_of_one_class_an_item_says_that_sets_do_not_suit_it(train):
    with pytest.raises(Unsuitable, match="CSQ learns from one class an item, and the train items have sets of classes"):
        CSQ(**METHODS[CSQ]).fit(with_sets(train), Context())
