"""FISH, PSLDH and DPN: each loss against its formula, in its limits, and its gradient; what FISH filters and erases."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from bench.interfaces import Context
from methods.backbones import BackboneChoice, load
from methods.hashing.deep.dpn import DPN
from methods.hashing.deep.fish import FISH
from methods.hashing.deep.networks.common import Outputs
from methods.hashing.deep.networks.fish import (
    FISHNetwork,
    FISHOutputs,
    attention,
    class_weights,
    kept_places,
    place_weights,
)
from methods.hashing.deep.psldh import PSLDH
from methods.hashing.deep.training.epochs import Batch
from tests.methods.deep.conftest import QUICK

BITS, CLASSES, IMAGES = 6, 4, 5
LABELS = np.arange(IMAGES) % CLASSES
SETS = np.array([[1, 0, 0, 1], [0, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1], [0, 0, 1, 0]], dtype=bool)


@pytest.fixture
def outputs():
    return np.random.default_rng(0).uniform(-1.2, 1.2, (IMAGES, BITS))


def batch(made, classes=LABELS):
    return Batch(made, torch.from_numpy(classes), torch.empty(0), torch.empty(0), 0.5)


def loss(method, outputs, classes=LABELS):
    """The terms of a loss, and the codes of the classes."""
    codes = method.draw_codes(CLASSES, 0).double()
    terms = method.loss(batch(Outputs(torch.as_tensor(outputs)), classes))
    return {name: float(value) for name, value in terms.items()}, codes.numpy()


def has_its_gradient(method, made, classes=LABELS):
    """The gradient of the loss's sum by the outputs is that of central differences."""
    method.draw_codes(CLASSES, 0)
    double = torch.Tensor.double

    def total(outputs):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch.Tensor, "float", double)  # differences need the digits
            method._class_codes = double(method._class_codes)
            return torch.stack(list(method.loss(batch(made(outputs), classes)).values())).sum()

    rng = np.random.default_rng(1)
    outputs = torch.from_numpy(rng.uniform(0.1, 0.9, (IMAGES, BITS)) * rng.choice([-1, 1], (IMAGES, BITS)))
    assert torch.autograd.gradcheck(total, outputs.requires_grad_())


def test_psldh_is_the_partial_softmax_of_each_class_against_those_that_the_image_lacks(outputs):
    scale, margin = 0.3, 0.25
    got, codes = loss(PSLDH(bits=BITS, scale=scale, margin=margin, quantisation=2.0), outputs, SETS)
    wanted = []
    for u, has in zip(outputs, SETS, strict=True):
        lacking = sum(np.exp(scale * u @ codes[n]) for n in np.flatnonzero(~has))
        right = [np.exp(scale * (u @ codes[c] - margin * BITS)) for c in np.flatnonzero(has)]
        wanted.append(-np.mean([np.log(one / (one + lacking)) for one in right]))
    assert got["partial_softmax_loss"] == pytest.approx(np.mean(wanted), rel=1e-5)
    distance = np.square(np.sign(outputs) - outputs).sum(axis=1).mean()
    assert got["quantisation_loss"] == pytest.approx(2 * distance, rel=1e-5)


def test_psldh_without_a_margin_is_cross_entropy_of_the_scaled_products(outputs):
    got, codes = loss(PSLDH(bits=BITS, scale=0.7, margin=0.0), outputs)
    entropy = -log_softmax(0.7 * outputs @ codes.T, axis=1)[np.arange(IMAGES), LABELS].mean()
    assert got["partial_softmax_loss"] == pytest.approx(entropy, rel=1e-5)
    more, _ = loss(PSLDH(bits=BITS, scale=0.7, margin=0.2), outputs)
    assert more["partial_softmax_loss"] > entropy


@pytest.mark.parametrize("method", [PSLDH(bits=BITS), DPN(bits=BITS)], ids=["PSLDH", "DPN"])
def test_sets_of_one_class_each_have_the_loss_of_classes(outputs, method):
    assert loss(method, outputs, np.eye(CLASSES, dtype=bool)[LABELS])[0] == loss(method, outputs)[0]


