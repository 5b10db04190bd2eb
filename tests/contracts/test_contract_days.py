# SPDX-License-Identifier: Apache-2.0
"""The days of a contract, worked by hand from a wall calendar and the holidays of the United States."""

import datetime as dt

import pytest

from kilohour.contracts import NEVER, Assumptions, Registry
from kilohour.errors import UnknownTerm, UsageError
from kilohour.units import date_of, datetime_of, day_of


def full() -> Registry:
    return Registry.shipped().assuming(*map(Assumptions.load, Assumptions.shipped_names()))


# contract           last trade (UTC) days first fix  last fix   known (UTC)      why
MEANS = """
NYMEX:GPU1-2026-11   2026-11-30 22:00  20  2026-11-02 2026-11-30 2026-12-01 14:00 Thanksgiving
NYMEX:GPU1-2026-12   2026-12-31 22:00  22  2026-12-01 2026-12-31 2027-01-04 14:00 New Year on a Friday
NYMEX:GPU2-2027-03   2027-03-31 21:00  22  2027-03-01 2027-03-31 2027-04-01 14:00 Good Friday; Chicago on summer time
NYMEX:GPU2-2027-05   2027-05-28 21:00  20  2027-05-03 2027-05-28 2027-06-01 14:00 Memorial Day, the 31st
SIM:H100-2024-02     2024-02-29 20:00  20  2024-02-01 2024-02-29 2024-03-01 14:00 a leap year
SIM:H100-2024-03     2024-03-28 20:00  20  2024-03-01 2024-03-28 2024-04-01 14:00 Good Friday, the 29th
SIM:H100-2025-01     2025-01-31 20:00  20  2025-01-02 2025-01-31 2025-02-03 14:00 a day of mourning on the 9th
SIM:B200-2026-01     2026-01-30 20:00  20  2026-01-02 2026-01-30 2026-02-02 14:00 New Year and King's Day
SIM:B200-2026-06     2026-06-30 20:00  21  2026-06-01 2026-06-30 2026-07-01 14:00 Juneteenth
SIM:B200-2026-07     2026-07-31 20:00  22  2026-07-01 2026-07-31 2026-08-03 14:00 Independence Day kept on the 3rd
SIM:H200-2027-12     2027-12-31 20:00  22  2027-12-01 2027-12-31 2028-01-03 14:00 Christmas kept on the 24th
SIM:H100-2028-02     2028-02-29 20:00  20  2028-02-01 2028-02-29 2028-03-01 14:00 a leap year
AX:NVDA-H100-2026-09 2026-09-30 21:00   1  2026-09-30 2026-09-30 2026-10-01 14:00 one print, on the last day
AX:NVDA-H100-2026-12 2026-12-31 21:00   1  2026-12-31 2026-12-31 2027-01-01 14:00 the published expiration
AX:NVDA-B300-2028-12 2028-12-31 21:00   1  2028-12-31 2028-12-31 2029-01-01 14:00 a Sunday: the venue opens every day
"""


@pytest.mark.parametrize("row", MEANS.strip().splitlines())
def test_average_price_days_by_hand(row: str) -> None:
    code, last_trade, last_time, count, first_fix, last_fix, known, known_time, _ = row.split(None, 8)
    contract = full().contract(code)
    assert f"{datetime_of(contract.last_trade_at):%Y-%m-%d %H:%M}" == f"{last_trade} {last_time}"
    assert len(contract.fixing_days) == int(count)
    assert str(date_of(contract.fixing_days[0])) == first_fix
    assert str(date_of(contract.fixing_days[-1])) == last_fix
    assert f"{datetime_of(contract.settlement_at):%Y-%m-%d %H:%M}" == f"{known} {known_time}"


def test_the_window_of_december_2026_day_by_day() -> None:
    days = [date_of(day).day for day in full().contract("NYMEX:GPU1-2026-12").fixing_days]
    assert days == [1, 2, 3, 4, 7, 8, 9, 10, 11, 14, 15, 16, 17, 18, 21, 22, 23, 24, 28, 29, 30, 31]


