# SPDX-License-Identifier: Apache-2.0
"""S-curves of adoption against scipy, on simulated and real series, and only on what was known."""

from __future__ import annotations

import datetime as dt
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy

import kilohour as kh
from kilohour.adoption import fit_adoption, known_series
from kilohour.adoption.fit import CURVES, bounds
from kilohour.errors import DataError, UnknownName, UsageError
from kilohour.kernels import s_curves
from kilohour.units import date_of, day_of

DATA = Path(os.environ.get("KILOHOUR_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
LAUNCH = dt.date(2020, 1, 1)


def log_logistic(t, a, b, c):
    return a - np.log1p(np.exp(-np.exp(b) * (t - c)))


def log_gompertz(t, a, b, c):
    return a - np.exp(-np.exp(b) * (t - c))


def log_bass(t, a, b, c):
    p, q = np.exp(b), np.exp(c)
    left = np.exp(-(p + q) * t)
    return a + np.log((1 - left) / (1 + q / p * left))


FORMULAS = {"logistic": log_logistic, "gompertz": log_gompertz, "bass": log_bass}
TRUTH = {"logistic": (np.log(4000.0), np.log(1.1), 4.0), "gompertz": (np.log(4000.0), np.log(0.6), 3.0),
         "bass": (np.log(4000.0), np.log(0.01), np.log(0.9))}  # fmt: skip


def simulated(curve: str, seed: int, noise: float = 0.05, months: int = 96) -> tuple[list[dt.date], np.ndarray, np.ndarray]:
    """Dates, values and times in years (from the first date; Bass: from the launch)."""
    days = [date_of(day_of(LAUNCH) + round(30.4375 * (k + 1))) for k in range(months)]
    origin = day_of(LAUNCH) if curve == "bass" else day_of(days[0])
    times = np.array([(day_of(day) - origin) / 365.25 for day in days])
    logs = FORMULAS[curve](times, *TRUTH[curve]) + noise * np.random.default_rng(seed).normal(size=months)
    return days, np.exp(logs), times


@pytest.mark.parametrize("curve", CURVES)
def test_fit_and_covariance_are_those_of_scipy(curve):
    for seed in range(5):
        days, values, times = simulated(curve, seed)
        found = fit_adoption((days, values), curve=curve, release_lag_days=0, launch=LAUNCH)
        expected, cover = scipy.optimize.curve_fit(FORMULAS[curve], times, np.log(values), p0=TRUTH[curve], xtol=1e-14, ftol=1e-14)
        np.testing.assert_allclose(found.parameters, expected, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(found.covariance, cover, rtol=2e-4)
        residuals = np.log(values) - FORMULAS[curve](times, *expected)
        assert found.sigma == pytest.approx(np.sqrt(np.sum(residuals**2) / (len(values) - 3)), rel=1e-8)


@pytest.mark.parametrize("curve", CURVES)
def test_derivatives_are_those_of_the_formula(curve):
    slope = np.zeros(3)
    for t in (0.1, 1.0, 4.0, 9.0):
        at = np.array(TRUTH[curve])
        value = s_curves.log_curve(CURVES[curve], *at, t, slope)
        assert value == pytest.approx(FORMULAS[curve](t, *at), rel=1e-12)
        for i in range(3):
            step = np.zeros(3)
            step[i] = 1e-6
            numeric = (FORMULAS[curve](t, *(at + step)) - FORMULAS[curve](t, *(at - step))) / 2e-6
            assert slope[i] == pytest.approx(numeric, rel=1e-5, abs=1e-8)


def test_a_band_of_ninety_per_cent_holds_the_truth_nine_times_in_ten():
    """Three years beyond the data, 200 series; binomial standard error 2.1 %."""
    ahead = dt.date(2031, 1, 1)
    hits = 0
    for seed in range(200):
        days, values, _ = simulated("logistic", seed, months=60)
        low, high = fit_adoption((days, values), release_lag_days=0).band([ahead])
        truth = np.exp(log_logistic((day_of(ahead) - day_of(days[0])) / 365.25, *TRUTH["logistic"]))
        hits += bool(low[0] <= truth <= high[0])
    assert abs(hits / 200 - 0.9) < 0.07


def test_before_the_bend_the_ceiling_is_not_known_and_says_so():
    days, values, _ = simulated("logistic", 1)
    young = fit_adoption((days[:18], values[:18]), release_lag_days=0)
    assert not young.is_identified
    low, high = young.ceiling_band()
    assert high / low > 100
    assert fit_adoption((days, values), release_lag_days=0).is_identified


def test_a_weekly_update_ends_at_the_fit_made_anew_and_is_cheap():
    """Ten years of fortnights, each time a fit to all before it: some hundredths of a second where nothing else runs."""
    times = np.arange(260) * (10.0 / 260.0)
    logs = log_logistic(times, *TRUTH["logistic"]) + 0.05 * np.random.default_rng(4).normal(size=260)
    low, high = bounds("logistic", times, logs)
    out = np.empty((260, 4))
    s_curves.fit_expanding(s_curves.LOGISTIC, times[:30], logs[:30], low, high, 26, out[:30])
    began = time.process_time()
    s_curves.fit_expanding(s_curves.LOGISTIC, times, logs, low, high, 26, out)
    assert time.process_time() - began < 1.0
    at, cover = np.zeros(3), np.zeros((3, 3))
    for n in (100, 260):
        squares = s_curves.fit_anew(s_curves.LOGISTIC, times[:n], logs[:n], low, high, at, cover)
        np.testing.assert_allclose(out[n - 1, :3], at, rtol=1e-4, atol=1e-5)
        assert out[n - 1, 3] == pytest.approx(squares, rel=1e-7)
    assert np.isnan(out[:25]).all()


@pytest.mark.skipif(not (DATA / "ai_adoption.csv").is_file(), reason="the shared data are not here: ai_adoption.csv is missing")
def test_weekly_users_of_chatgpt_fit_as_scipy_fits_them():
    table = pd.read_csv(DATA / "ai_adoption.csv", parse_dates=["date"])
    users = table[table["metric"] == "chatgpt_weekly_active_users_million"].set_index("date")["value"]
    found = fit_adoption(users, on="2026-06-30", release_lag_days=45)
    assert found.count == 8
    times = (users.index - users.index[0]).days.to_numpy() / 365.25
    expected, cover = scipy.optimize.curve_fit(log_logistic, times, np.log(users.to_numpy()), p0=(7.5, 0.2, 2.5), xtol=1e-14, ftol=1e-14)
    np.testing.assert_allclose(found.parameters, expected, rtol=1e-5)
    np.testing.assert_allclose(found.covariance, cover, rtol=1e-3)
    assert found.told() == ("2,274", "575 to 8,990", "1.27")
    early = fit_adoption(users, on="2025-06-30", release_lag_days=45)
    assert (early.count, early.is_identified) == (5, False)


@pytest.mark.skipif(not (DATA / "ai_adoption.csv").is_file(), reason="the shared data are not here: ai_adoption.csv is missing")
@pytest.mark.parametrize("metric, curve, launch", [
    ("chatgpt_weekly_active_users_million", "logistic", None), ("chatgpt_weekly_active_users_million", "gompertz", None),
    ("chatgpt_weekly_active_users_million", "bass", "2022-11-30"), ("nvidia_data_center_revenue_usd_bn", "logistic", None),
    ("nvidia_data_center_revenue_usd_bn", "gompertz", None),
])
def test_real_series_are_fitted_as_scipy_fits_them(metric, curve, launch):
    """Users and revenue bend, so scipy has a minimum to find: ours is the same point, with the same covariance. Revenue has no launch."""
    table = pd.read_csv(DATA / "ai_adoption.csv", parse_dates=["date"])
    series = table[table["metric"] == metric].set_index("date")["value"].sort_index()
    found = fit_adoption(series, curve=curve, on="2026-09-30", launch=launch)
    origin = pd.Timestamp(launch) if launch else series.index[0]
    times = (series.index[: found.count] - origin).days.to_numpy() / 365.25
    logs = np.log(series.to_numpy()[: found.count])
    expected, cover = scipy.optimize.curve_fit(FORMULAS[curve], times, logs, p0=found.parameters + 0.02, xtol=1e-14, ftol=1e-14, maxfev=20_000)
    np.testing.assert_allclose(found.parameters, expected, rtol=2e-3)
    assert np.sum((logs - FORMULAS[curve](times, *found.parameters)) ** 2) <= np.sum((logs - FORMULAS[curve](times, *expected)) ** 2) * (1 + 1e-7)
    np.testing.assert_allclose(found.covariance, cover, rtol=2e-2)
    assert found.is_identified == (curve == "logistic")


def test_only_what_was_known_is_fitted():
    """Of a tape: prints and restatements up to the day; another future changes nothing."""
    from tests.strategies.runs import perturbed

    tape = kh.EmbeddedMarket(7, kh.MarketConfig(first=dt.date(2024, 1, 2), last=dt.date(2025, 6, 30), chips=kh.MarketConfig().chips[:1])).tape()
    on = dt.date(2025, 1, 31)
    until = (day_of(on) + 1) * 86_400 * 10**9 - 1
    known, other = (known_series(one, "SIM-ADOPTION", on=on) for one in (tape, perturbed(tape, until, 3)))
    np.testing.assert_array_equal(known.values, other.values)
    assert len(known.later_days) > 0
    assert not np.array_equal(known.later_values, other.later_values)
    # November's month end is 45 days and more back on 31 January, December's is not.
    assert date_of(int(known.days[-1])) == dt.date(2024, 11, 29)


def test_a_restated_value_counts_as_it_was_known_then():
    days = np.array([100, 130, 160, 190])
    builder = kh.TapeBuilder(source="by hand")
    small = kh.EmbeddedMarket(7, kh.MarketConfig(last=dt.date(2024, 2, 29), chips=kh.MarketConfig().chips[:1])).tape()
    ref = builder.contract(small.contracts[0])
    at = np.array([int(small.events["ts"][0])])
    one = np.array([2_000_000])
    builder.bars(ref, at, one, one, one, one, np.array([1]))
    series = builder.index(kh.Index(code="USERS", unit="million"))
    day = 86_400 * 10**9
    builder.prints(series, np.append(days, 130), np.append(days + 45, 200) * day, np.array([1, 2, 3, 4, 9]) * 1_000_000)
    tape = builder.build()
    assert known_series(tape, "USERS", on=date_of(199)).values.tolist() == [1.0, 2.0]
    assert known_series(tape, "USERS", on=date_of(210)).values.tolist() == [1.0, 9.0, 3.0]


@pytest.mark.parametrize("asked, error, rule", [
    ({"curve": "richards"}, UnknownName, "unknown curve 'richards'"),
    ({"curve": "bass"}, UsageError, "launch must be given for a Bass curve"),
    ({"curve": "bass", "launch": "2025-01-01"}, UsageError, "launch must be before the first value, 2020-01-31, found 2025-01-01"),
    ({"release_lag_days": -1}, UsageError, "release_lag_days must be from 0 to 3650, found -1"),
    ({"on": "soon"}, UsageError, "a day must be like 2026-01-31, found 'soon'"),
    ({"on": "2020-04-01"}, DataError, "a fit needs at least 4 values known by 2020-04-01, found 1"),
])
def test_bad_requests_are_refused(asked, error, rule):
    days, values, _ = simulated("logistic", 1)
    with pytest.raises(error, match=rule):
        fit_adoption((days, values), **asked)


def test_values_that_are_not_adoption_are_refused():
    with pytest.raises(DataError, match="adoption must be above zero, found 0 for 2020-01-02"):
        fit_adoption((["2020-01-01", "2020-01-02"], [1.0, 0.0]), release_lag_days=0)
    with pytest.raises(DataError, match="one value a date, found two for 2020-01-01"):
        fit_adoption((["2020-01-01", "2020-01-01"], [1.0, 2.0]), release_lag_days=0)
