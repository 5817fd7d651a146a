"""The losses without labels: each is the published formula, with the published gradient; views are what they say."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import beta

from methods.hashing.deep.bi_half import BiHalf
from methods.hashing.deep.cibhash import CIBHash
from methods.hashing.deep.greedy_hash_u import GreedyHashU
from methods.hashing.deep.networks.unsupervised import FeatureNetwork, FeatureOutputs, half_signs, pair_cosines
from methods.hashing.deep.sdc import SDC
from methods.hashing.deep.training.epochs import Batch
from methods.hashing.deep.training.views import image_view, luma, turned, without_some

BITS = 8


def case(count=7, seed=0):
    """Values u, features x and the values of another view, as arrays and as a batch whose values have gradients."""
    rng = np.random.default_rng(seed)
    values, others = rng.standard_normal((2, count, BITS))
    features = rng.random((count, 5))
    tensors = [torch.tensor(array, dtype=torch.float32, requires_grad=True) for array in (values, others)]
    made = FeatureOutputs(tensors[0], torch.tensor(features, dtype=torch.float32), tensors[1])
    none = torch.zeros(count, dtype=torch.int64)
    return values, features, others, Batch(made, none, torch.zeros(count, BITS), none, 0.0)


def value(terms):
    return {name: float(term.detach()) for name, term in terms.items()}


def cosines(rows):
    half = len(rows) // 2
    pairs = zip(rows[:half], rows[half : 2 * half], strict=True)
    return np.array([a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in pairs])


def gradient_of_similarity(codes, features):
    """Of the mean squared difference of cosines with respect to the codes, by central differences."""
    found = np.zeros_like(codes)
    for at in np.ndindex(*codes.shape):
        step = np.zeros_like(codes)
        step[at] = 1e-5
        up, down = (np.mean((cosines(codes + sign * step) - cosines(features)) ** 2) for sign in (1, -1))
        found[at] = (up - down) / 2e-5
    return found


@pytest.mark.parametrize("count", [6, 7])
def test_greedy_hash_without_labels_keeps_cosines_through_the_sign(count):
    values, features, _, batch = case(count)
    terms = GreedyHashU(bits=BITS, regularisation=0.3).loss(batch)
    codes = np.where(values >= 0, 1.0, -1.0)
    got = value(terms)
    assert got["similarity_loss"] == pytest.approx(np.mean((cosines(codes) - cosines(features)) ** 2), rel=1e-5)
    assert got["regularisation_loss"] == pytest.approx(0.3 * np.mean(np.abs(np.abs(values) - 1) ** 3), rel=1e-5)
    (gradient,) = torch.autograd.grad(terms["similarity_loss"], batch.made.codes)
    np.testing.assert_allclose(gradient, gradient_of_similarity(codes, features), atol=1e-6)


@pytest.mark.parametrize("count", [6, 7])
def test_the_bi_half_layer_has_the_published_gradient(count):
    values, features, _, batch = case(count)
    terms = BiHalf(bits=BITS, pull=6.0).loss(batch)
    halves = np.empty_like(values)
    for bit in range(BITS):
        larger = np.argsort(-values[:, bit])
        halves[larger[: count // 2], bit], halves[larger[count // 2 :], bit] = 1, -1
    assert value(terms)["similarity_loss"] == pytest.approx(
        np.mean((cosines(halves) - cosines(features)) ** 2), rel=1e-5
    )
    (gradient,) = torch.autograd.grad(sum(terms.values()), batch.made.codes)
    published = gradient_of_similarity(halves, features) + 6 * (values - halves) / (count * BITS)
    np.testing.assert_allclose(gradient, published, atol=1e-6)


@settings(max_examples=60)
@given(st.integers(1, 33), st.integers(1, 9), st.integers(0, 2**32), st.booleans())
def test_every_bit_of_a_batch_is_halved(count, bits, seed, rough):
    """Ties too: rough values repeat."""
    values = np.random.default_rng(seed).standard_normal((count, bits))
    values = np.round(values) if rough else values
    halves = half_signs(torch.from_numpy(values)).numpy()
    assert np.all((halves == 1).sum(axis=0) == count // 2) and set(np.unique(halves)) <= {-1.0, 1.0}
    for column, of_half in zip(values.T, halves.T, strict=True):
        if count > 1:
            assert column[of_half == 1].min() >= column[of_half == -1].max()


def test_balanced_values_of_codes_are_not_pulled():
    """Values that are the halves already: no pull, and nothing but the cosines is left."""
    *_, batch = case(6)
    halves = half_signs(batch.made.codes).requires_grad_()
    terms = BiHalf(bits=BITS).loss(batch._replace(made=FeatureOutputs(halves, batch.made.features)))
    assert float(terms["pull_loss"].detach()) == 0.0


@settings(max_examples=60)
@given(st.integers(1, 70), st.floats(0.5, 20))
def test_the_targets_of_sdc_are_the_quantiles_of_a_beta_distribution_and_symmetric(pairs, shape):
    targets = SDC(shape=shape, from_zero=False).targets(pairs)
    wanted = 2 * beta.ppf((2 * np.arange(pairs) + 1) / (2 * pairs), shape, shape) - 1
    np.testing.assert_allclose(targets, wanted, atol=1e-5)
    np.testing.assert_allclose(targets, -targets[::-1], atol=1e-5)
    assert np.array_equal(SDC(shape=shape).targets(pairs), np.maximum(targets, 0))


@pytest.mark.parametrize("from_zero", [True, False])
@pytest.mark.parametrize("count", [6, 7])
def test_sdc_draws_cosines_to_the_targets_in_the_order_of_the_features(count, from_zero):
    values, features, _, batch = case(count)
    method = SDC(bits=BITS, shape=2.0, from_zero=from_zero, quantisation=0.5)
    terms = method.loss(batch)
    targets = 2 * beta.ppf((2 * np.arange(count // 2) + 1) / (2 * (count // 2)), 2, 2) - 1
    targets = np.maximum(targets, 0) if from_zero else targets
    ordered = cosines(values)[np.argsort(cosines(features))]
    assert value(terms)["calibration_loss"] == pytest.approx(np.mean(np.abs(ordered - targets)), rel=1e-5)
    lengths = np.linalg.norm(values, axis=1) * np.sqrt(BITS)
    lost = np.mean(1 - (values * np.sign(values)).sum(axis=1) / lengths)
    assert value(terms)["quantisation_loss"] == pytest.approx(0.5 * lost, rel=1e-5)
    (gradient,) = torch.autograd.grad(sum(terms.values()), batch.made.codes)
    assert torch.isfinite(gradient).all() and (gradient != 0).any()


def test_sdc_costs_nothing_where_codes_are_binary_and_a_pair_has_its_target():
    """One pair: the target is the median of the distribution, a right angle."""
    codes = torch.tensor([[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, -1.0, -1.0]], requires_grad=True)
    _, _, _, batch = case(2)
    terms = SDC(bits=4).loss(batch._replace(made=FeatureOutputs(codes, batch.made.features)))
    assert value(terms) == {
        "calibration_loss": pytest.approx(0, abs=1e-6),
        "quantisation_loss": pytest.approx(0, abs=1e-6),
    }


def contrastive(first, second, temperature):
    codes = np.where(np.concatenate([first, second]) >= 0, 1.0, -1.0)
    count, total = len(first), 0.0
    for i, code in enumerate(codes):
        others = [np.exp(code @ other / BITS / temperature) for j, other in enumerate(codes) if j != i]
        partner = codes[(i + count) % (2 * count)]
        total -= np.log(np.exp(code @ partner / BITS / temperature) / np.sum(others))
    return total / (2 * count)


def divergence(first, second):
    p, q = expit(first), expit(second)
    return (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))).sum(axis=1).mean()


def test_cibhash_tells_views_of_an_item_from_others_and_keeps_their_bits_alike():
    values, _, others, batch = case(5)
    got = value(CIBHash(bits=BITS, temperature=0.4, bottleneck=0.2).loss(batch))
    assert got["contrastive_loss"] == pytest.approx(contrastive(values, others, 0.4), rel=1e-5)
    both = (divergence(values, others) + divergence(others, values)) / 2
    assert got["bottleneck_loss"] == pytest.approx(0.2 * both, rel=1e-5)


def test_the_gradient_of_cibhash_passes_the_sign_and_not_the_other_view_of_a_divergence():
    values, _, others, batch = case(5)
    terms = CIBHash(bits=BITS, bottleneck=1.0).loss(batch)
    codes = torch.where(torch.cat([batch.made.codes, batch.made.other_view]).detach() >= 0, 1.0, -1.0).requires_grad_()
    unit = codes / codes.norm(dim=1, keepdim=True)
    logits = unit @ unit.T / 0.3 - 1e9 * torch.eye(10)
    partners = torch.tensor([5, 6, 7, 8, 9, 0, 1, 2, 3, 4])
    (of_codes,) = torch.autograd.grad(torch.nn.functional.cross_entropy(logits, partners), codes)
    slope = expit(values) * expit(-values)
    (gradient,) = torch.autograd.grad(terms["contrastive_loss"], batch.made.codes, retain_graph=True)
    np.testing.assert_allclose(gradient, of_codes[:5].numpy() * slope, atol=1e-6)
    # d/dh KL(p || q) = p (1 - p) (h - h') with q constant; the other direction gives nothing to this view.
    (gradient,) = torch.autograd.grad(terms["bottleneck_loss"], batch.made.codes)
    np.testing.assert_allclose(gradient, slope * (values - others) / 5 / 2, atol=1e-6)


def test_equal_views_of_far_items_cost_least():
    _, _, _, batch = case(2)
    far = torch.tensor([[20.0] * BITS, [-20.0] * BITS], requires_grad=True)
    made = FeatureOutputs(far, batch.made.features, far.detach().clone())
    got = value(CIBHash(bits=BITS).loss(batch._replace(made=made)))
    assert got["bottleneck_loss"] == 0.0
    assert got["contrastive_loss"] == pytest.approx(np.log1p(2 * np.exp(-2 / 0.3)), rel=1e-4)


def test_a_network_makes_the_values_of_two_views_as_of_one():
    torch.manual_seed(0)
    network = FeatureNetwork(torch.nn.Linear(5, BITS))
    views = torch.randn(3, 2, 5)
    made = network(views)
    torch.testing.assert_close(made.codes, network(views[:, 0]).codes)
    torch.testing.assert_close(made.other_view, network(views[:, 1]).codes)
    assert torch.equal(made.features, views[:, 0]) and network(views[:, 0]).other_view is None


def test_pairs_are_of_the_two_halves():
    rows = np.random.default_rng(0).standard_normal((7, 4))
    np.testing.assert_allclose(pair_cosines(torch.from_numpy(rows)), cosines(rows))


def test_dropout_leaves_the_mean_and_zeroes_its_share():
    features = torch.ones(400, 50)
    dropped = without_some(features, 0.3, torch.Generator().manual_seed(0))
    assert float((dropped == 0).float().mean()) == pytest.approx(0.3, abs=0.02)
    assert float(dropped.max()) == pytest.approx(1 / 0.7) and float(dropped.mean()) == pytest.approx(1, abs=0.03)
    assert torch.equal(without_some(features, 0.0, torch.Generator()), features)


def test_views_repeat_with_their_generator_and_stay_in_range():
    images = torch.rand(12, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    made, again, other = (image_view(images, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(made, again) and not torch.equal(made, other)
    assert made.shape == images.shape and float(made.min()) >= 0 and float(made.max()) <= 1 + 1e-6


def test_a_crop_is_a_part_of_the_image_in_half_of_the_cases_mirrored(monkeypatch):
    """A ramp stays a ramp; its slope tells the width of the crop, and lies within its bounds."""
    from methods.hashing.deep.training import views

    monkeypatch.setattr(views, "_recoloured", lambda images, generator: images)
    monkeypatch.setattr(views, "BLURRED", 0.0)
    ramp = (torch.arange(32) / 31).expand(300, 3, 32, 32)
    steps = image_view(ramp, torch.Generator().manual_seed(0)).diff(dim=3)[..., 4:-4]
    assert float((steps.amax((1, 2, 3)) - steps.amin((1, 2, 3))).max()) < 1e-4
    widths = steps.mean((1, 2, 3)) * 31
    assert float(widths.abs().max()) <= 1 + 1e-4 and float(widths.abs().min()) >= (0.5 * 3 / 4) ** 0.5 - 1e-4
    assert 0.4 < float((widths < 0).float().mean()) < 0.6


def test_colours_change_and_grey_stays_grey():
    grey = torch.full((200, 3, 4, 4), 0.5)
    seen = image_view(grey, torch.Generator().manual_seed(0))
    assert float((seen - seen[:, :1]).abs().max()) < 1e-5
    left = (seen[:, 0, 0, 0] - 0.5).abs() < 1e-5
    assert 0.2 < float(left.float().mean()) < 0.42, "about 30 % are not recoloured"
    red = torch.zeros(400, 3, 4, 4)
    red[:, 0] = 0.9
    without_colour = (
        image_view(red, torch.Generator().manual_seed(0)).diff(dim=1).abs().amax((1, 2, 3)) < 1e-6
    ).float()
    assert 0.14 < float(without_colour.mean()) < 0.26


def test_turning_the_hue_keeps_grey_and_length_and_a_third_of_the_circle_swaps_the_channels():
    turns = turned(torch.tensor([0.07, -0.1, 1 / 3]))
    torch.testing.assert_close(turns @ torch.ones(3), torch.ones(3, 3))
    torch.testing.assert_close(turns @ turns.transpose(1, 2), torch.eye(3).expand(3, 3, 3), atol=1e-6, rtol=0)
    torch.testing.assert_close(turns[2] @ torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 1, 0]), atol=1e-6, rtol=0)
    assert float(luma(torch.ones(1, 3, 1, 1))) == pytest.approx(1)
