# SPDX-License-Identifier: Apache-2.0
"""The oracle's risk desk: docs/engine.md, "Risk limits", in exact fractions of dollars, units and micros."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any

from kilohour.limits import RiskLimits
from kilohour.units import NANOS_PER_DAY
from tests.oracle.books import MILLION, half_even
from tests.oracle.gate import Gate
from tests.oracle.orders import Order

SECOND, MINUTE = 10**9, 60 * 10**9
STATES = ("active", "reduce_only", "halted")
ASKED_MOST = 256


@cache
def exact(amount: float) -> Fraction:
    """The number that was meant: limits are given in few decimals."""
    return Fraction(str(amount))


@cache
def nanos(milliseconds: float) -> int:
    return round(exact(milliseconds) * MILLION)


class RiskDesk(Gate):
    """What stands behind the gate's own rules, and what losses and fills do once a timestamp."""

    now = 0

    def allow(self, limits: RiskLimits | None) -> None:
        """Sets the run's limits; without any nothing is asked."""
        self.limits = limits
        self.state = self.floor = STATES.index(limits.state) if limits else 0
        self.flattens = False
        self.today: int | None = None
        self.day_equity = self.last_equity = self.peak = self.cash
        self.sent: list[int] = []
        self.asked: list[tuple[int, tuple[Any, ...]]] = []
        self.fill_times: list[int] = []

    def refusal(self, order: Order, *, instead_of: Order | None = None, **more: Any) -> str:
        code = super().refusal(order, instead_of=instead_of, **more)
        if code or self.limits is None or order.origin == "liquidation":
            return code
        code = self.broken_limit(self.now, order, instead_of, self.limits)
        if not code:
            self.sent.append(self.now)
            self.asked.append((self.now, self.what(order)))
        return code

    def broken_limit(self, now: int, order: Order, instead_of: Order | None, limits: RiskLimits) -> str:
        others = [other for other in self.alive() if other is not instead_of]
        if self.state == 2:
            return "halted"
        if not order.reduce_only and not self.reduces(order, others):
            code = "reducing" if self.state else self.broken_position(now, order, others, limits)
            if code:
                return code
        if limits.order_lots and any(abs(ratio * order.asked) > limits.order_lots for ratio in order.ratios.values()):
            return "order_lots"
        if limits.order_notional and self.notional(order, order.asked) > exact(limits.order_notional):
            return "order_notional"
        if self.is_beyond_collar(order, limits):
            return "collar"
        if limits.open_orders and len(others) + 1 > limits.open_orders:
            return "open_orders"
        if limits.open_notional and sum(self.notional(one, left_of(one)) for one in (*others, order)) > exact(limits.open_notional):
            return "open_notional"
        for most, span in ((limits.orders_per_second, SECOND), (limits.orders_per_minute, MINUTE)):
            if most and len(self.sent) >= most and now - self.sent[-most] < span:
                return "order_rate"
        span = nanos(limits.duplicate_ms)
        if span and instead_of is None and any(now - ts < span and was == self.what(order) for ts, was in self.asked[-ASKED_MOST:]):
            return "duplicate"
        return "self_match" if limits.self_match and self.meets_own(order, others) else ""

    def broken_position(self, now: int, order: Order, others: list[Order], limits: RiskLimits) -> str:
        legs = {code: ratio * left_of(order) for code, ratio in order.ratios.items()}
        if any({code, self.contracts[code].product} & set(limits.restricted) for code in legs):
            return "restricted"
        days = round(exact(limits.last_trade_days) * NANOS_PER_DAY)
        if days and any(self.contracts[code].last_trade_at - now <= days for code in legs):
            return "near_expiry"
        committed = {code: book.position for code, book in self.books.items()}
        for other in others:
            for code, lots in other.lots_left().items():
                committed[code] += lots
        for code, lots in legs.items():
            committed[code] += lots
        if limits.position_lots and any(abs(committed[code]) > limits.position_lots for code in legs):
            return "position_lots"
        for code in legs:
            product = self.contracts[code].product
            terms = self.terms(code)
            held = [lots for one, lots in committed.items() if self.contracts[one].product == product]
            if limits.product_gross and sum(map(abs, held)) * terms.lot_num > exact(limits.product_gross) * terms.lot_den:
                return "product_gross"
            if limits.product_net and abs(sum(held)) * terms.lot_num > exact(limits.product_net) * terms.lot_den:
                return "product_net"
        return ""

    def reduces(self, order: Order, others: list[Order]) -> bool:
        """What is held covers each leg, with everything on its side that is at work or asleep and not reduce-only."""
        for code, ratio in order.ratios.items():
            held, same = self.books[code].position, abs(ratio) * left_of(order)
            if held * ratio >= 0:
                return False
            for other in others:
                if not other.reduce_only and other.ratios.get(code, 0) * ratio > 0:
                    same += abs(other.ratios[code]) * left_of(other)
            if same > abs(held):
                return False
        return True

    def value(self, code: str) -> int:
        price = self.books[code].value_price
        assert price is not None
        return price

    def notional(self, order: Order, units: int) -> Fraction:
        """Dollars; an outright limit at its limit."""
        is_limit = len(order.ratios) == 1 and order.works_as() in ("limit", "stop_limit")
        dollars = Fraction(0)
        for code, ratio in order.ratios.items():
            terms, price = self.terms(code), order.limit if is_limit and order.limit is not None else self.value(code)
            dollars += Fraction(abs(ratio * price) * units * terms.lot_num, terms.lot_den * MILLION)
        return dollars

    def is_beyond_collar(self, order: Order, limits: RiskLimits) -> bool:
        """Every order is a buyer of its own price, so beyond is above."""
        if order.limit is None or order.works_as() not in ("limit", "stop_limit"):
            return False
        market = order.trigger if order.works_as() == "stop_limit" else sum(r * self.value(code) for code, r in order.ratios.items())
        beyond, terms = order.limit - market, self.terms(next(iter(order.ratios)))
        tick = terms.tick_micros if len(order.ratios) == 1 or terms.spread_tick_micros is None else terms.spread_tick_micros
        if limits.collar_ticks and beyond > limits.collar_ticks * tick:
            return True
        size = sum(abs(r * self.value(code)) for code, r in order.ratios.items())
        return bool(limits.collar_percent) and half_even(size * exact(limits.collar_percent) / 100) < beyond

    def meets_own(self, order: Order, others: list[Order]) -> bool:
        (code, ratio), *more = order.ratios.items()
        if more or order.works_as() not in ("market", "limit"):
            return False

        def price(one: Order, side: int) -> int:
            return one.limit * side if one.works_as() == "limit" and one.limit is not None else self.value(code)

        return any(list(other.ratios) == [code] and other.works_as() in ("market", "limit") and other.units_left()
                   and other.ratios[code] * ratio < 0 and (price(order, ratio) - price(other, -ratio)) * ratio >= 0 for other in others)

    def what(self, order: Order) -> tuple[Any, ...]:
        """What makes an order the same as another."""
        return order.works_as(), order.limit, order.trigger, order.asked, tuple(order.ratios.items())

    # Once a timestamp

    def watch(self, ts: int) -> None:
        """Losses and fills, behind phase 5."""
        if self.limits is None:
            return
        limits, equity, day = self.limits, self.equity(), ts // NANOS_PER_DAY
        if day != self.today:
            self.today, self.day_equity = day, self.last_equity
            self.state = min(self.state, self.floor)
        self.peak, self.last_equity = max(self.peak, equity), equity
        lost_today, fallen = self.day_equity - equity, self.peak - equity

        def has_come(limit: float, loss: int) -> bool:
            return limit > 0 and loss > 0 and loss >= exact(limit) * MILLION

        self.fill_times += [ts] * (len(self.result.fills) - len(self.fill_times))
        most = limits.fills_most
        if most and len(self.fill_times) > most and ts - self.fill_times[-most - 1] < nanos(limits.fills_within_ms):
            self.floor = 2
        if has_come(limits.flat_daily, lost_today) or has_come(limits.flat_drawdown, fallen):
            self.floor, self.flattens = 2, True
        if has_come(limits.loss_drawdown, fallen):
            self.floor = max(self.floor, 1)
        state = max(self.floor, 1 if has_come(limits.loss_daily, lost_today) else self.state)
        if state != self.state:
            self.state = state
            # Oldest first, each as those before it have left it: a child whose parent has just gone is as large as what arrived.
            for order in list(self.alive()):
                if order.is_alive and order.origin not in ("liquidation", "risk") and (state == 2 or self.could_grow(order)):
                    self.end_all([order], "risk")
        if self.flattens:
            self.flatten(ts)

    def could_grow(self, order: Order) -> bool:
        return not order.reduce_only and any(
            self.books[code].position * ratio >= 0 or abs(ratio) * left_of(order) > abs(self.books[code].position)
            for code, ratio in order.ratios.items())

    def flatten(self, ts: int) -> None:
        for code, book in self.books.items():
            coming = sum(self.lots_coming(origin, code) for origin in ("target", "liquidation", "risk"))
            lots = book.position + coming
            if lots and self.is_tradable(code) and len(self.alive()) < ASKED_MOST:
                self.accept(self.new_order(ts, {code: -1 if lots > 0 else 1}, abs(lots), origin="risk"))


def left_of(order: Order) -> int:
    """Units that may ever fill, asleep or not."""
    return order.units - order.units_filled - order.units_taken


