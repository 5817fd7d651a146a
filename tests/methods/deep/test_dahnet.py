"""DAHNet: its strips, exchange and mixer against direct sums, how bits are split, and the loss of classes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax
from torch import nn

from bench.interfaces import Context
from methods.backbones import BackboneChoice, load
from methods.backbones.small import Residual
from methods.hashing.deep.dahnet import DAHNet
from methods.hashing.deep.networks.dahnet import (
    DAHNetNetwork,
    DAHNetOutputs,
    Mixer,
    StripActivation,
    complemented,
    kept_places,
    strip_weights,
)
from tests.methods.deep.conftest import QUICK

IMAGES, CLASSES = 5, 4
LABELS = np.arange(IMAGES) % CLASSES


@pytest.fixture(scope="module")
def backbone():
    return load(BackboneChoice("small", "none", 16, False, 0), 0)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(("side", "upper"), [(1, 1), (2, 1), (5, 3), (6, 3)])
def test_a_strip_is_weighed_by_the_softmax_of_its_mean_score(side, upper):
    maps = normal(2, 3, side, 4)
    rows, columns = (
        strip_weights(torch.from_numpy(one), lambda strip: strip.square().sum(dim=1, keepdim=True), dim).numpy()
        for one, dim in ((maps, 2), (maps.swapaxes(2, 3).copy(), 3))
    )
    assert rows.shape == (2, 1, side, 1) and columns.shape == (2, 1, 1, side)
    np.testing.assert_allclose(rows[..., 0], columns[:, :, 0], rtol=1e-5)
    scores = np.square(maps).sum(axis=1)
    for weights, score in zip(rows[:, 0, :, 0], scores, strict=True):
        strips = [score[:upper], score[upper:]] if side > 1 else [score]
        wanted = softmax([strip.mean() for strip in strips])
        np.testing.assert_allclose(weights, np.repeat(wanted, [len(strip) for strip in strips]), rtol=1e-5)


def test_what_is_found_is_boosted_and_suppressed_for_the_next_branch():
    torch.manual_seed(0)
    activation = StripActivation(6).eval()
    maps = torch.rand(2, 6, 4, 4)
    with torch.no_grad():
        boosted = activation(maps)
        rest = maps
        for made in boosted:
            found = strip_weights(rest, activation.rows, 2) * strip_weights(rest, activation.columns, 3)
            torch.testing.assert_close(found.sum((2, 3)), torch.full((2, 1), 4.0))  # four places of each quarter
            torch.testing.assert_close(made, rest * (1 + found / 2))
            most = found.amax((2, 3), keepdim=True)
            rest = rest * torch.where(found < 0.95 * most, torch.tensor(1.0), torch.tensor(0.5))
    assert len(boosted) == 3


def test_places_near_the_maximum_are_halved_and_no_other():
    found = torch.tensor([[1.0, 0.96], [0.94, 0.0]]).view(1, 1, 2, 2).requires_grad_()
    kept = kept_places(torch.cat([found, 10 * found]))
    assert kept.squeeze().tolist() == [[[0.5, 0.5], [1.0, 1.0]]] * 2 and not kept.requires_grad


def test_neighbours_give_each_other_their_maps_by_likeness_and_by_unlikeness():
    branches = [normal(2, 6, 3, 2, seed=seed) for seed in range(3)]
    got = complemented([torch.from_numpy(one) for one in branches])
    for image in range(2):
        one, two, three = (branch[image].reshape(6, 6) for branch in branches)

        def shares(earlier, later):
            norms = np.linalg.norm(earlier, axis=0) * np.linalg.norm(later, axis=0)
            alike = softmax((earlier * later).sum(axis=0) / norms)
            return alike, softmax(1 - alike)

        (alike, unlike), (next_alike, next_unlike) = shares(one, two), shares(two, three)
        wanted = [
            one + two * unlike,
            two + (one * alike + three * next_unlike) / 2,
            three + two * next_alike,
        ]
        for made, right in zip(got, wanted, strict=True):
            np.testing.assert_allclose(made[image].reshape(6, 6), right, rtol=1e-4, atol=1e-5)


def test_the_mixer_gates_channels_by_the_means_of_rows_and_columns():
    """With the convolution over neighbours at 0, places are mixed alone, and all that is left is known functions."""
    torch.manual_seed(0)
    mixer = Mixer(4).eval()
    nn.init.zeros_(mixer.near.weight)
    nn.init.zeros_(mixer.near.bias)
    maps = torch.randn(2, 4, 3, 3)
    scale = 1 / np.sqrt(1 + 1e-5)

    def conv(layer, values):
        made = np.einsum("oc,bchw->bohw", layer.weight.detach().numpy()[:, :, 0, 0], values)
        return made + layer.bias.detach().numpy()[:, None, None]

    def gelu(values):
        return nn.functional.gelu(torch.from_numpy(values)).numpy()

    given = maps.numpy()
    outer = given.mean(axis=3, keepdims=True) * given.mean(axis=2, keepdims=True)
    narrow = conv(mixer.gate[0], outer) * scale
    gate = expit(conv(mixer.gate[3], narrow * np.clip(narrow + 3, 0, 6) / 6))
    wide = gelu(conv(mixer.widen[0], given * (1 + gate))) * scale
    wanted = conv(mixer.narrow[0], gelu(wide) * scale) * scale
    with torch.no_grad():
        np.testing.assert_allclose(mixer(maps, None), wanted, rtol=1e-4, atol=1e-5)
    mixer.near.weight.data.fill_(1.0)
    moved = maps.clone()
    moved[0, :, 0, 0] += 1
    changed = (mixer(moved, None) - mixer(maps, None)).abs().detach().amax(dim=1)
    assert float(changed[0, 1, 1]) > 1e-4 and float(changed[1].max()) == 0


def test_a_tenth_is_left_out_in_training_by_the_batch_and_nothing_else(backbone):
    mixer = Mixer(16)
    maps = torch.randn(8, 16, 5, 5)
    nothing = torch.Generator().manual_seed(3)
    made = mixer(maps, nothing)
    share = float((made == 0).float().mean())
    assert 0.05 < share < 0.15 and not (mixer(maps, None) == 0).any()
    torch.manual_seed(0)
    network = DAHNetNetwork(backbone, 12, CLASSES, False, 5)
    images = torch.randn(4, 3, 16, 16)
    first, second = network(images).codes, network(images).codes
    assert not torch.equal(first, second) and int(network.batches) == 2
    network.batches.zero_()
    assert torch.equal(network(images).codes, first)
    network.eval()
    assert torch.equal(network(images).codes, network(images).codes) and int(network.batches) == 1


@pytest.mark.parametrize("bits", [*range(6, 13), 16, 64])
def test_bits_of_branches_and_of_the_whole_are_all_bits(backbone, bits):
    network = DAHNetNetwork(backbone, bits, CLASSES, False, 0)
    whole, *local = [layer.out_features for layer in network.hash_layers]
    assert whole + sum(local) == bits and local == [bits // 6] * 3 and whole >= bits // 2
    assert all(layer.bias is None for layer in network.hash_layers)


@pytest.mark.parametrize(("bits", "whole"), [(12, 6), (24, 12), (32, 17), (48, 24)])
def test_the_whole_has_the_published_bits(backbone, bits, whole):
    assert DAHNetNetwork(backbone, bits, CLASSES, False, 0).hash_layers[0].out_features == whole


def test_all_but_the_first_block_follow_the_exchange_and_the_mixer_stands_before_the_last(backbone):
    torch.manual_seed(0)
    blocks = nn.Sequential(Residual(64, 8, 16, 2), Residual(16, 8, 24, 1), Residual(24, 8, 128, 1))
    network = DAHNetNetwork(replace(backbone, last_stage=blocks), 12, CLASSES, False, 0).eval()
    stage = network.whole
    images = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        maps = network.trunk(images)
        branches = complemented([stage[0](one) for one in network.activation(maps)])
        features = [stage(maps), *(stage[2](network.mixer(stage[1](one), None)) for one in branches)]
        pooled = [one.mean((2, 3)) for one in features]
        wanted = torch.cat([one @ layer.weight.T for one, layer in zip(pooled, network.hash_layers, strict=True)], 1)
        made = network(images)
    torch.testing.assert_close(made.codes, torch.tanh(wanted))
    assert made.scores is None and network.mixer.narrow[0].out_channels == 24
    scores = network.train()(images).scores
    assert scores.shape == (2, 4, CLASSES)
    (reached,) = torch.autograd.grad(scores[:, 1:].sum(), network.classifiers[1].bias)
    assert reached.tolist() == [6.0] * CLASSES


def formula(scores, weight):
    logs = scores - np.log(np.exp(scores).sum(axis=2, keepdims=True))
    entropy = [-np.mean([logs[i, part, label] for i, label in enumerate(LABELS)]) for part in range(4)]
    return weight * (entropy[0] / 2 + sum(entropy[1:]) / 6)


@pytest.mark.parametrize("weight", [1.0, 0.4])
def test_the_loss_of_classes_is_its_formula_and_has_its_gradient(weight):
    scores = normal(IMAGES, 4, CLASSES).astype(float)
    given = torch.from_numpy(scores).requires_grad_()
    method = DAHNet(bits=12, classification=weight)
    (got,) = method.terms(DAHNetOutputs(torch.empty(0), given), torch.from_numpy(LABELS), 0.0).values()
    assert float(got.detach()) == pytest.approx(formula(scores, weight), rel=1e-5)
    got.backward()
    for place in np.ndindex(*scores.shape):
        sides = []
        for step in (1e-5, -1e-5):
            moved = scores.copy()
            moved[place] += step
            sides.append(formula(moved, weight))
        assert float(given.grad[place]) == pytest.approx((sides[0] - sides[1]) / 2e-5, rel=1e-3, abs=1e-6)


def test_without_classes_adshs_loss_is_left(train):
    shorter = {**QUICK, "bits": 12, "iterations": 1, "epochs": 1, "samples": 40, "batch_size": 20}
    alone = DAHNet(**shorter, classification=0.0).learning(train, Context()).step(0)
    both = DAHNet(**shorter).learning(train, Context()).step(0)
    assert set(both) - set(alone) == {"cross_entropy"} and {"hash_loss", "quantisation_loss"} <= set(alone)


def test_the_rate_falls_where_the_published_schedules_do():
    assert [DAHNet().rate(step / 20) for step in range(20)] == [1.0] * 15 + [0.1] * 5
    assert [DAHNet(drop=0.625).rate(step / 40) for step in range(40)] == [1.0] * 25 + [0.1] * 15
