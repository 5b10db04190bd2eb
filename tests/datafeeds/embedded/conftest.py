# SPDX-License-Identifier: Apache-2.0
"""Simulated markets that several tests share: they are read, never changed."""

from __future__ import annotations

import dataclasses
import datetime as dt
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from kilohour.datafeeds.embedded import EmbeddedMarket, MarketConfig, Paths
from kilohour.datafeeds.embedded.paths import simulate

SEEDS = range(20)
MONTH = 21


@dataclass(frozen=True)
class Curve:
    """One chip's closing curve by whole months ahead (days × 37, NaN where no contract stands there), from one seed."""

    month: np.ndarray
    contract: np.ndarray
    """Which contract stands there, -1 for none."""
    spot: np.ndarray


def curve_of(paths: Paths, c: int) -> Curve:
    """Each contract is put at the whole number of months from the day to the middle of its fixing window."""
    fair, span = paths.fair[c], paths.schedule.span
    line = fair.line
    month, contract = np.full((span, 37), np.nan), np.full((span, 37), -1)
    for k in range(len(line.contracts)):
        days = np.arange(line.first[k], line.last[k] + 1)
        middle = (line.fix_day[line.fix_from[k]] + line.fix_day[line.fix_to[k] - 1]) / 2
        ahead = np.round((middle - days) / MONTH).astype(int)
        kept = (ahead >= 0) & (ahead <= 36)
        month[days[kept], ahead[kept]] = fair.close[fair.of(k)][kept]
        contract[days[kept], ahead[kept]] = k
    return Curve(month, contract, paths.spot[:span, c])


def paths_of(seed: int, config: MarketConfig, *chips: int) -> Paths:
    """One market with the fair values of these chips in their places and none of the others: pricing is most of the work."""
    names = [config.chips[c].product for c in chips]
    paths = simulate(seed, EmbeddedMarket(seed=seed, config=config).plan(), names)
    fair: dict[int, Any] = dict(zip(chips, paths.fair, strict=True))
    return dataclasses.replace(paths, fair=tuple(fair.get(c) for c in range(len(config.chips))))


@pytest.fixture(scope="session")
def markets() -> list[Paths]:
    """Twenty markets of the default configuration, H100 and B200 priced."""
    return [paths_of(seed, MarketConfig(), 0, 2) for seed in SEEDS]


@pytest.fixture(scope="session")
def curves(markets):
    """Curves of H100 and B200, seed by seed."""
    return {c: [curve_of(paths, c) for paths in markets] for c in (0, 2)}


@pytest.fixture(scope="session")
def tape_of_seven():
    return EmbeddedMarket(seed=7).tape()


@pytest.fixture(scope="session")
def small() -> MarketConfig:
    """Two chips and five months, with publications that come fast enough to be seen."""
    chips = tuple(chip for chip in MarketConfig().chips if chip.product in ("SIM:H100", "SIM:H200"))
    return MarketConfig(first=dt.date(2024, 8, 1), last=dt.date(2024, 12, 31), chips=chips, publication_lag_days=10,
                        revision_lag_days=40)
