# SPDX-License-Identifier: Apache-2.0
"""Random thin markets and scripts from a seed, and the engine's answer in the reference's words."""

from __future__ import annotations

from typing import Any

import numpy as np

from kilohour.backtests.outputs import tables_of
from kilohour.contracts.contract import NEVER, Contract
from kilohour.tape import Kind, Tape, TapeBuilder
from kilohour.units import MISSING, NANOS_PER_SECOND
from tests.oracle.books import FillRules, Terms
from tests.oracle.cases import Case
from tests.oracle.play import scripted
from tests.quotes.reference import Assumed, Filled, Reference

START = 21_000 * 86_400 * NANOS_PER_SECOND
TICK = 10_000
CODES = ("TEST:ALPHA-2030-01", "TEST:ALPHA-2030-02")
Rows = list[tuple[int, ...]]


def builder_of(codes: tuple[str, ...] = CODES) -> TapeBuilder:
    """Contracts that never end."""
    builder = TapeBuilder(source="by hand")
    for code in codes:
        builder.contract(Contract(code=code, product="TEST:ALPHA", symbol=code, month=0, listed_at=0, last_trade_at=NEVER,
                                  settlement_at=NEVER, fixing_days=(), rule="perpetual"))
    return builder


def columns(rows: Rows) -> list[Any]:
    """Rows as arrays."""
    return [np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)]


