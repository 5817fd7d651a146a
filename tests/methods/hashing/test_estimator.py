"""What every shallow hasher owes: scikit-learn's protocol, any number of bits, errors in words, bounded memory."""

import tracemalloc

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer
from sklearn.utils.estimator_checks import check_estimator

from bench.interfaces import Unsuitable
from bench.plugins import registry
from methods.hashing.estimator import gram, principal_axes
from methods.hashing.itq import ITQ
from methods.hashing.itq_cca import ITQCCA
from methods.hashing.ksh import KSH
from methods.hashing.lsh import LSH
from methods.hashing.pcah import PCAH
from methods.hashing.sdh import SDH
from methods.hashing.sh import SH
from methods.hashing.sign import Sign

SMALL = {"anchors": 4, "sigma": None}
# Where a method takes more bits than features, two lengths: scikit-learn's checks have features of a few dimensions.
CHECKED = [
    LSH(bits=2), LSH(bits=12), PCAH(bits=2), SH(bits=2), SH(bits=12), ITQ(bits=2), ITQCCA(bits=2), ITQCCA(bits=12),
    KSH(bits=2, **SMALL), KSH(bits=12, **SMALL), SDH(bits=2, **SMALL), SDH(bits=12, **SMALL),
    Sign(bits=2), Sign(bits=2, centred=True),
]  # fmt: skip
MAKERS = {
    "lsh": LSH,
    "pcah": PCAH,
    "sh": SH,
    "sign": lambda **parameters: Sign(**{"centred": True, **parameters}),
    "itq": ITQ,
    "itq_cca": ITQCCA,
    "ksh": lambda **parameters: KSH(**{"anchors": 30, **parameters}),
    "sdh": lambda **parameters: SDH(**{"anchors": 30, "sigma": None, **parameters}),
}
SUPERVISED = ("itq_cca", "ksh", "sdh")
every_method = pytest.mark.parametrize("name", MAKERS)


