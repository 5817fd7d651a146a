"""Batches of images, and the frozen trunk's outputs and their cache."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.interfaces import Context, Items, Subset
from methods import trunk
from methods.backbones import BackboneChoice
from methods.batches import augment, in_order, read_crops, read_images, shuffled
from methods.embedding.triplet import Triplet
from methods.reading import Reading
from tests.methods.deep.conftest import QUICK

CHOICE = BackboneChoice("small", "none", 16, True, 1)


class Decoded:
    """Images that come one by one, as from a file."""

    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def __getitem__(self, position):
        return self.images[position].copy()


@pytest.mark.parametrize("preprocessing", ["squash", "crop"])
@pytest.mark.parametrize("size", [16, 24])
def test_images_are_the_same_however_they_are_stored(train, size, preprocessing):
    rows = np.array([7, 3, 7, 150])
    one_by_one = Decoded(train.images)
    subset = Subset(Subset(one_by_one, np.arange(160)[::-1]), np.arange(160)[::-1])
    wanted = read_images(train.images, rows, size, preprocessing)
    assert wanted.shape == (4, 3, size, size) and wanted.dtype == torch.uint8
    for images in (one_by_one, subset, Subset(train.images, np.arange(160))):
        assert torch.equal(read_images(images, rows, size, preprocessing), wanted)
    crops = [
        read_crops(images, rows, size, Reading(augmentation="resized_crop"), np.random.default_rng(0))
        for images in (train.images, one_by_one, subset)
    ]
    assert torch.equal(crops[0], crops[1]) and torch.equal(crops[0], crops[2])
    if size == 16 and preprocessing == "squash":
        np.testing.assert_array_equal(wanted.permute(0, 2, 3, 1), train.images[rows])


def test_augmented_images_are_crops_of_the_padded_image_and_repeat_with_the_seed(train):
    batch = read_images(train.images, np.arange(40), 16)
    made, again, other = (augment(batch, np.random.default_rng(seed)).numpy() for seed in (0, 0, 1))
    assert np.array_equal(made, again) and not np.array_equal(made, other)
    padded = np.pad(batch.numpy(), ((0, 0), (0, 0), (2, 2), (2, 2)), mode="reflect")
    for image, source in zip(made, padded, strict=True):
        crops = [source[:, y : y + 16, x : x + 16] for y in range(5) for x in range(5)]
        assert any(np.array_equal(image, c) or np.array_equal(image, c[:, :, ::-1]) for c in crops)


def test_plans_visit_every_row_once_in_batches_of_the_size():
    rows = np.arange(100, 165)
    batches = shuffled(rows, 64, np.random.default_rng(0))
    assert [len(batch) for batch in batches] == [33, 32]
    assert sorted(np.concatenate(batches)) == rows.tolist()
    assert np.concatenate(in_order(65, 64)).tolist() == list(range(65))


@pytest.mark.parametrize(("count", "size"), [(1, 64), (2, 64), (3, 2), (101, 2), (65, 64), (9, 4)])
def test_no_batch_is_of_one_row_where_there_are_more(count, size):
    batches = shuffled(np.arange(count), size, np.random.default_rng(0))
    assert sorted(np.concatenate(batches)) == list(range(count))
    assert min(map(len, batches)) >= min(2, count) and max(map(len, batches)) <= max(size, 3 if count % 2 else 2)


def test_trunk_outputs_come_from_the_cache_the_second_time(train, tmp_path, monkeypatch):
    cached = Context(cache=tmp_path)
    backbone = trunk.prepare_backbone(CHOICE, train, cached)
    plan = in_order(len(train), 50)
    first = torch.cat(list(trunk.open_inputs(train, backbone, True, cached).batches(plan)))
    plain = torch.cat(list(trunk.open_inputs(train, backbone, True, Context()).batches(plan)))
    assert torch.equal(first, plain)
    monkeypatch.setattr(trunk, "_compute", None)
    monkeypatch.setattr(trunk, "_pretrain", None)
    backbone = trunk.prepare_backbone(CHOICE, train, cached)
    second = torch.cat(list(trunk.open_inputs(train, backbone, True, cached).batches(plan)))
    assert torch.equal(first, second)
    assert not list(tmp_path.glob(".*")), "a temporary file was left"


def test_trunk_outputs_are_the_trunk_of_the_normalised_images(train):
    backbone = trunk.prepare_backbone(CHOICE, train, Context())
    (got,) = trunk.open_inputs(train, backbone, True, Context()).batches([np.array([5, 90])])
    images = torch.from_numpy(train.images[[5, 90]]).permute(0, 3, 1, 2)
    with torch.inference_mode():
        wanted = backbone.trunk().eval()(backbone.normalise(images))
    np.testing.assert_allclose(got, wanted, rtol=2e-3, atol=1e-3)


def test_other_items_and_other_weights_have_other_files(train, queries, tmp_path):
    context = Context(cache=tmp_path)
    backbone = trunk.prepare_backbone(CHOICE, train, context)
    other = trunk.prepare_backbone(CHOICE, train, Context(seed=1, cache=tmp_path))
    for items, network in ((train, backbone), (queries, backbone), (train, other), (train, backbone)):
        trunk.open_inputs(items, network, True, context)
    assert len(list(tmp_path.glob("trunk-*.npy"))) == 3
    assert len(list(tmp_path.glob("pretrained-*.safetensors"))) == 2


def test_items_without_a_fingerprint_leave_nothing_in_the_cache(train, tmp_path):
    """Such items are for timing the encoding: it must be done, not looked up."""
    backbone = trunk.prepare_backbone(CHOICE, train, Context())
    plan, context = in_order(len(train), 50), Context(cache=tmp_path)
    made = trunk.open_inputs(replace(train, fingerprint=""), backbone, True, context).batches(plan)
    wanted = trunk.open_inputs(train, backbone, True, Context()).batches(plan)
    assert torch.equal(torch.cat(list(made)), torch.cat(list(wanted)))
    assert not list(tmp_path.iterdir())


def test_two_dimensions_share_one_pretrained_trunk(train, tmp_path):
    for dim in (8, 16):
        Triplet(dim=dim, epochs=1, **QUICK).fit(train, Context(cache=tmp_path))
    assert len(list(tmp_path.glob("pretrained-*.safetensors"))) == 1
    assert len(list(tmp_path.glob("trunk-*.npy"))) == 1


def test_items_without_images_are_refused(train):
    vectors = Items(train.ids, train.labels, "v", vectors=np.zeros((160, 4), np.float32))
    with pytest.raises(ValueError, match="needs a data set of images"):
        Triplet(epochs=1, **QUICK).fit(vectors, Context())
