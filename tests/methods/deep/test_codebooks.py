"""Codebooks against codes whose distances are known, and against the published draws; how a fit tells of its own."""

from dataclasses import replace
from itertools import combinations, product
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.interfaces import Context, Unsuitable
from methods.hashing.deep.class_code import ClassCode
from methods.hashing.deep.csq import CSQ
from methods.hashing.deep.dpn import DPN
from methods.hashing.deep.fish import FISH
from methods.hashing.deep.networks import codebooks
from methods.hashing.deep.networks.codebooks import CodebookName, code_words, draw, figures, linear_code
from methods.hashing.deep.orthohash import OrthoHash
from methods.hashing.deep.psldh import PSLDH
from tests.methods.deep.conftest import QUICK

NAMES = get_args(CodebookName)
DISTINCT = {"linear", "greedy", "hadamard_greedy"}
DEFAULTS = {
    CSQ: "hadamard_greedy", OrthoHash: "greedy", ClassCode: "greedy", FISH: "fish", PSLDH: "label_net",
    DPN: "bernoulli",
}  # fmt: skip


@pytest.fixture
def short(monkeypatch):
    """Searches and networks of a few steps, where the distance does not count."""
    monkeypatch.setattr(codebooks, "STEPS", 30)
    monkeypatch.setattr(codebooks, "NET_STEPS", 3)


def made(name, classes, bits, seed=0):
    return draw(name, classes, bits, np.random.default_rng(seed))


def by_pairs(codes):
    """The least distance and the number of equal pairs, pair by pair."""
    distances = [int((one != other).sum()) for one, other in combinations(codes, 2)]
    return {"codebook_distance": min(distances), "codebook_equal": distances.count(0)}


def extended_cyclic(length, polynomial):
    """The generator matrix of a cyclic code with a parity bit behind: shifts of the polynomial's coefficients."""
    degree = polynomial.bit_length() - 1
    rows = [[polynomial >> (at - shift) & 1 if at >= shift else 0 for at in range(length)]
            for shift in range(length - degree)]  # fmt: skip
    rows = np.array(rows, dtype=np.uint8)
    return np.column_stack([rows, rows.sum(axis=1) % 2]).astype(np.uint8)


def times(*factors):
    """The product of polynomials over GF(2), as integers of their coefficients."""
    result = 1
    for factor in factors:
        result = int(np.bitwise_xor.reduce([result << at for at in range(factor.bit_length()) if factor >> at & 1]))
    return result


GOLAY = extended_cyclic(23, 0b110001110101)
# The minimal polynomials of powers 1, 3, 5, 7 and 11 of a root of x^5 + x^2 + 1.
MINIMAL = [0b100101, 0b111101, 0b110111, 0b101111, 0b111011]
BCH_11, BCH_16 = extended_cyclic(31, times(*MINIMAL[:4])), extended_cyclic(31, times(*MINIMAL[:3]))


def test_the_extended_golay_code_has_its_weights_and_distance():
    words = code_words(GOLAY)
    weights = dict(zip(*np.unique(words.sum(axis=1), return_counts=True), strict=True))
    assert weights == {0: 1, 8: 759, 12: 2576, 16: 759, 24: 1}
    assert figures(2 * words.astype(np.float32) - 1) == {"codebook_distance": 8, "codebook_equal": 0}


@pytest.mark.parametrize(("generator", "dimension", "distance"), [(BCH_11, 11, 12), (BCH_16, 16, 8)])
def test_extended_bch_codes_have_their_distance(generator, dimension, distance):
    words = code_words(generator)
    assert words.shape == (2**dimension, 32) and not words[0].any()
    assert words[1:].sum(axis=1).min() == distance
    few = words[: 2**11]
    assert figures(2 * few.astype(np.float32) - 1)["codebook_distance"] == few[1:].sum(axis=1).min()


