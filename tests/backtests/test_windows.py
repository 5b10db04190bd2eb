# SPDX-License-Identifier: Apache-2.0
"""A tape whose product cannot settle on it is refused before the first event, with the ways out that really are ways out."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest

import kilohour as kh
from kilohour import Product, Registry, Strategy, product
from kilohour.contracts import Assumptions
from kilohour.errors import DataError
from kilohour.tape import Index, TapeBuilder
from kilohour.units import NANOS_PER_DAY

GPU1 = Registry.shipped().assuming(Assumptions.load("gpu1-2026")).product("NYMEX:GPU1")
DECEMBER = GPU1.contract(202612)
DAYS = DECEMBER.fixing_days
SHIPPED = Path(kh.__file__).parent / "contracts" / "assumptions" / "gpu1-2026.toml"


class Waits(Strategy):
    chip: Product = product("NYMEX:GPU1")

    def on_bar(self, desk):
        pass


class Holds(Waits):
    def on_bar(self, desk):
        desk.target(0, 1)


def december(printed, *, until=2):
    """One contract with a bar a day; prints of the given days, each known the next morning; the last bar ``until`` days
    after the settlement."""
    builder = TapeBuilder(source="december")
    ref = builder.contract(DECEMBER)
    index = builder.index(Index(code=GPU1.index, unit="USD per GPU-hour"))
    days = np.arange(DAYS[0] - 3, DAYS[-1] + 1)
    price = np.full(len(days), 2_500_000)
    builder.bars(ref, days * NANOS_PER_DAY + 1, price, price, price, price, price)
    value_days = np.array([*printed, DAYS[-1] + until])
    known = np.r_[(value_days[:-1] + 1) * NANOS_PER_DAY, DECEMBER.settlement_at + (until - 1) * NANOS_PER_DAY]
    builder.prints(index, value_days, known, np.full(len(value_days), 2_400_000))
    return builder.build()


def run(tape, face=Waits, assume="gpu1-2026", **options):
    return kh.backtest(face, tape, assume=[assume], cash=100_000, **options).result


def test_a_whole_window_runs():
    assert run(december(DAYS), Holds)["settlements"] == 1


@pytest.mark.parametrize("face", [Waits, Holds])
def test_a_hole_is_refused_held_or_not(face):
    with pytest.raises(DataError) as refused:
        run(december([*DAYS[:5], *DAYS[6:]]), face)
    day = dt.date(1970, 1, 1) + dt.timedelta(DAYS[5])
    assert str(refused.value) == (
        "NYMEX:GPU1-2026-12: missing_day = refuse needs a print of SD-H100-US for each fixing day, known by the settlement at "
        f"2027-01-04 14:00: found none for {day}; list them with kilohour data check, complete the tape, or assume "
        "missing_day = previous or skip by a file of your own, --assume FILE in place of gpu1-2026")


def test_prints_that_end_too_early_are_a_hole_too():
    with pytest.raises(DataError, match="found none for 2026-12-30, and 1 more such day"):
        run(december(DAYS[:-2]))


def test_what_the_message_proposes_is_a_way_out(tmp_path):
    for rule in ("previous", "skip"):
        mine = tmp_path / f"{rule}.toml"
        text = SHIPPED.read_text(encoding="utf-8")
        mine.write_text(text.replace('missing_day = { value = "refuse"', f'missing_day = {{ value = "{rule}"'), encoding="utf-8")
        assert run(december([*DAYS[:5], *DAYS[6:]]), Holds, assume=str(mine))["settlements"] == 1


def test_a_tape_that_begins_in_the_window_runs_until_a_held_contract_must_settle():
    late = december(DAYS[5:])
    assert run(late)["settlements"] == 0
    with pytest.raises(DataError, match="needs a print of every fixing day"):
        run(late, Holds)


def test_a_settlement_after_the_tapes_end_may_still_get_its_prints():
    part = december([*DAYS[:5], *DAYS[6:]])
    end = dt.date(1970, 1, 1) + dt.timedelta(DAYS[-1])
    assert run(part, Holds, end=end)["settlements"] == 0
