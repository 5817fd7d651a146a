"""Hashers that take sets of classes: by the formulas with the rows of 0 and 1 written out."""

import tracemalloc

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from bench.interfaces import Unsuitable
from methods.hashing.estimator import BinaryTransformer
from methods.hashing.itq_cca import ITQCCA, canonical_directions
from methods.hashing.ksh import KSH, learn_weights
from methods.hashing.sdh import SDH, fit_classifier, update_codes
from tests.methods.hashing.test_estimator import data

SUPERVISED = {"itq_cca": ITQCCA(bits=8), "sdh": SDH(bits=8, anchors=30, sigma=None), "ksh": KSH(bits=8, anchors=30)}


@pytest.fixture
def case():
    """Features around the sums of the centres of their classes, and the sets of classes, bool [200, 5]."""
    rng = np.random.default_rng(0)
    sets = rng.random((200, 5)) < 0.4
    return (sets @ rng.standard_normal((5, 6)) * 4 + rng.standard_normal((200, 6))), sets


@pytest.mark.parametrize("name", SUPERVISED)
def test_codes_are_nearer_for_items_that_share_a_class(case, name):
    X, sets = case
    codes = SUPERVISED[name].fit(X, sets).transform(X)
    apart = (codes[:, None] != codes[None]).mean(axis=2)
    shared = sets.astype(int) @ sets.T.astype(int) > 0
    np.fill_diagonal(shared, False)
    others = ~shared & ~np.eye(200, dtype=bool)
    assert apart[shared].mean() < apart[others].mean() - 0.05


@pytest.mark.parametrize("name", SUPERVISED)
def test_zeros_and_ones_of_any_type_are_sets(case, name):
    X, sets = case
    first, second = (SUPERVISED[name].fit(X, kind).transform(X) for kind in (sets, sets.astype(np.float64)))
    assert np.array_equal(first, second)
    with pytest.raises(ValueError, match=r"y: int64 .*; classes .* or 0 and 1 .* are needed"):
        SUPERVISED[name].fit(X, sets.astype(np.int64) * 2)
    with pytest.raises(ValueError, match="all samples have the same classes"):
        SUPERVISED[name].fit(X, np.ones_like(sets))


def test_a_method_of_one_class_a_sample_says_that_sets_do_not_suit_it(case):
    class Single(BinaryTransformer):
        supervised = True
        bits = 4

    with pytest.raises(Unsuitable, match="Single learns from one class a sample, and these have sets of classes"):
        Single(bits=4).fit(*case)


def test_directions_solve_the_eigenvalue_problem_of_both_covariances(case):
    X, sets = case
    covariance = np.cov(np.hstack([X, sets]), rowvar=False, ddof=0) + 0.3 * np.eye(11)
    features, classes, between = covariance[:6, :6], covariance[6:, 6:], covariance[:6, 6:]
    squared = np.linalg.eigvals(np.linalg.solve(features, between) @ np.linalg.solve(classes, between.T))
    expected = np.sqrt(np.sort(np.abs(squared))[::-1][:5])
    axes = canonical_directions(X, sets, 0.3).axes
    np.testing.assert_allclose(np.sqrt(np.diag(axes.T @ features @ axes)), expected, atol=1e-7)


def test_the_classifier_is_ridge_regression_on_zeros_and_ones(case):
    codes = np.random.default_rng(1).choice([-1.0, 1.0], (200, 7))
    ridge = Ridge(alpha=0.7, fit_intercept=False).fit(codes, case[1].astype(float))
    np.testing.assert_allclose(fit_classifier(codes, case[1], 0.7), ridge.coef_.T, atol=1e-9)


def test_one_class_each_gives_what_classes_give():
    X, labels = data(rows=120, features=6)
    one_hot = np.eye(4, dtype=bool)[labels]
    rng = np.random.default_rng(2)
    codes, pull = rng.choice([-1.0, 1.0], (120, 7)), rng.standard_normal((120, 7)) / 10
    classifier = fit_classifier(codes, labels, 1.0)
    np.testing.assert_allclose(fit_classifier(codes, one_hot, 1.0), classifier, atol=1e-12)
    assert np.array_equal(*(update_codes(codes, y, classifier, pull) for y in (labels, one_hot)))
    np.testing.assert_allclose(*(abs(canonical_directions(X, y, 1e-4)(X)) for y in (labels, one_hot)), atol=1e-8)
    kernel = np.exp(-np.square(X[:, None] - X[None, :9]).sum(axis=2) / 30)
    kernel -= kernel.mean(axis=0)
    np.testing.assert_allclose(*(learn_weights(kernel, y, 3, 50) for y in (labels, one_hot)), atol=1e-4)


def most_bytes(work):
    """The most memory that ``work`` holds at a time."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_sets_of_many_classes_are_never_copied_as_numbers():
    rng = np.random.default_rng(0)
    X, sets = rng.standard_normal((20_000, 2)), rng.random((20_000, 100)) < 0.1
    codes = np.where(X > 0, 1.0, -1.0)
    classifier = fit_classifier(codes, sets, 1.0)
    for work in (
        lambda: canonical_directions(X, sets, 0.3),
        lambda: fit_classifier(codes, sets, 1.0),
        lambda: update_codes(codes, sets, classifier, np.zeros_like(codes)),
        lambda: ITQCCA().set_params(bits=2)._class_sets(sets, len(sets)),
    ):
        assert most_bytes(work) < 4 * sets.nbytes
