# SPDX-License-Identifier: Apache-2.0
"""Prices per unit of work: published figures, ranges, and what must not be added. mypy's refusal is checked in the module."""

import datetime as dt
from fractions import Fraction

import pytest

from kilohour.curves.work import H100Hour, gpu_hour, h100_hours, million_tokens, pflop_hours, read_factors
from kilohour.errors import DataError, UnknownName, UsageError

DAY = dt.date(2026, 4, 18)


def dollars(price, places=2):
    return round(float(price.micros) / 1e6, places)


def test_published_equivalents_of_2026_04_18():
    """compute-curve, docs/relative_value.md, of Silicon Data's 1.43 and 5.10: A100 4.54, B200 2.02 an H100-equivalent hour."""
    table = h100_hours()
    assert dollars(table.convert(gpu_hour("A100", 1_430_000), DAY)) == 4.54
    assert dollars(table.convert(gpu_hour("B200", 5_100_000), DAY)) == 2.02


def test_pflop_hours_and_tokens_by_hand():
    """2.81/0.989 = 2.8413; 2.81/1.979 = 1.4199; 3,066 tokens/s are 11.0376 million an hour: 2.81/11.0376 = 0.2546."""
    h100, on = gpu_hour("H100", 2_810_000), dt.date(2026, 10, 5)
    assert dollars(pflop_hours("bf16").convert(h100, on), 4) == 2.8413
    assert dollars(pflop_hours("fp8").convert(h100, on), 4) == 1.4199
    tokens = million_tokens().convert(h100, on)
    assert dollars(tokens, 4) == 0.2546
    assert tokens.high / tokens.micros == Fraction(8, 5)


def test_a_conclusion_counts_only_if_it_holds_across_the_range():
    """B200 at 5.10 is 1.70 to 2.83 an equivalent hour: below the A100's 2.35 to 4.54 it is not for certain, below 3.00 it is."""
    table = h100_hours()
    b200, a100 = table.convert(gpu_hour("B200", 5_100_000), DAY), table.convert(gpu_hour("A100", 1_430_000), DAY)
    assert (dollars(b200 - a100)) < 0
    assert not b200.is_below(a100)
    assert b200.is_below(table.convert(gpu_hour("H100", 3_000_000), DAY))
    spread = b200 - a100
    assert (spread.low, spread.high) == (b200.low - a100.high, b200.high - a100.low)


def test_unlike_units_cannot_be_added():
    h100, b200 = gpu_hour("H100", 2_810_000), gpu_hour("B200", 5_870_000)
    with pytest.raises(UsageError, match="needs prices of one unit, found 'USD per H100 hour' and 'USD per B200 hour'"):
        h100 + b200
    work = pflop_hours("bf16").convert(b200, DAY)
    with pytest.raises(UsageError, match="'USD per H100 hour' and 'USD per PFLOP-hour, dense bf16'"):
        h100 - work  # type: ignore[operator]
    with pytest.raises(UsageError, match="dense bf16' and 'USD per PFLOP-hour, dense fp8'"):
        work + pflop_hours("fp8").convert(b200, DAY)
    with pytest.raises(UsageError, match="and '1': convert them first"):
        h100 + 1  # type: ignore[operator]
    assert (h100 + h100).micros == 5_620_000


def test_factors_are_dated_and_known_chips_only():
    with pytest.raises(DataError, match="Llama 2 70B, MLPerf offline: H100 has a factor from 2025-11-03, found 2025-01-01"):
        million_tokens().of("H100", dt.date(2025, 1, 1))
    with pytest.raises(UnknownName, match="unknown chip 'A100' in PFLOP/s of a chip, dense FP8 peak"):
        pflop_hours("fp8").of("A100", DAY)
    with pytest.raises(UnknownName, match="unknown precision 'fp4'"):
        pflop_hours("fp4")


def test_the_newest_factor_known_on_the_day_counts():
    row = {"chip": "X", "value": 2, "low": 1, "high": 3, "source": "ours"}
    table = read_factors({"title": "t", "factor": [{**row, "since": dt.date(2026, 1, 1)}, {**row, "value": 3, "since": dt.date(2026, 6, 1)}]},
                         H100Hour(), "t")  # fmt: skip
    assert table.of("X", dt.date(2026, 5, 31)).value == 2
    assert table.of("X", dt.date(2026, 6, 1)).value == 3


@pytest.mark.parametrize("broken", [{"low": 3}, {"low": 0}, {"high": 1}, {"source": ""}])
def test_a_factor_without_range_or_source_is_refused(broken):
    row = {"chip": "X", "since": dt.date(2026, 1, 1), "value": 2, "low": 1, "high": 3, "source": "ours"} | broken
    with pytest.raises(DataError, match="X needs 0 < low <= value <= high and a source"):
        read_factors({"title": "t", "factor": [row]}, H100Hour(), "t")
