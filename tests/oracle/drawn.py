# SPDX-License-Identifier: Apache-2.0
"""Random requests: every verb, kind, life, flag and tie, at prices that the next bars may well reach."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from kilohour.tape import Kind, Tape
from kilohour.units import NANOS_PER_DAY
from tests.oracle import reference
from tests.oracle.books import FillRules, Terms
from tests.oracle.events import Event

VERBS = {"target": 0.07, "target_spread": 0.06, "target_only": 0.04, "flat": 0.02, "market": 0.09, "limit": 0.16,
         "stop": 0.08, "stop_limit": 0.07, "trailing_stop": 0.06, "if_touched": 0.06, "at_settlement": 0.05,
         "bracket": 0.05, "pair": 0.06, "family": 0.05, "amend": 0.08, "cancel": 0.03}
ORDERS = ("market", "limit", "stop", "stop_limit", "trailing_stop", "if_touched", "at_settlement")
NAMED_MOST = 64
"""The desk takes no more contracts and orders in one call."""
KIND_ODDS = (0.15, 0.3, 0.2, 0.12, 0.08, 0.08, 0.07)
LIVES = {"gtc": 0.47, "day": 0.2, "gtd": 0.18, "ioc": 0.07, "fok": 0.08}


def random_rules(rng: np.random.Generator) -> FillRules:
    """Mostly the usual ones; a latency may be much shorter than to the next bar, a little, or exactly that."""
    day = NANOS_PER_DAY
    return FillRules(model="open" if rng.random() < 0.25 else "path",
                     slippage_ticks=one_of(rng, [0, 0, 1, 2]), slippage_ppm=one_of(rng, [0, 0, 250, 10_001]),
                     latency_ns=one_of(rng, [0, 0, 0, day // 24, day - 1, day]))


def random_requests(rng: np.random.Generator, tape: Tape, terms: Mapping[str, Terms],
                    requests: int) -> dict[int, list[reference.Action]]:
    """Requests at the times of bars."""
    bars = list(reference.events_of(tape, Kind.BAR))
    actions: dict[int, list[reference.Action]] = {}
    drawing = Drawing(rng, tape, terms, bars)
    for _ in range(requests):
        bar = bars[rng.integers(len(bars))]
        asked = actions.setdefault(bar.ts, [])
        drawn = drawing.requests_at(bar)
        if drawing.weight([*asked, *drawn]) <= NAMED_MOST:
            asked.extend(drawn)
    if requests and drawing.chance(0.1):
        for ts, action in drawing.crowd():
            asked = actions.setdefault(ts, [])
            if drawing.weight([*asked, action]) <= NAMED_MOST:
                asked.append(action)
    return actions


def one_of(rng: np.random.Generator, values: Sequence[Any]) -> Any:
    """What ``Generator.choice`` draws, which makes an array of the values at each call."""
    return values[int(rng.integers(len(values)))]


def drawn_by(rng: np.random.Generator, odds: tuple[tuple[str, float], ...]) -> str:
    """What ``Generator.choice`` with odds draws, which makes its table anew at each call."""
    return odds[int(_table(odds).searchsorted(rng.random(), side="right"))][0]


@cache
def _table(odds: tuple[tuple[str, float], ...]) -> np.ndarray:
    shares = np.array([share for _, share in odds]) / sum(share for _, share in odds)
    return np.cumsum(shares) / np.cumsum(shares)[-1]


class Drawing:
    """Draws the requests of one case."""

    def __init__(self, rng: np.random.Generator, tape: Tape, terms: Mapping[str, Terms], bars: list[Event]) -> None:
        self.rng, self.terms = rng, terms
        self.codes = [contract.code for contract in tape.contracts]
        self.products = {contract.code: contract.product for contract in tape.contracts}
        self.ends = {contract.code: contract.last_trade_at for contract in tape.contracts}
        self.bars: dict[str, list[Event]] = {code: [] for code in self.codes}
        for bar in bars:
            self.bars[bar.code].append(bar)
        self.times = {code: [bar.ts for bar in its] for code, its in self.bars.items()}
        self.reaches = {code: max(sorted(bar.high - bar.low for bar in its)[len(its) // 2], 4) for code, its in self.bars.items() if its}
        self.tickets = 0

    def chance(self, odds: float) -> bool:
        return bool(self.rng.random() < odds)

    def one_of(self, odds: Mapping[str, float]) -> str:
        return drawn_by(self.rng, tuple(odds.items()))

    def requests_at(self, bar: Event) -> list[reference.Action]:
        rng = self.rng
        among = [code for code in self.codes if bar.ts < self.ends[code] or self.chance(0.05)] or self.codes
        near, far = (among[row] for row in rng.permutation(len(among))[[0, -1]])
        verb = self.one_of(VERBS)
        lots = self.lots()
        if verb in ("target_spread", "target_only"):
            return [(verb, near, far, lots) if near != far else ("target", near, lots)]
        if verb in ("target", "flat"):
            return [("target", near, lots) if verb == "target" else ("flat", self.products[near])]
        if verb == "cancel":
            return [("cancel", self.any_ticket())]
        if verb == "amend":
            return [("amend", self.any_ticket(), lots * one_of(rng, [0, 1, 1, 30]), self.price(bar, bar.code))]
        if verb == "bracket":
            made = [self.bracket(bar, lots or 2)]
            return [*made, ("amend", -3, lots + 1, self.price(bar, bar.code))] if self.chance(0.2) else made
        if verb in ("pair", "family"):
            return self.tied(verb, bar, near, lots or 3)
        made = [self.order(verb, bar, near, lots or 1)]
        return [*made, ("amend", -1, (-1 if lots < 0 else 1) * abs(self.lots()), self.price(bar, bar.code))] if self.chance(0.1) else made

    def weight(self, asked: list[reference.Action]) -> int:
        """Contracts and orders that the requests of a call may name."""
        many = {"bracket": 3, "target_spread": 2, "target_only": len(self.codes), "flat": len(self.codes)}
        return sum(many.get(action[0], 1) for action in asked)

    def crowd(self) -> list[tuple[int, reference.Action]]:
        """Brackets far from the market, until the gate has no place for more."""
        code = max(self.codes, key=lambda its: len(self.bars[its]))
        tick, reach = self.terms[self.products[code]].tick_micros, self.reach(code)
        far, near = ((share * reach) // tick * tick for share in (40, 1))
        return [(bar.ts, ("bracket", code, 1, bar.close - far, bar.close - far + near, bar.close - far - near))
                for bar in self.bars[code][3:14] for _ in range(12)]

    def lots(self) -> int:
        if self.chance(0.03):
            return one_of(self.rng, [200, -3_000, 1_000_001])
        if self.chance(0.6):
            return 6 * one_of(self.rng, [-2, -1, -1, 0, 1, 1, 2])
        return int(self.rng.integers(-12, 13))

    def any_ticket(self) -> int:
        """One of the last, as a rule; sometimes one that does not exist."""
        if self.chance(0.5):
            return -int(self.rng.integers(1, 5))
        return int(self.rng.integers(1, max(self.tickets, 1) + 2))

    def reach(self, code: str) -> int:
        """How far the contract's price goes in a bar."""
        return self.reaches[code]

    def price(self, bar: Event, code: str, *, share: float = 0.7) -> int:
        """Near the contract's present price; one in four is a price of one of its next bars, to be touched exactly."""
        bars, later = self.bars[code], bisect_right(self.times[code], bar.ts)
        tick = self.terms[self.products[code]].tick_micros
        coming = bars[later:later + 2]
        if coming and self.chance(0.25):
            return int(coming[self.rng.integers(len(coming))][self.rng.integers(4, 8)])
        price = bars[max(later - 1, 0)].close + int(self.reach(code) * share * self.rng.uniform(-1, 1))
        return price // tick * tick + int(self.chance(0.04))

    def order(self, verb: str, bar: Event, other: str, lots: int, *, is_tied: bool = False) -> reference.Action:
        rng, code = self.rng, bar.code
        options: dict[str, Any] = {}
        price, limit = self.price(bar, code), self.price(bar, code)
        if not is_tied and other != code and verb != "bracket" and self.chance(0.2):
            options["against"] = other
            price, limit = price - self.price(bar, other, share=0.3), limit - self.price(bar, other, share=0.3)
            if self.chance(0.85):
                # On the coarsest of ticks, or most spreads of unlike products would be refused.
                limit, price = limit // 10_000 * 10_000, price // 10_000 * 10_000
        if verb == "stop_limit" and self.chance(0.7):
            tick = max(self.terms[self.products[code]].tick_micros, 10_000)
            limit = price + (-1 if lots < 0 else 1) * (int(self.reach(code) * rng.uniform(-0.2, 0.8)) // tick * tick)
        life = self.one_of(LIVES)
        if life in ("ioc", "fok") and (verb not in ("market", "limit") or is_tied) and self.chance(0.9):
            life = "gtc"
        if life == "gtd" and verb in ("market", "at_settlement"):
            life = "day"
        if life == "gtd":
            options["until"] = bar.ts + one_of(rng, [-1, 0, 1, 2, 3, 5]) * NANOS_PER_DAY
        if self.chance(0.15) and verb != "at_settlement":
            options["reduce_only"] = True
        if verb == "limit" and self.chance(0.2):
            options["post_only"] = True
        prices = {"limit": (limit,), "stop_limit": (price, limit), "stop": (price,), "if_touched": (price,),
                  "trailing_stop": (self.distance(code),)}.get(verb, ())
        self.tickets += 1
        return (verb, code, lots, *prices, life, *([options] if options else []))

    def distance(self, code: str) -> int:
        """Of a trailing stop: up to a bar's reach, mostly on the tick, sometimes off it or nothing."""
        tick = self.terms[self.products[code]].tick_micros
        return max(self.reach(code) * int(self.rng.integers(1, 6)) // 6 // tick, 1) * tick - (tick + 1) // 2 * int(self.chance(0.04))

    def bracket(self, bar: Event, lots: int) -> reference.Action:
        """Mostly the profit and the loss on their sides of the entry, within a bar's reach."""
        tick, reach = self.terms[self.products[bar.code]].tick_micros, self.reach(bar.code)
        entry, side = self.price(bar, bar.code, share=0.4), -1 if lots < 0 else 1
        near, far = (int(reach * self.rng.uniform(0.05, 0.6)) // tick * tick for _ in range(2))
        self.tickets += 3
        return ("bracket", bar.code, lots, entry, entry + side * near, entry - side * far)

    def tied(self, verb: str, bar: Event, other: str, lots: int) -> list[reference.Action]:
        """Two or three orders, mostly of one contract, and the words that tie them."""
        made: list[reference.Action] = []
        for place in range(2 if self.chance(0.7) else 3):
            of = bar if self.chance(0.85) or not self.bars[other] else self.bars[other][0]._replace(ts=bar.ts)
            side = -1 if verb == "family" and place and self.chance(0.8) else 1
            kind = self.one_of(dict(zip(ORDERS, KIND_ODDS, strict=True)))
            made.append(self.order(kind, of, other, side * (lots if self.chance(0.7) else self.lots()), is_tied=True))
        count = len(made)
        if verb == "pair":
            ties = [("one_cancels_other", -1 - (n + 1), -1 - n) for n in range(count - 1)]
        else:
            ties = [("triggers", -count, -1 - n) for n in range(count - 1)]
            if count == 3 and self.chance(0.4):
                ties.append(("one_cancels_other", -2, -1))
            elif count == 3 and self.chance(0.2):
                ties.append(("triggers", -2, -1))
        return [*made, *ties]
