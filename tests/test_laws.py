# SPDX-License-Identifier: Apache-2.0
"""Two laws as properties of the compiled engine itself: what an average-price contract pays, and what a spread is worth.

Expected values are closed forms in fractions written here: neither the oracle nor any code of the engine takes part.
Money is compared to the micro where a lot is a whole number of units; where it is not, a contract's money is rounded
once, whatever the number of marks: within half a micro.
"""

from __future__ import annotations

from dataclasses import asdict
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kilohour import Strategy, state
from kilohour.contracts.contract import NEVER, Contract
from kilohour.contracts.terms import EngineTerms
from kilohour.faces.fields import dtype_of
from kilohour.faces.python_face import structure_of
from kilohour.kernels import records as r
from kilohour.market import Market
from kilohour.session import Session
from kilohour.tape import Index, Tape, TapeBuilder
from kilohour.units import NANOS_PER_DAY as DAY
from tests.oracle.books import Terms

CASH = 10**15
"""A billion dollars: no loss below is larger, so no order is refused for want of equity."""
LAW = settings(max_examples=80, deadline=None, derandomize=True)
FIRST = 20_000
WINDOW = FIRST + 3
"""First fixing day."""
TICK = 10_000
ENTRY = 2_000_000
LOT = st.sampled_from([(730, 1), (1, 1), (1, 100), (365, 7), (42_000, 1)])
LOTS = st.integers(-500, 500).filter(bool)
PRINTS = st.lists(st.integers(-(10**6), 9 * 10**6), min_size=1, max_size=25)
FEES = {"half_spread_micros": st.sampled_from([0, 2_500]), "fee_per_lot_micros": st.integers(0, 10**7),
        "fee_ppm": st.integers(0, 500), "fee_settlement_micros": st.integers(0, 10**6)}


def with_lot(lot: tuple[int, int], **terms: int) -> EngineTerms:
    return EngineTerms(**asdict(Terms(lot_num=lot[0], lot_den=lot[1], **terms)))


TERMS = st.builds(with_lot, LOT, rounding_micros=st.sampled_from([1, 100, 1_000, 10_000]), **FEES)


def unit_of(terms: EngineTerms) -> Fraction:
    return Fraction(terms.lot_num, terms.lot_den)


class Ran(NamedTuple):
    """What a session left, without its memory: a failing example is kept many times over while it is made smaller."""

    tables: dict[str, Any]
    cash: int
    orders: int

    def money(self, *kinds: int) -> int:
        rows = self.tables["ledger"]
        return int(rows["micros"][np.isin(rows["kind"], kinds)].sum()) if kinds else int(rows["micros"].sum())


def ran(face: type[Strategy], market: Market, *, cash_micros: int = CASH, **fields: int) -> Ran:
    memory = np.zeros(1, dtype_of(face))
    structure_of(face).from_buffer(memory).__init__(**fields)
    session = Session(market, face, memory, cash_micros)
    session.run(len(session.market.tape))
    session.close()
    cash, equity, orders = (int(session.book[name][0]) for name in ("cash", "equity", "orders_made"))
    assert cash == equity
    return Ran({name: session.table(name).copy() for name in r.TABLES}, cash, orders)


# Law 2: a held average-price contract.


class Once(Strategy):
    """Buys (or sells) on the first bar, and holds."""

    lots: int = 1
    asked: bool = state(False)

    def on_bar(self, desk):
        if not self.asked:
            desk.target(0, self.lots)
            self.asked = True
        desk.record("fixed_share", desk.fixed_share(0))


def window(prints: list[int], *, marks: int = 0) -> Tape:
    """A contract fixing on one day a print, with a bar and a mark a day from three days before its window on.

    Bars stand at ``ENTRY``; marks wander by ``marks``, for what is paid in total must not depend on them.
    """
    days = len(prints)
    builder = TapeBuilder(source="one window")
    ref = builder.contract(Contract(code="X:GPU-A", product="X:GPU", symbol="A", month=203001, listed_at=0,
                                    last_trade_at=(WINDOW + days - 1) * DAY + 1, settlement_at=(WINDOW + days) * DAY,
                                    fixing_days=tuple(range(WINDOW, WINDOW + days)), rule="by hand"))
    index = builder.index(Index(code="GPU", unit="USD per GPU-hour"))
    ts = np.arange(FIRST, WINDOW + days) * DAY
    price = np.full(len(ts), ENTRY)
    builder.bars(ref, ts, price, price, price, price, np.full(len(ts), 10**9))
    builder.marks(ref, ts + 1, price + marks * (np.arange(len(ts)) * 7 % 5 - 2))
    value_days = np.arange(WINDOW, WINDOW + days)
    builder.prints(index, value_days, (value_days + 1) * DAY, np.array(prints))
    return builder.build()


