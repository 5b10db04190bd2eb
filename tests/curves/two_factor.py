# SPDX-License-Identifier: Apache-2.0
"""A two-factor market drawn from known parameters, and the filter written out plainly."""

import math

import numpy as np

from kilohour.curves.kalman import LONG_VARIANCE, Panel, TwoFactor

KNOWN = TwoFactor(reversion=1.3, volatility_short=0.35, volatility_long=0.18, correlation=-0.3, drift=-0.02, drift_priced=-0.06,
                  premium=0.05, markdown=-0.22, markdown_deviation=0.06, noise=0.008)  # fmt: skip


def step_covariance(model, dt):
    kept = math.exp(-model.reversion * dt)
    short = model.volatility_short**2 * (1.0 - kept * kept) / (2.0 * model.reversion)
    both = model.correlation * model.volatility_short * model.volatility_long * (1.0 - kept) / model.reversion
    return np.array([[short, both], [both, model.volatility_long**2 * dt]])


def drawn(model, days, contracts, launches, seed):
    """Monthly contracts rolling down, business days of 1/252 year, noise on each log price."""
    rng = np.random.default_rng(seed)
    years = np.arange(days) / 252.0
    tenors = (np.arange(contracts) + 1.0) / 12.0 - (years % (1.0 / 12.0))[:, None] + 1e-3
    root = np.linalg.cholesky(step_covariance(model, 1.0 / 252.0))
    kept, state, logs = math.exp(-model.reversion / 252.0), np.array([0.0, math.log(2.5)]), np.empty((days, contracts))
    for t in range(days):
        if t:
            met = sum(years[t - 1] < at <= years[t] for at in launches)
            sizes = rng.normal(model.markdown - model.markdown_deviation**2 / 2, model.markdown_deviation, met).sum()
            state = np.array([kept * state[0], state[1] + model.drift / 252.0 + sizes]) + root @ rng.normal(size=2)
        for i, tenor in enumerate(tenors[t]):
            ahead = sum(years[t] < at <= years[t] + tenor for at in launches)
            logs[t, i] = model.log_forward(state[0], state[1], float(tenor), ahead) + rng.normal(0.0, model.noise)
    return Panel(years, tenors, np.exp(logs), tuple(launches))


def parts(model, panel):
    """Transition, intercepts, covariances, loadings, offsets, observations of each day, as matrices."""
    for t, year in enumerate(panel.years):
        dt = 0.0 if t == 0 else year - panel.years[t - 1]
        met = 0 if t == 0 else sum(panel.years[t - 1] < at <= year for at in panel.launches)
        transition = np.diag([math.exp(-model.reversion * dt), 1.0])
        intercept = np.array([0.0, model.drift * dt + met * (model.markdown - model.markdown_deviation**2 / 2)])
        cover = step_covariance(model, dt) if dt else np.zeros((2, 2))
        cover[1, 1] += met * model.markdown_deviation**2
        loads = np.column_stack([np.exp(-model.reversion * panel.tenors[t]), np.ones(panel.tenors.shape[1])])
        ahead = [sum(year < at <= year + tenor for at in panel.launches) for tenor in panel.tenors[t]]
        offsets = np.array([model.log_forward(0.0, 0.0, float(tenor), n) for tenor, n in zip(panel.tenors[t], ahead, strict=True)])
        yield transition, intercept, cover, loads, offsets, np.log(panel.prices[t])


def plain_filter(model, panel):
    """Textbook Kalman filter: log-likelihood, states, covariances."""
    first = np.log(panel.prices[0][~np.isnan(panel.prices[0])])
    mean = np.array([0.0, first.mean() if len(first) else 0.0])
    cover = np.diag([model.volatility_short**2 / (2 * model.reversion), LONG_VARIANCE])
    total, states, covers = 0.0, [], []
    for transition, intercept, shock, loads, offsets, logs in parts(model, panel):
        mean, cover = transition @ mean + intercept, transition @ cover @ transition.T + shock
        seen = ~np.isnan(logs)
        if seen.any():
            h = loads[seen]
            gap = logs[seen] - offsets[seen] - h @ mean
            spread = h @ cover @ h.T + model.noise**2 * np.eye(len(gap))
            gain = np.linalg.solve(spread, h @ cover).T
            total -= 0.5 * (len(gap) * math.log(2 * math.pi) + np.linalg.slogdet(spread)[1] + gap @ np.linalg.solve(spread, gap))
            mean, cover = mean + gain @ gap, cover - gain @ h @ cover
        states.append(mean)
        covers.append([cover[0, 0], cover[0, 1], cover[1, 1]])
    return total, np.array(states), np.array(covers)
