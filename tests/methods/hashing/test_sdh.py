"""The three steps of SDH against the objective written out with one-hot classes, and against ridge regression."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from methods.hashing.kernel import Anchors
from methods.hashing.sdh import SDH, fit_classifier, fit_projection, kernel_features, update_codes
from tests.methods.hashing.test_estimator import data


def objective(codes, labels, classifier, phi, projection, nu, classifier_ridge=1.0, projection_ridge=1e-2):
    onehot = np.eye(classifier.shape[1])[labels]
    classified = np.square(onehot - codes @ classifier).sum() + classifier_ridge * np.square(classifier).sum()
    projected = np.square(codes - phi @ projection).sum() + projection_ridge * np.square(projection).sum()
    return classified + nu * projected


def problem(seed, rows, bits, classes, nu):
    rng = np.random.default_rng(seed)
    codes = rng.choice([-1.0, 1.0], (rows, bits))
    labels = rng.integers(0, classes, rows)
    labels[0] = classes - 1
    phi = rng.random((rows, 5))
    normal = phi.T @ phi + 1e-2 * np.eye(5)
    return codes, labels, phi, normal, nu


problems = st.builds(
    problem, st.integers(0, 10**6), st.integers(1, 30), st.integers(1, 13), st.integers(1, 5),
    st.sampled_from([1e-5, 0.1, 10.0]),
)  # fmt: skip


@given(problems)
def test_no_step_raises_the_objective(case):
    codes, labels, phi, normal, nu = case
    rng = np.random.default_rng(0)
    classifier, projection = rng.standard_normal((codes.shape[1], labels.max() + 1)), rng.random((5, codes.shape[1]))
    values = [objective(codes, labels, classifier, phi, projection, nu)]
    for _ in range(3):
        classifier = fit_classifier(codes, labels, 1.0)
        values.append(objective(codes, labels, classifier, phi, projection, nu))
        projection = fit_projection(phi, normal, codes)
        values.append(objective(codes, labels, classifier, phi, projection, nu))
        codes = update_codes(codes, labels, classifier, nu * phi @ projection)
        assert set(np.unique(codes)) <= {-1.0, 1.0}
        values.append(objective(codes, labels, classifier, phi, projection, nu))
    assert (np.diff(values) <= 1e-9 * np.abs(values[0]) + 1e-9).all()


@settings(max_examples=40)
@given(problems)
def test_no_single_bit_can_be_turned_to_advantage(case):
    codes, labels, phi, normal, nu = case
    classifier, projection = fit_classifier(codes, labels, 1.0), fit_projection(phi, normal, codes)
    for _ in range(10):
        codes = update_codes(codes, labels, classifier, nu * phi @ projection)
    least = objective(codes, labels, classifier, phi, projection, nu)
    for item in range(min(len(codes), 5)):
        for bit in range(codes.shape[1]):
            turned = codes.copy()
            turned[item, bit] *= -1
            assert objective(turned, labels, classifier, phi, projection, nu) >= least - 1e-9


def test_classifier_and_projection_are_ridge_regressions():
    codes, labels, phi, normal, _ = problem(0, 40, 12, 4, 1.0)
    classes = Ridge(alpha=1.0, fit_intercept=False).fit(codes, np.eye(4)[labels])
    np.testing.assert_allclose(fit_classifier(codes, labels, 1.0), classes.coef_.T, atol=1e-10)
    bits = Ridge(alpha=1e-2, fit_intercept=False).fit(phi, codes)
    np.testing.assert_allclose(fit_projection(phi, normal, codes), bits.coef_.T, atol=1e-8)


def test_learned_codes_are_one_per_class_and_transform_comes_near_them():
    X, y = data(rows=300)
    hasher = SDH(bits=12, anchors=50, sigma=None).fit(X, y)
    learned = hasher.database_codes_
    assert learned.shape == (300, 12) and learned.dtype == np.uint8
    of_class = [np.unique(learned[y == c], axis=0) for c in range(4)]
    assert [len(codes) for codes in of_class] == [1, 1, 1, 1]
    assert len(np.unique(np.concatenate(of_class), axis=0)) == 4
    assert np.mean(hasher.transform(X) == learned) > 0.95


def test_the_width_is_the_official_one_for_features_of_length_one_and_else_the_typical_distance():
    X, y = data(rows=80)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    unit[0] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        default, official = (SDH(bits=6, anchors=20, **of).fit(unit, y) for of in ({}, {"sigma": 0.4}))
    np.testing.assert_array_equal(default.decision_function(unit), official.decision_function(unit))
    points = X[np.random.default_rng(0).permutation(80)[:20]]
    typical = np.sqrt(np.square(X[:, None] - points[None]).sum(axis=2).mean())
    with pytest.warns(UserWarning, match=r"^sigma=\S+: features are not of length 1, for which 0.4 is published"):
        other = SDH(bits=6, anchors=20).fit(X, y)
    assert other.hash_function_.anchors.sigma == pytest.approx(typical)


def test_kernel_features_are_the_formula_and_a_constant():
    X, _ = data(rows=50, dtype=np.float32)
    anchors = Anchors.draw(X, 6, 3.0, np.random.default_rng(0))
    phi = kernel_features(X, anchors)
    distances = np.linalg.norm(X[:, None].astype(float) - anchors.points[None], axis=2)
    assert phi.dtype == np.float32
    np.testing.assert_allclose(phi[:, :-1], np.exp(-(distances**2) / 18), rtol=1e-5)
    assert (phi[:, -1] == 1).all()


def test_anchors_are_different_samples():
    X = np.arange(40.0).reshape(20, 2)
    anchors = Anchors.draw(X, 20, None, np.random.default_rng(0))
    assert sorted(anchors.points[:, 0]) == sorted(X[:, 0])
    pairs = np.square(X[:, None] - X[None]).sum(axis=2)
    assert anchors.sigma == pytest.approx(np.sqrt(pairs.mean()))
