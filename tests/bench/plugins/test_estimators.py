"""Estimators as hashers: items in, packed codes out, and what they return is checked."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_X_y

from bench.interfaces import Codes, Context, Items, Unsuitable
from bench.plugins import registry
from bench.plugins.estimators import EstimatorHasher, as_hasher


class Threshold(TransformerMixin, BaseEstimator):
    """The first ``bits`` columns at a random threshold; ``learned`` and ``returned`` replace what it gives back."""

    def __init__(self, bits=3, random_state=None, learned=None, returned=None):
        self.bits = bits
        self.random_state = random_state
        self.learned = learned
        self.returned = returned

    def fit(self, X, y):
        self.labels_ = y
        self.threshold_ = np.random.default_rng(self.random_state).random()
        if self.learned is not None:
            self.database_codes_ = self.learned
        return self

    def transform(self, X):
        return self.returned if self.returned is not None else (X[:, : self.bits] > self.threshold_).astype(np.uint8)


class Signs(TransformerMixin, BaseEstimator):
    """Nothing random."""

    def __init__(self, bits=3):
        self.bits = bits

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X[:, : self.bits] > 0.5


@pytest.fixture
def items():
    vectors = np.random.default_rng(0).random((20, 5)).astype(np.float32)
    return Items(np.arange(20), np.arange(20) % 4, "x", vectors=vectors)


def test_codes_are_the_estimators_packed(items):
    hasher = as_hasher(Signs()).fit(items, Context())
    assert hasher.bits == 3 and hasher.database_codes_ is None
    codes = hasher.encode(items)
    np.testing.assert_array_equal(codes.unpack() == 1, items.vectors[:, :3] > 0.5)
    assert codes.bits == 3


def test_estimator_is_given_labels_and_the_seed(items):
    estimators = [Threshold() for _ in range(3)]
    for estimator, seed in zip(estimators, (5, 5, 6), strict=True):
        as_hasher(estimator).fit(items, Context(seed=seed))
    first, again, other = estimators
    assert first.random_state == 5
    np.testing.assert_array_equal(first.labels_, items.labels)
    assert first.threshold_ == again.threshold_ != other.threshold_


def test_learned_codes_are_packed(items):
    learned = np.random.default_rng(1).integers(0, 2, (20, 3))
    hasher = as_hasher(Threshold(learned=learned)).fit(items, Context())
    np.testing.assert_array_equal(hasher.database_codes_.words, Codes.pack(learned.astype(bool)).words)


def test_items_without_vectors_are_refused(items):
    images = Items(items.ids, items.labels, "x", images=[np.zeros((2, 2, 3), np.uint8)] * 20)
    with pytest.raises(ValueError, match=r'Signs takes vectors.* input = "pretrained"'):
        as_hasher(Signs()).fit(images, Context())
    with pytest.raises(ValueError, match=r'Signs takes vectors.* input = "pretrained"'):
        as_hasher(Signs()).fit(items, Context()).encode(images)


@pytest.mark.parametrize(
    "wrong", [np.ones((20, 4), np.uint8), np.ones((19, 3), np.uint8), np.full((20, 3), -1), np.full((20, 3), 0.5)]
)
def test_what_is_not_a_code_is_refused(items, wrong):
    with pytest.raises(ValueError, match=r"Threshold: transform .*expected \[20, 3\] of 0 and 1"):
        as_hasher(Threshold(returned=wrong)).fit(items, Context()).encode(items)
    with pytest.raises(ValueError, match=r"Threshold: database_codes_ .*expected \[20, 3\] of 0 and 1"):
        as_hasher(Threshold(learned=wrong)).fit(items, Context())


class Margins(Signs):
    """The distance from the threshold too."""

    def decision_function(self, X):
        return X[:, : self.bits] - 0.5


def test_an_estimator_with_a_decision_function_offers_the_real_values_of_its_codes(items):
    hasher = as_hasher(Margins()).fit(items, Context())
    real = hasher.encode_real(items)
    assert real.dtype == np.float32 and real.shape == (20, 3)
    np.testing.assert_array_equal(Codes.pack(real).words, hasher.encode(items).words)
    assert not hasattr(as_hasher(Signs()), "encode_real")


def test_a_hasher_stays_as_it_is():
    hasher = registry.build("hasher", "exchnet", {})
    assert as_hasher(hasher) is hasher


@pytest.mark.parametrize("name", ["lsh", "pcah", "sh", "itq", "itq_cca", "ksh", "sdh"])
def test_shallow_hashers_of_this_project_are_hashers(name):
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((60, 16)).astype(np.float32)
    train = Items(np.arange(60), rng.integers(0, 3, 60), "x", vectors=vectors)
    values = {
        "bits": 12,
        **({"anchors": 10} if name in ("ksh", "sdh") else {}),
        **({"sigma": 4.0} if name == "sdh" else {}),
    }
    hasher = as_hasher(registry.build("hasher", name, values)).fit(train, Context(seed=3))
    assert isinstance(hasher, EstimatorHasher)
    assert hasher.encode(train).words.shape == (60, 1) and hasher.encode(train).bits == 12
    assert (hasher.database_codes_ is not None) == (name == "sdh")
    np.testing.assert_array_equal(Codes.pack(hasher.encode_real(train)).words, hasher.encode(train).words)


class Single(Signs):
    """Classes as scikit-learn checks them, one a sample."""

    def fit(self, X, y):
        check_X_y(X, y)
        return self


def test_sets_of_classes_do_not_suit_an_estimator_that_refuses_them(items):
    several = replace(items, labels=np.arange(20)[:, None] % 4 != np.arange(4))
    with pytest.raises(Unsuitable, match=r"Single takes no sets of classes \(y should be a 1d array"):
        EstimatorHasher(Single()).fit(several, Context())
    EstimatorHasher(Signs()).fit(several, Context())
    broken = replace(items, vectors=np.full((20, 5), np.nan, np.float32))
    with pytest.raises(ValueError, match="NaN") as caught:
        EstimatorHasher(Single()).fit(broken, Context())
    assert not isinstance(caught.value, Unsuitable)
