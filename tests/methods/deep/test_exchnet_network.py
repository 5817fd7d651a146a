"""ExchNet's network and losses against the printed formulas, in numpy."""

from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import binom

from methods.backbones import BackboneChoice, load
from methods.hashing.deep.networks.exchnet import (
    ExchNetNetwork,
    channel_loss,
    exchange,
    hellinger,
    spatial_loss,
)
from methods.hashing.deep.training.alternation import HashLoss

PARTS, BITS, WIDTH = 4, 12, 128


@pytest.fixture
def network():
    backbone = load(BackboneChoice("small", "none", 16, False, 1), seed=0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ExchNetNetwork(backbone, PARTS, BITS, frozen_trunk=False)


@pytest.fixture
def images():
    return torch.from_numpy(np.random.default_rng(0).standard_normal((8, 3, 16, 16)).astype(np.float32))


def printed_distance(p):
    """The second term of Eqs. (5) and (7) for distributions p [M, d], over l < k."""
    pairs = list(combinations(range(len(p)), 2))
    norms = [np.linalg.norm(np.sqrt(p[l]) - np.sqrt(p[k])) for l, k in pairs]  # noqa: E741
    return sum(norms) / (np.sqrt(2) * len(pairs))


def test_hellinger_is_the_printed_distance():
    logits = np.random.default_rng(0).standard_normal((5, PARTS, 9)) * 3
    wanted = [printed_distance(softmax(one, axis=1)) for one in logits]
    np.testing.assert_allclose(hellinger(torch.from_numpy(logits), False), wanted, rtol=1e-6)
    np.testing.assert_allclose(hellinger(torch.from_numpy(logits), True), np.multiply(wanted, 2), rtol=1e-6)


def test_hellinger_is_one_for_disjoint_and_zero_for_equal_parts_with_finite_gradients():
    logits = torch.tensor([[[0.0, -1e4], [-1e4, 0.0]], [[0.3, 0.1], [0.3, 0.1]]], requires_grad=True)
    distances = hellinger(logits, False)
    np.testing.assert_allclose(distances.detach(), [1, 0], atol=1e-5)
    distances.sum().backward()
    assert logits.grad is not None and torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("aggregation", ["sum", "mean"])
def test_spatial_loss_is_equation_5(aggregation):
    maps = np.random.default_rng(1).random((3, PARTS, 6, 2, 2))
    over = getattr(np, aggregation)(maps, axis=2).reshape(3, PARTS, 4)
    wanted = [1 - printed_distance(softmax(one, axis=1)) for one in over]
    np.testing.assert_allclose(spatial_loss(torch.from_numpy(maps), aggregation, False), wanted, rtol=1e-5)


def test_channel_loss_is_equation_7_and_zero_beyond_the_margin():
    local = np.random.default_rng(2).standard_normal((6, PARTS, 7)) * np.arange(6)[:, None, None]
    wanted = [max(0, 0.4 - printed_distance(softmax(one, axis=1))) for one in local]
    assert min(wanted) == 0 < max(wanted)
    np.testing.assert_allclose(channel_loss(torch.from_numpy(local), 0.4, False), wanted, rtol=1e-5, atol=1e-7)


def hash_problem(dissimilar):
    """Pre-tanh outputs z, their classes, codes V, S [b, n], and the loss made of sums over V."""
    rng = np.random.default_rng(3)
    z, v = rng.standard_normal((7, BITS)), rng.integers(0, 2, (40, BITS)) * 2.0 - 1
    of_z, of_v = rng.integers(0, 3, 7), rng.integers(0, 3, 40)
    s = np.where(of_z[:, None] == of_v, 1.0, dissimilar)
    by_class = np.where(np.arange(3)[:, None] == of_v, 1.0, dissimilar)
    parts = (v.T @ v, by_class @ v, np.square(by_class).sum(axis=1))
    return z, of_z, v, s, HashLoss(*(torch.from_numpy(part.astype(np.float32)) for part in parts))


@pytest.mark.parametrize("dissimilar", [-1.0, -0.2])
def test_hash_loss_and_its_gradient_are_the_closed_form(dissimilar):
    """Eq. (14): dL/dz_i = 2 sum_j (u_i . v_j - q S_ij) v_j (1 - u_i^2)."""
    z, of_z, v, s, loss = hash_problem(dissimilar)
    u = np.tanh(z)
    errors = u @ v.T - BITS * s
    before = torch.tensor(z, dtype=torch.float32, requires_grad=True)
    values = loss(torch.tanh(before), torch.from_numpy(of_z))
    np.testing.assert_allclose(values.detach(), np.square(errors).sum(axis=1), rtol=1e-4)
    values.sum().backward()
    np.testing.assert_allclose(before.grad, 2 * (errors @ v) * (1 - u**2), rtol=1e-3, atol=1e-2)


def test_exchange_replaces_each_part_with_probability_one_half():
    count = 2000
    local, anchors = torch.zeros(count, PARTS, 3), torch.ones(count, PARTS, 3)
    chances = torch.rand(count, PARTS, generator=torch.Generator().manual_seed(0))
    swapped = exchange(local, anchors, chances)
    assert torch.equal(swapped.amin(dim=2), swapped.amax(dim=2))
    taken = swapped[:, :, 0].numpy()
    low, high = binom.interval(1 - 1e-6, count, 0.5)
    assert np.all((taken.sum(axis=0) > low) & (taken.sum(axis=0) < high))
    # Each part for itself: all 2^M patterns come, each about as often.
    patterns = np.bincount((taken @ 2 ** np.arange(PARTS)).astype(int), minlength=2**PARTS)
    low, high = binom.interval(1 - 1e-6, count, 0.5**PARTS)
    assert np.all((patterns > low) & (patterns < high))


CHANCES = torch.rand(8, PARTS, generator=torch.Generator().manual_seed(0))


def test_parts_are_exchanged_in_training_only(network, images):
    anchors = torch.full((8, PARTS, WIDTH), 50.0)
    network.eval()
    with torch.no_grad():
        assert torch.equal(network(images, anchors).codes, network(images).codes)
        network.train()
        plain, swapped = network(images), network(images, anchors, CHANCES)
    assert not torch.allclose(plain.codes, swapped.codes)
    assert torch.equal(plain.local, swapped.local)


def test_the_global_feature_is_never_exchanged(network, images):
    anchors = torch.full((8, PARTS, WIDTH), 50.0)
    with torch.no_grad():
        network.hash_layer.weight[:, : PARTS * WIDTH] = 0
        plain, swapped = network(images), network(images, anchors, CHANCES)
    assert torch.equal(plain.codes, swapped.codes)


def test_anchors_are_constants_and_every_other_weight_learns(network, images):
    anchors = torch.ones(8, PARTS, WIDTH)
    made = network(images, anchors, CHANCES)
    loss = made.codes.square().sum() + spatial_loss(made.maps, "sum", False).sum()
    loss.backward()
    assert anchors.grad is None
    assert all(weight.grad is not None for weight in network.parameters())


def test_outputs_have_the_documented_shapes(network, images):
    made = network(images)
    assert made.codes.shape == (8, BITS) and made.local.shape == (8, PARTS, WIDTH)
    assert made.attention.shape == (8, PARTS, 4, 4) and made.maps.shape == (8, PARTS, WIDTH, 2, 2)
    assert made.attention.min() >= 0


def test_a_part_is_the_map_times_the_attention_through_the_shared_network(network, images):
    """Eqs. (1)-(3), one part at a time."""
    network.eval()
    with torch.no_grad():
        made, maps = network(images), network.parts.trunk(images)
        for part in range(PARTS):
            alone = network.parts.local_refinement(maps * made.attention[:, part : part + 1])
            np.testing.assert_allclose(made.maps[:, part], alone, atol=1e-4)
            np.testing.assert_allclose(made.local[:, part], alone.mean((2, 3)), atol=1e-4)
