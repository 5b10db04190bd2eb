# SPDX-License-Identifier: Apache-2.0
"""Continuous series: a table worked by hand, pandas working on its own, and the refusal to trade one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import kilohour as kh
from kilohour.errors import DataError, UnknownName, UsageError
from kilohour.tape import Kind, Tape
from kilohour.tape.continuous import continuous
from tests.oracle.tables import tape_of
from tests.strategies.runs import market, perturbed

CONTRACTS = """
contract | listed | last | final | fixings
A        | 0      | 15.5 | 16    | 14 15
B        | 0      | 25.5 | 26    | 24 25
"""
MARKS = """
day   | event | of | price | volume
10    | bar   | A  | 2.00  | 50
10    | bar   | B  | 2.50  | 20
10.5  | mark  | A  | 2.00  |
10.5  | mark  | B  | 2.50  |
11    | bar   | A  | 2.10  | 30
11    | bar   | B  | 2.60  | 40
11.5  | mark  | A  | 2.10  |
11.5  | mark  | B  | 2.60  |
12    | bar   | A  | 2.20  | 30
12    | bar   | B  | 2.75  | 60
12.5  | mark  | A  | 2.20  |
12.5  | mark  | B  | 2.75  |
13    | bar   | A  | 2.30  | 10
13    | bar   | B  | 2.80  | 90
13.5  | mark  | A  | 2.30  |
13.5  | mark  | B  | 2.80  |
"""
"""A's window begins on day 14, B's on day 24."""


@pytest.fixture(scope="module")
def tape():
    return tape_of(CONTRACTS, MARKS)


@pytest.mark.parametrize(("how", "expected"), [
    # two days before the window: after day 12, when the gap is 0.55
    ({"days": 2, "method": "none"}, "A 2.00  A 2.10  A 2.20  B 2.80"),
    ({"days": 2}, "A 2.55  A 2.65  A 2.75  B 2.80"),
    ({"days": 2, "anchor": "first"}, "A 2.00  A 2.10  A 2.20  B 2.25"),
    ({"days": 2, "method": "ratio"}, "A 2.50  A 2.625  A 2.75  B 2.80"),  # 2.75 / 2.20 = 1.25
    ({"days": 2, "method": "ratio", "anchor": "first"}, "A 2.00  A 2.10  A 2.20  B 2.24"),
    # B trades more than A on day 11, and on days 11 and 12 running
    ({"days": 0, "roll": "volume", "method": "none"}, "A 2.00  A 2.10  B 2.75  B 2.80"),
    ({"days": 0, "roll": "volume", "confirm": 2, "method": "none"}, "A 2.00  A 2.10  A 2.20  B 2.80"),
])  # fmt: skip
def test_a_table_worked_by_hand(tape, how, expected):
    found = continuous(tape, "X:GPU", **how)
    assert "  ".join(f"{code} {price:.3f}".replace("0 ", " ") for code, price in zip(found.contract, found.price, strict=True)).split() \
        == [f"{float(word):.3f}" if word[0].isdigit() else word for word in expected.split()]
    assert found.mark.tolist() == continuous(tape, "X:GPU", **{**how, "method": "none"}).price.tolist()


def test_the_contract_behind_each_day_and_the_days_of_the_rolls_are_told(tape):
    found = continuous(tape, "X:GPU", days=2)
    assert found.rolled.tolist() == [False, False, False, True]
    assert [str(day.date()) for day in found.index] == ["1970-01-11", "1970-01-12", "1970-01-13", "1970-01-14"]
    assert found.attrs["code"] == "X:GPU-CONTINUOUS"


def by_pandas(tape: Tape, product: str, days: int) -> pd.DataFrame:
    """The same by pandas alone: a table of marks, the contract by the calendar, differences of the contract held, summed from the end."""
    events: Any = tape.frame(Kind.MARK)
    marks: Any = events.assign(day=events.event_time.dt.floor("D")).pivot_table(index="day", columns="code", values="close", aggfunc="first")
    marks = marks[[c.code for c in sorted(tape.contracts, key=lambda c: c.month) if c.product == product and c.code in marks]].dropna(how="all")
    begins: Any = pd.Series({c.code: pd.Timestamp(min(c.fixing_days) * 86_400 * 10**9, tz="UTC") for c in tape.contracts if c.fixing_days})
    held: list[Any] = []
    code: Any = None
    for day, row in marks.iterrows():
        held.append(code := code or next(name for name in marks if begins[name] - day > pd.Timedelta(days=days) and row.notna()[name]))
        if begins[code] - day <= pd.Timedelta(days=days):
            code = next((name for name in marks if begins[name] - day > pd.Timedelta(days=days) and row.notna()[name]), code)
    contract: Any = pd.Series(held, index=marks.index)
    moves = [marks.at[day, c] - marks.at[before, c] for before, day, c in zip(marks.index, marks.index[1:], contract[1:], strict=False)]
    level = marks.at[marks.index[-1], contract.iloc[-1]] - np.array([*np.cumsum(moves[::-1])[::-1], 0.0])
    return pd.DataFrame({"price": level, "contract": contract})


@pytest.mark.parametrize(("product", "days"), [("SIM:H100", 0), ("SIM:H100", 5), ("SIM:B200", 12)])
def test_four_years_agree_with_pandas(product, days):
    found, expected = continuous(market(), product, days=days), by_pandas(market(), product, days)
    assert found.contract.tolist() == expected.contract.tolist()
    assert np.abs(found.price - expected.price).max() < 1e-9
    assert found.rolled.sum() > 20


@pytest.mark.parametrize("roll", ["days", "volume"])
def test_anchored_at_the_first_price_no_price_ever_changes(roll):
    tape = market()
    then = int(tape.events["ts"][len(tape) // 2])
    ours, theirs = (continuous(each, "SIM:H100", roll=roll, confirm=3, anchor="first") for each in (tape, perturbed(tape, then, 3)))
    known = ours.index < pd.Timestamp(then, tz="UTC").floor("D")
    assert ours[known].equals(theirs[:known.sum()])
    assert not ours.price[:len(theirs)].equals(theirs.price)


def test_a_correction_that_came_later_moves_nothing(tape):
    corrected = tape_of(CONTRACTS, MARKS + "14    | mark corrected | A | 9.99 | 12.5\n")
    assert continuous(corrected, "X:GPU", days=2).price.tolist() == continuous(tape, "X:GPU", days=2).price.tolist()


def test_open_interest_counts_as_it_was_known_at_the_mark():
    """Published in the morning of day 12, B's larger interest of day 11 moves the roll to the mark of day 12."""
    tape = tape_of(CONTRACTS, MARKS)
    builder = kh.TapeBuilder(source="by hand")
    for contract in tape.contracts:
        ref = builder.contract(contract)
        own = tape.events["ref"] == tape.contract_ref(contract.code)
        rows = {name: column[own & (tape.events["kind"] == Kind.BAR)] for name, column in tape.events.items()}
        builder.bars(ref, rows["ts"], rows["open"], rows["high"], rows["low"], rows["close"], rows["volume"])
        marks = own & (tape.events["kind"] == Kind.MARK)
        builder.marks(ref, tape.events["ts"][marks], tape.events["close"][marks])
        day = 86_400 * 10**9
        builder.interest(ref, np.array([12 * day]), np.array([10 if contract.code == "A" else 20]))
    found = continuous(builder.build(), "X:GPU", roll="interest", days=0)
    assert found.contract.tolist() == ["A", "A", "A", "B"]


