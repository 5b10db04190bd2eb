# SPDX-License-Identifier: Apache-2.0
"""A tape's history as a panel: hand-worked tenors, nothing later, and the embedded market's mark-down found in it."""

import datetime as dt
import math

import numpy as np
import pytest

from kilohour.contracts import Registry
from kilohour.curves.history import panel_of, year_of
from kilohour.curves.kalman import fit_two_factor
from kilohour.datafeeds.embedded import EmbeddedMarket, MarketConfig
from kilohour.errors import DataError, UnknownName
from kilohour.tape import Kind
from kilohour.units import NANOS_PER_DAY, day_of

CONFIG = MarketConfig(first=dt.date(2026, 1, 2), last=dt.date(2026, 12, 30))
LAUNCHES = tuple(launch.day for launch in CONFIG.launches if launch.day > CONFIG.chips[0].release)


@pytest.fixture(scope="module")
def tape():
    return EmbeddedMarket(seed=7, config=CONFIG).tape()


@pytest.fixture(scope="module")
def h100():
    return Registry.shipped().product("SIM:H100")


def test_a_row_a_day_and_no_contract_whose_window_has_begun(tape, h100):
    """On 2026-03-16 March is fixing; April's fixing days run from the 1st to the end of the 30th: the middle is the 16th, 31 days on."""
    at = (day_of(dt.date(2026, 3, 16)) + 1) * NANOS_PER_DAY - 1
    panel = panel_of(tape, h100, at)
    assert panel.years[-1] == year_of(dt.date(2026, 3, 16))
    seen = ~np.isnan(panel.prices[-1])
    first = int(np.flatnonzero(seen)[0])
    codes = [c.code for c in tape.contracts if c.product == "SIM:H100"]
    assert codes[first] == "SIM:H100-2026-04"
    assert panel.tenors[-1, first] * 365 == pytest.approx(31.0)
    row = tape.contract_ref("SIM:H100-2026-04")
    marks = [close for kind, ref, close, ts in zip(*(tape.events[k].tolist() for k in ("kind", "ref", "close", "ts")), strict=True)
             if kind == Kind.MARK and ref == row and ts <= at]  # fmt: skip
    assert panel.prices[-1, first] == marks[-1] / 1e6
    later = panel_of(tape, h100, tape.end)
    np.testing.assert_array_equal(panel.prices, later.prices[: len(panel.years)])


def test_two_factors_find_the_mark_down_of_the_embedded_market(tape, h100):
    """Each launch takes a fifth over 126 of 252 business days: found within a hundredth, though the market has five factors."""
    fitted = fit_two_factor(panel_of(tape, h100, tape.end, LAUNCHES, ramp=0.5).every(2))
    assert math.exp(fitted.model.markdown) == pytest.approx(0.80, abs=0.01)


def test_what_is_not_there_is_refused(tape, h100):
    with pytest.raises(UnknownName, match="unknown product 'NYMEX:GPU1' in this tape"):
        panel_of(tape, Registry.shipped().product("NYMEX:GPU1"), tape.end)
    with pytest.raises(DataError, match="SIM:H100 must have marks on two days by 2026-01-01, found 0"):
        panel_of(tape, h100, day_of(dt.date(2026, 1, 1)) * NANOS_PER_DAY)
