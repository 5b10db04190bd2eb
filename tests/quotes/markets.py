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


def random_tape(rng: np.random.Generator, groups: int = 30) -> Tape:
    """Prices that wander by ticks, quotes of one and two sides and of none, prints, bars with a range, pauses longer than a minute."""
    builder = builder_of()
    for ref in range(len(CODES)):
        quotes: Rows = []
        bars: Rows = []
        middle, ts = 1_000, START
        for group in range(groups):
            ts += int(rng.choice([1, 5, 20, 70], p=[0.3, 0.4, 0.2, 0.1])) * NANOS_PER_SECOND
            middle += int(rng.integers(-2, 3))
            if group == 0 or rng.random() < 0.8:
                bars.append(random_bar(rng, ts, middle, is_first=group == 0))
            if rng.random() < 0.75:
                quotes += random_snapshot(rng, ts, middle)
        builder.bars(ref, *columns(bars))
        if quotes:
            builder.quotes(ref, *columns(quotes))
    return builder.build()


def random_bar(rng: np.random.Generator, ts: int, middle: int, *, is_first: bool) -> tuple[int, ...]:
    """A bar of no volume, a print, or a bar with a range; sometimes its volume is not known."""
    prices = middle + rng.integers(-3, 4, 4) if rng.random() < 0.3 else np.full(4, middle + int(rng.integers(-3, 4)))
    volume = 0 if is_first or rng.random() < 0.2 else MISSING if rng.random() < 0.1 else int(rng.integers(1, 25))
    o, c = int(prices[0]) * TICK, int(prices[3]) * TICK
    return ts, o, int(prices.max()) * TICK, int(prices.min()) * TICK, c, volume


def random_snapshot(rng: np.random.Generator, ts: int, middle: int) -> Rows:
    """Up to four levels a side, the sides of different depth, sometimes locked."""
    depths = [int(rng.choice([0, 1, 2, 4], p=[0.1, 0.3, 0.3, 0.3])) for _ in range(2)]
    bid, ask = middle - int(rng.integers(0, 3)), middle + int(rng.integers(0, 3))
    bids = [bid - int(step) for step in np.cumsum(np.append(0, rng.integers(1, 3, 3)))]
    asks = [ask + int(step) for step in np.cumsum(np.append(0, rng.integers(1, 3, 3)))]
    rows: Rows = []
    for level in range(max(*depths, 1)):
        lots = [int(rng.integers(1, 9)) if level < depth else 0 for depth in depths]
        rows.append((ts, bids[level] * TICK, lots[0], asks[level] * TICK, lots[1], level))
    return rows


def random_script(rng: np.random.Generator, tape: Tape, count: int = 14) -> dict[int, list[tuple[Any, ...]]]:
    """Orders of every kind, asked for when a bar is seen."""
    bars = tape.events["kind"] == Kind.BAR
    known = max(int(tape.events["ts"][bars & (tape.events["ref"] == ref)][0]) for ref in range(len(CODES)))
    times = np.unique(tape.events["ts"][bars & (tape.events["ts"] >= known)])
    script: dict[int, list[tuple[Any, ...]]] = {}
    for ts in np.sort(rng.choice(times, count)).tolist():
        script.setdefault(ts, []).append(random_action(rng, ts))
    return script


def random_action(rng: np.random.Generator, ts: int) -> tuple[Any, ...]:
    """One verb."""
    code, lots = CODES[rng.integers(2)], int(rng.integers(1, 12)) * int(rng.choice([-1, 1]))
    price, width = (1_000 + int(rng.integers(-6, 7))) * TICK, int(rng.integers(1, 5)) * TICK
    verb = rng.choice(["market", "limit", "limit", "limit", "spread", "stop", "if_touched", "stop_limit", "trailing_stop", "bracket",
                       "amend", "cancel"])
    options: dict[str, Any] = {}
    life = str(rng.choice(["gtc", "gtc", "ioc", "fok", "gtd"])) if verb in ("market", "limit", "spread") else "gtc"
    if life == "gtd":
        life, options["until"] = ("gtd", ts + 60 * NANOS_PER_SECOND)
    if rng.random() < 0.15 and verb != "spread":
        options["reduce_only"] = True
    if verb == "bracket":
        side = 1 if lots > 0 else -1
        return (verb, code, lots, price, price + side * width, price - side * width)
    if verb == "amend":
        return (verb, -int(rng.integers(1, 4)), lots, price)
    if verb == "cancel":
        return (verb, -int(rng.integers(1, 4)))
    if verb == "spread":
        if rng.random() < 0.5:
            return ("market", CODES[0], lots, "gtc" if life == "gtd" else life, {"against": CODES[1]})
        return ("limit", CODES[0], lots, int(rng.integers(-4, 5)) * TICK, life, {**options, "against": CODES[1]})
    if verb == "limit" and life in ("gtc", "gtd") and rng.random() < 0.2:
        options["post_only"] = True
    prices = {"market": [], "stop_limit": [price, price + width], "trailing_stop": [width]}.get(str(verb), [price])
    if verb == "market" and options.pop("until", 0):
        life = "gtc"
    return (str(verb), code, lots, *prices, life, options)


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
