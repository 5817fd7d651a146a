"""The V-step against a similarity matrix that is written out, and against trying both values of every bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.hashing.deep.training.code_update import dissimilar_target, objective, similarity_sums, update_codes


def similarities(output_classes, code_classes, dissimilar):
    return np.where(output_classes[:, None] == code_classes[None, :], 1.0, dissimilar)


def loss(outputs, codes, s):
    """Eq. (11) summed, as it is printed."""
    return float(np.square(outputs.astype(float) @ codes.T.astype(float) - codes.shape[1] * s).sum())


def problem(seed, m, n, bits, classes, class_weighting):
    rng = np.random.default_rng(seed)
    outputs = np.tanh(rng.standard_normal((m, bits))).astype(np.float32)
    codes = (rng.integers(0, 2, (n, bits)) * 2 - 1).astype(np.float32)
    of_outputs, of_codes = rng.integers(0, classes, m), rng.integers(0, classes, n)
    counts = [np.bincount(c, minlength=classes) for c in (of_outputs, of_codes)]
    return outputs, of_outputs, codes, of_codes, dissimilar_target(*counts, class_weighting)


problems = st.builds(
    problem, st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 15), st.integers(1, 14), st.integers(1, 5),
    st.booleans(),
)  # fmt: skip


@given(problems)
def test_objective_without_the_matrix_is_the_objective_with_it(case):
    outputs, of_outputs, codes, of_codes, dissimilar = case
    wanted = loss(outputs, codes, similarities(of_outputs, of_codes, dissimilar))
    assert objective(*case) == pytest.approx(wanted, rel=1e-5, abs=1e-3)


@given(problems)
def test_update_never_raises_the_objective(case):
    outputs, of_outputs, codes, of_codes, dissimilar = case
    s = similarities(of_outputs, of_codes, dissimilar)
    updated = update_codes(*case)
    assert set(np.unique(updated)) <= {-1.0, 1.0}
    assert loss(outputs, updated, s) <= loss(outputs, codes, s) * (1 + 1e-6) + 1e-6


@settings(max_examples=50)
@given(problems, st.floats(0, 50))
def test_update_with_a_pull_never_raises_the_objective_with_a_quantisation_term(case, gamma):
    """ADSH's Eq. (5): gamma times the squared distance of some items' codes from their outputs, here the first ones."""
    outputs, of_outputs, codes, of_codes, dissimilar = case
    s = similarities(of_outputs, of_codes, dissimilar)
    count = min(len(outputs), len(codes))
    pull = np.zeros_like(codes)
    pull[:count] = gamma * outputs[:count]

    def whole(v):
        return loss(outputs, v, s) + gamma * np.square(v[:count].astype(float) - outputs[:count]).sum()

    updated = update_codes(*case, pull)
    assert whole(updated) <= whole(codes) * (1 + 1e-6) + 1e-6


@settings(max_examples=50)
@given(problems)
def test_each_bit_is_the_better_of_its_two_values(case):
    outputs, of_outputs, codes, of_codes, dissimilar = case
    s = similarities(of_outputs, of_codes, dissimilar)
    updated, tried = update_codes(*case), codes.copy()
    for bit in range(codes.shape[1]):
        for item in range(len(codes)):
            losses = {}
            for value in (-1.0, 1.0):
                tried[item, bit] = value
                losses[value] = loss(outputs, tried, s)
            got = updated[item, bit]
            assert losses[got] <= losses[-got] * (1 + 1e-6) + 1e-6
            tried[item, bit] = got


@pytest.mark.parametrize("class_weighting", [True, False])
def test_rule_as_printed_in_the_paper_raises_the_objective(class_weighting):
    """Erratum: Eq. (17) prints the negative of the minimiser."""
    case = problem(0, 60, 90, 12, 4, class_weighting)
    outputs, of_outputs, codes, of_codes, dissimilar = case
    s = similarities(of_outputs, of_codes, dissimilar)
    printed, q = codes.copy(), s.T @ outputs
    for bit in range(12):
        others = np.delete(np.arange(12), bit)
        inside = printed[:, others] @ outputs[:, others].T @ outputs[:, bit] - 12 * q[:, bit]
        printed[:, bit] = np.where(inside >= 0, 1, -1)
    before = loss(outputs, codes, s)
    assert loss(outputs, printed, s) > before > loss(outputs, update_codes(*case), s)


@pytest.mark.parametrize("class_weighting", [True, False])
def test_similarity_sums_are_products_with_the_matrix(class_weighting):
    outputs, of_outputs, _, of_codes, dissimilar = problem(1, 20, 30, 6, 3, class_weighting)
    wanted = similarities(of_outputs, of_codes, dissimilar).T @ outputs
    np.testing.assert_allclose(similarity_sums(outputs, of_outputs, 3, dissimilar)[of_codes], wanted, atol=1e-5)


def test_class_weighting_balances_similar_and_dissimilar_pairs():
    _, of_outputs, _, of_codes, dissimilar = problem(2, 20, 30, 6, 5, True)
    assert similarities(of_outputs, of_codes, dissimilar).sum() == pytest.approx(0, abs=1e-9)