def griesmer(dimension, bits):
    """The largest distance that Griesmer's bound allows a linear code."""
    return max(d for d in range(1, bits + 1) if sum(-(-d // 2**i) for i in range(dimension)) <= bits)


@pytest.mark.parametrize(("bits", "distance"), [(12, 3), (24, 8), (32, 12), (48, 20)])
def test_the_search_reaches_the_distances_of_190_classes(bits, distance):
    codes = made("linear", 190, bits)
    assert codes.shape == (190, bits) and codes.dtype == np.float32 and set(np.unique(codes)) == {-1.0, 1.0}
    found = figures(codes)
    assert distance <= found["codebook_distance"] and found["codebook_equal"] == 0
    if bits < 48:
        assert found["codebook_distance"] > figures(made("greedy", 190, bits))["codebook_distance"]


@pytest.mark.parametrize(
    ("dimension", "bits", "distance"),
    [(1, 9, 9), (3, 6, 3), (4, 7, 3), (5, 16, 8), (6, 32, 16), (3, 3, 1)],
)
def test_the_search_finds_small_codes_that_none_exceeds(dimension, bits, distance):
    words = code_words(linear_code(dimension, bits, np.random.default_rng(0)))
    assert words[1:].sum(axis=1).min() == distance


@settings(max_examples=15)
@given(st.integers(1, 6), st.integers(0, 20), st.integers(0, 2**32))
def test_a_code_found_is_linear_balanced_and_within_the_bound(dimension, more, seed):
    bits = dimension + more
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codebooks, "STEPS", 30)
        generator = linear_code(dimension, bits, np.random.default_rng(seed))
    words = code_words(generator)
    messages = np.array(list(product([0, 1], repeat=dimension)))
    assert {tuple(word) for word in words} == {tuple(word) for word in messages @ generator % 2}
    assert len({tuple(word) for word in words}) == 2**dimension
    assert (words.sum(axis=0) == 2 ** (dimension - 1)).all()
    assert 1 <= words[1:].sum(axis=1).min() <= griesmer(dimension, bits)


@pytest.mark.usefixtures("short")
def test_all_words_of_a_linear_codebook_balance_every_bit_and_chosen_ones_hold_the_distance():
    whole = made("linear", 64, 20)
    assert (whole.sum(axis=0) == 0).all()
    few = made("linear", 40, 20)
    assert figures(few)["codebook_distance"] >= figures(whole)["codebook_distance"]
    assert not (few == -1).all(axis=1).any() and len({tuple(code) for code in few}) == 40


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_draws_the_same_codes_and_another_seed_others(name):
    first, again, other = made(name, 11, 12), made(name, 11, 12), made(name, 11, 12, seed=1)
    assert first.shape == (11, 12) and first.dtype == np.float32 and set(np.unique(first)) == {-1.0, 1.0}
    assert np.array_equal(first, again) and not np.array_equal(first, other)


@settings(max_examples=30)
@given(st.sampled_from(sorted(DISTINCT)), st.integers(2, 40), st.integers(1, 9), st.integers(0, 9))
def test_draws_that_repeat_no_code_repeat_none_or_are_refused(name, classes, bits, seed):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codebooks, "STEPS", 5)
        if classes > 2**bits:
            with pytest.raises(Unsuitable, match=f"bits={bits}: {classes} classes need {classes} codes"):
                made(name, classes, bits, seed)
        else:
            assert figures(made(name, classes, bits, seed)) == {**by_pairs(made(name, classes, bits, seed)),
                                                                "codebook_equal": 0}  # fmt: skip


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("name", sorted({*NAMES} - DISTINCT))
def test_published_draws_may_repeat_codes_and_the_figures_say_so(name):
    codes = made(name, 40, 5)
    found = figures(codes)
    assert found == by_pairs(codes) and found["codebook_equal"] > 0 and found["codebook_distance"] == 0


def test_figures_count_pairs_across_blocks_of_rows(monkeypatch):
    codes = made("bernoulli", 30, 6)
    monkeypatch.setattr(codebooks, "BLOCK_ROWS", 7)
    assert figures(codes) == by_pairs(codes)


def test_codes_are_greedy_as_they_were():
    """Each code is the draw of 200 that is farthest from its nearest predecessor, by the same generator."""
    rng, chosen = np.random.default_rng(3), []
    for _ in range(9):
        draws = rng.integers(0, 2, (200, 10)) * 2 - 1
        nearest = [min([int((one != other).sum()) for other in chosen], default=10) for one in draws]
        chosen.append(draws[int(np.argmax(nearest))])
    assert np.array_equal(made("greedy", 9, 10, seed=3), chosen)


def test_balanced_codes_have_half_of_their_bits():
    assert (made("balanced", 50, 12) == 1).sum(axis=1).tolist() == [6] * 50
    assert (made("balanced", 50, 7) == 1).sum(axis=1).tolist() == [3] * 50


@pytest.mark.parametrize(("name", "otherwise"), [("hadamard", "bernoulli"), ("hadamard_greedy", "greedy")])
def test_hash_centres_are_half_the_bits_apart_where_a_hadamard_matrix_allows(name, otherwise):
    codes = made(name, 100, 64)
    products = codes @ codes.T
    assert np.all(np.isin(products, [64, 0, -64])) and np.all(np.diag(products) == 64)
    for classes, bits in ((20, 12), (65, 32)):
        assert np.array_equal(made(name, classes, bits), made(otherwise, classes, bits))


def test_fish_codes_are_those_of_its_objective_over_items_with_labels():
    """The published procedure over three items of each class that start alike: min ||L - U V||^2 + d ||B - R V||^2."""
    classes, bits, delta = 30, 12, 1e-4
    rng = np.random.default_rng(5)
    factor, codes = (np.tile(rng.standard_normal((bits, classes)), 3) for _ in range(2))
    codes, labels = np.sign(codes), np.tile(np.eye(classes), 3)
    for _ in range(15):
        left, _, right = np.linalg.svd(codes @ factor.T)
        rotation = left @ right
        codes = np.sign(rotation @ factor)
        bases = labels @ factor.T @ np.linalg.inv(factor @ factor.T)
        inverse = np.linalg.inv(bases.T @ bases + delta * np.eye(bits))
        factor = inverse @ (bases.T @ labels + delta * rotation.T @ codes)
    assert np.array_equal(made("fish", classes, bits, seed=5), codes[:, :classes].T)


def test_the_label_net_spreads_codes_about_as_far_as_chance():
    nets, chance = (
        np.mean([figures(made(name, 40, 16, seed))["codebook_distance"] for seed in range(3)])
        for name in ("label_net", "bernoulli")
    )
    assert abs(nets - chance) <= 1.5 and figures(made("linear", 40, 16))["codebook_distance"] > max(nets, chance) + 2


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("method", DEFAULTS, ids=lambda method: method.__name__)
def test_every_method_with_fixed_codes_takes_every_codebook_by_name(method):
    assert method().codebook == DEFAULTS[method]
    for name in NAMES:
        hasher = method(**QUICK, bits=12, codebook=name)
        codes = hasher.draw_codes(5, 7).numpy()
        assert np.array_equal(codes, made(name, 5, 12, seed=7))
    with pytest.raises(ValueError, match="codebook = 'fisch' must be one of linear, greedy"):
        method(codebook="fisch")


def test_a_fit_tells_the_distance_of_its_codes_and_says_which_repeat(train):
    said = []
    settings = {**QUICK, "pretrain_epochs": 1, "epochs": 1, "batch_size": 64}
    apart = CSQ(**settings, bits=8, codebook="linear").fit(train, Context(say=said.append))
    assert apart.figures_ == by_pairs(apart.codes_beside(apart.draw_codes(4, 0)).numpy()) and not said
    assert apart.figures_["codebook_distance"] == 5
    repeated = OrthoHash(**settings, bits=1, codebook="bernoulli").fit(train, Context(say=said.append))
    assert repeated.figures_["codebook_equal"] >= 2 and repeated.figures_["codebook_distance"] == 0
    equal = repeated.figures_["codebook_equal"]
    assert said == [f"codebook='bernoulli': pairs of classes with the same code of 1 bits: {equal}"]


def test_more_classes_than_codes_do_not_suit_a_codebook_without_repetitions(train):
    few = replace(train, fingerprint="five classes", labels=np.arange(len(train)) % 5)
    with pytest.raises(Unsuitable, match="bits=2: 5 classes need 5 codes, there are 4"):
        CSQ(**{**QUICK, "pretrain_epochs": 1}, bits=2, epochs=1).fit(few, Context())
