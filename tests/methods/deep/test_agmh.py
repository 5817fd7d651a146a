"""AGMH: attention dispersion and its gradient, the attention against direct sums, and what it is left out of."""

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from bench.interfaces import Context
from methods.backbones import BackboneChoice, load
from methods.hashing.deep.agmh import AGMH
from methods.hashing.deep.networks.agmh import AGMHNetwork, AGMHOutputs, StepwiseAttention, dispersion
from tests.methods.deep.conftest import QUICK

IMAGES, HEADS, SIDE, BITS = 3, 4, 2, 6


def formula(attention):
    """The mean over pairs of heads and images of the sum over places of both heads' shares."""
    shares = softmax(attention.reshape(*attention.shape[:2], -1), axis=2)
    pairs = [one[k] @ one[other] for one in shares for k, other in combinations(range(shares.shape[1]), 2)]
    return np.mean(pairs)


@pytest.fixture
def attention():
    return np.random.default_rng(0).normal(size=(IMAGES, HEADS, SIDE, SIDE))


def test_dispersion_is_its_formula_and_has_its_gradient(attention):
    given = torch.from_numpy(attention).requires_grad_()
    (got,) = AGMH(bits=BITS, dispersion=0.3).terms(AGMHOutputs(torch.empty(0), given), torch.empty(0), 0.0).values()
    assert float(got.detach()) == pytest.approx(0.3 * formula(attention), rel=1e-5)
    got.backward()
    for place in np.ndindex(*attention.shape):
        sides = []
        for step in (1e-5, -1e-5):
            moved = attention.copy()
            moved[place] += step
            sides.append(0.3 * formula(moved))
        assert float(given.grad[place]) == pytest.approx((sides[0] - sides[1]) / 2e-5, rel=1e-3, abs=1e-7)


@settings(max_examples=30)
@given(st.integers(2, 6), st.integers(1, 5), st.integers(1, 5), st.floats(-50, 50))
def test_heads_that_look_evenly_meet_at_one_place_of_all(heads, height, width, value):
    even = dispersion(torch.full((2, heads, height, width), value))
    assert float(even) == pytest.approx(1 / (height * width), rel=1e-5)


def test_heads_that_look_at_different_places_never_meet_and_at_the_same_always():
    apart = torch.zeros(1, HEADS, SIDE, SIDE)
    for head in range(HEADS):
        apart[0, head].view(-1)[head] = 1e4
    assert float(dispersion(apart)) == 0
    assert float(dispersion(apart[:, :1].expand(-1, HEADS, -1, -1))) == 1


def linear(layer, maps):
    """A 1x1 convolution of maps [channels, places]."""
    made = layer.weight.detach().numpy()[:, :, 0, 0] @ maps
    return made if layer.bias is None else made + layer.bias.detach().numpy()[:, None]


def test_attention_merges_its_queries_and_shares_places_then_units():
    torch.manual_seed(0)
    attend = StepwiseAttention(8).eval()
    maps = torch.rand(1, 8, 3, 3)
    flat = maps[0].flatten(1).numpy()
    mixed = linear(attend.mixed, flat)
    queries = [linear(query, mixed) for query in attend.queries]
    merged = queries[0]
    for merge, query in zip(attend.merges, queries[1:], strict=True):
        merged = linear(merge, np.concatenate([merged, query]))
    shares = softmax(merged, axis=1)
    shares /= shares.sum(axis=0)
    norm = attend.read[2]
    read = linear(attend.read[1], linear(attend.read[0], shares)) / np.sqrt(1 + norm.eps)
    assert len(queries) == 4 and merged.shape == (2, 9)
    got = attend(maps)[0].flatten(1).detach().numpy()
    np.testing.assert_allclose(got, np.maximum(read + flat, 0), rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def backbone():
    return load(BackboneChoice("small", "none", 16, False, 0), 0)


def network(backbone, **changes):
    torch.manual_seed(0)
    shape = {"heads": 3, "width": None, "stride": 1, "attended": True, **changes}
    return AGMHNetwork(backbone, BITS, False, **shape)


@pytest.mark.parametrize(("stride", "side"), [(1, 4), (2, 2)])
def test_the_code_is_of_all_descriptors_at_the_size_of_the_stride(backbone, stride, side):
    made = network(backbone, stride=stride)
    images = torch.randn(IMAGES, 3, 16, 16)
    attention = made(images).attention
    assert attention.shape == (IMAGES, 3, side, side) and float(attention.detach().min()) >= 0
    made.eval()
    with torch.no_grad():
        maps = made.stage_four(made.trunk(images))
        pooled = torch.cat([head(maps).mean((2, 3)) for head in made.heads], dim=1)
        assert maps.shape[2:] == (side, side) and pooled.shape == (IMAGES, 3 * 128 // 4)
        torch.testing.assert_close(made(images).codes, torch.tanh(pooled @ made.hash_layer.weight.T))


def test_attention_is_no_part_of_the_code_and_is_not_made_for_it(backbone):
    attended, plain = network(backbone), network(backbone, attended=False)
    images = torch.randn(IMAGES, 3, 16, 16)
    assert torch.equal(attended(images).codes, plain(images).codes)
    assert attended(images).attention is not None and plain(images).attention is None
    assert attended.eval()(images).attention is None
    loss = dispersion(attended.train()(images).attention)
    loss.backward()
    assert attended.hash_layer.weight.grad is None
    reached = [*attended.heads, *attended.attentions, attended.stage_four]
    assert all(float(next(one.parameters()).grad.abs().max()) > 0 for one in reached)


@pytest.mark.parametrize("settings", [{"dispersion": 0.0}, {"heads": 1}])
def test_without_dispersion_or_with_one_head_there_is_no_attention(train, settings):
    shorter = {**QUICK, "bits": BITS, "iterations": 1, "epochs": 1, "samples": 40, "batch_size": 20}
    learned = AGMH(**shorter, **settings).learning(train, Context())
    assert not learned.network.attentions
    assert "dispersion_loss" not in learned.step(0)
    assert "dispersion_loss" in AGMH(**shorter, heads=2, width=5).learning(train, Context()).step(0)


def test_the_rate_falls_where_the_published_schedules_do():
    assert {AGMH().rate(step / 40) for step in range(40)} == {1.0}
    study = [AGMH(drop=0.875).rate(step / 40) for step in range(40)]
    assert study == [1.0] * 35 + [0.1] * 5
