# SPDX-License-Identifier: Apache-2.0
"""Random tapes, terms and order scripts from a seed, in sizes that hypothesis can shrink.

Everything the page speaks of turns up: bars that are missing, of unknown, zero and thin volume, prices below zero,
marks off the bars' times, late and restated prints, missing days, finals by rule and stated, expiries on working
orders, contracts listed late, lots of 730/1 and 1/100, accounts too small for what they hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from kilohour.contracts.contract import NEVER, Contract
from kilohour.limits import RiskLimits
from kilohour.tape import Index, Kind, Tape, TapeBuilder
from kilohour.units import MISSING, NANOS_PER_DAY
from tests.oracle import reference
from tests.oracle.books import PREVIOUS, REFUSE, SKIP, FillRules, Terms
from tests.oracle.cases import Case
from tests.oracle.drawn import drawn_by, one_of, random_requests, random_rules

START = 21_000
"""Day of the first bar."""
CLOSE, MARK_LATER, PRINT_KNOWN = (NANOS_PER_DAY * hour // 24 for hour in (20, 21, 9))
VOLUME_ODDS = np.cumsum([0.15, 0.05, 0.5, 0.3]).tolist()
PLAIN_VERBS = (("target", 0.18), ("target_spread", 0.18), ("target_only", 0.14), ("flat", 0.05), ("limit", 0.25), ("market", 0.1), ("cancel", 0.1))
"""Bars and most marks are seen at 20:00, some marks at 21:00, prints at 09:00 some days after their value date."""


def cases(days: int = 24, products: int = 2, months: int = 4, requests: int = 30) -> st.SearchStrategy[Case]:
    """Cases up to the given sizes, half of them plain."""
    return st.builds(case, st.integers(0, 2**32 - 1), days=st.integers(2, days), products=st.integers(1, products),
                     months=st.integers(1, months), requests=st.integers(0, requests), plain=st.booleans())


def case(seed: int, *, days: int = 24, products: int = 2, months: int = 4, requests: int = 30,
         plain: bool = False, rules: FillRules | None = None) -> Case:
    """One tape with its terms and its script; the same seed and sizes give the same case.

    A ``plain`` one knows targets, market and limit orders alone, filled without slippage or latency, and draws them
    otherwise. ``rules``: how orders fill, drawn unless given.
    """
    rng = np.random.default_rng(seed)
    terms = {f"TEST:{name}": random_terms(rng) for name in ("ALPHA", "BETA", "GAMMA")[:products]}
    other = np.random.default_rng([seed, 1])  # its own sequence: a case keeps its prices and orders
    terms = {code: with_fees(other, with_settlement(other, its)) for code, its in terms.items()}
    builder = TapeBuilder(source=f"seed {seed}")
    contracts = [random_contract(rng, product, month, days) for product in terms for month in range(months)]
    refs = {contract.code: builder.contract(contract) for contract in contracts}
    for contract in contracts:
        add_prices(rng, builder, refs[contract.code], contract, days, terms[contract.product].tick_micros)
    for product, its in terms.items():
        ref = builder.index(Index(code=product.replace(":", "-"), unit="USD per GPU-hour"))
        add_prints(rng, builder, ref, days, other if its.weighted else None, is_whole=its.missing_rule == REFUSE)
    add_sessions(other, builder, [refs[contract.code] for contract in contracts], days)
    terms = {code: with_bands(other, its) for code, its in terms.items()}
    ticks = np.random.default_rng([seed, 2])
    terms = {code: with_spread_tick(ticks, its) for code, its in terms.items()}
    add_corrections(other, builder, [refs[contract.code] for contract in contracts])
    terms = {code: with_funding(other, its) for code, its in terms.items()}
    add_funding(other, builder, {refs[contract.code]: terms[contract.product] for contract in contracts}, days)
    tape = builder.build()
    actions = (plain_requests if plain else random_requests)(rng, tape, terms, requests)
    cash = one_of(rng, [20_000, 100_000, 10_000_000]) * 1_000_000 + int(rng.integers(1_000_000))
    watched = {next(iter(terms))} if rng.random() < 0.2 else set(terms)
    fills = rules or (FillRules() if plain else random_rules(rng))
    graces = rng.choice([0, 0, 1, 3], len(terms))
    terms = {code: replace(its, margin_grace_marks=int(grace)) for (code, its), grace in zip(terms.items(), graces, strict=True)}
    return Case(tape=tape, terms=terms, actions=actions, cash_micros=cash, watched=watched, rules=fills)


def limited(of: Case, seed: int) -> Case:
    """The case with a risk desk; in a plain one some orders are asked for twice."""
    rng = np.random.default_rng([seed, 3])
    verbs = {action[0] for asked in of.actions.values() for action in asked}
    actions = of.actions
    if not verbs & {"bracket", "one_cancels_other", "triggers"}:  # a tie names tickets, which another order would shift
        actions = {ts: [one for action in asked for one in [action] * (1 + (action[0] in ("limit", "market") and rng.random() < 0.3))]
                   for ts, asked in of.actions.items()}
    return replace(of, actions=actions, limits=random_limits(rng, of.tape, of.terms))


def random_limits(rng: np.random.Generator, tape: Tape, terms: Mapping[str, Terms]) -> RiskLimits:
    """Each limit on in one run of three, now narrow, now wide.

    Amounts have odd millionths: in the engine they decide as floats, and nothing is to stand on the very edge.
    """
    codes = [*terms, *(contract.code for contract in tape.contracts)]
    dollars = one_of(rng, [2_000, 50_000, 2_000_000]) + 0.123457
    drawn: dict[str, Any] = {
        "order_lots": int(rng.integers(3, 12)), "order_notional": dollars, "position_lots": int(rng.integers(5, 30)),
        "collar_percent": one_of(rng, [0.5, 1.37, 5.0]), "collar_ticks": one_of(rng, [1, 7, 30_000]),
        "product_gross": one_of(rng, [50, 9_000]) + 0.123457, "product_net": one_of(rng, [30, 5_000]) + 0.123457,
        "open_orders": int(rng.integers(2, 9)), "open_notional": 3 * dollars, "orders_per_second": int(rng.integers(1, 4)),
        "orders_per_minute": int(rng.integers(2, 5)), "duplicate_ms": one_of(rng, [1.0, 90_000_000.0]), "self_match": True,
        "last_trade_days": one_of(rng, [0.5, 3.0]), "loss_daily": dollars / 10, "loss_drawdown": dollars / 4,
        "flat_daily": dollars, "flat_drawdown": 2 * dollars, "restricted": (one_of(rng, codes),),
        "state": drawn_by(rng, (("reduce_only", 0.3), ("active", 0.6), ("halted", 0.1))),
    }  # fmt: skip
    limits = {name: value for name, value in drawn.items() if rng.random() < (0.15 if name in ("state", "restricted") else 0.3)}
    if rng.random() < 0.2:
        limits |= {"fills_most": int(rng.integers(2, 6)), "fills_within_ms": one_of(rng, [1.0, 90_000_000.0])}
    return RiskLimits(**limits)


def random_terms(rng: np.random.Generator) -> Terms:
    """Terms of any size a venue might choose; the fine and the coarse of each."""
    num, den = [(730, 1), (1000, 1), (1, 100), (7, 3)][rng.integers(4)]
    tick = one_of(rng, [1, 500, 10_000])
    return Terms(
        lot_num=num, lot_den=den, tick_micros=tick, rounding_micros=one_of(rng, [1, 100, 10_000]),
        fee_per_lot_micros=one_of(rng, [0, 1_250_000]), fee_ppm=one_of(rng, [0, 137]),
        fee_settlement_micros=one_of(rng, [0, 500_001]), half_spread_micros=tick * int(rng.integers(0, 3)),
        margin_initial_ppm=one_of(rng, [0, 120_000]), margin_maintenance_ppm=one_of(rng, [0, 109_091]),
        margin_initial_floor_micros=one_of(rng, [0, 90_000_000]),
        margin_maintenance_floor_micros=one_of(rng, [0, 80_000_000]),
        participation_ppm=one_of(rng, [100_000, 333_333, 1_000_000]),
        missing_rule=one_of(rng, [REFUSE, PREVIOUS, SKIP]), restatement_latest=int(rng.integers(2)))


def random_contract(rng: np.random.Generator, product: str, month: int, days: int) -> Contract:
    """Windows of one to eight days, month after month; the last months end after the tape, one in ten never."""
    code = f"{product}-{2030 + month // 12}-{month % 12 + 1:02d}"
    window = one_of(rng, [1, 2, 3, 8])
    last = START + 5 + month * 7 + int(rng.integers(3))
    listed = (START - 9 if rng.random() < 0.7 else START + int(rng.integers(0, 5))) * NANOS_PER_DAY
    if rng.random() < 0.1:
        return Contract(code=code, product=product, symbol=code, month=0, listed_at=listed, last_trade_at=NEVER,
                        settlement_at=NEVER, fixing_days=(), rule="perpetual")
    settled = (last + int(rng.integers(1, 5))) * NANOS_PER_DAY + PRINT_KNOWN
    return Contract(code=code, product=product, symbol=code, month=203001 + month, listed_at=listed,
                    last_trade_at=last * NANOS_PER_DAY + CLOSE, settlement_at=settled,
                    fixing_days=tuple(range(last - window + 1, last + 1)), rule="random")


def add_prices(rng: np.random.Generator, builder: TapeBuilder, ref: int, contract: Contract, days: int,
               tick: int) -> None:
    """Bars with gaps and every kind of volume; marks at the bars' time, later, or on days without a bar."""
    level = one_of(rng, [2_000_000, 300_000_000, 50_000])
    jump = max(level // 20, 4 * tick)
    later = MARK_LATER if rng.random() < 0.3 else CLOSE
    moves, chances, sizes = rng.integers(-jump, jump + 1, (days, 5)), rng.random((days, 3)), rng.integers(1, 60, days)
    # Every level is a multiple of every tick, so a day's steps can be put on the tick before they are added to its beginning.
    steps = moves[:, :4] // tick * tick
    closes = level + np.cumsum(steps[:, 3])
    path = (closes - steps[:, 3])[:, None] + steps
    day = np.arange(START, START + days) * NANOS_PER_DAY
    volumes = np.choose(np.searchsorted(VOLUME_ODDS, chances[:, 0], side="right"), (MISSING, 0, sizes, 10_000))
    bars = (day + CLOSE <= contract.last_trade_at) & (chances[:, 1] < 0.85)
    marks = (day + CLOSE <= contract.settlement_at) & (chances[:, 2] < 0.8)
    if bars.any():
        columns = day + CLOSE, path[:, 0], path.max(axis=1), path.min(axis=1), closes, volumes
        builder.bars(ref, *(column[bars] for column in columns))
    else:
        builder.bars(ref, *(np.array([value]) for value in (START * NANOS_PER_DAY + CLOSE, level, level, level, level, MISSING)))
    if marks.any():
        builder.marks(ref, (day + later)[marks], (closes + moves[:, 4] // 4)[marks])
    if not contract.is_perpetual and rng.random() < 0.2:
        builder.finals(ref, contract.settlement_at, int(closes[-1]) + int(rng.integers(-jump, jump + 1)))


def add_corrections(rng: np.random.Generator, builder: TapeBuilder, refs: list[int]) -> None:
    """Some marks corrected, once or twice, before or after the next mark; some finals corrected, some of them twice."""
    marks = {int(row["ref"][0]): [row[name].tolist() for name in ("ts", "close", "ts_event")]
             for row in builder._parts if row["kind"][0] == Kind.MARK}
    last = max(int(row["ts"].max()) for row in builder._parts)
    for ref in refs:
        for ts, price, of in zip(*marks[ref], strict=True) if ref in marks else ():
            while rng.random() < 0.15:
                ts += NANOS_PER_DAY * int(rng.integers(1, 50)) // 24
                price += int(rng.integers(-60_000, 60_001))
                builder.correct_mark(ref, ts, of, price)
        settled = builder._contracts[ref].settlement_at
        while settled < last and rng.random() < 0.3:
            settled += NANOS_PER_DAY * int(rng.integers(1, 60)) // 24
            builder.correct_final(ref, settled, int(rng.integers(-1_000, 4_000)) * 1_000)


def add_sessions(rng: np.random.Generator, builder: TapeBuilder, refs: list[int], days: int) -> None:
    """Three contracts in ten have some session states, at the bars' time or off it, mostly for few days."""
    for ref in refs:
        at = 0
        while rng.random() < 0.3 and at < days:
            at += int(rng.integers(1, max(days // 2, 2)))
            ts = (START + at) * NANOS_PER_DAY + (CLOSE if rng.random() < 0.5 else MARK_LATER)
            builder.session(ref, ts, one_of(rng, ["pre_open", "no_cancel", "halted", "halted", "closed"]))
            at += int(rng.integers(1, 4))
            builder.session(ref, (START + at) * NANOS_PER_DAY + CLOSE, "open")


def with_bands(rng: np.random.Generator, terms: Terms) -> Terms:
    """A band in one product in three, that refuses or queues; a venue that takes orders and cancels in a halt, or not."""
    band = one_of(rng, [0, 0, 0, 30_000, 100_003])
    return replace(terms, price_minimum=one_of(rng, [MISSING, MISSING, MISSING, 0, 50_000]), band_ppm=band, band_queues=int(rng.integers(2)), order_in_halt=int(rng.integers(2)),
                   cancel_in_halt=int(rng.integers(2)))


def with_funding(rng: np.random.Generator, terms: Terms) -> Terms:
    """A funding rule for one product in five."""
    if rng.random() > 0.2:
        return terms
    return replace(terms, funding_cap=int(rng.integers(0, 10**6)), funding_damper=one_of(rng, [0, 50_000]),
                   funding_interest=one_of(rng, [0, -3_333, 10_000]), funding_divisor=one_of(rng, [1, 8]))


def add_funding(rng: np.random.Generator, builder: TapeBuilder, terms: Mapping[int, Terms], days: int) -> None:
    """Fundings of some contracts, also of dated ones (the engine does not ask), every eight hours or at odd times."""
    for ref, its in terms.items():
        if rng.random() < 0.7:
            continue
        step = one_of(rng, [8, 5]) * NANOS_PER_DAY // 24
        ts = np.arange(START * NANOS_PER_DAY, (START + days) * NANOS_PER_DAY, step)
        rates = rng.integers(-(10**6), 10**6, size=len(ts))
        rates[rng.random(len(ts)) < (0.1 if its.funding_divisor else 0.0)] = MISSING
        builder.funding(ref, ts, rates)


def with_settlement(rng: np.random.Generator, terms: Terms) -> Terms:
    """Weights count for one product in five; another one in ten settles at its last mark."""
    kind = rng.random()
    return replace(terms, weighted=int(kind < 0.2), settles_at_mark=int(kind > 0.9))


def with_fees(rng: np.random.Generator, terms: Terms) -> Terms:
    """Makers pay another fee, or none, in one product in two; clearing costs something in one of three."""
    maker = rng.random() < 0.5
    return replace(terms, fee_maker_per_lot_micros=one_of(rng, [0, 333_333]) if maker else None,
                   fee_maker_ppm=one_of(rng, [0, 21]) if maker else None, fee_clearing_micros=one_of(rng, [0, 0, 250_001]))


def with_spread_tick(rng: np.random.Generator, terms: Terms) -> Terms:
    """In one product of two the price of a spread has a tick of its own, finer or coarser."""
    tick = terms.tick_micros
    return replace(terms, spread_tick_micros=[None, None, max(tick // 2, 1), 2 * tick][rng.integers(4)])


def add_prints(rng: np.random.Generator, builder: TapeBuilder, ref: int, days: int, weights: np.random.Generator | None, *,
               is_whole: bool) -> None:
    """Prints of every value date or, when the rule can bear it, with holes; one in five restated, some too late.

    The first print is before the first bar, so that ``previous`` finds one.
    """
    rows: list[tuple[int, int, int]] = []
    count = days + 24
    chances = rng.random((count, 2)).tolist()
    drawn = rng.integers([0, -100, 0, -9_999, 1], [3, 1_000, 3, 9_999, 6], (count, 5)).tolist()
    for day, (hole, again), (delay, level, odd, change, later) in zip(range(START - 12, START + days + 12), chances, drawn, strict=True):
        if day > START - 12 and not is_whole and hole < 0.25:
            continue
        known = day * NANOS_PER_DAY + PRINT_KNOWN + (0 if is_whole else NANOS_PER_DAY * delay)
        value = level * 5_000 + (0, 0, 1_234)[odd]
        rows.append((day, known, value))
        if again < 0.2:
            rows.append((day, known + NANOS_PER_DAY * later, value + change))
    columns = [np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)]
    weight = None
    if weights is not None:
        weight = weights.integers(0, 5, size=len(rows)) * weights.integers(1, 1000, size=len(rows))
        weight[weights.random(len(rows)) < (0.0 if is_whole else 0.1)] = MISSING
    builder.prints(ref, columns[0], columns[1], columns[2], weight)


def plain_requests(rng: np.random.Generator, tape: Tape, terms: Mapping[str, Terms],
                   requests: int) -> dict[int, list[reference.Action]]:
    """Requests at the times of bars: every verb, sizes from none to too large, prices about the market."""
    bars = list(reference.events_of(tape, Kind.BAR))
    codes = [contract.code for contract in tape.contracts]
    products = {contract.code: contract.product for contract in tape.contracts}
    ends = {contract.code: contract.last_trade_at for contract in tape.contracts}
    actions: dict[int, list[reference.Action]] = {}
    for _ in range(requests):
        bar = bars[rng.integers(len(bars))]
        among = [code for code in codes if bar.ts < ends[code] or rng.random() < 0.05] or codes
        near, far = (among[row] for row in rng.permutation(len(among))[[0, -1]])
        lots = 6 * int(rng.integers(-2, 3)) if rng.random() < 0.6 else int(rng.integers(-12, 13))
        if rng.random() < 0.05:
            lots = one_of(rng, [0, 200, -3_000, 1_000_001])
        tif = one_of(rng, ["gtc", "day"])
        tick = terms[products[bar.code]].tick_micros
        limit = _on_tick(bar.close + int(rng.integers(-40_000, 40_001)), tick) + int(rng.random() < 0.05)
        verb = drawn_by(rng, PLAIN_VERBS)
        if verb in ("target_spread", "target_only") and near == far:
            verb = "target"
        actions.setdefault(bar.ts, []).append({
            "target": ("target", near, lots), "target_spread": ("target_spread", near, far, lots),
            "target_only": ("target_only", near, far, lots), "flat": ("flat", products[near]),
            "limit": ("limit", bar.code, lots, limit, tif), "market": ("market", bar.code, lots, tif),
            "cancel": ("cancel", int(rng.integers(1, requests + 1))),
        }[verb])
    return actions


def with_other_future(original: Case, after: int, seed: int) -> Case:
    """The same case in which every price, volume, print and final seen later than ``after`` is another."""
    rng = np.random.default_rng(seed)
    events = {name: column.copy() for name, column in original.tape.events.items()}
    later = events["ts"] > after
    shift = rng.integers(-100_000, 100_000, size=len(later)) * 10
    for name in ("open", "high", "low", "close"):
        changed = later & (events[name] != MISSING)
        events[name][changed] += shift[changed]
    weights = later & (events["kind"] == int(Kind.PRINT))
    events["high"][weights] = original.tape.events["high"][weights]
    bars = later & (events["kind"] == int(Kind.BAR)) & (events["volume"] != MISSING)
    events["volume"][bars] = rng.integers(0, 50, size=int(bars.sum()))
    tape = replace(original.tape, events=events)
    actions = {ts: requests if ts <= after else [] for ts, requests in original.actions.items()}
    return replace(original, tape=tape, actions=actions)


def _on_tick(price: int, tick: int) -> int:
    return price // tick * tick