def data(rows=120, features=24, classes=4, seed=0, dtype=np.float64):
    """Classes around centres of their own."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, rows)
    X = rng.standard_normal((classes, features))[y] * 2 + rng.standard_normal((rows, features)) + 5
    return X.astype(dtype), y


# The one rule that is not followed is inheritance, for the reason given in the module.
@pytest.mark.long
@pytest.mark.filterwarnings("ignore:Estimator .* does not inherit from `sklearn.base.BaseEstimator`:UserWarning")
@pytest.mark.parametrize("estimator", CHECKED, ids=str)
def test_scikit_learns_checks_pass(estimator):
    check_estimator(estimator, on_skip=None)


@every_method
@pytest.mark.parametrize("bits", [1, 12, 20])
def test_codes_have_any_number_of_bits(name, bits):
    X, y = data()
    hasher = MAKERS[name](bits=bits)
    codes = hasher.fit(X, y).transform(X)
    assert codes.shape == (120, bits) and codes.dtype == np.uint8
    np.testing.assert_array_equal(codes, hasher.decision_function(X) >= 0)


@pytest.mark.parametrize("name", ["lsh", "sh", "itq_cca", "ksh", "sdh"])
def test_bits_may_outnumber_features(name):
    X, y = data(features=6)
    assert MAKERS[name](bits=48).fit(X, y).transform(X).shape == (120, 48)


@every_method
def test_pipeline_fits_and_transforms(name):
    X, y = data()
    pipeline = make_pipeline(Normalizer(), PCA(15), MAKERS[name](bits=12))
    by_hand = PCA(15).fit_transform(Normalizer().transform(X))
    np.testing.assert_array_equal(
        pipeline.fit_transform(X, y), MAKERS[name](bits=12).fit(by_hand, y).transform(by_hand)
    )
    assert pipeline.set_params(**{f"{pipeline.steps[-1][0]}__bits": 8}).fit(X, y).transform(X).shape == (120, 8)
    assert pipeline._repr_html_()


@every_method
def test_random_state_decides_the_codes(name):
    X, y = data()
    first = MAKERS[name](bits=12).fit(X, y)
    np.testing.assert_array_equal(clone(first).fit(X, y).transform(X), first.transform(X))
    if "random_state" in first.get_params():
        other = clone(first).set_params(random_state=1).fit(X, y)
        assert not np.array_equal(other.decision_function(X), first.decision_function(X))


@every_method
def test_float32_gives_the_codes_of_float64(name):
    X, y = data(dtype=np.float32)
    narrow, wide = (MAKERS[name](bits=12).fit(X.astype(dtype), y).transform(X) for dtype in (np.float32, np.float64))
    assert np.mean(narrow != wide) < 0.01


@every_method
def test_blocks_change_nothing(name, monkeypatch):
    X, y = data()
    whole = MAKERS[name](bits=12).fit(X, y).decision_function(X)
    monkeypatch.setattr("methods.hashing.estimator.BLOCK_ROWS", 7)
    np.testing.assert_allclose(MAKERS[name](bits=12).fit(X, y).decision_function(X), whole, rtol=1e-5, atol=1e-8)


@every_method
def test_constant_features_few_rows_and_nan_are_refused(name):
    X, y = data()
    with pytest.raises(ValueError, match="X: all features are constant"):
        MAKERS[name](bits=2).fit(np.full_like(X, 3.7), y)
    with pytest.raises(ValueError, match="X contains NaN"):
        MAKERS[name](bits=2).fit(np.where(np.arange(24) == 3, np.nan, X), y)
    with pytest.raises(ValueError, match="1 sample"):
        MAKERS[name](bits=2).fit(X[:1], y[:1])
    with pytest.raises(ValueError, match=r"X has 23 features, but .* 24"):
        MAKERS[name](bits=2).fit(X, y).transform(X[:, 1:])


@every_method
def test_some_constant_features_are_no_harm(name):
    X, y = data()
    X[:, 5] = 0
    assert 0.05 < MAKERS[name](bits=12).fit(X, y).transform(X).mean() < 0.95


@pytest.mark.parametrize("name", SUPERVISED)
def test_labels_that_teach_nothing_are_refused(name):
    X, y = data()
    with pytest.raises(ValueError, match="requires y to be passed"):
        MAKERS[name](bits=2).fit(X)
    with pytest.raises(ValueError, match=r"^y: there is one class only"):
        MAKERS[name](bits=2).fit(X, np.full_like(y, 7))
    with pytest.raises(ValueError, match=r"^y: .*'continuous'; the class of each sample is needed"):
        MAKERS[name](bits=2).fit(X, X[:, 0])


@pytest.mark.parametrize("name", SUPERVISED)
def test_names_of_classes_do_not_matter(name):
    X, y = data()
    named = np.array(["oak", "ash", "elm", "fir"])[y]
    for labels in (y * 100 - 7, named):
        codes = MAKERS[name](bits=12).fit(X, labels).decision_function(X)
        assert codes.shape == (120, 12)
    np.testing.assert_allclose(
        MAKERS[name](bits=12).fit(X, y * 100 - 7).decision_function(X),
        MAKERS[name](bits=12).fit(X, y).decision_function(X),
    )


@pytest.mark.parametrize("name", ["pcah", "itq"])
def test_more_bits_than_dimensions_are_refused(name):
    X, y = data(features=6)
    with pytest.raises(ValueError, match=r"^bits=7: must be at most 6, .* 6 feature"):
        MAKERS[name](bits=7).fit(X, y)
    X[:, 0] = X[:, 1] + X[:, 2]
    with pytest.raises(ValueError, match=r"^bits=6: must be at most 5, the rank of the centred X"):
        MAKERS[name](bits=6).fit(X.astype(np.float32), y)


@pytest.mark.parametrize(
    ("hasher", "message"),
    [
        (LSH(bits=0), r"^bits = 0 must be an integer of at least 1"),
        (LSH(bits=8.0), r"^bits = 8.0 must be an integer"),
        (LSH(random_state=-1), r"^random_state = -1 must be an integer of at least 0, or Generator, or None"),
        (ITQ(iterations=-1), r"^iterations = -1 must be "),
        (ITQCCA(regularisation=0), r"^regularisation = 0 must be a number above 0"),
        (KSH(anchors=30, samples=1), r"^samples=1: .*one class"),
        (SDH(anchors=1, sigma=None), r"^anchors=1: .*more are needed"),
        (SDH(anchors=30, sigma=0.0), r"^sigma = 0.0 must be "),
        (SDH(anchors=30, sigma=0.4), r"^sigma=0.4: the kernel is 0 nearly everywhere; samples are about \d+"),
        (SDH(anchors=30, sigma=1e6), r"^sigma=1000000.0: the kernel is 1 nearly everywhere; samples are about \d+"),
        (SDH(nu=float("nan")), r"^nu = nan must be "),
    ],
    ids=str,
)
def test_a_wrong_parameter_is_named(hasher, message):
    with pytest.raises(ValueError, match=message):
        hasher.fit(*data())


def test_numpy_numbers_are_numbers():
    X, _ = data()
    assert LSH(bits=np.int64(5), random_state=np.int32(1)).fit(X).transform(X).shape == (120, 5)


def test_an_unknown_parameter_is_named():
    with pytest.raises(ValueError, match="LSH has no parameter 'bit'; known: bits, random_state"):
        LSH().set_params(bit=3)


@every_method
def test_a_grid_is_told_of_a_wrong_parameter_before_anything_is_fitted(name):
    assert registry.build("hasher", name, {"bits": 12}).bits == 12
    with pytest.raises(ValueError, match=rf"^{name}: bits = 0: .*greater than or equal to 1"):
        registry.build("hasher", name, {"bits": 0})


@pytest.mark.parametrize("values", [{"sigma": -1.0}, {"sigma": "wide"}, {"random_state": "x"}, {"random_state": -1}])
def test_a_wrong_optional_parameter_is_named_to_a_grid(values):
    with pytest.raises(ValueError, match=f"^sdh: {next(iter(values))} = "):
        registry.build("hasher", "sdh", values)


def test_principal_axes_are_scikit_learns():
    X, _ = data(rows=60)
    pca = PCA(10).fit(X)
    ours = principal_axes(X, 10)
    np.testing.assert_allclose(ours.mean, pca.mean_)
    np.testing.assert_allclose(np.abs(np.sum(ours.axes * pca.components_.T, axis=0)), 1, rtol=1e-9)


def test_gram_of_rows_far_from_zero_does_not_cancel():
    X = np.random.default_rng(0).standard_normal((5000, 3)) + 1e8
    expected = np.cov(X, rowvar=False, ddof=0) * len(X)
    np.testing.assert_allclose(gram(X, X.mean(axis=0)), expected, rtol=1e-6)


def test_pcah_is_the_signs_of_scikit_learns_components():
    X, _ = data()
    ours = PCAH(bits=12).fit(X).transform(X)
    theirs = PCA(12).fit_transform(X) >= 0
    share = (ours == theirs).mean(axis=0)
    assert set(share) <= {0.0, 1.0}


def test_bits_of_lsh_differ_as_often_as_the_angle_says():
    """Charikar: a random hyperplane parts two vectors with probability angle / pi."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 6))
    codes = LSH(bits=20_000).fit(X).transform(X).astype(np.int64)
    differ = np.mean(codes[:, None] != codes[None, :], axis=2)
    unit = X - X.mean(axis=0)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    angles = np.arccos(np.clip(unit @ unit.T, -1, 1))
    np.testing.assert_allclose(differ, angles / np.pi, atol=0.02)


