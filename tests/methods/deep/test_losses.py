"""Each loss against its published formula in numpy; the interaction of channels."""

from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.special import expit, log_softmax
from torch import nn

from bench.interfaces import Context
from methods.backbones import BackboneChoice, load
from methods.hashing.deep.a2_net import A2Net
from methods.hashing.deep.adsh import ADSH
from methods.hashing.deep.csq import CSQ
from methods.hashing.deep.dpsh import DPSH
from methods.hashing.deep.dsh import DSH
from methods.hashing.deep.greedy_hash import GreedyHash
from methods.hashing.deep.hashnet import HashNet
from methods.hashing.deep.networks.a2_net import A2NetNetwork, A2Outputs
from methods.hashing.deep.networks.agmh import AGMHNetwork
from methods.hashing.deep.networks.common import HashNetwork, Outputs
from methods.hashing.deep.networks.exchnet import ExchNetNetwork
from methods.hashing.deep.networks.semicon import ChannelInteraction, SEMICONNetwork, mask
from methods.hashing.deep.orthohash import OrthoHash
from methods.hashing.deep.semicon import SEMICON
from methods.hashing.deep.training.alternation import Alternation
from methods.hashing.deep.training.epochs import Batch
from tests.methods.deep.conftest import QUICK

BITS, CLASSES = 8, 3


@pytest.fixture
def case():
    """Outputs of six images, classes, and a memory of ten items, in numpy and as a batch."""
    rng = np.random.default_rng(0)
    outputs, memory = rng.standard_normal((6, BITS)), rng.standard_normal((10, BITS))
    classes, memory_classes = np.arange(6) % CLASSES, np.arange(10) % CLASSES
    made = Outputs(torch.tensor(outputs, requires_grad=True), torch.tensor(rng.standard_normal((6, CLASSES))))
    batch = Batch(
        made, torch.from_numpy(classes), torch.from_numpy(memory).float(), torch.from_numpy(memory_classes), 0.5
    )
    return outputs, memory, classes, memory_classes, batch


def value(terms):
    return {name: float(term.detach()) for name, term in terms.items()}


def test_dpsh_is_the_negative_log_likelihood_of_the_pairs(case):
    outputs, memory, classes, memory_classes, batch = case
    likelihood = 0.0
    for u, c in zip(outputs, classes, strict=True):
        for v, d in zip(memory, memory_classes, strict=True):
            p = expit(u @ v / 2)
            likelihood -= np.log(p if c == d else 1 - p)
    same = classes[:, None] == memory_classes
    terms = -np.log(np.where(same, expit(outputs @ memory.T / 2), expit(-outputs @ memory.T / 2)))
    balanced = value(DPSH(bits=BITS, balanced=True).loss(batch))["pair_loss"]
    assert balanced == pytest.approx(terms[same].mean() + terms[~same].mean(), rel=1e-5)
    got = value(DPSH(bits=BITS, quantisation=3.0).loss(batch))
    assert got["pair_loss"] == pytest.approx(likelihood / 60, rel=1e-5)
    distance = np.square(np.sign(outputs) - outputs).sum()
    assert got["quantisation_loss"] == pytest.approx(3 * distance / 60, rel=1e-5)


def test_dsh_pulls_similar_pairs_together_and_others_beyond_the_margin(case):
    outputs, _, classes, _, batch = case
    wanted = 0.0
    for i, j in combinations(range(6), 2):
        distance = np.square(outputs[i] - outputs[j]).sum()
        wanted += distance / 2 if classes[i] == classes[j] else max(2 * BITS - distance, 0) / 2
    terms = DSH(bits=BITS).loss(batch)
    assert value(terms)["pair_loss"] == pytest.approx(2 * wanted / 36, rel=1e-5)
    sum(terms.values()).backward()
    assert torch.isfinite(batch.made.codes.grad).all()


