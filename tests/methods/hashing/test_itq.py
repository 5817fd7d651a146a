"""The rotation: its error falls, each step is the best one, and faiss's, which is not, ends above it."""

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import orthogonal_procrustes
from scipy.stats import ortho_group
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from methods.hashing.itq import ITQ, find_rotation


def error(values, rotation):
    """||sign(V R) - V R||^2, written out."""
    rotated = values @ rotation
    return np.linalg.norm(np.where(rotated >= 0, 1, -1) - rotated) ** 2


def start(bits, seed):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((bits, bits)))[0]


@settings(max_examples=60)
@given(
    st.integers(1, 60),
    st.integers(1, 13),
    st.integers(1, 13),
    st.sampled_from([1e-3, 1.0, 50.0]),
    st.integers(0, 10**6),
)
def test_error_never_rises_and_the_rotation_is_orthogonal(rows, bits, rank, scale, seed):
    rng = np.random.default_rng(seed)
    values = scale * rng.standard_normal((rows, rank)) @ rng.standard_normal((rank, bits))
    rotation, errors = find_rotation(values, start(bits, seed), 20)
    np.testing.assert_allclose(rotation.T @ rotation, np.eye(bits), atol=1e-10)
    assert len(errors) == 21
    assert (np.diff(errors) <= 1e-9 * errors[:-1]).all()
    assert errors[0] == pytest.approx(error(values, start(bits, seed)))
    assert errors[-1] == pytest.approx(error(values, rotation))


def test_rotation_step_is_the_orthogonal_procrustes_solution():
    values = np.random.default_rng(0).standard_normal((80, 7))
    signs = np.where(values @ start(7, 1) >= 0, 1.0, -1.0)
    rotation, _ = find_rotation(values, start(7, 1), 1)
    np.testing.assert_allclose(rotation, orthogonal_procrustes(values, signs)[0], atol=1e-10)


def test_a_turned_cube_is_turned_back():
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=float)
    tilt = ortho_group.rvs(3, random_state=0)
    ends = [find_rotation(corners @ tilt, start(3, seed), 50)[1][-1] for seed in range(5)]
    assert min(ends) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("bits", [8, 16, 32])
def test_error_ends_below_that_of_faiss_from_the_same_start(bits, seed):
    values = PCA(bits).fit_transform(load_digits().data).astype(np.float32)
    values /= np.abs(values).mean()
    theirs = {}
    for iterations in (0, 50):
        itq = faiss.ITQMatrix(bits)
        itq.max_iter = iterations
        faiss.copy_array_to_vector(start(bits, seed).ravel(), itq.init_rotation)
        itq.train(values)
        theirs[iterations] = error(itq.apply(values).astype(float), np.eye(bits))
    errors = find_rotation(values.astype(float), start(bits, seed), 50)[1]
    assert errors[0] == pytest.approx(theirs[0], rel=1e-5)
    assert errors[-1] < 0.95 * theirs[50]


def test_errors_of_a_fit_are_those_of_its_codes():
    X = load_digits().data
    hasher = ITQ(bits=12, iterations=30).fit(X)
    values = hasher.decision_function(X)
    assert hasher.errors_[-1] == pytest.approx(np.square(np.where(values >= 0, 1, -1) - values).sum())
    np.testing.assert_allclose(hasher.hash_function_.axes.T @ hasher.hash_function_.axes, np.eye(12), atol=1e-10)
