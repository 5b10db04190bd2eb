# SPDX-License-Identifier: Apache-2.0
"""The tape of the embedded market: what is listed, when each event is seen, and that it settles."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from kilohour.contracts import Registry
from kilohour.datafeeds.embedded import EmbeddedMarket, MarketConfig
from kilohour.errors import UnknownName, UsageError
from kilohour.tape import Kind
from kilohour.units import MISSING, NANOS_PER_DAY, datetime_of, day_of

LAST = day_of(dt.date(2033, 12, 30))
PRODUCTS = ("SIM:H100", "SIM:H200", "SIM:B200", "SIM:B300")


def rows(tape, kind: Kind) -> dict[str, np.ndarray]:
    chosen = tape.events["kind"] == kind
    return {name: column[chosen] for name, column in tape.events.items()}


def product_of(tape, ref: np.ndarray) -> np.ndarray:
    return np.asarray(np.array([PRODUCTS.index(contract.product) for contract in tape.contracts])[ref])


def test_ten_years_of_four_products(tape_of_seven):
    assert tape_of_seven.product_codes == PRODUCTS
    assert datetime_of(tape_of_seven.start).date() == dt.date(2024, 1, 2)
    assert datetime_of(tape_of_seven.end).date() == dt.date(2033, 12, 30)
    assert tape_of_seven.days_per_year == 252
    assert len(tape_of_seven.contracts) > 144
    assert {index.code for index in tape_of_seven.indices} == {"SIM-H100", "SIM-H200", "SIM-B200", "SIM-B300",
                                                               "SIM-ADOPTION"}


def test_notes_say_synthetic_and_the_premium_and_no_inefficiency(tape_of_seven):
    words = " ".join(tape_of_seven.notes)
    assert "synthetic" in words
    assert "seed 7" in words
    assert "5 % a year" in words
    assert "inefficiency" not in words


def test_switches_that_are_on_are_noted(small):
    config = MarketConfig.from_dict(small.to_dict() | {"slow_adoption": 0.5, "seasonality": 0.1})
    words = " ".join(EmbeddedMarket(config=config).tape().notes)
    assert "slow_adoption = 0.5" in words
    assert "seasonality = 0.1" in words


@pytest.mark.parametrize("day, product, months", [
    (dt.date(2026, 3, 16), "SIM:H100", 36), (dt.date(2031, 6, 10), "SIM:B200", 36),
    (dt.date(2026, 3, 16), "SIM:H200", 12), (dt.date(2031, 6, 10), "SIM:B300", 12),
])
def test_listed_months(tape_of_seven, day, product, months):
    marks = rows(tape_of_seven, Kind.MARK)
    today = marks["ts"] // NANOS_PER_DAY == day_of(day)
    codes = [tape_of_seven.contracts[ref].product for ref in marks["ref"][today]]
    assert codes.count(product) == months


@pytest.mark.parametrize("kind, clock", [
    (Kind.BAR, dt.time(20, 0)), (Kind.MARK, dt.time(20, 15)), (Kind.PRINT, dt.time(13, 0)),
    (Kind.INTEREST, dt.time(12, 0)), (Kind.FINAL, dt.time(14, 0)), (Kind.EXPIRY, dt.time(20, 0)),
])
def test_times_of_day(tape_of_seven, kind, clock):
    seconds = rows(tape_of_seven, kind)["ts"] % NANOS_PER_DAY // 10**9
    assert np.unique(seconds).tolist() == [clock.hour * 3600 + clock.minute * 60]


def test_prices_are_on_the_tick_and_consistent(tape_of_seven):
    bars, marks = rows(tape_of_seven, Kind.BAR), rows(tape_of_seven, Kind.MARK)
    for column in (bars["open"], bars["high"], bars["low"], bars["close"], marks["close"]):
        assert (column % 10_000 == 0).all()
        assert column.min() > 0
    assert (bars["high"] >= np.maximum(bars["open"], bars["close"])).all()
    assert (bars["low"] <= np.minimum(bars["open"], bars["close"])).all()


def test_a_day_without_trade_has_a_mark_but_no_bar(tape_of_seven):
    bars, marks = rows(tape_of_seven, Kind.BAR), rows(tape_of_seven, Kind.MARK)
    assert (bars["volume"] > 0).all()
    with_bar = set(zip(bars["ref"].tolist(), (bars["ts"] // NANOS_PER_DAY).tolist(), strict=True))
    with_mark = set(zip(marks["ref"].tolist(), (marks["ts"] // NANOS_PER_DAY).tolist(), strict=True))
    assert with_bar < with_mark
    assert 0.02 < 1 - len(with_bar) / len(with_mark) < 0.5


def test_volume_is_thick_in_front_and_thin_behind(tape_of_seven):
    """H100 in 2027: hundreds of lots a day in front, tens a year out, a few two years out and more."""
    bars = rows(tape_of_seven, Kind.BAR)
    year = (bars["ts"] >= 10**9 * 1_798_761_600) & (bars["ts"] < 10**9 * 1_830_297_600)
    front, middle, back = [], [], []
    for ref, ts, volume in zip(bars["ref"][year], bars["ts"][year], bars["volume"][year], strict=True):
        contract = tape_of_seven.contracts[ref]
        if contract.product != "SIM:H100":
            continue
        days = contract.fixing_days[0] - ts // NANOS_PER_DAY
        if 0 < days < 31:
            front.append(volume)
        elif 330 < days < 400:
            middle.append(volume)
        elif days > 720:
            back.append(volume)
    assert 150 < np.median(front) < 900
    assert 10 < np.median(middle) < 100
    assert 1 <= np.median(back) < 15


def test_interest_moves_to_the_front_and_from_the_old_chip_to_the_new(tape_of_seven):
    interest = rows(tape_of_seven, Kind.INTEREST)
    ref = tape_of_seven.contract_ref("SIM:H100-2028-03")
    own = interest["volume"][interest["ref"] == ref]
    assert own[100] < own[400] < own[600] < own[-25]
    assert own[-1] < own[-25]
    year = 1970 + interest["ts"] / (365.25 * NANOS_PER_DAY)
    product = product_of(tape_of_seven, interest["ref"])
    held = {(c, y): interest["volume"][(product == c) & (year >= y) & (year < y + 1)].sum()
            for c in (0, 2) for y in (2025, 2026, 2028, 2032)}
    share = [held[2, y] / held[0, y] for y in (2025, 2026, 2028, 2032)]
    assert share[0] < share[1] < share[2] < share[3]
    assert share[0] < 0.6
    assert share[3] > 1.5


def test_prints_are_known_the_next_business_day_and_some_are_restated(tape_of_seven):
    prints = rows(tape_of_seven, Kind.PRINT)
    h100 = prints["ref"] == 0
    first = h100 & (prints["volume"] == 0)
    value_day = prints["ts_event"][first] // NANOS_PER_DAY
    known_day = prints["ts"][first] // NANOS_PER_DAY
    business = Registry.shipped().product("SIM:H100").business_days().between(day_of(dt.date(2024, 1, 2)),
                                                                            LAST)
    assert value_day.tolist() == business[:-1].tolist()
    assert known_day.tolist() == business[1:].tolist()
    again = h100 & (prints["volume"] == 1)
    assert 0.005 < again.sum() / first.sum() < 0.03
    assert ((prints["ts"] - prints["ts_event"])[again] > 4 * NANOS_PER_DAY).all()
    assert (prints["open"][again] != MISSING).all()
    assert np.std(prints["close"][again] / prints["open"][again] - 1) < 0.02


def test_adoption_is_published_late_and_revised_once(tape_of_seven):
    prints = rows(tape_of_seven, Kind.PRINT)
    adoption = prints["ref"] == [index.code for index in tape_of_seven.indices].index("SIM-ADOPTION")
    lag = ((prints["ts"] - prints["ts_event"]) // NANOS_PER_DAY)[adoption]
    revision = prints["volume"][adoption]
    assert set(revision.tolist()) == {0, 1}
    assert lag[revision == 0].min() >= 45
    assert lag[revision == 0].max() <= 50
    assert lag[revision == 1].min() >= 75
    assert lag[revision == 1].max() <= 80
    value = prints["close"][adoption] / 1e6
    assert value[0] < 300
    assert value.max() > 2000
    revised = np.log(prints["close"][adoption][revision == 1] / prints["open"][adoption][revision == 1])
    assert 0.01 < revised.std() < 0.02


def test_every_contract_that_ends_settles_on_prints_that_are_known(tape_of_seven):
    prints = rows(tape_of_seven, Kind.PRINT)
    for ref, index in ((0, 0), (-1, 3)):
        contract = tape_of_seven.contracts[ref] if ref == 0 else next(
            c for c in tape_of_seven.contracts if c.code == "SIM:B300-2026-03")
        own = prints["ref"] == index
        days = prints["ts_event"][own & (prints["ts"] <= contract.settlement_at)] // NANOS_PER_DAY
        assert set(contract.fixing_days) <= set(days.tolist())
    finals = rows(tape_of_seven, Kind.FINAL)
    ended = [c for c in tape_of_seven.contracts if c.settlement_at <= tape_of_seven.end]
    assert len(finals["ts"]) == len(ended) > 200
    assert (finals["close"] == MISSING).all()


def test_the_last_mark_is_the_settlement(tape_of_seven):
    """On its last day a contract's mark is the mean of its prints, up to the tick and to later restatements."""
    marks, prints = rows(tape_of_seven, Kind.MARK), rows(tape_of_seven, Kind.PRINT)
    contract = tape_of_seven.contracts[tape_of_seven.contract_ref("SIM:H100-2027-05")]
    own = marks["close"][marks["ref"] == tape_of_seven.contract_ref(contract.code)]
    value = {int(day) // NANOS_PER_DAY: int(v) for ref, day, v, ts in
             zip(prints["ref"], prints["ts_event"], prints["close"], prints["ts"], strict=True)
             if ref == 0 and ts <= contract.settlement_at}
    mean = np.mean([value[day] for day in contract.fixing_days])
    assert abs(own[-1] - mean) <= 5_000 + 1


