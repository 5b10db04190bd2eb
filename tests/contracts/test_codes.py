# SPDX-License-Identifier: Apache-2.0
"""How contracts are named, and read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilohour.contracts import Registry, codes
from kilohour.errors import UnknownName, UsageError

# code                    venue's symbol        near    product         month
NAMES = """
NYMEX:GPU1-2026-12        GPU1Z6                2026    NYMEX:GPU1      202612
NYMEX:GPU2-2027-01        GPU2F7                2026    NYMEX:GPU2      202701
AX:NVDA-H100-2026-12      NVDA-H100-2026-DEC    -       AX:NVDA-H100    202612
AX:NVDA-B300-2027-03      NVDA-B300-2027-MAR    -       AX:NVDA-B300    202703
NYMEX:CL-2020-05          CLK0                  2019    NYMEX:CL        202005
NYMEX:CL-2010-05          CLK0                  2012    NYMEX:CL        201005
NYMEX:NG-2025-11          NGX5                  2025    NYMEX:NG        202511
GATE:H100-PERP            H100_USDT             -       GATE:H100       0
SIM:H100-2027-03          SH100H27              2027    SIM:H100        202703
"""


@pytest.mark.parametrize("row", NAMES.strip().splitlines())
def test_a_contract_is_found_by_code_and_by_the_venues_symbol(row: str) -> None:
    code, symbol, near, product, month = row.split()
    registry = Registry.shipped()
    year = None if near == "-" else int(near)
    for name in (code, symbol):
        found, found_month = registry.parse(name, near=year)
        assert (found.code, found_month) == (product, int(month))
    assert codes.contract_code(product, int(month)) == code
    assert codes.symbol_of(registry.product(product).text("symbol"), int(month)) == symbol


def test_month_letters_are_the_industrys() -> None:
    letters = [codes.month_letter(202600 + month) for month in range(1, 13)]
    assert letters == ["F", "G", "H", "J", "K", "M", "N", "Q", "U", "V", "X", "Z"]


@pytest.mark.parametrize(("name", "message"), [
    ("CLK0", "symbol 'CLK0' names one contract in every 10 years: say near which year (near=2026), "
             "or write the code VENUE:PRODUCT-YYYY-MM"),
    ("NYMEX:GPU1-2026-13", "a delivery month must be YYYYMM with a month of 01 to 12, found 202613"),
    ("NYMEX:GPU1-2026-09", "NYMEX:GPU1: the first delivery month is 202610, found 202609"),
    ("NYMEX:GPU1", "a contract must be named with its month, as NYMEX:GPU1-2026-12, found 'NYMEX:GPU1'"),
    ("SIM:H200-2026-11", "SIM:H200 lists Mar Jun Sep Dec, 12 listed: 202611 is none of them, the next is 202612"),
    ("GATE:H100-2026-12", "GATE:H100 is perpetual: it has no delivery month, found 202612"),
])
def test_a_name_that_is_no_contract_is_refused_in_one_line(name: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        Registry.shipped().contract(name)
    assert str(error.value) == message


@pytest.mark.parametrize(("name", "nearest"), [("SIM:H10-2027-01", "SIM:H100"), ("nymex:gpu1-2026-12", "NYMEX:GPU1"),
                                               ("GPU9Z6", "GPU2Z6")])
def test_an_unknown_name_comes_with_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(UnknownName, match="did you mean") as error:
        Registry.shipped().contract(name)
    assert error.value.nearest == nearest


@given(st.integers(1970, 2099), st.integers(1, 12), st.integers(-4, 4),
       st.sampled_from(["X{M}{Y}", "X{M}{YY}", "X-{YYYY}-{MON}", "X{YY}{MM}"]))
def test_a_symbol_reads_back_to_its_month(year: int, month: int, away: int, pattern: str) -> None:
    symbol = codes.symbol_of(pattern, year * 100 + month)
    assert codes.month_of_symbol(pattern, symbol, near=year + away) == year * 100 + month


@given(st.integers(1970, 2099), st.integers(1, 12), st.integers(-600, 600))
def test_months_add_like_months(year: int, month: int, count: int) -> None:
    there = codes.add_months(year * 100 + month, count)
    assert codes.add_months(there, -count) == year * 100 + month
    assert (there // 100 - year) * 12 + there % 100 - month == count
