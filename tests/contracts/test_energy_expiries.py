# SPDX-License-Identifier: Apache-2.0
"""Last trading days of WTI and Henry Hub against 684 published ones, and why the stock calendar is not enough."""

import csv
import dataclasses
import datetime as dt
import os
from pathlib import Path

import pytest

from kilohour.contracts import Product, Registry
from kilohour.contracts.calendars import CalendarRule
from kilohour.units import date_of, day_of

DATA = Path(os.environ.get("KILOHOUR_DATA", Path(__file__).parents[3] / "shared" / "data"))
needs_data = pytest.mark.skipif(not (DATA / "futures_expiry_energy.csv").exists(),
                                reason="the real data is not here: set KILOHOUR_DATA to its folder")


def published() -> dict[tuple[str, int], str]:
    with (DATA / "futures_expiry_energy.csv").open() as file:
        return {(row["root"], int(row["contract"])): row["last_trade"] for row in csv.DictReader(file)}


def derived(product: Product, root: str, months: list[int]) -> dict[tuple[str, int], str]:
    return {(root, month): str(date_of(product.last_trade_day(month))) for month in months}


@needs_data
@pytest.mark.parametrize(("root", "count"), [("CL", 385), ("NG", 299)])
def test_every_published_last_trading_day_is_derived(root: str, count: int) -> None:
    expected = {key: value for key, value in published().items() if key[0] == root}
    assert len(expected) == count
    assert derived(Registry.shipped().product(f"NYMEX:{root}"), root, [month for _, month in expected]) == expected


# contract    by the stock calendar   published     the exception that explains it
EXCEPTIONS = """
CL 200512     2005-11-21              2005-11-18    the Friday after Thanksgiving was a holiday, 2004 to 2012
CL 200612     2006-11-20              2006-11-17    the Friday after Thanksgiving
CL 200712     2007-11-19              2007-11-16    the Friday after Thanksgiving
CL 200801     2007-12-19              2007-12-18    Christmas Eve on a Monday
CL 201112     2011-11-21              2011-11-18    the Friday after Thanksgiving
CL 201212     2012-11-19              2012-11-16    the Friday after Thanksgiving
NG 200412     2004-11-26              2004-11-24    the Friday after Thanksgiving
NG 200501     2004-12-29              2004-12-28    New Year's Day on a Saturday, kept on Friday
NG 200812     2008-11-25              2008-11-24    the Friday after Thanksgiving
NG 200912     2009-11-25              2009-11-24    the Friday after Thanksgiving
NG 201012     2010-11-26              2010-11-24    the Friday after Thanksgiving
NG 201101     2010-12-29              2010-12-28    New Year's Day on a Saturday, kept on Friday
NG 201211     2012-10-25              2012-10-29    hurricane Sandy closed stocks, not energy
"""


@needs_data
def test_the_dated_exceptions_explain_exactly_what_the_stock_calendar_misses() -> None:
    differs: dict[tuple[str, int], tuple[str, str]] = {}
    for root in ("CL", "NG"):
        product = Registry.shipped().product(f"NYMEX:{root}")
        plain = dataclasses.replace(product, calendars=(CalendarRule("NYMEX-BUSINESS", "XNYS"),))
        expected = {key: value for key, value in published().items() if key[0] == root}
        found = derived(plain, root, [month for _, month in expected])
        differs |= {key: (found[key], day) for key, day in expected.items() if found[key] != day}
    rows = [line.split() for line in EXCEPTIONS.strip().splitlines()]
    assert differs == {(root, int(month)): (stock, day) for root, month, stock, day, *_ in rows}


@needs_data
def test_the_days_that_settled_are_the_trading_calendar() -> None:
    import pyarrow.parquet as pq

    strip = pq.read_table(DATA / "futures_strip_energy.parquet", columns=["root", "date"]).to_pandas()
    settled = {day_of(date) for date in strip[strip["root"] == "CL"]["date"].dt.date.unique()}
    days = Registry.shipped().product("NYMEX:CL").trading_days()
    assert {int(day) for day in days.between(min(settled), max(settled))} == settled


def test_each_exception_carries_its_reason() -> None:
    for calendar in Registry.shipped().product("NYMEX:CL").calendars:
        assert all(exception.reason for exception in calendar.exceptions)
        assert len({exception.day for exception in calendar.exceptions}) == len(calendar.exceptions)
        assert all(exception.day > dt.date(2003, 1, 1) for exception in calendar.exceptions)
