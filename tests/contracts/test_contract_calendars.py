# SPDX-License-Identifier: Apache-2.0
"""Business days: counts that are published elsewhere, dated exceptions, and the edges of what is known."""

import datetime as dt

import numpy as np
import pytest

from kilohour.contracts import Registry
from kilohour.contracts.calendars import BusinessDays, CalendarRule, DatedException, business_days
from kilohour.errors import UnknownName, UsageError
from kilohour.units import day_of


def day(text: str) -> int:
    return day_of(dt.date.fromisoformat(text))


def year_count(days: BusinessDays, year: int) -> int:
    return len(days.between(day(f"{year}-01-01"), day(f"{year}-12-31")))


def test_gpu1_trades_258_days_of_2026_and_fixes_on_251() -> None:
    product = Registry.shipped().product("NYMEX:GPU1")
    assert year_count(product.trading_days(), 2026) == 258
    assert year_count(product.business_days(), 2026) == 251


def test_the_embedded_markets_business_days_are_sessions_from_2023_to_2036() -> None:
    product = Registry.shipped().product("SIM:H100")
    fixing = product.business_days().between(day("2023-01-01"), day("2036-12-31"))
    sessions = product.trading_days().between(day("2023-01-01"), day("2036-12-31"))
    # Sessions are closed on a national day of mourning as well.
    assert np.isin(fixing, sessions).all()


# day            what                           session    business day
DAYS = """
2026-01-01       New Year's Day                 no         no
2026-01-19       Martin Luther King Jr. Day     yes        no
2026-04-03       Good Friday                    no         no
2026-06-19       Juneteenth                     yes        no
2026-07-03       Independence Day, on Friday    yes        no
2026-11-26       Thanksgiving                   yes        no
2026-11-27       the Friday after               yes        yes
2026-12-24       Christmas Eve                  yes        yes
2026-12-25       Christmas                      no         no
2026-12-26       a Saturday                     no         no
2027-12-31       eve of a Saturday New Year     yes        yes
2028-02-29       a leap day                     yes        yes
"""


@pytest.mark.parametrize("row", DAYS.strip().splitlines())
def test_sessions_and_business_days_differ_on_us_holidays(row: str) -> None:
    product = Registry.shipped().product("SIM:H100")
    date, answers = row[:10], row[48:].split()
    assert [day(date) in product.trading_days(), day(date) in product.business_days()] == [a == "yes" for a in answers]


def test_counting_starts_outside_the_day_itself() -> None:
    days = business_days(CalendarRule("XNYS", "XNYS"))
    assert days.after(day("2026-12-24")) == day("2026-12-28")
    assert days.after(day("2026-12-25"), 2) == day("2026-12-29")
    assert days.before(day("2026-12-28")) == day("2026-12-24")
    assert days.on_or_before(day("2026-12-27")) == day("2026-12-24")
    assert days.on_or_before(day("2026-12-24")) == day("2026-12-24")


def test_a_dated_exception_opens_and_closes_a_day() -> None:
    rule = CalendarRule("MINE", "24/7", (DatedException(dt.date(2026, 5, 1), False, "Labour Day"),))
    days = business_days(rule)
    assert day("2026-05-01") not in days
    assert day("2026-05-02") in days
    opened = business_days(CalendarRule("MINE", "XNYS", (DatedException(dt.date(2026, 12, 25), True, "a test"),)))
    assert day("2026-12-25") in opened
    assert opened.version.startswith("XNYS of exchange_calendars ")
    assert opened.version.endswith(" with 1 dated exceptions")


def test_a_calendar_that_is_not_there_comes_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="unknown calendar 'XNYSE'; did you mean 'XNYS'"):
        business_days(CalendarRule("XNYSE", "XNYSE"))


def test_a_calendar_says_where_it_ends() -> None:
    days = business_days(CalendarRule("XNYS", "XNYS"))
    with pytest.raises(UsageError, match=r"calendar XNYS \(exchange_calendars .*\) is known from 1990-01-01 "
                                         "to 2049-12-31, found a day at 2050-01-03"):
        days.after(day("2050-01-03"))
    shorter = business_days(CalendarRule("XSHG", "XSHG"))
    assert shorter.last < days.last
    with pytest.raises(UsageError, match=r"calendar XSHG .* is known from"):
        shorter.after(shorter.last + 1)
