# SPDX-License-Identifier: Apache-2.0
"""Where a two-factor fit starts: the parameters read off the curves by least squares, without a filter.

With the reversion given, each day's log curve is short·e^(−reversion·τ) + long and three terms common to all days: in τ, in
e^(−2·reversion·τ) and in the launches ahead. So two regressions give each day's factors and what is common, the misfit tells one
reversion from another, and the moves of the factors give volatilities and correlation. That is near the most likely parameters
wherever the curves say anything of them, and it is one way only: nothing is searched but the reversion.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from kilohour.curves.kalman import Panel

Floats = npt.NDArray[np.float64]
REVERSIONS = np.geomspace(0.1, 20.0, 16)
"""Half-lives from twelve days to seven years."""
SPREAD = REVERSIONS[3:13:3]
"""Started from whatever the misfit says: over a short history it hardly tells one reversion from another, the moves do."""
TAME = 0.03
"""Holds the common terms to about 0.3 at a noise of a percent, where a few short tenors do not tell them apart."""
ENOUGH = 3
"""Prices that a day must have, and days that must have them: two factors go through any two prices."""
FIRM = 1e-9
"""Added to a day's squares, or prices of one tenor could not be solved."""


def starts_of(panel: Panel) -> list[dict[str, float]]:
    """Parameters by name for each reversion that fits better than its neighbours, the best first, and for a spread of others; a
    plain guess where too few days have prices enough."""
    told = (~np.isnan(panel.prices)).sum(axis=1) >= ENOUGH
    if told.sum() < ENOUGH:
        return [_plain(panel)]
    curves = _Curves(panel, told)
    misfits = np.array([curves.regress(reversion)[0] for reversion in REVERSIONS.tolist()])
    walls = np.r_[np.inf, misfits, np.inf]
    valleys = np.flatnonzero((misfits <= walls[:-2]) & (misfits < walls[2:]))
    best = REVERSIONS[valleys[np.argsort(misfits[valleys], kind="stable")]].tolist()
    return [curves.parameters(reversion) for reversion in dict.fromkeys([*best, *SPREAD.tolist()])]


def _plain(panel: Panel) -> dict[str, float]:
    """A middling market as volatile as the days' mean log price."""
    means = np.array([np.log(row[~np.isnan(row)]).mean() for row in panel.prices if not np.isnan(row).all()])
    volatility = float(np.diff(means).std()) / math.sqrt(float(np.diff(panel.years).mean())) if len(means) > 2 else 0.2
    volatility = min(max(volatility, 0.05), 1.0)
    return {"reversion": 1.5, "volatility_short": volatility, "volatility_long": volatility, "correlation": 0.1,
            "markdown": -0.1 if panel.launches else 0.0, "noise": 0.01}  # fmt: skip


class _Curves:
    """The days of a panel that have prices enough, as the regressions take them: zeros for gaps."""

    def __init__(self, panel: Panel, told: npt.NDArray[np.bool_]) -> None:
        years, tenors, prices = panel.years[told], panel.tenors[told], panel.prices[told]
        self.seen = ~np.isnan(prices)
        self.tenors = np.where(self.seen, tenors, 0.0)
        self.logs = np.log(np.where(self.seen, prices, 1.0))
        before = panel.launched(years)
        self.ahead = np.where(self.seen, panel.launched(years[:, None] + self.tenors) - before[:, None], 0.0)
        self.steps, self.met = np.diff(years), np.diff(before)
        self.spare = max(int(self.seen.sum()) - 2 * len(years) - 3, 1)
        """Prices beyond what the regressions use up."""

    def regress(self, reversion: float) -> tuple[float, Floats, Floats, Floats]:
        """The variance left, the three common terms, the factors (days, 2) and their covariances (days, 2, 2) for a variance of one."""
        here = self.seen.astype(np.float64)
        load = np.exp(-reversion * self.tenors) * here
        daily = np.stack([load, here], axis=-1)
        common = np.stack([self.tenors, load * load, self.ahead, self.logs], axis=-1)
        covers = np.linalg.inv(np.einsum("tci,tcj->tij", daily, daily) + FIRM * np.eye(2))
        within = covers @ np.einsum("tci,tcj->tij", daily, common)
        left = (common - daily @ within)[self.seen]
        terms = np.linalg.lstsq(np.r_[left[:, :3], TAME * np.eye(3)], np.r_[left[:, 3], np.zeros(3)], rcond=None)[0]
        misses = left[:, 3] - left[:, :3] @ terms
        return float(misses @ misses) / self.spare, terms, within[..., 3] - within[..., :3] @ terms, covers

    def parameters(self, reversion: float) -> dict[str, float]:
        """Of the model, from the moves of the factors less what the noise of prices adds to them."""
        variance, terms, factors, covers = self.regress(reversion)
        steps, kept, noise = self.steps, np.exp(-reversion * self.steps), variance * covers
        mean, markdown = float(factors[:, 0].mean()), float(terms[2])
        jumps = np.diff(factors[:, 1]) - markdown * self.met
        drift = float(jumps.sum() / steps.sum())
        short = factors[1:, 0] - mean - kept * (factors[:-1, 0] - mean)
        long = jumps - drift * steps
        calm = self.met == 0.0
        if not calm.any():
            calm = ~calm
        short_variance = _variance(short, noise[1:, 0, 0] + kept**2 * noise[:-1, 0, 0], (1.0 - kept**2) / (2.0 * reversion))
        long_variance = _variance(long[calm], (noise[1:, 1, 1] + noise[:-1, 1, 1])[calm], steps[calm])
        both = float((short * long - noise[1:, 0, 1] - kept * noise[:-1, 0, 1])[calm].sum() / ((1.0 - kept[calm]) / reversion).sum())
        sizes = (long**2 - long_variance * steps)[~calm]
        volatility_short, volatility_long = math.sqrt(short_variance), math.sqrt(long_variance)
        correlation = min(max(both / (volatility_short * volatility_long), -0.9), 0.9)
        return {"reversion": reversion, "volatility_short": volatility_short, "volatility_long": volatility_long,
                "correlation": correlation, "drift": drift, "drift_priced": float(terms[0]) - 0.5 * long_variance,
                "premium": reversion * mean + correlation * volatility_short * volatility_long, "markdown": markdown,
                "markdown_deviation": math.sqrt(max(float(sizes.mean()), 0.03**2)) if len(sizes) else 0.05,
                "noise": max(math.sqrt(variance), 2e-4)}  # fmt: skip


def _variance(moves: Floats, noise: Floats, times: Floats) -> float:
    """A year, less what is noise; never under a fifth of the moves, nor under that of two percent."""
    found = float((moves**2).sum())
    return max((found - float(noise.sum())) / float(times.sum()), 0.2 * found / float(times.sum()), 0.02**2)
