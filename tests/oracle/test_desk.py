# SPDX-License-Identifier: Apache-2.0
"""What the desk shows at each call, against the tape's events up to then and the oracle's account, worked out anew."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import groupby
from typing import Any

import pytest

from kilohour.errors import DataError
from kilohour.tape import Kind
from kilohour.units import MISSING, NANOS_PER_DAY
from tests.oracle.cases import Case
from tests.oracle.play import Script, scripted
from tests.oracle.reference import Action, Oracle, events_of
from tests.oracle.scripts import case

CASES = 60


class Account(Oracle):
    """The oracle, which also keeps what it has at each of the strategy's calls, before it serves a request."""

    def __init__(self, of: Case) -> None:
        super().__init__(of.tape, of.terms, {}, of.cash_micros, of.watched, rules=of.rules)
        self.script = of.actions
        self.actions = self  # type: ignore[assignment]
        self.seen: dict[int, dict[str, Any]] = {}

    def get(self, ts: int, default: Sequence[Action]) -> Sequence[Action]:
        working: dict[str, int] = defaultdict(int)
        for order in self.working():
            for code, lots in order.lots_left().items():
                working[code] += lots
        self.seen[ts] = {"equity": self.equity(), "cash": self.cash, "held": self.held(), "working": working,
                         "listed": [code for code in self.contracts if self.is_tradable(code)]}
        return self.script.get(ts, default)


