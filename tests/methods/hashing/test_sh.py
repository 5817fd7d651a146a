"""Spectral hashing on boxes, whose eigenfunctions are known: cosines along the sides."""

import numpy as np
import pytest

from methods.hashing.sh import SH


def box(sides, steps=41):
    """A grid that fills the box; the first side is the longest."""
    axes = [np.linspace(0, side, steps) for side in sides]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(sides))


@pytest.mark.parametrize(
    ("sides", "modes"),
    [
        ((3.5, 1.0), [(0, 1), (0, 2), (0, 3), (1, 1), (0, 4), (0, 5), (0, 6), (1, 2)]),
        ((1.5, 1.2, 0.4), [(0, 1), (1, 1), (0, 2), (1, 2), (0, 3), (2, 1)]),
        ((2.0,), [(0, 1), (0, 2), (0, 3)]),
    ],
)
def test_bits_are_the_lowest_cosines_of_the_box(sides, modes):
    X = box(sides)
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((len(sides), len(sides))))[0]
    values = SH(bits=len(modes)).fit(X @ turn + 7).decision_function(X @ turn + 7)
    for value, (side, k) in zip(values.T, modes, strict=True):
        # A principal axis may point either way, which turns odd cosines round.
        cosine = np.cos(k * np.pi * X[:, side] / sides[side])
        assert min(np.abs(value - cosine).max(), np.abs(value + cosine).max()) < 1e-7


def test_a_short_side_gives_no_bit_while_the_long_one_is_smoother():
    X = box((10.0, 1.0))
    codes = SH(bits=6).fit(X).transform(X).reshape(41, 41, 6)
    assert (codes == codes[:, :1]).all()
