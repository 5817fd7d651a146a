"""Signs of the features themselves, against numpy and faiss, and PCA with a random rotation."""

import faiss
import numpy as np
import pytest

from bench.interfaces import Codes, Corpus, Unsuitable
from methods.hashing.itq import ITQ
from methods.hashing.pcah import PCAH
from methods.hashing.sign import Sign
from methods.search.codes.scans import HammingScan
from methods.search.features.real_scan import RealScan


def vectors(rows=200, dim=24, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32) + 0.3


@pytest.mark.parametrize("bits", [1, 7, 24])
def test_a_bit_is_the_sign_of_its_dimension(bits):
    X = vectors()
    np.testing.assert_array_equal(Sign(bits=bits).fit(X).transform(X), X[:, :bits] >= 0)
    means = X.astype(np.float64).mean(axis=0)[:bits]
    np.testing.assert_array_equal(Sign(bits=bits, centred=True).fit(X).transform(X), X[:, :bits] - means >= 0)


def test_codes_are_those_of_faiss_without_rotation_and_thresholds():
    X = vectors(dim=32)
    lsh = faiss.IndexLSH(32, 32, False, False)
    theirs = np.unpackbits(lsh.sa_encode(X), axis=1, bitorder="little")
    np.testing.assert_array_equal(Sign(bits=32).fit(X).transform(X), theirs)


def test_centred_bits_do_not_depend_on_where_the_data_lie():
    X = vectors()
    far = X + np.float32(64)  # exact in float32 up to rounding of the features themselves
    near, shifted = (Sign(bits=24, centred=True).fit(part).transform(part) for part in (X, far))
    assert (near != shifted).mean() < 1e-3
    assert Sign(bits=24).fit(far).transform(far).all()


def test_real_codes_are_the_truncated_embedding():
    X = vectors()
    hasher = Sign(bits=8).fit(X)
    np.testing.assert_array_equal(hasher.decision_function(X), X[:, :8])
    real = Corpus(real_codes=hasher.decision_function(X).astype(np.float32))
    units = X[:, :8] / np.linalg.norm(X[:, :8], axis=1, keepdims=True)
    expected = np.argsort(-(units.astype(np.float64) @ units.T.astype(np.float64)), axis=1, kind="stable")[:, :5]
    np.testing.assert_array_equal(RealScan().build(real).search(real, 5), expected)


def test_more_bits_than_dimensions_are_unsuitable():
    with pytest.raises(Unsuitable, match=r"^bits=25: must be at most the dimensions of X, of 24 feature"):
        Sign(bits=25).fit(vectors())


def test_no_iterations_of_itq_are_principal_components_in_a_random_rotation():
    X = vectors(dim=12)
    turned, plain = ITQ(bits=12, iterations=0, random_state=3).fit(X), PCAH(bits=12).fit(X)
    rotation = plain.hash_function_.axes.T @ turned.hash_function_.axes
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(12), atol=1e-9)
    assert len(turned.errors_) == 1
    other = ITQ(bits=12, iterations=0, random_state=4).fit(X)
    assert not np.allclose(turned.hash_function_.axes, other.hash_function_.axes)


def test_a_random_rotation_balances_what_bits_of_principal_components_tell():
    """Directions of unequal variance: the rotated codes rank neighbours better, as the ITQ paper's PCA-RR does."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((600, 32)) * 0.8 ** np.arange(32)
    near = np.argsort(np.square(X[:50, None] - X[None]).sum(2), axis=1)[:, :10]

    def found(hasher):
        codes = Codes.pack(hasher.fit(X).transform(X).astype(np.bool_))
        asked = Codes(codes.words[:50], codes.bits)
        ids = HammingScan().build(Corpus(codes=codes)).search(Corpus(codes=asked), 30)
        return np.mean([len(set(some) & set(best)) for some, best in zip(ids.tolist(), near.tolist(), strict=True)])

    assert found(ITQ(bits=32, iterations=0, random_state=0)) > found(PCAH(bits=32))