def test_a_ratio_refuses_a_price_that_is_not_positive_and_names_it():
    oil = tape_of(CONTRACTS, MARKS.replace("12.5  | mark  | A  | 2.20", "12.5  | mark  | A  | -37.63"))
    with pytest.raises(DataError, match=r"'ratio' needs prices above zero, A was -37.63 on 1970-01-13; use method='difference'"):
        continuous(oil, "X:GPU", days=2, method="ratio")
    assert continuous(oil, "X:GPU", days=2).price.iloc[2] == pytest.approx(-37.63 + (2.75 + 37.63))


@pytest.mark.parametrize(("how", "kind", "words"), [
    ({"product": "X:CPU"}, UnknownName, "unknown product 'X:CPU' in this tape"),
    ({"method": "panama"}, UnknownName, "unknown method 'panama'"),
    ({"roll": "moon"}, UnknownName, "unknown roll 'moon'"),
    ({"anchor": "middle"}, UnknownName, "unknown anchor 'middle'"),
    ({"days": -1}, UsageError, "days must be from 0 to 365, found -1"),
    ({"confirm": 0}, UsageError, "confirm must be from 1 to 100, found 0"),
])
def test_bad_parameters_are_named(tape, how, kind, words):
    with pytest.raises(kind, match=words):
        continuous(tape, **{"product": "X:GPU", **how})


def test_a_tape_without_marks_has_no_series():
    with pytest.raises(DataError, match="has no official mark"):
        continuous(tape_of(CONTRACTS, "day | event | of | price\n10 | bar | A | 2"), "X:GPU")


@pytest.mark.parametrize("use", [
    lambda _: kh.Registry.shipped().contract("SIM:H100-CONTINUOUS"),
    lambda _: kh.Registry.shipped().product("SIM:H100-CONTINUOUS"),
    lambda tape: tape.contract_ref("SIM:H100-CONTINUOUS"),
    lambda tape: kh.backtest("calendar-spread", tape, product="SIM:H100-CONTINUOUS"),
    lambda _: kh.Tape.from_bars(pd.DataFrame(), product="SIM:H100-CONTINUOUS"),
    lambda _: kh.Registry.shipped().product("SIM:H100").contract_named("SIM:H100-CONTINUOUS"),
])
def test_nobody_can_trade_one(use):
    with pytest.raises(UsageError, match="SIM:H100-CONTINUOUS is a continuous series, for indicators and plots; what trades is"):
        use(market())


def test_a_product_cannot_have_the_code_of_one():
    with pytest.raises(UsageError, match="a product code must read"):
        kh.Product.simple("X:GPU-CONTINUOUS", lot=1, tick="0.01")


def test_the_tape_names_the_contracts_to_trade_instead():
    with pytest.raises(UsageError, match="SIM:H100-2024-01, SIM:H100-2024-02, SIM:H100-2024-03 and 80 more"):
        market().contract_ref("SIM:H100-CONTINUOUS")
