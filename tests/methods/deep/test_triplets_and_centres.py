"""DTSH and DCDH: each loss against its formula, in its limits, and its gradient by differences of the formula."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, log_softmax, softmax

from bench.interfaces import Context
from bench.quality.ranking import mean_average_precision
from methods.backbones import BackboneChoice, load
from methods.hashing.deep.dcdh import DCDH
from methods.hashing.deep.dtsh import DTSH
from methods.hashing.deep.networks.centres import CentreNetwork, CentreOutputs
from methods.hashing.deep.networks.common import Outputs
from methods.hashing.deep.training.epochs import Batch
from tests.methods.deep.conftest import QUICK

BITS, CLASSES = 6, 3
LABELS = np.array([0, 1, 2, 0, 0, 1])
KNOWN = np.array([0, 0, 1, 1, 1, 2, 2, 0, 1, 0])
PLACES = np.array([0, 2, 5, 1, 9, 8])


@pytest.fixture
def values():
    """Outputs of six images, and the memory of ten items, among them the images at PLACES with other outputs."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(6, BITS)), rng.normal(size=(10, BITS))


def triplets(outputs, memory, labels=LABELS, known=KNOWN, places=PLACES):
    """A batch for DTSH: the images are the items at the places."""
    arrays = [torch.from_numpy(array) for array in (labels, memory, known)]
    made = Outputs(torch.from_numpy(outputs).requires_grad_())
    return Batch(made, arrays[0], arrays[1].float(), arrays[2], 0.5, torch.from_numpy(places), (0, 2, 1))


def triplet_formula(outputs, memory, margin, labels=LABELS, known=KNOWN, places=PLACES):
    total = 0.0
    for u, label, place in zip(outputs, labels, places, strict=True):
        near = [v for at, v in enumerate(memory) if known[at] == label and at != place]
        far = [v for at, v in enumerate(memory) if known[at] != label]
        logs = [np.log(expit(u @ p / 2 - u @ n / 2 - margin)) for p in near for n in far]
        total -= np.mean(logs) if logs else 0
    return total / len(outputs)


def value(terms):
    return {name: float(term.detach()) for name, term in terms.items()}


def differences(formula, at, step=1e-5):
    """The gradient of a function of an array, by central differences."""
    gradient = np.empty_like(at)
    for place in np.ndindex(*at.shape):
        high, low = at.copy(), at.copy()
        high[place] += step
        low[place] -= step
        gradient[place] = (formula(high) - formula(low)) / (2 * step)
    return gradient


def test_dtsh_is_the_mean_negative_log_likelihood_of_the_triplets_and_has_its_gradient(values):
    outputs, memory = values
    batch = triplets(outputs, memory)
    terms = DTSH(bits=BITS, quantisation=0.04, positives=50, negatives=100).loss(batch)
    assert value(terms)["triplet_loss"] == pytest.approx(triplet_formula(outputs, memory, BITS / 2), rel=1e-5)
    off = np.square(np.sign(outputs) - outputs).sum(axis=1).mean()
    assert value(terms)["quantisation_loss"] == pytest.approx(0.04 * off, rel=1e-5)
    sum(terms.values()).backward()
    signs = np.sign(outputs)

    def formula(u):
        return triplet_formula(u, memory, BITS / 2) + 0.04 * np.square(signs - u).sum(axis=1).mean()

    np.testing.assert_allclose(batch.made.codes.grad, differences(formula, outputs), rtol=1e-3, atol=1e-5)


def test_an_image_is_never_its_own_positive(values):
    outputs, memory = values
    method = DTSH(bits=BITS, positives=50, negatives=100)
    wanted = value(method.loss(triplets(outputs, memory)))["triplet_loss"]
    for place in PLACES:
        changed = memory.copy()
        changed[place] = 1e3
        alone = slice(list(PLACES).index(place), list(PLACES).index(place) + 1)
        before, after = (
            value(method.loss(triplets(outputs[alone], one, LABELS[alone], KNOWN, PLACES[alone])))["triplet_loss"]
            for one in (memory, changed)
        )
        assert after == before > 0
    # As its own only positive it would have a triplet, and have none.
    known = np.array([0, 1, 1, 1, 1])
    batch = triplets(outputs[:1], memory[:5], LABELS[:1], known, np.array([0]))
    assert value(method.loss(batch))["triplet_loss"] == 0 < wanted