@pytest.mark.long
@every_method
def test_fitting_takes_less_memory_than_a_copy_of_the_input(name):
    """All that numpy allocates while fitting, scikit-learn's arrays included: in all below twice the input."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((24_000, 512), dtype=np.float32), rng.integers(0, 100, 24_000)
    hasher = MAKERS[name](bits=16, **({"anchors": 125} if name in ("ksh", "sdh") else {}))
    tracemalloc.start()
    try:
        hasher.fit(X, y)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < X.nbytes


@pytest.mark.parametrize(("method", "sigma"), [(KSH, None), (SDH, 5.0)])
def test_more_anchors_than_samples_are_all_samples_and_a_warning_says_so(method, sigma):
    X, y = data()
    with pytest.warns(UserWarning, match=r"^anchors=5000: all 120 samples are taken"):
        more = method(anchors=5000, bits=8, sigma=sigma).fit(X, y)
    np.testing.assert_array_equal(more.transform(X), method(anchors=120, bits=8, sigma=sigma).fit(X, y).transform(X))


@pytest.mark.parametrize("method", [PCAH, ITQ])
def test_more_bits_than_the_rank_is_unsuitable_and_as_many_are_not(method):
    rng = np.random.default_rng(3)
    X = rng.standard_normal((100, 4)) @ rng.standard_normal((4, 9))
    X = np.hstack([X, np.full((100, 3), 2.5)])
    rank = np.linalg.matrix_rank(X - X.mean(axis=0))
    method(bits=int(rank)).fit(X)
    with pytest.raises(Unsuitable, match=f"^bits={rank + 1}: must be at most {rank}, the rank"):
        method(bits=int(rank) + 1).fit(X)
