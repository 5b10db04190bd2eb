# SPDX-License-Identifier: Apache-2.0
"""The kernels of the embedded market against numpy's dense linear algebra and plain sums."""

from __future__ import annotations

import numba
import numpy as np

from kilohour.kernels import curve, market, session
from kilohour.kernels.arithmetic import stream

RNG = np.random.default_rng(3)


def test_products_are_those_of_linear_algebra():
    left, right, vector = RNG.normal(size=(5, 4)), RNG.normal(size=(4, 3)), RNG.normal(size=4)
    out, transposed, applied = np.zeros((5, 3)), np.zeros((5, 3)), np.zeros(5)
    market.multiply(left, right, out)
    market.multiply_transposed(left, np.ascontiguousarray(right.T), transposed)
    market.apply(left, vector, applied)
    np.testing.assert_allclose(out, left @ right, rtol=1e-13)
    np.testing.assert_allclose(transposed, left @ right, rtol=1e-13)
    np.testing.assert_allclose(applied, left @ vector, rtol=1e-13)


def test_observe_is_gaussian_conditioning():
    root = RNG.normal(size=(4, 4))
    cover, mean, row = root @ root.T, RNG.normal(size=4), RNG.normal(size=4)
    expected_mean = mean + cover @ row / (row @ cover @ row + 0.3) * (1.7 - row @ mean)
    expected_cover = cover - np.outer(cover @ row, cover @ row) / (row @ cover @ row + 0.3)
    surprise = market.observe(mean, cover, row, 1.7, 0.3, np.empty(4))
    np.testing.assert_allclose(mean, expected_mean, rtol=1e-12)
    np.testing.assert_allclose(cover, expected_cover, rtol=1e-10, atol=1e-12)
    assert surprise != 0


def test_an_exact_observation_leaves_no_variance():
    root = RNG.normal(size=(3, 3))
    cover, mean, row = root @ root.T, np.zeros(3), np.array([1.0, -2.0, 0.5])
    market.observe(mean, cover, row, 0.4, 0.0, np.empty(3))
    assert abs(row @ mean - 0.4) < 1e-12
    assert abs(row @ cover @ row) < 1e-10


def test_horizon_tables_are_matrix_powers():
    transition, gain, row = RNG.normal(size=(3, 3)) * 0.4, RNG.normal(size=(3, 2)), RNG.normal(size=3)
    process = gain @ gain.T
    loads, variance = np.zeros((6, 3)), np.zeros(6)
    market.horizon_tables(transition, process, row, loads, variance)
    for h in range(6):
        np.testing.assert_allclose(loads[h], row @ np.linalg.matrix_power(transition, h), rtol=1e-12)
        powers = [row @ np.linalg.matrix_power(transition, k) for k in range(h)]
        expected = sum(power @ process @ power for power in powers)
        np.testing.assert_allclose(variance[h], expected, rtol=1e-12)


def test_quadratic_form_of_a_picked_block():
    root = RNG.normal(size=(8, 8))
    matrix, places, load = root @ root.T, np.array([6, 0, 3, 4, 7]), RNG.normal(size=5)
    block = np.empty(15)
    curve.pick_block(matrix, places, block)
    expected = load @ matrix[np.ix_(places, places)] @ load
    np.testing.assert_allclose(curve.quadratic(block, load), expected, rtol=1e-12)


def test_bridges_begin_and_end_at_zero_with_the_variance_of_a_bridge():
    days = 300 if numba.config.DISABLE_JIT else 6000
    bridges = np.zeros((days, 2, 9))
    with np.errstate(over="ignore"):
        market.spread_evenly(stream(1, 0), bridges, 0.7)
    assert np.abs(bridges[:, :, [0, -1]]).max() < 1e-12
    for node in (1, 4, 7):
        expected = node / 8 * (1 - node / 8)
        assert abs(bridges[:, 0, node].var() / expected - 1) < 6 / days**0.5
    assert abs(np.corrcoef(bridges[:, 0, 4], bridges[:, 1, 4])[0, 1] - 0.49) < 4 / days**0.5


def test_spikes_go_up_only_and_have_their_mean():
    days = 3_000 if numba.config.DISABLE_JIT else 60_000
    chances, sizes = np.array([0.01, 0.0, 0.004]), np.array([0.05, 0.05, 0.08])
    out = np.zeros((days, 2))
    with np.errstate(over="ignore"):
        market.spikes(stream(2, 0), chances, sizes, 0.9, 200, out)
    assert out.min() >= 0
    # A spike of mean size m at chance p a day, decaying by 0.9, is worth p m / (1 - 0.9) on average.
    assert abs(out[:, 0].mean() / ((0.01 * 0.05 + 0.004 * 0.08) / 0.1) - 1) < 30 / days**0.5
    assert abs(out[:, 1].mean() / (0.004 * 0.08 / 0.1) - 1) < 50 / days**0.5


def test_prices_go_to_the_nearest_tick():
    table = [(2.814, 10_000, 2_810_000), (2.816, 10_000, 2_820_000), (-37.633, 10_000, -37_630_000),
             (1.0, 1_000, 1_000_000)]
    for price, tick, expected in table:
        assert session.on_tick(price, tick) == expected


def test_a_bar_holds_its_nodes():
    opening, closing, width = np.full(3, 2.0), np.full(3, 2.08), np.zeros(3)
    bars, volume = np.full((3, 4), 7, dtype=np.int64), np.array([9, 0, 1])
    with np.errstate(over="ignore"):
        session.daily_bars(stream(1, 1), 0, np.zeros((3, 9)), opening, closing, width, volume, 10_000, bars)
    assert bars[0].tolist() == [2_000_000, 2_080_000, 2_000_000, 2_080_000]
    assert bars[1].tolist() == [0, 0, 0, 0]
    assert len(set(bars[2].tolist())) == 1
    assert 2_000_000 <= bars[2, 0] <= 2_080_000