def test_a_triplet_is_free_of_charge_where_the_codes_agree_and_differ_in_all_bits():
    codes = np.where(LABELS[:, None] == 0, 30.0, -30.0) * np.ones(BITS)
    known = np.where(KNOWN == 0, 0, 1)
    memory = np.where(known[:, None] == 0, 30.0, -30.0) * np.ones(BITS)
    method = DTSH(bits=BITS, quantisation=0.0)
    labels = np.where(LABELS == 0, 0, 1)
    assert value(method.loss(triplets(codes, memory, labels, known)))["triplet_loss"] == pytest.approx(0)
    wrong = value(method.loss(triplets(-codes, memory, labels, known)))["triplet_loss"]
    assert wrong == pytest.approx(30 * 30 * BITS + BITS / 2, rel=1e-5)


@settings(max_examples=30)
@given(st.integers(1, 4), st.integers(1, 9), st.integers(0, 99))
def test_dtsh_draws_as_many_triplets_as_it_may_and_each_is_one_of_those_there_are(positives, negatives, seed):
    rng = np.random.default_rng(seed)
    outputs, memory = rng.normal(size=(6, BITS)), rng.normal(size=(10, BITS))
    method = DTSH(bits=BITS, positives=positives, negatives=negatives)
    batch = triplets(outputs, memory)
    same = batch.classes[:, None] == batch.memory_classes
    thetas, there = method._thetas(batch.made.codes.float(), batch.memory, same, positives, rng)
    assert torch.equal(there.sum(dim=1), same.sum(dim=1).clamp(max=positives))
    for row, (found, real) in enumerate(zip(thetas.tolist(), there.tolist(), strict=True)):
        allowed = (outputs[row] @ memory[LABELS[row] == KNOWN].T / 2).tolist()
        drawn = [value for value, is_one in zip(found, real, strict=True) if is_one]
        assert all(min(abs(value - one) for one in allowed) < 1e-5 for value in drawn)
        assert len({round(value, 5) for value in drawn}) == len(drawn)
    assert value(method.loss(batch)) == value(method.loss(batch))


def test_other_batches_draw_other_triplets(values):
    method, batch = DTSH(bits=BITS, positives=1, negatives=1), triplets(*values)
    drawn = {value(method.loss(batch._replace(key=(0, 2, step))))["triplet_loss"] for step in range(8)}
    assert len(drawn) > 1


def test_sets_of_one_class_each_have_the_triplets_of_classes(values):
    method, batch = DTSH(bits=BITS), triplets(*values)
    sets = [torch.from_numpy(np.eye(CLASSES, dtype=bool)[one]) for one in (LABELS, KNOWN)]
    of_sets = method.loss(batch._replace(classes=sets[0], memory_classes=sets[1]))
    assert value(of_sets) == value(method.loss(batch))


def test_an_item_without_any_class_is_no_negative_of_itself(values):
    outputs, memory = values
    sets = np.zeros((10, CLASSES), dtype=bool)
    sets[:3] = np.eye(CLASSES, dtype=bool)[0]
    batch = triplets(outputs[:1], memory)
    batch = batch._replace(classes=torch.from_numpy(sets[3:4]), memory_classes=torch.from_numpy(sets))
    assert value(DTSH(bits=BITS).loss(batch._replace(places=torch.tensor([3]))))["triplet_loss"] == 0
    similar = batch._replace(classes=torch.from_numpy(sets[:1]), places=torch.tensor([0]))
    assert value(DTSH(bits=BITS).loss(similar))["triplet_loss"] > 0


def centre_batch(outputs, centres):
    codes, learned = (torch.from_numpy(array).requires_grad_() for array in (outputs, centres))
    made = CentreOutputs(codes, (codes[:, None] - learned).square().sum(dim=2), learned)
    return Batch(made, torch.from_numpy(LABELS), torch.empty(0), torch.empty(0), 0.5)


def centre_formula(outputs, centres, sigma, repulsion):
    distances = np.array([[np.square(u - c).sum() for c in centres] for u in outputs])
    entropy = -log_softmax(-sigma * distances / 2, axis=1)[np.arange(len(outputs)), LABELS].mean()
    unit = normalised(centres)
    pairs = [np.log1p(np.exp(BITS * unit[i] @ unit[j] / 2)) for i in range(CLASSES) for j in range(i)]
    return entropy, repulsion * np.mean(pairs)


