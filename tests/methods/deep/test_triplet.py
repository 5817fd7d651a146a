"""The triplet embedding learns, repeats and resumes."""

import csv

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.interfaces import Context
from methods.embedding.triplet import Triplet
from methods.embedding.triplet_training import class_batches
from tests.methods.deep.conftest import QUICK, Interrupted, InterruptingTrack

SHORT = {"dim": 16, "epochs": 6, "classes_per_batch": 4, "images_per_class": 8, "learning_rate": 0.005, **QUICK}


def triplet_loss(features, labels):
    """Mean of max(0, |a - p|^2 - |a - n|^2 + margin) over all triplets: FaceNet's loss without a choice of triplets."""
    distances = np.square(features[:, None] - features[None]).sum(axis=2)
    same = labels[:, None] == labels[None]
    triplets = (same & ~np.eye(len(labels), dtype=bool))[:, :, None] & ~same[:, None, :]
    return np.maximum(0, distances[:, :, None] - distances[:, None, :] + 0.2)[triplets].mean()


@pytest.mark.long
@pytest.mark.parametrize("frozen_trunk", [True, False])
def test_loss_falls_and_neighbours_are_of_the_same_class(train, queries, tmp_path, frozen_trunk):
    settings = {**SHORT, "frozen_trunk": frozen_trunk}
    triplet = Triplet(**settings).fit(train, Context(folder=tmp_path))
    database, asked = triplet.embed(train), triplet.embed(queries)
    assert asked.shape == (80, 16) and asked.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(asked, axis=1), 1, rtol=1e-5)
    nearest = np.argmax(asked @ database.T, axis=1)
    assert np.mean(train.labels[nearest] == queries.labels) > 0.7
    untrained = Triplet(**{**settings, "epochs": 1, "learning_rate": 1e-9}).fit(train, Context())
    assert triplet_loss(asked, queries.labels) < 0.5 * triplet_loss(untrained.embed(queries), queries.labels)
    with (tmp_path / "log.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["0", "1", "2", "3", "4", "5"]


@pytest.mark.long
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_interrupted_training_ends_bit_for_bit_like_an_uninterrupted_one(train, queries, tmp_path, optimizer):
    settings = {**SHORT, "optimizer": optimizer, "learning_rate": 1e-3}
    whole = Triplet(**settings).fit(train, Context(folder=tmp_path / "whole"))
    track = InterruptingTrack("triplet", 3)
    with pytest.raises(Interrupted):
        Triplet(**settings).fit(train, Context(folder=tmp_path / "cut", track=track))
    track = InterruptingTrack("triplet", None)
    resumed = Triplet(**settings).fit(train, Context(folder=tmp_path / "cut", track=track))
    assert track.passed == 3
    assert np.array_equal(resumed.embed(queries), whole.embed(queries))
    assert (tmp_path / "cut/log.csv").read_text() == (tmp_path / "whole/log.csv").read_text()


def test_seed_decides_the_embedding_and_global_generators_stay(train, queries):
    torch_state, numpy_state = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first, again, other = (Triplet(**SHORT).fit(train, Context(seed=s)).embed(queries) for s in (0, 0, 1))
    assert np.array_equal(first, again) and not np.allclose(first, other)
    assert torch.equal(torch.random.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


@settings(max_examples=60)
@given(
    st.lists(st.integers(0, 9), min_size=20, max_size=200), st.integers(2, 12), st.integers(2, 5), st.integers(0, 99)
)
def test_class_batches_hold_p_classes_of_k_images(labels, classes, images, seed):
    labels = np.array(labels)
    names, sizes = np.unique(labels, return_counts=True)
    plan = class_batches(labels, classes, images, np.random.default_rng(seed))
    classes = min(classes, len(names))
    assert len(plan) == max(1, len(labels) // (classes * images))
    for batch in plan:
        counted, counts = np.unique(labels[batch], return_counts=True)
        assert len(counted) == classes and set(counts) == {images}
        for name in counted[sizes[np.searchsorted(names, counted)] >= images]:
            assert len(set(batch[labels[batch] == name])) == images


def test_checkpoint_of_another_training_is_refused(train, tmp_path):
    Triplet(**SHORT).fit(train, Context(folder=tmp_path))
    with pytest.raises(ValueError, match="another training"):
        Triplet(**{**SHORT, "margin": 0.3}).fit(train, Context(folder=tmp_path))


@pytest.mark.parametrize("wrong", [{"dim": 0}, {"margin": 0.0}, {"images_per_class": 1}, {"momentum": -1.0}])
def test_wrong_parameters_are_named(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        Triplet(**wrong)


def test_fewer_classes_and_images_than_a_batch_asks_for_are_said(train):
    said = []
    rows = np.concatenate(
        [np.flatnonzero(train.labels == label)[:count] for label, count in ((0, 30), (1, 30), (2, 1))]
    )
    Triplet(**{**SHORT, "epochs": 1, "classes_per_batch": 32}).fit(train.take(rows), Context(say=said.append))
    assert said == [
        "classes_per_batch=32: a batch has all 3 classes",
        "images_per_class=8: a class of 1 gives the same ones again",
    ]
