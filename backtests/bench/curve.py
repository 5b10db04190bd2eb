# SPDX-License-Identifier: Apache-2.0
"""Curves: the two-factor fit of a whole history, beside statsmodels' filter."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from kilohour.backtests.bench.timing import Peer, Row, Sizes, installed, median_seconds, nothing
from kilohour.curves.kalman import Panel, TwoFactor, fit_two_factor, run_filter

MODEL = TwoFactor(reversion=1.3, volatility_short=0.35, volatility_long=0.18, correlation=-0.3, drift_priced=-0.06, markdown=-0.22,
                  markdown_deviation=0.06, noise=0.008)  # fmt: skip
MONTHS = 36


def work(sizes: Sizes) -> Iterator[Row]:
    """The filter and the fit; ``sizes.days`` days of 36 months."""
    panel = _panel(sizes.days)
    run_filter(MODEL, panel)
    milliseconds = median_seconds(lambda _: run_filter(MODEL, panel), nothing, sizes.repeats) * 1e3
    yield Row("curve", f"two-factor filter, {MONTHS} months x {sizes.days:,} days", "ms", milliseconds, False, None, None,
              [_statsmodels(panel)])  # fmt: skip
    fit_two_factor(panel.every(max(1, sizes.days // 40)))
    seconds = median_seconds(lambda _: fit_two_factor(panel), nothing, min(sizes.repeats, 3))
    yield Row("curve", f"two-factor fit with launches, {MONTHS} months x {sizes.days:,} days", "s", seconds, False, 2.0,
              note="10 parameters with standard errors")  # fmt: skip


def _panel(days: int) -> Panel:
    """A market drawn from :data:`MODEL` with a launch every 18 months."""
    rng = np.random.default_rng(7)
    years = np.arange(days) / 252.0
    launches = tuple(np.arange(1.5, days / 252.0 + 4.0, 1.5).tolist())
    tenors = (np.arange(MONTHS) + 1.0) / 12.0 - (years % (1.0 / 12.0))[:, None] + 1e-3
    met = np.searchsorted(launches, years, side="right")
    ahead = np.searchsorted(launches, (years[:, None] + tenors).ravel(), side="right").reshape(tenors.shape) - met[:, None]
    short = np.zeros(days)
    for t in range(1, days):
        short[t] = short[t - 1] * math.exp(-MODEL.reversion / 252.0) + rng.normal(0.0, MODEL.volatility_short / math.sqrt(252.0))
    long = 1.0 + np.cumsum(rng.normal(0.0, MODEL.volatility_long / math.sqrt(252.0), days)) + MODEL.markdown * met
    loads = np.exp(-MODEL.reversion * tenors)
    logs = loads * short[:, None] + long[:, None] + MODEL.drift_priced * tenors + MODEL.markdown * ahead
    return Panel(years, tenors, np.exp(logs + rng.normal(0.0, MODEL.noise, logs.shape)), launches)


def _statsmodels(panel: Panel) -> Peer:
    """statsmodels' filter over the same prices; its matrices are made beforehand, as ours are not."""
    module = installed("statsmodels.tsa.statespace.kalman_filter")
    if module is None:
        return Peer("statsmodels", None, "not installed")
    days, width = panel.prices.shape
    model = module.KalmanFilter(k_endog=width, k_states=2, k_posdef=2, nobs=days)
    model.bind(np.ascontiguousarray(np.log(panel.prices)))
    model["design"] = np.stack([np.exp(-MODEL.reversion * panel.tenors).T, np.ones((width, days))], axis=1)
    model["obs_cov"] = MODEL.noise**2 * np.eye(width)
    model["transition"] = np.diag([math.exp(-MODEL.reversion / 252.0), 1.0])
    model["selection"] = np.eye(2)
    model["state_cov"] = np.diag([MODEL.volatility_short**2, MODEL.volatility_long**2]) / 252.0
    model.initialize_known(np.zeros(2), np.eye(2))
    model.filter()
    return Peer("statsmodels", median_seconds(lambda _: model.filter(), nothing, 3) * 1e3)