def normalised(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def centres():
    return np.random.default_rng(1).normal(size=(CLASSES, BITS))


def test_dcdh_is_its_formula_and_has_its_gradient(values, centres):
    outputs, _ = values
    method = DCDH(bits=BITS, sigma=0.3, repulsion=0.2, quantisation=0.05)
    batch = centre_batch(outputs, centres)
    terms = method.loss(batch)
    entropy, repulsion = centre_formula(outputs, centres, 0.3, 0.2)
    assert value(terms)["centre_loss"] == pytest.approx(entropy, rel=1e-5)
    assert value(terms)["repulsion_loss"] == pytest.approx(repulsion, rel=1e-5)
    classes = np.eye(CLASSES)[LABELS]
    regression = np.linalg.pinv(classes.T @ classes) @ classes.T @ np.sign(outputs)
    bits = np.sign(classes @ regression + 0.05 * outputs)
    off = 0.05 * np.square(outputs - bits).sum(axis=1).mean()
    assert value(terms)["quantisation_loss"] == pytest.approx(off, rel=1e-5)
    sum(terms.values()).backward()

    def formula(u, c):
        return sum(centre_formula(u, c, 0.3, 0.2)) + 0.05 * np.square(u - bits).sum(axis=1).mean()

    by_outputs = differences(lambda u: formula(u, centres), outputs)
    by_centres = differences(lambda c: formula(outputs, c), centres)
    np.testing.assert_allclose(batch.made.codes.grad, by_outputs, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(batch.made.centres.grad, by_centres, rtol=1e-3, atol=1e-5)


def test_centres_repel_each_other_and_draw_the_outputs_of_their_class(values, centres):
    outputs, _ = values
    batch = centre_batch(outputs, centres)
    terms = DCDH(bits=BITS).loss(batch)
    (pushed,) = torch.autograd.grad(terms["repulsion_loss"], batch.made.centres, retain_graph=True)
    first, second = (unit @ unit.T for unit in map(normalised, (centres, centres - 1e-2 * pushed.numpy())))
    apart = np.triu_indices(CLASSES, 1)
    assert np.logaddexp(0, BITS * second[apart] / 2).sum() < np.logaddexp(0, BITS * first[apart] / 2).sum()
    (drawn,) = torch.autograd.grad(terms["centre_loss"], batch.made.codes)
    shares = [
        softmax(-np.square(one[:, None] - centres).sum(axis=2) / 8, axis=1)[np.arange(6), LABELS]
        for one in (outputs, outputs - 1e-2 * drawn.numpy())
    ]
    assert (shares[1] > shares[0]).all()


def test_opposite_centres_repel_least_and_equal_ones_most():
    found = {}
    for name, second in {"equal": 1.0, "opposite": -1.0}.items():
        batch = centre_batch(np.zeros((6, BITS)), np.stack([np.ones(BITS), second * np.ones(BITS), np.ones(BITS)])[:2])
        batch = batch._replace(classes=torch.zeros(6, dtype=torch.int64))
        found[name] = value(DCDH(bits=BITS, repulsion=1.0).loss(batch))["repulsion_loss"]
    assert found["equal"] == pytest.approx(np.log1p(np.exp(BITS / 2)), rel=1e-5)
    assert found["opposite"] == pytest.approx(np.log1p(np.exp(-BITS / 2)), rel=1e-5)


def test_the_network_measures_distances_from_its_centres_which_are_new_layers():
    network = CentreNetwork(load(BackboneChoice("small", "none", 16, False, 0), 0), BITS, CLASSES, False)
    made = network(torch.randn(4, 3, 16, 16))
    wanted = torch.cdist(made.codes.double(), made.centres.double()) ** 2
    torch.testing.assert_close(made.distances.double(), wanted, rtol=1e-4, atol=1e-4)
    new = {name for name, _ in network.named_parameters() if name.startswith(network.new_layers)}
    assert "centres" in new and {name.split(".")[1] for name in new - {"centres"}} == {"hash_layer"}


def test_centres_are_learned_and_end_apart(train):
    settings = {**QUICK, "bits": 12, "batch_size": 32, "learning_rate": 0.02}
    cosines = {}
    for repulsion in (0.0, 5.0):
        hasher = DCDH(**settings, epochs=8, repulsion=repulsion).fit(train, Context())
        centres = torch.nn.functional.normalize(hasher.after_fit().network.centres.detach(), dim=1)
        cosines[repulsion] = float((centres @ centres.T).triu(1).sum() / 6)
    assert cosines[5.0] < cosines[0.0] - 0.05


def test_triplets_of_sets_of_classes_are_learned_from(train, queries):
    def with_sets(items):
        return replace(items, labels=np.column_stack([np.eye(4, dtype=bool)[items.labels], items.labels % 2 == 1]))

    some, asked = with_sets(train), with_sets(queries)
    hasher = DTSH(**{**QUICK, "bits": 12, "epochs": 8, "batch_size": 32, "learning_rate": 0.3, "negatives": 20}).fit(
        some, Context()
    )
    found = mean_average_precision(hasher.encode(asked), hasher.encode(some), asked.labels, some.labels)
    chance = (asked.labels.astype(int) @ some.labels.T.astype(int) > 0).mean()
    assert found > chance + 0.1
