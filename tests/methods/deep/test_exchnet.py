"""ExchNet as a whole: it learns, repeats, resumes; its anchors, held-out items and attention are right."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.interfaces import Context
from bench.quality.ranking import mean_average_precision
from datasets.synthetic import SyntheticFood101
from methods.backbones.backbone import seeded
from methods.hashing.deep.exchnet import ExchNet
from methods.hashing.deep.networks import exchnet
from methods.hashing.deep.networks.exchnet import anchors, some_of_each
from methods.hashing.deep.training.alternation import Alternation
from methods.inference import evaluate
from tests.methods.deep.conftest import QUICK, Interrupted, InterruptingTrack

SHORT = {"bits": 12, "iterations": 6, "epochs": 2, "samples": 120, "batch_size": 32, "learning_rate": 0.01, **QUICK}


def alternation(train, **values):
    return Alternation(ExchNet(**{**SHORT, **values}), train, Context())


@pytest.mark.long
@pytest.mark.parametrize("frozen_trunk", [True, False])
def test_codes_of_unseen_images_rank_their_class_first(train, queries, tmp_path, frozen_trunk):
    settings = {**SHORT, "frozen_trunk": frozen_trunk, "iterations": 10}
    exchnet = ExchNet(**settings).fit(train, Context(folder=tmp_path))
    codes, database = exchnet.encode(queries), exchnet.database_codes_
    assert codes.words.shape == (80, 1) and codes.bits == 12 and len(database) == 160
    assert np.all(codes.words < 2**12)
    chance = np.mean(np.square(np.bincount(train.labels) / 160)) * 4
    assert mean_average_precision(codes, database, queries.labels, train.labels) > chance + 0.3
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert float(rows[-1]["hash_loss"]) < 0.9 * float(rows[0]["hash_loss"])
    assert float(rows[-1]["code_loss"]) < float(rows[0]["code_loss"])


def test_seed_decides_the_codes_and_global_generators_stay(train, queries):
    torch_state, numpy_state = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first, again, other = (ExchNet(**SHORT).fit(train, Context(seed=s)) for s in (0, 0, 1))
    assert np.array_equal(first.encode(queries).words, again.encode(queries).words)
    assert np.array_equal(first.database_codes_.words, again.database_codes_.words)
    assert not np.array_equal(first.encode(queries).words, other.encode(queries).words)
    assert torch.equal(torch.random.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


@pytest.fixture(scope="module", params=[True, False], ids=["frozen", "trained"])
def whole(request, train, tmp_path_factory):
    """Settings, what their uninterrupted training ends with, and its folder."""
    settings = {**SHORT, "frozen_trunk": request.param, "validation": 20, "validate_every": 2}
    folder = tmp_path_factory.mktemp("whole")
    return settings, ExchNet(**settings).fit(train, Context(folder=folder)), folder


# Before the exchange starts, after it, and during the classification that comes first.
@pytest.mark.long
@pytest.mark.parametrize(("description", "after"), [("exchnet", 2), ("exchnet", 4), ("classification", 1)])
def test_interrupted_training_ends_bit_for_bit_like_an_uninterrupted_one(
    train, queries, tmp_path, description, after, whole
):
    settings, whole, folder = whole
    track = InterruptingTrack(description, after)
    with pytest.raises(Interrupted):
        ExchNet(**settings).fit(train, Context(folder=tmp_path / "cut", track=track))
    track = InterruptingTrack(description, None)
    resumed = ExchNet(**settings).fit(train, Context(folder=tmp_path / "cut", track=track))
    assert track.passed == (6 if description == "exchnet" else 2) - after
    assert np.array_equal(resumed.database_codes_.words, whole.database_codes_.words)
    assert np.array_equal(resumed.encode(queries).words, whole.encode(queries).words)
    assert np.array_equal(resumed.attention(queries), whole.attention(queries))
    assert (tmp_path / "cut/log.csv").read_text() == (folder / "log.csv").read_text()


def test_anchors_are_the_class_means_of_the_part_features(train):
    subject = alternation(train)
    means = anchors(subject, None, step=0)
    batches = subject.inputs.batches([np.arange(len(train))])
    (made,) = evaluate(subject.network, subject.training.device, batches)
    for label in range(4):
        wanted = made.local.numpy()[train.labels == label].mean(axis=0)
        np.testing.assert_allclose(means[label], wanted, rtol=1e-4, atol=1e-5)
    assert not means.requires_grad


def test_anchors_of_a_sample_take_as_many_of_each_class():
    classes = np.array([0] * 50 + [1] * 3 + [2] * 20)
    rows = np.arange(1, 73)
    chosen, other = (some_of_each(rows, classes, 5, (seed,)) for seed in (0, 1))
    assert np.bincount(classes[chosen]).tolist() == [5, 3, 5]
    assert np.all(np.isin(chosen, rows)) and len(set(chosen)) == len(chosen)
    assert not np.array_equal(chosen, other)


@pytest.mark.parametrize("exchange_from", [0.0, 0.5, 1.0])
def test_parts_are_exchanged_from_the_stated_iteration_on(train, monkeypatch, exchange_from):
    asked = []
    subject = alternation(train, exchange_from=exchange_from, iterations=4, epochs=1)

    def spy(learning, per_class, step):
        asked.append(step)
        return anchors(learning, per_class, step)

    monkeypatch.setattr(exchnet, "anchors", spy)
    subject.run()
    assert asked == list(range(int(4 * exchange_from), 4))


def test_held_out_images_are_never_trained_on(train, monkeypatch):
    subject = alternation(train, validation=30, exchange_from=0.0, iterations=3)
    read = set()
    batches = type(subject.inputs).batches

    def spy(inputs, plan, *others):
        read.update(np.concatenate(plan).tolist())
        return batches(inputs, plan, *others)

    monkeypatch.setattr(type(subject.inputs), "batches", spy)
    monkeypatch.setattr(subject, "_held_out_map", lambda: 0.0)
    subject.run()
    assert len(subject.held_out) == 30
    assert read == set(range(160)) - set(subject.held_out.tolist())
    assert len(subject.database_codes()) == 160


@pytest.mark.long
def test_held_out_images_change_nothing(train):
    """The held-out items have learned codes like all others: those depend on labels alone."""
    settings = {**SHORT, "frozen_trunk": False, "pretrain_epochs": 0, "validation": 30, "iterations": 2, "epochs": 1}
    held_out = alternation(train, validation=30).held_out
    images = train.images.copy()
    images[held_out] = 0
    blackened = replace(train, images=images)
    first, second = (ExchNet(**settings).fit(items, Context()) for items in (train, blackened))
    assert np.array_equal(first.database_codes_.words, second.database_codes_.words)
    assert np.array_equal(first.attention(train), second.attention(train))


@pytest.mark.long
def test_learning_rate_falls_at_60_and_80_percent(train, tmp_path):
    settings = {**SHORT, "iterations": 10, "epochs": 1, "samples": 40}
    ExchNet(**settings).fit(train, Context(folder=tmp_path))
    with (tmp_path / "log.csv").open() as file:
        rates = [float(row["learning_rate"]) for row in csv.DictReader(file)]
    assert rates == pytest.approx([0.01] * 6 + [0.001] * 2 + [0.0001] * 2)


@pytest.mark.long
def test_attention_finds_the_parts_of_its_own_image():
    """A map of the synthetic data's images lies on their own parts more than on the places of other images' parts.

    Not every map does: others look at what is around the parts.
    """
    easy = {"occlusion": 0.0, "noise": 0.0, "distractors": 0, "colour_jitter": 0.0, "detail": 1.0}
    made = SyntheticFood101(class_count=4, family_size=1, train_per_class=100, query_per_class=20, **easy)
    data = made.load(Context())
    settings = {**SHORT, "image_size": 32, "pretrain_epochs": 4, "samples": 400, "learning_rate": 0.003}
    exchnet = ExchNet(**settings).fit(data.split("train"), Context())
    attention = exchnet.attention(data.split("query"))
    share = attention / np.maximum(attention.sum(axis=(2, 3), keepdims=True), 1e-9)
    y, x = (np.mgrid[: share.shape[2], : share.shape[3]] + 0.5) / share.shape[2]
    parts = data.parts("query")[:, :, :3, None, None]
    inside = np.any(np.hypot(x - parts[:, :, 0], y - parts[:, :, 1]) < parts[:, :, 2], axis=1)[:, None]
    own = np.sum(share * inside, axis=(2, 3)).mean(axis=0)
    others = np.mean(
        [np.sum(share * np.roll(inside, k, axis=0), axis=(2, 3)).mean(axis=0) for k in range(1, 20)], axis=0
    )
    assert np.max(own / others) > 1.25


@pytest.mark.parametrize(
    "wrong", [{"bits": 0}, {"parts": 1}, {"learning_rate": 0.0}, {"exchange_from": 1.5}, {"anchor_samples": 0}]
)
def test_wrong_parameters_are_named(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        ExchNet(**wrong)


def test_more_than_the_data_hold_is_cut_to_what_there_is_and_said(train):
    said = []
    settings = {**SHORT, "validation": 1010, "samples": 2000, "batch_size": 500, "anchor_samples": 90}
    learned = Alternation(ExchNet(**settings), train, Context()), ExchNet(**settings)
    exchnet = ExchNet(**{**settings, "iterations": 2}).fit(train, Context(say=said.append))
    held_out, rows = learned[0].held_out, learned[0].rows
    assert len(held_out) == 40 and sorted([*held_out, *rows]) == list(range(160))
    smallest = np.bincount(train.labels[rows]).min()
    assert said == [
        "validation=1010: 40 of 160 train items are held out",
        "batch_size=500: all 120 items that are learned from are one batch",
        "samples=2000: an iteration takes all 120 items that are learned from",
        f"anchor_samples=90: a class of {smallest} train items gives all of them",
    ]
    exchnet.use("best_on_validation")


def test_seeded_leaves_the_global_generator(train):
    before = torch.random.get_rng_state()
    with seeded(1):
        torch.rand(3)
    assert torch.equal(torch.random.get_rng_state(), before)