@pytest.mark.parametrize("pairs", ["memory", "batch", "halves"])
def test_hashnet_weighs_similar_and_dissimilar_pairs_alike_or_as_it_is_told(case, pairs):
    outputs, memory, classes, memory_classes, batch = case
    beta = np.sqrt(1 + 50 * 0.5)
    left = np.tanh(beta * outputs)
    right, of_right = (np.tanh(beta * memory), memory_classes) if pairs == "memory" else (left, classes)
    of_left = classes
    if pairs == "halves":
        left, of_left, right, of_right = left[:3], classes[:3], left[3:], classes[3:]
    same = of_left[:, None] == of_right
    products = 10 / BITS * left @ right.T
    terms = np.log1p(np.exp(products)) - same * products
    wanted = terms[same].mean() + terms[~same].mean()
    got = value(HashNet(bits=BITS, pairs=pairs).loss(batch))
    assert got["pair_loss"] == pytest.approx(wanted, rel=1e-5)
    weights = np.where(same, 7.0, 1.0)
    got = value(HashNet(bits=BITS, pairs=pairs, similar_weight=7.0).loss(batch))
    assert got["pair_loss"] == pytest.approx(np.average(terms, weights=weights), rel=1e-5)
    # Twice the weighted mean is what Eq. (2) gives, where the weight is that of the numbers of pairs.
    got = value(HashNet(bits=BITS, pairs=pairs, similar_weight=float((~same).sum() / same.sum())).loss(batch))
    assert 2 * got["pair_loss"] == pytest.approx(wanted, rel=1e-5)


def test_csq_is_the_cross_entropy_of_each_bit_with_the_hash_centre(case):
    outputs, _, classes, _, batch = case
    method = CSQ(bits=BITS)
    centres = method.draw_codes(CLASSES, 0).numpy()
    tanh = np.tanh(outputs)
    share, wanted = (tanh + 1) / 2, (centres[classes] + 1) / 2
    entropy = -(wanted * np.log(share) + (1 - wanted) * np.log(1 - share)).mean()
    got = value(method.loss(batch._replace(made=Outputs(torch.from_numpy(tanh)))))
    assert got["centre_loss"] == pytest.approx(entropy, rel=1e-5)
    assert got["quantisation_loss"] == pytest.approx(0.05 * np.square(np.abs(tanh) - 1).mean(), rel=1e-5)


def test_orthohash_is_the_cross_entropy_of_cosines_with_a_margin(case):
    outputs, _, classes, _, batch = case
    method = OrthoHash(bits=BITS, scale=8.0, margin=0.2)
    codebook = method.draw_codes(CLASSES, 0).numpy()
    cosines = outputs @ codebook.T / np.linalg.norm(outputs, axis=1, keepdims=True) / np.sqrt(BITS)
    cosines[np.arange(6), classes] -= 0.2
    wanted = -log_softmax(8 * cosines, axis=1)[np.arange(6), classes].mean()
    assert value(method.loss(batch))["cosine_loss"] == pytest.approx(wanted, rel=1e-5)


def test_greedy_hash_passes_the_gradient_through_the_sign(case):
    outputs, _, classes, _, batch = case
    got = value(GreedyHash(bits=BITS, regularisation=0.1).loss(batch))
    scores = batch.made.scores.numpy()
    assert got["cross_entropy"] == pytest.approx(-log_softmax(scores, axis=1)[np.arange(6), classes].mean(), rel=1e-5)
    assert got["regularisation_loss"] == pytest.approx(0.1 * np.abs(np.abs(outputs) - 1).__pow__(3).mean(), rel=1e-5)

    network = HashNetwork(load(BackboneChoice("small", "none", 16, False, 1), 0), BITS, False, classes=CLASSES)
    made = network(torch.randn(4, 3, 16, 16))
    signs = torch.where(made.codes >= 0, 1.0, -1.0)
    torch.testing.assert_close(made.scores, network.classifier(signs), atol=1e-5, rtol=1e-4)
    (gradient,) = torch.autograd.grad(made.scores.sum(), made.codes)
    torch.testing.assert_close(gradient, network.classifier.weight.sum(dim=0).expand(4, BITS), atol=1e-5, rtol=1e-4)