@pytest.mark.parametrize("classes", [LABELS, SETS], ids=["classes", "sets"])
@pytest.mark.parametrize("method", [PSLDH(bits=BITS), DPN(bits=BITS)], ids=["PSLDH", "DPN"])
def test_losses_towards_fixed_codes_have_their_gradient(method, classes):
    has_its_gradient(method, Outputs, classes)


def test_dpn_is_the_hinge_of_every_bit(outputs):
    got, codes = loss(DPN(bits=BITS, margin=0.8), outputs, SETS)
    wanted = 0.0
    for u, has in zip(outputs, SETS, strict=True):
        wanted += sum(max(0.0, 0.8 - u[k] * codes[c, k]) for c in np.flatnonzero(has) for k in range(BITS))
    assert got["polarisation_loss"] == pytest.approx(wanted / IMAGES, rel=1e-5)


@settings(max_examples=50)
@given(st.floats(0.25, 4), st.integers(0, IMAGES * BITS - 1), st.floats(-2, 2))
def test_dpn_is_zero_if_and_only_if_the_margin_holds_for_every_bit(margin, place, moved):
    method = DPN(bits=BITS, margin=margin)
    codes = method.draw_codes(CLASSES, 0).numpy()[LABELS]
    held = margin * codes * np.random.default_rng(0).uniform(1, 2, codes.shape)
    held.flat[place] = (margin + moved) * codes.flat[place]
    got, _ = loss(method, held)
    assert (got["polarisation_loss"] <= 1e-6) == (moved >= -1e-6 * IMAGES)


def test_fish_adds_two_cross_entropies_and_the_squared_error_of_the_codes(outputs):
    method = FISH(bits=BITS)
    codes = method.draw_codes(CLASSES, 0).numpy()
    scores, erased = (np.random.default_rng(seed).standard_normal((IMAGES, CLASSES)) for seed in (1, 2))
    made = FISHOutputs(*(torch.from_numpy(one) for one in (outputs, scores, erased)))
    got = {name: float(value) for name, value in method.loss(batch(made)).items()}
    rows = np.arange(IMAGES)
    wanted = {
        "cross_entropy": -log_softmax(scores, axis=1)[rows, LABELS].mean(),
        "erased_cross_entropy": -log_softmax(erased, axis=1)[rows, LABELS].mean(),
        "code_loss": np.square(outputs - codes[LABELS]).mean(),
    }
    assert got == pytest.approx(wanted, rel=1e-5)
    scores, erased = torch.from_numpy(scores), torch.from_numpy(erased)
    has_its_gradient(method, lambda codes: FISHOutputs(codes, scores + codes[:, :4], erased - codes[:, :4]))


def test_fish_halves_the_places_below_the_mean_attention():
    maps = torch.from_numpy(np.random.default_rng(0).random((3, 8, 4, 4))).requires_grad_()
    total = maps.detach().numpy().sum(axis=1)
    weights = place_weights(attention(maps), 0.5)
    assert not weights.requires_grad
    for found, one in zip(weights[:, 0].numpy(), total, strict=True):
        assert np.array_equal(found, np.where(one > one.mean(), 1.0, 0.5)) and set(np.unique(found)) == {0.5, 1.0}
    assert torch.equal(place_weights(attention(torch.rand(2, 8, 1, 1)), 0.5), torch.ones(2, 1, 1, 1))


def test_fish_weighs_the_scores_of_all_classes_but_the_best():
    scores = torch.tensor([[0.3, 2.0, -1.0], [-3.0, -2.0, -4.0]])
    assert torch.equal(class_weights(scores, 0.7), torch.tensor([[0.7, 1.0, 0.7], [0.7, 1.0, 0.7]]))


