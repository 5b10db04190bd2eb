# SPDX-License-Identifier: Apache-2.0
"""Parameters out of range are refused in one line that names parameter, rule and value, before anything runs."""

from typing import Any

import pytest

import kilohour as kh
from tests.strategies.runs import market

REFUSED = """
calendar-spread   | near=4                  | near must be at least 1 and below far, found near 4, far 4
calendar-spread   | near=0                  | near must be at least 1 and below far, found near 0, far 4
calendar-spread   | exit=2.0                | exit must be at least 0 and below entry, found exit 2, entry 2
calendar-spread   | exit=-0.1               | exit must be at least 0 and below entry, found exit -0.1, entry 2
calendar-spread   | ticks=-1.0              | ticks must be at least 0 and at most 1e9, found -1
calendar-spread   | lots=0                  | lots must be from 1 to 1000000, found 0
calendar-spread   | roll_days=-1            | roll_days must be from 0 to 365, found -1
calendar-spread   | window=1                | window must be from 2 to 1024 (its capacity), found 1
generation-roll   | factor=3.0              | factor must be above 0 and from factor_low to factor_high, found 2.25, 3, 2.53
generation-roll   | factor_low=0.0          | factor must be above 0 and from factor_low to factor_high, found 0, 2.39, 2.53
generation-roll   | factor_high=2000.0      | factor_high must be at most 1000, found 2000
generation-roll   | exposure=0.0            | exposure must be above 0 and at most 1e9 GPU-hours a month, found 0
generation-roll   | months=21               | months must be from 1 to 20, found 21
generation-roll   | edge=1.0                | edge must be at least 0 and below 1, found 1
generation-roll   | interest_share=-0.1     | interest_share must be from 0 to 1, found -0.1
generation-roll   | patience=0              | patience must be at least 1, found 0
generation-roll   | known_from=20251        | known_from must be a day as YYYYMMDD, found 20251
generation-roll   | new="SIM:H100"          | new must be another product than old, found the same
adoption-momentum | first=13                | first must be from 1 to last, and last at most 36, found first 13, last 12
adoption-momentum | half_life=0.0           | half_life must be above 0 and at most 10000 days, found 0
adoption-momentum | threshold=2.0           | threshold must be at least 0 and below limit, limit at most 100, found threshold 2, limit 2
adoption-momentum | risk=1.5                | risk must be above 0 and at most 1 of equity a year, found 1.5
adoption-momentum | buffer=1.0              | buffer must be at least 0 and below 1, found 1
adoption-momentum | ceiling=0.0             | ceiling must be above 0 and below 1e+100, found 0
adoption-momentum | warmup=1                | warmup must be from 2 to 1000000 (a line needs two prints), found 1
"""


@pytest.mark.parametrize("row", REFUSED.strip().splitlines(), ids=lambda row: " ".join(row.split("|")[1].split()))
def test_a_parameter_out_of_range_is_refused_in_one_line(row):
    name, setting, message = (cell.strip() for cell in row.split("|"))
    field, value = setting.split("=")
    parameters: dict[str, Any] = {field: eval(value)}
    with pytest.raises(kh.KilohourError) as refused:
        kh.backtest(name, market(), **parameters)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