# contract             last trade     why
ENERGY = """
NYMEX:CL-2020-05       2020-04-21     the 25th is a Saturday: three days before Friday the 24th; the day after -37.63
NYMEX:CL-2008-01       2007-12-18     Christmas Eve was kept: from Friday the 21st
NYMEX:CL-2005-12       2005-11-18     the 25th is the Friday after Thanksgiving, then a holiday
NYMEX:CL-2026-12       2026-11-20     the 25th is a Wednesday: 24, 23, 20
NYMEX:CL-2026-01       2025-12-19     Christmas: three days before Wednesday the 24th
NYMEX:NG-2020-05       2020-04-28     30, 29, 28
NYMEX:NG-2012-11       2012-10-29     hurricane Sandy closed stocks, not energy
NYMEX:NG-2011-01       2010-12-28     New Year's Day on a Saturday, kept on Friday the 31st
NYMEX:NG-2026-12       2026-11-25     30, 27, then Thanksgiving, 25
NYMEX:NG-2027-03       2027-02-24     26, 25, 24
"""


@pytest.mark.parametrize("row", ENERGY.strip().splitlines())
def test_energy_last_trade_by_hand(row: str) -> None:
    contract = full().contract(row[:22].strip())
    last = datetime_of(contract.last_trade_at)
    assert str(last.date()) == row[23:33]
    assert contract.fixing_days == ()
    assert contract.settlement_at == contract.last_trade_at
    assert (last.hour, last.minute) in ((18, 30), (19, 30)), "14:30 in New York"


def test_a_perpetual_has_no_days() -> None:
    contract = full().contract("GATE:H100")
    assert contract.is_perpetual
    assert (contract.last_trade_at, contract.settlement_at, contract.fixing_days) == (NEVER, NEVER, ())


# product     on           first listed    last listed    count
LISTED = """
SIM:H100      2026-11-30   2026-11         2029-10        36
SIM:H100      2026-12-01   2026-12         2029-11        36
SIM:H200      2026-12-31   2026-12         2029-09        12
SIM:H200      2027-01-04   2027-03         2029-12        12
NYMEX:GPU1    2026-10-05   2026-10         2029-09        36
NYMEX:CL      2020-04-20   2020-05         2023-04        36
NYMEX:CL      2020-04-22   2020-06         2023-05        36
NYMEX:NG      2007-01-02   2007-02         2010-01        36
AX:NVDA-H100  2026-09-29   2026-09         2027-03        3
"""


@pytest.mark.parametrize("row", LISTED.strip().splitlines())
def test_what_is_listed_on_a_day(row: str) -> None:
    code, date, first, last, count = row.split()
    day = dt.date.fromisoformat(date)
    contracts = full().product(code).contracts(day, day)
    assert [contracts[0].code, contracts[-1].code, len(contracts)] == [f"{code}-{first}", f"{code}-{last}", int(count)]


def test_each_business_day_of_ten_years_has_36_months_listed() -> None:
    product = Registry.shipped().product("SIM:H100")
    contracts = product.contracts(dt.date(2023, 1, 1), dt.date(2032, 12, 31))
    for day in product.business_days().between(day_of(dt.date(2023, 1, 1)), day_of(dt.date(2032, 12, 31))):
        close = product.close_at(int(day))
        assert sum(c.listed_at <= close <= c.last_trade_at for c in contracts) == 36, date_of(int(day))


def test_the_rule_and_the_library_are_written_into_the_contract() -> None:
    rule = Registry.shipped().contract("SIM:H100-2027-03").rule
    assert rule.startswith("listed 36 consecutive; last trade last_business_day_of_month, 20:00 UTC; settlement "
                           "mean_business_days, known 1 business day, 14:00 UTC; calendar XNYS (exchange_calendars ")


def test_known_days_are_answered_though_other_terms_are_unknown() -> None:
    gpu1 = Registry.shipped().product("NYMEX:GPU1")
    assert str(date_of(gpu1.last_trade_day(202612))) == "2026-12-31"
    assert len(gpu1.fixing_days(202612)) == 22
    with pytest.raises(UnknownTerm, match=r"NYMEX:GPU1: term 'settlement_known' is unknown .*--assume gpu1-2026"):
        gpu1.contract(202612)


def test_a_listing_nobody_published_is_left_to_the_first_price() -> None:
    wti = Registry.shipped().product("NYMEX:CL")
    assert wti.contract(202005).listed_at == 0
    with pytest.raises(UnknownTerm, match="'listed_months' is unknown"):
        wti.contracts(dt.date(2020, 1, 1), dt.date(2020, 1, 2))


def test_an_empty_range_is_refused() -> None:
    with pytest.raises(UsageError, match="must not be before the first, found 2026-02-01 to 2026-01-01"):
        Registry.shipped().product("SIM:H100").contracts(dt.date(2026, 2, 1), dt.date(2026, 1, 1))