def test_fish_erases_the_places_that_reach_a_share_of_the_largest_attention():
    seen = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]], [[[4.0, 4.0], [0.0, 0.0]]]])
    kept = kept_places(seen, torch.tensor([0.75, 1.0]), (2, 2))
    assert kept[0, 0].tolist() == [[1, 1], [0, 0]] and kept[1, 0].tolist() == [[0, 0], [1, 1]]
    # Scaled up from corner to corner, thirds lie between the values: 4 and 3.67 are the largest.
    for share, kept in ((0.93, 15), (0.91, 14)):
        large = kept_places(seen[:1], torch.tensor([share]), (4, 4))[0, 0]
        assert large.shape == (4, 4) and large.flatten().nonzero().flatten().tolist() == list(range(kept))


@pytest.fixture
def network():
    backbone = load(BackboneChoice("small", "none", 16, False, 1), 0)
    codebook = torch.ones(CLASSES, BITS)
    return FISHNetwork(backbone, codebook, False, background=0.5, others=0.7, salient=0.9, seed=0)


def test_fish_leads_filtered_scores_of_filtered_features_to_the_code(network):
    images = torch.randn(3, 3, 16, 16)
    network.eval()
    made = network(images)
    maps = network.stage_four(network.trunk(images))
    features = (maps * place_weights(attention(maps), 0.5)).mean((2, 3))
    scores = features @ network.classifier.weight.T + network.classifier.bias
    weights = torch.where(scores == scores.amax(dim=1, keepdim=True), 1.0, 0.7)
    torch.testing.assert_close(made.scores, scores)
    torch.testing.assert_close(made.codes, (scores * weights) @ network.hash_layer.weight.T + network.hash_layer.bias)
    assert made.erased_scores is None


def test_fish_sees_each_image_again_without_its_salient_places(network):
    """The second view goes through the network as an image: only the erased places differ, in training alone."""
    images, seen = torch.rand(4, 3, 16, 16) + 1, []
    network.trunk.register_forward_hook(lambda module, given, made: seen.append(given[0]))
    network.train()
    made = network(images)
    whole, erased = seen
    assert torch.equal(whole, images) and made.erased_scores.shape == (4, CLASSES)
    gone = (erased == 0).all(dim=1)
    assert torch.equal(torch.where(gone[:, None], images, erased), images)
    assert gone.flatten(1).any(dim=1).all() and not gone.all()
    shares = np.random.default_rng((0, 41, 0)).uniform(0.9, 1, 4)
    with torch.no_grad():
        network.batches.zero_()
        maps = network.stage_four(network.trunk(images))
        wanted = kept_places(attention(maps), torch.tensor(shares).float(), (16, 16))
    assert torch.equal(gone, wanted[:, 0] == 0)
    sum(one.sum() for one in made).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_fish_codes_the_database_by_its_labels_whichever_model_is_used(train, queries, tmp_path):
    train = train.take(np.arange(60))
    settings = {**QUICK, "bits": 12, "epochs": 2, "batch_size": 32, "validation": 10, "validate_every": 1}
    context = Context(cache=tmp_path)
    hasher = FISH(**settings).fit(train, context)
    for model in ("best_on_validation", "last"):
        hasher.use(model)
        codes = hasher.database_codes_.unpack()
        assert np.array_equal(codes, hasher.draw_codes(4, 0).numpy()[train.labels])
    again = FISH(**settings).fit(train, context)
    assert np.array_equal(again.encode(queries).words, hasher.encode(queries).words)


@pytest.mark.parametrize("method", [PSLDH, DPN])
def test_sets_of_classes_are_learned_from(train, method):
    sets = np.column_stack([np.eye(4, dtype=bool)[train.labels], train.labels % 2 == 1])
    some = replace(train, labels=sets, fingerprint="sets of classes").take(np.arange(60))
    settings = {**QUICK, "pretrain_epochs": 1, "codebook": "bernoulli"}
    hasher = method(**settings, bits=12, epochs=1, batch_size=64).fit(some, Context())
    assert hasher.database_codes_ is None and len(hasher.encode(some)) == 60
    assert np.isfinite([value for row in hasher.after_fit().training.history for value in row.values()]).all()