def test_a2_net_rebuilds_and_decorrelates_from_its_start_on(case):
    outputs, *_, batch = case
    rng = np.random.default_rng(1)
    features, rebuilt, codes = rng.random((6, 20)), rng.random((6, 20)), np.tanh(outputs)
    made = A2Outputs(*(torch.from_numpy(array) for array in (codes, features, rebuilt)))
    method = A2Net(bits=BITS, refine_from=0.5)
    assert set(value(method.terms(made, batch.classes, 0.4)).values()) == {0.0}
    got = value(method.terms(made, batch.classes, 0.5))
    assert got["reconstruction_loss"] == pytest.approx(np.square(rebuilt - features).mean(), rel=1e-5)
    wanted = np.square(codes.T @ codes - 6 * np.eye(BITS)).mean() / (6 * BITS)
    assert got["decorrelation_loss"] == pytest.approx(wanted, rel=1e-5)


def test_a_mask_is_around_one_and_strongest_where_attention_is():
    attention = torch.zeros(2, 1, 3, 3)
    attention[0, 0, 1, 1] = 5.0
    masked = mask(attention, 0.15)
    assert masked[0].argmax() == 4 and float(masked[0].max()) > 1.3
    assert torch.all(masked >= 0) and torch.all(masked <= 2)
    torch.testing.assert_close(masked[1], torch.ones(1, 3, 3))


def test_channels_of_other_groups_interact_only_through_the_shuffle():
    """The first stage mixes channels inside a group; the second connects every channel with every other group."""
    torch.manual_seed(0)
    layer = ChannelInteraction(32).eval()
    for module in layer.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight)
    maps = torch.randn(1, 32, 2, 2, requires_grad=True)
    (gradient,) = torch.autograd.grad(layer(maps)[0, 0].sum(), maps)
    assert maps.shape == layer(maps).shape
    assert int((gradient.abs().sum(dim=(0, 2, 3)) > 0).sum()) == 32
    with pytest.raises(ValueError, match="channels"):
        ChannelInteraction(24)


def test_what_is_added_after_the_interaction_is_rectified_as_by_a_rectifier_in_place():
    """Without attention across groups, what is left is the rectified sum, which is never negative."""
    torch.manual_seed(0)
    layer = ChannelInteraction(32).eval()
    nn.init.zeros_(layer.across.weight)
    nn.init.zeros_(layer.across.bias)
    maps = torch.randn(2, 32, 3, 3)
    triple = layer.inside(maps).reshape(2, 3, 16, 2, 9)
    products = torch.einsum("bgcp,bgdp->bgcd", triple[:, 0], triple[:, 1]) / 2**0.5
    weights = (products.sign() * (products.abs() + 1e-5).sqrt()).softmax(dim=-1)
    mixed = torch.einsum("bgcd,bgdp->bgcp", weights, triple[:, 2]) + maps.reshape(2, 16, 2, 9)
    inplace = nn.ReLU(inplace=True)
    wanted = layer.norm(mixed.transpose(1, 2).reshape(2, 32, 3, 3))
    inplace(wanted)
    torch.testing.assert_close(layer(maps), wanted)
    assert float(layer(maps).detach().min()) == 0


@pytest.mark.parametrize("make", [
    lambda backbone: HashNetwork(backbone, BITS, False, bounded=True),
    lambda backbone: ExchNetNetwork(backbone, 2, BITS, False),
    lambda backbone: A2NetNetwork(backbone, 2, BITS, False),
    lambda backbone: SEMICONNetwork(backbone, BITS, 0.15, False),
    lambda backbone: AGMHNetwork(backbone, BITS, False, heads=2, width=4, stride=2, attended=True),
])  # fmt: skip
def test_a_wrong_bit_that_is_saturated_keeps_its_gradient_in_mixed_precision(make):
    """In bfloat16 the tanh of -4 is -1, where a bit's cross-entropy is 100 and has no gradient."""
    network = make(load(BackboneChoice("small", "none", 16, False, 1), 0)).eval()
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    for layer in layers:
        nn.init.zeros_(layer.weight)
        layer.bias = nn.Parameter(torch.full((layer.out_features,), -4.0))
    with torch.autocast("cpu", torch.bfloat16):
        made = network(torch.zeros(2, 3, 16, 16))
    loss = nn.functional.binary_cross_entropy((made.codes.float() + 1) / 2, torch.ones(2, BITS))
    loss.backward()
    assert made.codes.dtype == torch.float32 and float(loss.detach()) == pytest.approx(-np.log(expit(-8)), rel=1e-3)
    np.testing.assert_allclose(
        np.concatenate([layer.bias.grad for layer in layers]), np.full(BITS, -2 * expit(8) / BITS), rtol=1e-2
    )