class Present:
    """Facts of the tape up to now, kept as plain lists."""

    def __init__(self, of: Case) -> None:
        self.tape, self.terms = of.tape, of.terms
        self.groups = [(ts, list(group)) for ts, group in groupby(events_of(of.tape), key=lambda event: event.ts)]
        self.bars: dict[str, Any] = {}
        self.marks: dict[str, list[int]] = defaultdict(list)
        self.marked: dict[str, int] = {}
        self.weights: dict[str, dict[int, list[int]]] = defaultdict(dict)
        self.prints: dict[str, dict[int, list[int]]] = defaultdict(dict)
        self.news: set[str] = set()

    def move_to(self, now: int) -> None:
        self.news = set()
        while self.groups and self.groups[0][0] <= now:
            for event in self.groups.pop(0)[1]:
                if event.kind == Kind.BAR:
                    self.bars[event.code] = event
                elif event.kind == Kind.MARK and event.volume <= 0:
                    self.marks[event.code].append(event.close)
                    self.marked[event.code] = event.ts_event
                elif event.kind == Kind.MARK and self.marked[event.code] == event.ts_event:
                    self.marks[event.code][-1] = event.close
                elif event.kind == Kind.PRINT:
                    self.prints[event.code].setdefault(event.ts_event // NANOS_PER_DAY, []).append(event.close)
                    self.weights[event.code].setdefault(event.ts_event // NANOS_PER_DAY, []).append(event.high)
                    self.news.add(event.code)

    def volatility(self, code: str) -> float:
        changes = [(b - a) / 1e6 for a, b in zip(self.marks[code], self.marks[code][1:], strict=False)]
        weights = [0.97 ** (len(changes) - 1 - at) * (0.03 if at else 1) for at in range(len(changes))]
        return math.sqrt(math.fsum(w * c * c for w, c in zip(weights, changes, strict=True)))

    def fixed(self, contract: Any) -> list[tuple[int, int]]:
        """Values with their weights, 1 each unless weights count."""
        index, terms = contract.product.replace(":", "-"), self.terms[contract.product]
        at = -1 if terms.restatement_latest else 0
        days = [day for day in contract.fixing_days if day in self.prints[index]]
        pairs = [(self.prints[index][day][at], self.weights[index][day][at] if terms.weighted else 1) for day in days]
        return [pair for pair in pairs if pair[1] != MISSING]

    def months(self, product: str, listed: list[str], now: int) -> list[str]:
        chain = sorted((its for its in self.tape.contracts if its.product == product and its.code in listed),
                       key=lambda its: its.month)
        while chain and self.window_begins(chain[0]) <= now:
            chain.pop(0)
        return [its.code for its in chain]

    @staticmethod
    def window_begins(contract: Any) -> int:
        days = contract.fixing_days
        return int(days[0] * NANOS_PER_DAY if len(days) > 1 else contract.last_trade_at)


class Looking(Script):
    """Looks at everything before it asks."""

    def __init__(self, of: Case, account: Account, money: Any) -> None:
        super().__init__(of)
        self.present, self.account, self.money, self.looks = Present(of), account, money, 0

    def play(self, desk: Any) -> None:
        self.looks += 1
        self.present.move_to(desk.now)
        seen = self.account.seen[desk.now]
        assert self.money(desk) == (seen["equity"] / 1e6, seen["cash"] / 1e6)
        for row, contract in enumerate(self.present.tape.contracts):
            self.look_at_contract(desk, row, contract, seen)
        for row, product in enumerate(self.present.tape.product_codes):
            months = self.present.months(product, seen["listed"], desk.now)
            assert desk.count(row) == len(months)
            assert [desk.nth(row, n + 1) for n in range(len(months))] == [self.rows[code] for code in months]
        for row, index in enumerate(self.present.tape.indices):
            self.look_at_index(desk, row, self.present.prints[index.code], is_new=index.code in self.present.news)
        super().play(desk)

    def look_at_contract(self, desk: Any, row: int, contract: Any, seen: dict[str, Any]) -> None:
        code, present = contract.code, self.present
        bar, marks = present.bars.get(code), present.marks[code]
        assert desk.position(row) == seen["held"].get(code, 0)
        assert desk.working(row) == seen["working"][code]
        assert desk.is_listed(row) == (code in seen["listed"])
        if bar is None:
            assert math.isnan(desk.price(row))
        else:
            assert (desk.price(row), desk.age(row)) == (bar.close / 1e6, desk.now - bar.ts)
            assert desk.volume(row) == (-1 if bar.volume == MISSING else bar.volume)
        assert desk.mark(row) == marks[-1] / 1e6 if marks else math.isnan(desk.mark(row))
        assert desk.has_volatility(row) == (len(marks) > 1)
        if len(marks) > 1:
            assert desk.volatility(row) == pytest.approx(present.volatility(code), rel=1e-12)
        fixed = present.fixed(contract)
        assert desk.fixed_share(row) == (len(fixed) / len(contract.fixing_days) if contract.fixing_days else 0)
        lot = Fraction(present.terms[contract.product].lot_num, present.terms[contract.product].lot_den)
        share = 1 - Fraction(len(fixed), len(contract.fixing_days)) if contract.fixing_days else Fraction(1)
        assert desk.open_delta(row) == pytest.approx(float(lot * seen["held"].get(code, 0) * share), rel=1e-12, abs=1e-9)
        if fixed:
            weight = sum(size for _, size in fixed)
            mean = float(Fraction(sum(value * size for value, size in fixed), weight * 10**6)) if weight else math.nan
            assert desk.fixed_mean(row) == pytest.approx(mean, rel=1e-12, abs=1e-12, nan_ok=True)

    def look_at_index(self, desk: Any, row: int, known: dict[int, list[int]], *, is_new: bool) -> None:
        assert desk.has_value(row) == bool(known)
        assert desk.is_new(row) == is_new
        if known:
            assert (desk.value_day(row), desk.value(row)) == (max(known), known[max(known)][-1] / 1e6)


def test_the_desk_shows_the_present_and_nothing_else():
    looks = 0
    for seed in range(CASES):
        of = case(seed, plain=True)
        of = replace(of, watched=set(of.terms))
        account = Account(of)
        session = scripted(of)
        assert session.python is not None
        try:
            for ts, group in groupby(events_of(of.tape), key=lambda event: event.ts):
                account.step(ts, list(group))
        except DataError:
            continue
        account.finish(of.tape.end)
        strategy = session.python.strategy
        script = strategy.script = Looking(of, account, strategy.account)
        session.run(len(of.tape))
        looks += script.looks
    assert looks > 10 * CASES
