"""KSH's steps against the residual matrix written out."""

import re
import warnings

import numpy as np
import pytest
import scipy.linalg
from scipy.optimize import approx_fprime

from methods.hashing.ksh import KSH, Residual, descend, learn_weights, relax, signs, whiten
from tests.methods.hashing.test_estimator import data


@pytest.fixture
def case():
    """Centred kernel values [60, 8], labels of four classes, five codes so far, of 12 bits."""
    rng = np.random.default_rng(0)
    X, labels = data(rows=60, features=3)
    points = X[rng.permutation(60)[:8]]
    kernel = np.exp(-np.square(X[:, None] - points[None]).sum(axis=2) / 20)
    codes = rng.choice([-1.0, 1.0], (60, 5))
    return kernel - kernel.mean(axis=0), labels, codes


def matrix(labels, codes, bits):
    return bits * np.where(labels[:, None] == labels[None], 1.0, -1.0) - codes @ codes.T


def smooth(kernel, r, a):
    h = np.tanh(kernel @ a / 2)
    return -h @ r @ h


def test_products_with_the_residual_are_those_of_the_matrix(case):
    _, labels, codes = case
    h = np.random.default_rng(1).standard_normal(60)
    np.testing.assert_allclose(Residual(labels, codes, 12) @ h, matrix(labels, codes, 12) @ h, atol=1e-9)


def test_relaxation_is_the_generalised_eigenvector(case):
    kernel, labels, codes = case
    r, gram = matrix(labels, codes, 12), kernel.T @ kernel
    whitening = whiten(kernel)
    white = kernel @ whitening
    a = relax(white.T @ r @ white, whitening, 60)
    value = scipy.linalg.eigh(kernel.T @ r @ kernel, gram, eigvals_only=True)[-1]
    assert np.square(kernel @ a).sum() == pytest.approx(60, rel=1e-3)
    assert (kernel @ a) @ r @ (kernel @ a) == pytest.approx(60 * value, rel=1e-3)


def test_descent_lowers_the_smooth_objective_to_where_it_is_flat(case):
    kernel, labels, codes = case
    r = matrix(labels, codes, 12)
    start = np.random.default_rng(2).standard_normal(8)
    end = descend(kernel, Residual(labels, codes, 12), start, 500)
    assert smooth(kernel, r, end) < smooth(kernel, r, start)
    slope_at = [np.linalg.norm(approx_fprime(a, lambda b: smooth(kernel, r, b), 1e-6)) for a in (start, end)]
    assert slope_at[1] < 0.01 * slope_at[0]


def test_each_bit_explains_more_of_the_residual_and_no_less_than_the_relaxation(case):
    kernel, labels, _ = case
    codes = signs(kernel @ learn_weights(kernel, labels, 12, 500))
    whitening = whiten(kernel)
    white = kernel @ whitening
    distances = [np.linalg.norm(matrix(labels, codes[:, :bit], 12)) for bit in range(13)]
    assert (np.diff(distances) < 0).all()
    for bit in range(12):
        r = matrix(labels, codes[:, :bit], 12)
        relaxed = signs(kernel @ relax(white.T @ r @ white, whitening, 60))
        assert codes[:, bit] @ r @ codes[:, bit] >= relaxed @ r @ relaxed - 1e-6


def test_codes_agree_where_the_labels_do():
    X, y = data(rows=300)
    codes = KSH(bits=24, anchors=50, samples=200).fit(X, y).transform(X) * 2.0 - 1
    agreement = codes @ codes.T / 24
    same = y[:, None] == y[None]
    assert agreement[same].mean() > 0.8 and agreement[~same].mean() < 0


def test_kernel_values_are_centred_over_all_samples_whose_distances_to_anchors_give_the_width():
    X, y = data(rows=90)
    hasher = KSH(bits=5, anchors=7, samples=30, random_state=3).fit(X, y)
    rng = np.random.default_rng(3)
    points, rows = X[rng.permutation(90)[:7]], rng.permutation(90)[:30]
    squares = np.square(X[:, None] - points[None]).sum(axis=2)
    kernel = np.exp(-squares / (2 * squares.mean()))
    centred = kernel - kernel.mean(axis=0)
    assert np.abs(centred[rows].mean(axis=0)).max() > 1e-3
    weights = learn_weights(centred[rows], y[rows], 5, 500)
    np.testing.assert_allclose(hasher.decision_function(X), centred @ weights, atol=1e-6)


@pytest.mark.parametrize(
    ("rows", "classes", "samples", "anchors", "said"),
    [
        (5000, 10, 1000, 300, None),
        (
            5994,
            200,
            5000,
            1000,
            "samples=5,000 in place of the published 1,000, anchors=1,000 in place of the published",
        ),
        (2936, 81, 2430, 972, "for 2,936 samples of 81 classes"),
        (200, 10, 200, 200, "^anchors=200 in place of the published 300, for"),
    ],
)
def test_defaults_grow_with_the_classes_and_a_warning_says_so(rows, classes, samples, anchors, said):
    labels = np.arange(rows) % classes
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert KSH()._sizes(rows, labels) == (samples, anchors)
        assert KSH()._sizes(rows, np.eye(classes, dtype=bool)[labels]) == (samples, anchors)
        assert KSH(samples=77, anchors=55)._sizes(rows, labels) == (77, 55)
    assert [bool(re.search(said, str(one.message))) for one in caught] == [True, True] if said else not caught


def test_only_so_many_samples_are_learned_from():
    X, y = data(rows=300)
    few, many, all_of_them = (KSH(bits=4, anchors=20, samples=s).fit(X, y).decision_function(X) for s in (40, 300, 999))
    assert not np.allclose(few, many)
    np.testing.assert_array_equal(many, all_of_them)