def test_of_adsh_the_published_loss_is_not_scaled_by_the_bits(train):
    """The mean over images and codes of (u . v - q S)^2, and gamma times the distance to the item's own code."""
    scaled, plain = (
        Alternation(ADSH(bits=24, class_weighting=False, scaled_by_bits=by, **QUICK), train, Context())
        for by in (True, False)
    )
    rng = np.random.default_rng(0)
    outputs, rows = torch.from_numpy(rng.uniform(-1, 1, (5, 24)).astype(np.float32)), np.arange(5)
    codes = plain.database_codes()
    similar = np.where(train.labels[rows][:, None] == train.labels, 1, -1)
    wanted = np.square(outputs.numpy() @ codes.T - 24 * similar).mean(axis=1).mean()
    got, halved = (
        value(one._terms(Outputs(outputs), torch.from_numpy(one.classes[rows]), rows, one._hash_loss(codes, -1.0), 0.0))
        for one in (plain, scaled)
    )
    assert got["hash_loss"] == pytest.approx(wanted, rel=1e-5)
    pulled = 200 * np.square(outputs.numpy() - codes[rows]).sum(axis=1).mean() / len(codes)
    assert got["quantisation_loss"] == pytest.approx(pulled, rel=1e-5)
    assert halved == pytest.approx({name: one / 2 for name, one in got.items()}, rel=1e-5)


@pytest.mark.parametrize(
    ("method", "settings", "rates"),
    [
        (SEMICON, {}, [1, 1, 1]),
        (SEMICON, {"drop": 0.9}, [1, 1, 0.1]),
        (A2Net, {}, [1, 0.1, 0.1]),
        (GreedyHash, {}, [1, 0.1, 0.1]),
        (GreedyHash, {"drop": 0.8}, [1, 0.1, 0.1]),
        (GreedyHash, {"drop": 0.9}, [1, 1, 0.1]),
        (ADSH, {}, [1e-2, 1e-4, 1e-4]),
    ],
)  # fmt: skip
def test_rates_drop_where_the_published_schedules_do(method, settings, rates):
    """At a half, at 35 of 40 iterations and at 45 of 50."""
    subject = method(bits=12, **settings)
    assert [subject.rate(progress) for progress in (0.5, 35 / 40, 45 / 50)] == pytest.approx(rates)


def test_pairs_of_sets_are_similar_where_they_share_a_class(case):
    outputs, memory, _, _, batch = case
    rng = np.random.default_rng(3)
    sets, others = rng.random((6, 5)) < 0.4, rng.random((10, 5)) < 0.4
    shared = sets.astype(int) @ others.T.astype(int) > 0
    assert 0 < shared.sum() < shared.size
    likelihood = np.where(shared, expit(outputs @ memory.T / 2), expit(-outputs @ memory.T / 2))
    given = batch._replace(classes=torch.from_numpy(sets), memory_classes=torch.from_numpy(others))
    got = value(DPSH(bits=BITS).loss(given))
    assert got["pair_loss"] == pytest.approx(-np.log(likelihood).mean(), rel=1e-5)


@pytest.mark.parametrize(
    "hasher", [DPSH(bits=BITS), DSH(bits=BITS), HashNet(bits=BITS), HashNet(bits=BITS, pairs="batch")]
)
def test_sets_of_one_class_each_have_the_loss_of_classes(case, hasher):
    *_, classes, memory_classes, batch = case
    rows = [torch.from_numpy(np.eye(CLASSES, dtype=bool)[one]) for one in (classes, memory_classes)]
    assert value(hasher.loss(batch._replace(classes=rows[0], memory_classes=rows[1]))) == value(hasher.loss(batch))