def test_paths_are_those_of_the_tape(tape_of_seven):
    paths = EmbeddedMarket(seed=7).paths()
    marks = rows(tape_of_seven, Kind.MARK)
    fair = paths.fair[2]
    ref = tape_of_seven.contract_ref(fair.line.contracts[30].code)
    assert np.abs(marks["close"][marks["ref"] == ref] / 1e6 - fair.close[fair.of(30)]).max() <= 0.005 + 1e-9


def test_another_seed_is_another_market(small):
    one, two = (EmbeddedMarket(seed=seed, config=small).tape() for seed in (1, 2))
    assert not np.array_equal(one.events["close"], two.events["close"])


def test_minute_bars_of_twelve_contracts(tape_of_seven):
    tape = EmbeddedMarket(seed=7).minute_tape(contracts=12, days=15, last=dt.date(2027, 6, 15))
    bars = rows(tape, Kind.BAR)
    assert set(np.unique(bars["ts"] % (60 * 10**9))) == {0}
    per_day = [len(set(bars["ref"][bars["ts"] // NANOS_PER_DAY == day].tolist()))
               for day in np.unique(bars["ts"] // NANOS_PER_DAY)]
    assert len(per_day) == 15
    assert max(per_day) == 12
    assert datetime_of(tape.end).date() == dt.date(2027, 6, 15)
    daily = tape_of_seven
    marks, both = rows(tape, Kind.MARK), rows(daily, Kind.MARK)
    code = tape.contracts[3].code
    own, theirs = (m["close"][m["ref"] == t.contract_ref(code)] for m, t in ((marks, tape), (both, daily)))
    begin = np.flatnonzero(both["ts"][both["ref"] == daily.contract_ref(code)] == marks["ts"][marks["ref"] == 3][0])[0]
    assert own.tolist() == theirs[begin:begin + len(own)].tolist()


def test_a_day_of_minutes_ends_at_the_mark_and_moves_like_the_day():
    tape = EmbeddedMarket(seed=7).minute_tape(contracts=2, days=60, last=dt.date(2028, 3, 31))
    bars, marks = rows(tape, Kind.BAR), rows(tape, Kind.MARK)
    mark = {(int(r), int(t) // NANOS_PER_DAY): int(p)
            for r, t, p in zip(marks["ref"], marks["ts"], marks["close"], strict=True)}
    closing = bars["ts"] % NANOS_PER_DAY == 20 * 3600 * 10**9
    assert closing.sum() > 10
    for ref, ts, close in zip(bars["ref"][closing], bars["ts"][closing], bars["close"][closing], strict=True):
        assert mark[(int(ref), int(ts) // NANOS_PER_DAY)] == close


@pytest.mark.parametrize("arguments, words", [
    ({"days": 0}, "days must be between 1 and"), ({"days": 10**6}, "found 1000000"),
    ({"contracts": 0}, "contracts must be at least 1, found 0"),
])
def test_wrong_counts_of_minutes_are_refused(small, arguments, words):
    with pytest.raises(UsageError, match=words):
        EmbeddedMarket(config=small).minute_tape(**arguments)


def test_an_unknown_product_of_minutes_names_the_nearest(small):
    with pytest.raises(UnknownName, match="did you mean 'SIM:H100'"):
        EmbeddedMarket(config=small).minute_tape(days=3, product="SIM:H10")


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_seeds_out_of_range_are_refused(seed):
    with pytest.raises(UsageError, match=f"found {seed}"):
        EmbeddedMarket(seed=seed)