def held(prints: list[int], lots: int, terms: EngineTerms, *, marks: int = 0) -> Ran:
    return ran(Once, Market.of(window(prints, marks=marks), {"X:GPU": terms}, {"X:GPU": "GPU"}), lots=lots)


@LAW
@given(PRINTS, LOTS, TERMS, st.integers(0, 90_000))
def test_an_average_price_contract_pays_lots_times_units_times_final_less_entry(prints, lots, terms, marks):
    run = held(prints, lots, terms, marks=marks)
    unit = terms.rounding_micros
    # A Fraction rounds half to even, as the contract does.
    final = round(Fraction(sum(prints), len(prints) * unit)) * unit
    settled = run.tables["settlements"][["lots", "price_micros", "fixings", "prints_sum_micros", "missing"]].tolist()
    assert settled == [(lots, final, len(prints), sum(prints), 0)]
    entry = ENTRY + (1 if lots > 0 else -1) * terms.half_spread_micros
    owed = lots * unit_of(terms) * (final - entry)
    paid = run.money(r.VARIATION, r.SETTLEMENT)
    assert paid == owed if terms.lot_den == 1 else abs(paid - owed) <= Fraction(1, 2)
    fees = abs(lots) * (terms.fee_per_lot_micros + terms.fee_settlement_micros)
    fees += round(abs(lots * entry) * unit_of(terms) * terms.fee_ppm / 10**6)
    assert run.money() - paid == -fees
    assert run.cash == CASH + paid - fees


@LAW
@given(PRINTS, LOTS, TERMS, st.data())
def test_its_delta_in_the_window_is_the_open_share(prints, lots, terms, data):
    """The forward of the days still open moves by a tick: the final moves by the open share of it, and the money with it."""
    days, known = len(prints), data.draw(st.integers(0, len(prints)))
    forward = data.draw(st.integers(-100, 900)) * TICK
    base, moved = (held(prints[:known] + [price] * (days - known), lots, terms) for price in (forward, forward + TICK))
    finals = [int(run.tables["settlements"]["price_micros"][0]) for run in (base, moved)]
    share = Fraction(days - known, days)
    exact = share * TICK
    change = finals[1] - finals[0]
    if exact.denominator == 1 and exact.numerator % terms.rounding_micros == 0:
        assert change == exact
    else:
        assert abs(change - exact) <= terms.rounding_micros
    gained = moved.cash - base.cash
    owed = lots * unit_of(terms) * change
    assert gained == owed if terms.lot_den == 1 else abs(gained - owed) <= 1
    # What the desk calls fixed is the rest: seen at the bar on which the last known print has just arrived.
    shares = base.tables["records"]["values"][:, 0]
    if 0 < known < days:
        assert shares[WINDOW - FIRST + known] == known / days


@LAW
@given(PRINTS, LOTS, TERMS, st.data())
def test_a_fixed_day_has_no_delta_left_but_its_own(prints, lots, terms, data):
    """One print that comes out a tick higher moves the final by its own share alone, 1/N."""
    day = data.draw(st.integers(0, len(prints) - 1))
    other = [price + TICK * (at == day) for at, price in enumerate(prints)]
    base, moved = (int(held(its, lots, terms).tables["settlements"]["price_micros"][0]) for its in (prints, other))
    assert abs(moved - base - Fraction(TICK, len(prints))) <= terms.rounding_micros


# The same two laws where the market is wild: a calendar with holes, corrections, and cash that does not last.


REVERSED = (r.VARIATION_REVERSED, r.SETTLEMENT_REVERSED)


def walk(rng: np.random.Generator, count: int) -> np.ndarray:
    """Prices on the tick from ``ENTRY`` on that move by a few per cent a day, above zero."""
    return np.maximum(ENTRY + TICK * np.cumsum(rng.integers(-18, 19, count)), 20 * TICK)


