"""The canonical directions against linear discriminant analysis, which finds the same ones by another way."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from methods.hashing.itq_cca import ITQCCA, canonical_directions
from tests.methods.hashing.test_estimator import data


def test_directions_are_those_of_discriminant_analysis_scaled_by_their_correlations():
    """With one-hot classes, the ratio of between-class to within-class variance is r^2 / (1 - r^2)."""
    X, y = data(rows=400, features=8)
    y[:90] = 0
    directions = canonical_directions(X, y, 1e-10)
    correlations = directions(X).std(axis=0)
    assert directions.axes.shape == (8, 4)
    assert correlations[3] == pytest.approx(0, abs=1e-6)
    lda = LinearDiscriminantAnalysis(solver="eigen").fit(X, y)
    ratios = correlations[:3] ** 2 / (1 - correlations[:3] ** 2)
    np.testing.assert_allclose(ratios / ratios.sum(), lda.explained_variance_ratio_, rtol=1e-6)
    for ours, theirs in zip(directions(X).T[:3], lda.transform(X).T, strict=True):
        assert abs(np.corrcoef(ours, theirs)[0, 1]) == pytest.approx(1, abs=1e-8)


def test_regularisation_is_added_to_both_covariances():
    X, y = data(rows=200, features=5)
    onehot = np.eye(4)[y]
    covariance = np.cov(np.hstack([X, onehot]), rowvar=False, ddof=0) + 0.3 * np.eye(9)
    features, classes, between = covariance[:5, :5], covariance[5:, 5:], covariance[:5, 5:]
    squared = np.linalg.eigvals(np.linalg.solve(features, between) @ np.linalg.solve(classes, between.T))
    expected = np.sqrt(np.sort(np.abs(squared))[::-1][:4])
    axes = canonical_directions(X, y, 0.3).axes
    # Axes of unit length under the regularised covariance, times the correlations.
    np.testing.assert_allclose(np.sqrt(np.diag(axes.T @ features @ axes)), expected, atol=1e-7)


@pytest.mark.parametrize("bits", [2, 3, 12, 40])
def test_error_never_rises_with_fewer_and_with_more_bits_than_directions(bits):
    X, y = data(rows=300, features=10)
    hasher = ITQCCA(bits=bits).fit(X, y)
    assert (np.diff(hasher.errors_) <= 1e-9 * hasher.errors_[:-1]).all()
    assert np.linalg.matrix_rank(hasher.hash_function_.axes, tol=1e-6) == min(bits, 3)


def test_all_bits_are_used_where_there_are_more_than_directions():
    X, y = data(rows=300, features=10)
    codes = ITQCCA(bits=40).fit(X, y).transform(X)
    assert (codes.min(axis=0) == 0).all() and (codes.max(axis=0) == 1).all()
