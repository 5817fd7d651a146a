"""CHN: its loss and gradient, the three stages that it reads, and the magnified view against direct sums."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import convolve2d

from bench.interfaces import Context
from methods.backbones import BackboneChoice, load
from methods.hashing.deep.chn import CHN
from methods.hashing.deep.networks.chn import ZOOM, CHNNetwork, CHNOutputs
from methods.hashing.deep.networks.codebooks import greedy_codebook
from methods.hashing.deep.networks.zoom import (
    ALL,
    BASE,
    BY_CHANCE,
    GRID,
    HIGHEST,
    PADDING,
    RADIUS,
    ROUNDING,
    WIDTH,
    magnified,
    peaks,
    pull,
    sample_points,
)
from methods.hashing.deep.training.epochs import Batch
from tests.methods.deep.conftest import QUICK

BITS, CLASSES, IMAGES = 6, 4, 5
LABELS = np.arange(IMAGES) % CLASSES


class Drawn:
    """A generator that draws the given rule and chance for all."""

    def __init__(self, rule, chance=0.5):
        self.rule, self.chance = rule, chance

    def integers(self, low, high, shape):
        return np.full(shape, self.rule)

    def random(self, shape):
        return np.full(shape, self.chance)


def on_the_grid(values):
    """Attention as fine as the grid, float32 [1, 1, GRID, GRID], with values at some places and 0 elsewhere."""
    maps = torch.zeros(1, 1, GRID, GRID)
    for (row, column), value in values.items():
        maps[0, 0, row, column] = value
    return maps


def bell(row, column, height):
    places = product(range(GRID), range(GRID))
    variance = height * (RADIUS * GRID) ** 2
    values = [height * np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * variance)) for y, x in places]
    return np.reshape(values, (GRID, GRID))


PEAKS = {(5, 8): 4.0, (20, 25): 2.0, (28, 3): 0.8}


@pytest.mark.parametrize(
    ("drawn", "kept"), [(Drawn(ALL), 3), (Drawn(BY_CHANCE, 0.1), 3), (Drawn(BY_CHANCE, 0.3), 2), (Drawn(HIGHEST), 1)]
)
def test_each_kept_peak_pulls_by_a_bell_of_its_height(drawn, kept):
    wanted = BASE + sum(bell(*place, height / 4) for place, height in list(PEAKS.items())[:kept])
    np.testing.assert_allclose(pull(on_the_grid(PEAKS), drawn)[0], wanted, rtol=1e-4, atol=1e-6)


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_peaks_are_higher_than_their_neighbours_and_the_mean(seed):
    heights = np.random.default_rng(seed).random((GRID, GRID)).astype(np.float32)
    heights[: seed % GRID] *= 0.3
    around = np.pad(heights, 1, constant_values=-1)
    wanted = np.empty((GRID, GRID), bool)
    for y, x in product(range(GRID), range(GRID)):
        window = around[y : y + 3, x : x + 3].copy()
        window[1, 1] = -1
        wanted[y, x] = heights[y, x] > window.max() and heights[y, x] > heights.mean() + ROUNDING
    assert np.array_equal(peaks(torch.from_numpy(heights.reshape(1, -1)))[0], wanted.ravel())


def test_samples_are_means_of_places_by_pull_and_gaussian():
    pulls = np.random.default_rng(0).random((2, GRID, GRID)).astype(np.float32)
    line = np.arange(-PADDING, PADDING + 1)
    gaussian = 2.0 ** (-4 * (line[:, None] ** 2 + line**2) / WIDTH**2)
    at = np.broadcast_to(np.arange(-PADDING, GRID + PADDING) / (GRID - 1), (GRID + 2 * PADDING,) * 2)
    for made, one in zip(sample_points(torch.from_numpy(pulls)).numpy(), pulls, strict=True):
        padded = np.pad(one, PADDING, mode="edge")
        total, x, y = (convolve2d(padded * by, gaussian, mode="valid") for by in (1, at, at.T))
        np.testing.assert_allclose(made, np.clip(2 * np.stack([x, y]) / total[None] - 1, -1, 1), atol=1e-5)


@pytest.mark.parametrize("side", [1, 2, 7])
@pytest.mark.parametrize("value", [0.0, 0.3, 1e6])
def test_an_image_that_is_looked_at_evenly_stays_as_it_is(side, value):
    images = torch.rand(2, 3, 20, 20)
    seen = magnified(images, torch.full((2, 1, side, side), value), np.random.default_rng(0))
    torch.testing.assert_close(seen, images, atol=1e-4, rtol=0)


def test_the_neighbourhood_of_a_peak_is_magnified_and_the_order_of_places_is_kept():
    points = sample_points(pull(on_the_grid({(10, 20): 1.0}), Drawn(ALL)))[0]
    steps = {"x": points[0].diff(dim=1), "y": points[1].diff(dim=0)}
    uniform = 2 / (GRID - 1)
    assert all((step >= 0).all() for step in steps.values())
    assert steps["x"][10, 20] < uniform / 1.5 and steps["y"][10, 20] < uniform / 1.5
    assert steps["x"][10].argmin() in (19, 20) and steps["y"][:, 20].argmin() in (9, 10)
    ramp = torch.linspace(-1, 1, 64).expand(1, 1, 64, 64)
    seen = magnified(ramp, on_the_grid({(15, 15): 1.0}), Drawn(ALL))
    assert float(seen[0, 0, 32, 48]) < float(ramp[0, 0, 32, 48]) - 0.05


@pytest.fixture(scope="module")
def backbone():
    return load(BackboneChoice("small", "none", 16, False, 0), 0)


@pytest.fixture(scope="module")
def codes():
    return torch.from_numpy(greedy_codebook(CLASSES, BITS, np.random.default_rng(0)))


@pytest.fixture
def network(backbone, codes):
    torch.manual_seed(0)
    return CHNNetwork(backbone, codes, False, width=8, zoom=True, seed=3)


def test_codes_read_three_stages_and_scores_the_last(network, backbone):
    images = torch.randn(IMAGES, 3, 16, 16)
    with torch.no_grad():
        before = network.eval()(images)
        trunk = backbone.trunk().eval()
        stage_two = trunk[: backbone.stage_two](images)
        maps = (stage_two, trunk(images), backbone.stage_four(2).eval()(trunk(images)))
        features = [head(one) for head, one in zip(network.heads, maps, strict=True)]
        torch.testing.assert_close(before.codes, network.hash_layer(torch.cat(features, dim=1)))
        torch.testing.assert_close(before.scores, network.classifier(features[2]))
        assert features[0].shape == (IMAGES, 16) and (features[0] >= 0).all()
        for place, changes in enumerate([False, False, True]):
            network.heads[place][3].weight.mul_(-1)
            after = network(images)
            assert not torch.equal(after.codes, before.codes)
            assert torch.equal(after.scores, before.scores) != changes


def test_in_training_scores_are_means_over_the_image_and_its_magnified_view(network):
    images = torch.randn(IMAGES, 3, 48, 48)
    network.train()
    made = network(images)
    attention = network._maps(images)[-1].sum(dim=1, keepdim=True)
    near = magnified(images, attention, np.random.default_rng((3, ZOOM, 1)))
    assert not torch.allclose(near, images, atol=0.05)
    views = [network.classifier(network.heads[-1](network._maps(one)[-1])) for one in (images, near)]
    torch.testing.assert_close(made.scores, sum(views) / 2)
    made.scores.sum().backward()
    assert all(parameter.grad is not None for parameter in network.stages.parameters())
    assert not torch.equal(network(images).scores, made.scores)  # other peaks by chance
    network.zoom = False
    torch.testing.assert_close(network(images).scores, views[0])
    assert int(network.batches) == 2


def batch(outputs, scores, balance):
    arrays = (torch.from_numpy(array).requires_grad_() for array in (outputs, scores, balance))
    return Batch(CHNOutputs(*arrays), torch.from_numpy(LABELS), torch.empty(0), torch.empty(0), 0.5)


def formula(codes, smoothing, outputs, scores, balance):
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    entropy = 0.0
    for share, label in zip(shares, LABELS, strict=True):
        for c in range(CLASSES):
            target = 1 - smoothing if c == label else smoothing / (CLASSES - 1)
            entropy -= target * np.log(share[c]) / IMAGES
    error = np.mean(np.square(outputs - codes[LABELS]))
    return {
        "code_loss": error / balance[0] ** 2,
        "cross_entropy": entropy / balance[1] ** 2,
        "balance_loss": np.log(balance + 1).sum(),
    }


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_its_formula_and_has_its_gradient(codes, smoothing):
    rng = np.random.default_rng(0)
    given = [rng.normal(size=(IMAGES, BITS)), rng.normal(size=(IMAGES, CLASSES)), np.array([0.7, 1.4])]
    method = CHN(bits=BITS, smoothing=smoothing)
    method._class_codes = codes
    made = batch(*given)
    terms = method.loss(made)
    wanted = formula(codes.numpy(), smoothing, *given)
    assert {name: float(term.detach()) for name, term in terms.items()} == pytest.approx(wanted, rel=1e-5)
    torch.stack(list(terms.values())).sum().backward()
    for number, gradient in enumerate((made.made.codes.grad, made.made.scores.grad, made.made.balance.grad)):
        for place in np.ndindex(*given[number].shape):
            totals = []
            for step in (1e-5, -1e-5):
                moved = [array.copy() for array in given]
                moved[number][place] += step
                totals.append(sum(formula(codes.numpy(), smoothing, *moved).values()))
            assert float(gradient[place]) == pytest.approx((totals[0] - totals[1]) / 2e-5, rel=1e-3, abs=1e-6)


def test_a_task_of_smaller_loss_comes_to_weigh_more(codes):
    """The balance is at rest where a loss L has L = alpha^3 / (2 (alpha + 1))."""
    balance = np.array([0.5, 2.0])
    resting = balance**3 / (2 * (balance + 1))
    alphas = torch.from_numpy(balance).requires_grad_()
    (torch.from_numpy(resting) / alphas**2 + alphas.log1p()).sum().backward()
    np.testing.assert_allclose(alphas.grad, 0, atol=1e-12)
    method = CHN(bits=BITS)
    method._class_codes = codes
    exact = batch(codes.numpy().astype(float)[LABELS], np.zeros((IMAGES, CLASSES)), np.ones(2))
    torch.stack(list(method.loss(exact).values())).sum().backward()
    assert exact.made.balance.grad[0] > 0 > exact.made.balance.grad[1]


def test_the_rate_falls_at_the_published_epochs():
    rates = [CHN().rate(epoch / 300) for epoch in range(300)]
    drops = [epoch for epoch in range(1, 300) if rates[epoch] < rates[epoch - 1]]
    assert drops == [80, 160, 240] and rates[-1] == pytest.approx(1e-3)


@pytest.mark.parametrize("frozen", [True, False])
def test_a_frozen_trunk_reads_images_and_stays_as_it_is(train, tmp_path, frozen):
    settings = {**QUICK, "bits": 12, "epochs": 1, "batch_size": 32, "width": 8, "frozen_trunk": frozen}
    hasher = CHN(**settings).fit(train, Context(cache=tmp_path))
    learned = hasher.after_fit()
    trunk = learned.backbone.trunk().state_dict()
    after = [value for stage in learned.network.stages[:2] for value in stage.state_dict().values()]
    kept = [torch.equal(one, other) for one, other in zip(trunk.values(), after, strict=True)]
    assert all(kept) if frozen else not any(kept)
    assert not list(tmp_path.glob("trunk-*.npy"))
    assert np.array_equal(hasher.database_codes_.unpack(), learned.network.database_codebook.numpy()[train.labels])