def corrected(builder: TapeBuilder, ref: int, rng: np.random.Generator, ts: np.ndarray) -> None:
    """Some of the marks seen at ``ts`` are corrected, hours or a day and more later."""
    for of in ts[rng.random(len(ts)) < 0.3].tolist():
        builder.correct_mark(ref, of + int(rng.choice([1, DAY // 3, DAY + DAY // 3])), of, TICK * int(rng.integers(150, 260)))


def wild_window(seed: int) -> tuple[Tape, list[int], int]:
    """A tape of one contract, the prints of its fixing days, and the corrected final, 0 when it stands.

    Fixing days have gaps of up to six days; prints come on the others too, and fix nothing; bars and marks miss days.
    """
    rng = np.random.default_rng(seed)
    days = WINDOW + np.cumsum(rng.integers(1, 8, int(rng.integers(1, 9))))
    last = int(days[-1])
    builder = TapeBuilder(source="a wild window")
    ref = builder.contract(Contract(code="X:GPU-A", product="X:GPU", symbol="A", month=203001, listed_at=0, last_trade_at=last * DAY + 1,
                                    settlement_at=(last + 1) * DAY, fixing_days=tuple(days.tolist()), rule="by hand"))
    index = builder.index(Index(code="GPU", unit="USD per GPU-hour"))
    ts = np.arange(FIRST, last) * DAY
    ts = ts[(rng.random(len(ts)) < 0.8) | (ts < (FIRST + 2) * DAY)]
    price = walk(rng, len(ts))
    builder.bars(ref, ts, price, price, price, price, np.full(len(ts), 10**9))
    seen = rng.random(len(ts)) < 0.8
    builder.marks(ref, ts[seen] + 1, walk(rng, len(ts))[seen])
    corrected(builder, ref, rng, ts[seen] + 1)
    value_days = np.arange(WINDOW - 2, last + 1)
    values = rng.integers(10**6, 3 * 10**6, len(value_days))
    builder.prints(index, value_days, (value_days + 1) * DAY, values)
    final = int(rng.choice([0, 1_875_000]))
    if final:
        builder.correct_final(ref, (last + 2) * DAY, final)
    return builder.build(), values[np.isin(value_days, days)].tolist(), final


def test_what_was_held_pays_to_the_final_and_what_was_liquidated_to_its_fill_whatever_is_corrected():
    """Over every fill: lots × units × (final - price); a position closed on the way leaves the final out of its sum."""
    seen = {"reversed": 0, "liquidated": 0, "in part": 0, "held": 0, "corrected final": 0}
    for seed in range(60):
        rng = np.random.default_rng([seed, 2])
        terms = with_lot(*[[(730, 1), (1, 1), (42_000, 1)][int(rng.integers(3))]], margin_initial_ppm=200_000, margin_maintenance_ppm=150_000,
                         fee_ppm=int(rng.integers(0, 300)), half_spread_micros=2_500)  # fmt: skip
        lots = int(rng.choice([-40, -1, 3, 100]))
        tape, prints, corrected_to = wild_window(seed)
        cash = int(abs(lots) * unit_of(terms) * ENTRY * Fraction(int(rng.choice([23, 26, 40, 1_000])), 100))
        run = ran(Once, Market.of(tape, {"X:GPU": terms}, {"X:GPU": "GPU"}), cash_micros=cash, lots=lots)
        by_rule = round(Fraction(sum(prints), len(prints)))
        final = corrected_to or by_rule
        fills = [(int(row["lots"]), int(row["price_micros"])) for row in run.tables["fills"]]
        held = sum(of for of, _ in fills)
        assert fills[0][0] == lots, f"seed {seed}: the order was refused"
        settled = run.tables["settlements"][["lots", "price_micros", "fixings"]].tolist()
        stands = [(held, by_rule, len(prints))] + [(held, final, 0)] * bool(corrected_to)
        assert settled == (stands if held else []), f"seed {seed}"
        owed = unit_of(terms) * (held * final - sum(of * price for of, price in fills))
        assert run.money(r.VARIATION, r.SETTLEMENT, *REVERSED) == owed, f"seed {seed}"
        fees = sum(round(abs(of * price) * unit_of(terms) * terms.fee_ppm / 10**6) for of, price in fills)
        assert run.cash == cash + owed - fees, f"seed {seed}"
        seen["reversed"] += run.money(*REVERSED) != 0
        seen["liquidated"] += held == 0
        seen["in part"] += 0 < abs(held) < abs(lots)
        seen["held"] += held == lots
        seen["corrected final"] += bool(held and corrected_to)
    assert min(seen.values()) >= 5, seen


# Law 8: a spread is worth its legs.


class Legs(Strategy):
    """Near against middle on the first bar, middle against far on the second: as baskets, as outrights, or one leg alone.

    The second basket finds a position in the middle, so its legs have a ratio of their own.
    """

    first: int = 1
    second: int = 1
    basket: bool = False
    only: int = -1
    calls: int = state(0)

    def on_bar(self, desk):
        self.calls += 1
        if self.basket:
            if self.calls == 1:
                desk.target_spread(0, 1, self.first)
            elif self.calls == 2:
                desk.target_spread(1, 2, self.second)
        elif self.calls == 1:
            self.leg(desk, 0, self.first)
            self.leg(desk, 1, -self.first)
        elif self.calls == 2:
            self.leg(desk, 1, self.second)
            self.leg(desk, 2, -self.second)

    def leg(self, desk, contract: int, lots: int):
        if self.only < 0 or self.only == contract:
            desk.target(contract, lots)


DAYS = 9
PRODUCTS = ("X:NEAR", "X:MIDDLE", "X:FAR")


def three(seed: int) -> Tape:
    """Three contracts of a product each, all with a bar and a mark every day and volume without end."""
    rng = np.random.default_rng(seed)
    builder = TapeBuilder(source="three")
    ts = np.arange(FIRST, FIRST + DAYS) * DAY
    for product in PRODUCTS:
        ref = builder.contract(Contract(code=f"{product}-A", product=product, symbol="A", month=203001, listed_at=0, last_trade_at=NEVER,
                                        settlement_at=NEVER, fixing_days=(), rule="by hand"))
        opened, close = (TICK * rng.integers(-20, 400, DAYS) for _ in range(2))
        builder.bars(ref, ts, opened, np.maximum(opened, close), np.minimum(opened, close), close, np.full(DAYS, 10**9))
        builder.marks(ref, ts + 1, TICK * rng.integers(-20, 400, DAYS))
    return builder.build()


def market_of_three(tape: Tape, terms: list[EngineTerms]) -> Market:
    """A run writes nothing into its market, so several may have the same."""
    return Market.of(tape, dict(zip(PRODUCTS, terms, strict=True)), dict.fromkeys(PRODUCTS))


def fills_of(run: Ran, contract: int) -> list[tuple[int, ...]]:
    rows = run.tables["fills"]
    names = ["ts", "contract", "lots", "price_micros", "fee_micros", "half_spread_micros", "position_after"]
    return [tuple(int(row[name]) for name in names) for row in rows if row["contract"] == contract]


def ledger_of(run: Ran, contract: int) -> list[tuple[int, ...]]:
    rows = run.tables["ledger"]
    return [tuple(int(value) for value in row) for row in rows if row["contract"] == contract]


THREE = st.lists(st.builds(with_lot, LOT, **FEES), min_size=3, max_size=3)
SIZES = st.builds(lambda many, *of: (many * of[0], many * of[1]), st.integers(1, 200), *2 * [st.sampled_from([-2, -1, 1, 2])])
"""Lots of the two spreads. Ratios of up to 4 make one basket; beyond, the engine takes the legs apart itself."""


@LAW
@given(st.integers(0, 2**32 - 1), SIZES, THREE)
def test_a_basket_has_the_fills_fees_and_cash_of_its_outrights(seed, sizes, terms):
    market, (first, second) = market_of_three(three(seed), terms), sizes
    basket = ran(Legs, market, first=first, second=second, basket=True)
    apart = ran(Legs, market, first=first, second=second)
    alone = [ran(Legs, market, first=first, second=second, only=contract) for contract in range(3)]
    made = [run.orders for run in (basket, apart)]
    assert made == [2, 4 - (first + second == 0)]
    for contract in range(3):
        for rows_of in (fills_of, ledger_of):
            rows = rows_of(basket, contract)
            assert rows == rows_of(apart, contract)
            assert rows == rows_of(alone[contract], contract)
    curves = [run.tables["equity"].tolist() for run in (basket, apart)]
    assert curves[0] == curves[1]
    gains = [run.cash - CASH for run in (basket, apart, *alone)]
    assert gains[0] == gains[1] == sum(gains[2:]) == basket.money()


@LAW
@given(st.integers(0, 2**32 - 1), SIZES, THREE)
def test_a_spreads_value_at_any_mark_is_the_sum_of_ratio_times_mark(seed, sizes, terms):
    """From the first mark on which all legs are held, equity moves by units × Σ ratio × lot × change of the mark."""
    first, second = sizes
    run = ran(Legs, market_of_three(three(seed), terms), first=first, second=second, basket=True)
    held = np.array([first, second, -second])
    units = int(np.gcd.reduce(held))
    ratio = held // units
    positions = run.tables["positions"]
    marks = np.array([positions["mark_micros"][positions["ts"] == ts] for ts in run.tables["equity"]["ts"][2:]])
    value = [sum(int(share) * unit_of(its) * int(mark) for share, its, mark in zip(ratio, terms, row, strict=True)) for row in marks]
    equity = run.tables["equity"]["equity_micros"][2:].tolist()
    assert len(equity) == len(value) == DAYS - 2
    whole = all(its.lot_den == 1 for its in terms)
    for worth, now in zip(value, equity, strict=True):
        moved = units * (worth - value[0])
        assert now - equity[0] == moved if whole else abs(now - equity[0] - moved) <= 3


def wild_three(seed: int) -> Tape:
    """Three contracts whose bars and marks come together on some days only; each mark may be corrected on its own."""
    rng = np.random.default_rng(seed)
    builder = TapeBuilder(source="three, wild")
    days = FIRST + np.cumsum(np.concatenate([[0, 1, 1], rng.integers(1, 5, 12)]))
    for product in PRODUCTS:
        ref = builder.contract(Contract(code=f"{product}-A", product=product, symbol="A", month=203001, listed_at=0, last_trade_at=NEVER,
                                        settlement_at=NEVER, fixing_days=(), rule="by hand"))
        price = walk(rng, len(days))
        builder.bars(ref, days * DAY, price, price, price, price, np.full(len(days), 10**9))
        builder.marks(ref, days * DAY + 1, walk(rng, len(days)))
        corrected(builder, ref, rng, days * DAY + 1)
    return builder.build()


def test_equity_at_any_mark_is_what_every_leg_filled_is_worth_in_and_out_of_a_liquidation():
    """Equity less the cash of the start: over the legs, units × Σ lots × (mark - fill) of all its fills so far, less their fees."""
    seen = {"liquidated": 0, "corrected": 0, "marks": 0}
    for seed in range(40):
        rng = np.random.default_rng([seed, 8])
        terms = [with_lot((int(rng.choice([1, 365, 730])), 1), margin_initial_ppm=60_000, margin_maintenance_ppm=50_000, half_spread_micros=2_500,
                          fee_per_lot_micros=int(rng.integers(0, 10**6))) for _ in PRODUCTS]  # fmt: skip
        sizes = {"first": int(rng.choice([-60, 30, 60])), "second": int(rng.choice([-30, 30]))}
        market = market_of_three(wild_three(seed), terms)
        cash = int(rng.choice([8_000, 15_000, 10**9])) * 10**6
        run = ran(Legs, market, cash_micros=cash, basket=True, **sizes)
        fills, positions = run.tables["fills"], run.tables["positions"]
        for ts, equity in run.tables["equity"][["ts", "equity_micros"]].tolist():
            worth = Fraction(cash)
            for contract, its in enumerate(terms):
                row = positions[(positions["ts"] == ts) & (positions["contract"] == contract)]
                for fill in fills[(fills["ts"] <= ts) & (fills["contract"] == contract)]:
                    mark = int(row["mark_micros"][0]) if len(row) else 0
                    worth -= int(fill["lots"]) * int(fill["price_micros"]) * unit_of(its) + int(fill["fee_micros"])
                    worth += int(fill["lots"]) * mark * unit_of(its)
            assert equity == worth, f"seed {seed} at {ts}"
            seen["marks"] += 1
        seen["liquidated"] += int((run.tables["orders"]["origin"] == r.FROM_LIQUIDATION).any())
        seen["corrected"] += run.money(r.VARIATION_REVERSED) != 0
    assert min(seen.values()) >= 10, seen