class Dice:
    """Draws from a seed, at the speed of a list."""

    def __init__(self, seed: int) -> None:
        self._drawn = iter(np.random.default_rng(seed).integers(0, 2**40, 4_000).tolist())

    def between(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        return low + next(self._drawn) % (high - low + 1)

    def percent(self, chance: int) -> bool:
        """True in so many of a hundred."""
        return self.between(0, 99) < chance

    def choice(self, *of: Any) -> Any:
        """One of them."""
        return of[self.between(0, len(of) - 1)]


def random_tape(dice: Dice, groups: int = 30) -> Tape:
    """Prices that wander by ticks, quotes of one and two sides and of none, prints, bars with a range, pauses longer than a minute."""
    builder = builder_of()
    for ref in range(len(CODES)):
        quotes: Rows = []
        bars: Rows = []
        middle, ts = 1_000, START
        for group in range(groups):
            ts += dice.choice(1, 1, 1, 5, 5, 5, 5, 20, 20, 70) * NANOS_PER_SECOND
            middle += dice.between(-2, 2)
            if group == 0 or dice.percent(80):
                bars.append(random_bar(dice, ts, middle, is_first=group == 0))
            if dice.percent(75):
                quotes += random_snapshot(dice, ts, middle)
        builder.bars(ref, *columns(bars))
        if quotes:
            builder.quotes(ref, *columns(quotes))
    return builder.build()


def random_bar(dice: Dice, ts: int, middle: int, *, is_first: bool) -> tuple[int, ...]:
    """A bar of no volume, a print, or a bar with a range; sometimes its volume is not known."""
    price = middle + dice.between(-3, 3)
    prices = [(middle + dice.between(-3, 3)) * TICK for _ in range(4)] if dice.percent(30) else [price * TICK] * 4
    volume = 0 if is_first or dice.percent(20) else MISSING if dice.percent(10) else dice.between(1, 24)
    return ts, prices[0], max(prices), min(prices), prices[3], volume


def random_snapshot(dice: Dice, ts: int, middle: int) -> Rows:
    """Up to four levels a side, the sides of different depth, sometimes locked."""
    depths = [dice.choice(0, 1, 1, 1, 2, 2, 2, 4, 4, 4) for _ in range(2)]
    bid, ask = middle - dice.between(0, 2), middle + dice.between(0, 2)
    rows: Rows = []
    for level in range(max(*depths, 1)):
        lots = [dice.between(1, 8) if level < depth else 0 for depth in depths]
        rows.append((ts, bid * TICK, lots[0], ask * TICK, lots[1], level))
        bid, ask = bid - dice.between(1, 2), ask + dice.between(1, 2)
    return rows


def random_script(dice: Dice, tape: Tape, count: int = 14) -> dict[int, list[tuple[Any, ...]]]:
    """Orders of every kind, asked for when a bar is seen."""
    bars = tape.events["kind"] == Kind.BAR
    known = max(int(tape.events["ts"][bars & (tape.events["ref"] == ref)][0]) for ref in range(len(CODES)))
    times = np.unique(tape.events["ts"][bars & (tape.events["ts"] >= known)]).tolist()
    script: dict[int, list[tuple[Any, ...]]] = {}
    for ts in sorted(dice.choice(*times) for _ in range(count)):
        script.setdefault(ts, []).append(random_action(dice, ts))
    return script


def random_action(dice: Dice, ts: int) -> tuple[Any, ...]:
    """One verb."""
    code, lots = dice.choice(*CODES), dice.between(1, 11) * dice.choice(-1, 1)
    price, width = (1_000 + dice.between(-6, 6)) * TICK, dice.between(1, 4) * TICK
    verb = dice.choice("market", "limit", "limit", "limit", "spread", "stop", "if_touched", "stop_limit", "trailing_stop", "bracket", "amend",
                       "cancel")
    options: dict[str, Any] = {}
    life = dice.choice("gtc", "gtc", "ioc", "fok", "gtd") if verb in ("market", "limit", "spread") else "gtc"
    if life == "gtd":
        options["until"] = ts + 60 * NANOS_PER_SECOND
    if verb != "spread" and dice.percent(15):
        options["reduce_only"] = True
    if verb == "bracket":
        side = 1 if lots > 0 else -1
        return (verb, code, lots, price, price + side * width, price - side * width)
    if verb == "amend":
        return (verb, -dice.between(0, 3), lots, price)
    if verb == "cancel":
        return (verb, -dice.between(0, 3))
    if verb == "spread":
        if dice.percent(50):
            return ("market", CODES[0], lots, "gtc" if life == "gtd" else life, {"against": CODES[1]})
        return ("limit", CODES[0], lots, dice.between(-4, 4) * TICK, life, {**options, "against": CODES[1]})
    if verb == "limit" and life in ("gtc", "gtd") and dice.percent(20):
        options["post_only"] = True
    prices = {"market": [], "stop_limit": [price, price + width], "trailing_stop": [width]}.get(verb, [price])
    if verb == "market" and options.pop("until", 0):
        life = "gtc"
    return (verb, code, lots, *prices, life, options)


def engine_rows(tape: Tape, rules: FillRules, script: dict[int, list[tuple[Any, ...]]],
                participation_ppm: int) -> tuple[list[Filled], list[tuple[str, int]]]:
    """What the engine filled, and how each order stands at the end with the lots of its first leg that filled."""
    terms = {"TEST:ALPHA": Terms(tick_micros=TICK, participation_ppm=participation_ppm)}
    session = scripted(Case(tape=tape, terms=terms, actions=script, cash_micros=10**15, watched={"TEST:ALPHA"}, rules=rules))
    session.run(len(tape))
    session.close()
    tables = tables_of(session)
    fills = [Filled(*row) for row in zip(*(tables["fills"][name].to_pylist() for name in Filled._fields), strict=True)]
    orders = tables["orders"].to_pydict()
    first: dict[int, tuple[str, int]] = {}
    for number, status, lots in zip(orders["order"], orders["status"], orders["filled_lots"], strict=True):
        first.setdefault(number, (status, lots))
    return fills, [first[number] for number in sorted(first)]


def reference_rows(tape: Tape, assumed: Assumed, script: dict[int, list[tuple[Any, ...]]]) -> tuple[list[Filled], list[tuple[str, int]]]:
    """The same from the reference."""
    played = Reference(tape, assumed, script).run()
    return played.fills, [(order.status, order.legs[0][1] * order.filled) for order in played.orders]
