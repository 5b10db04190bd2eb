# SPDX-License-Identifier: Apache-2.0
"""The fill models ``quote`` and ``book`` once more, slowly, written from docs/fills.md: plain objects, lists and fractions.

It reads a tape of bars and quotes and a script of orders (the actions of :mod:`tests.oracle.requests`, without targets), and
gives the fills and how each order ended. Lots are free and unmargined.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import groupby
from typing import Any, NamedTuple

from kilohour.tape import Kind, Tape
from kilohour.units import MISSING

ENDLESS = 10**15


class Filled(NamedTuple):
    """One fill row."""

    ts: int
    order: int
    contract: str
    lots: int
    price_micros: int
    liquidity: str


@dataclass
class Level:
    price: int
    lots: int


@dataclass
class Display:
    """The two sides of a contract, best first, and when they happened."""

    at: int
    bids: list[Level] = field(default_factory=list)
    asks: list[Level] = field(default_factory=list)

    def side(self, asks: bool) -> list[Level]:
        return self.asks if asks else self.bids


@dataclass
class Bar:
    open: int
    high: int
    low: int
    close: int
    volume: int | None
    left: int


@dataclass
class Order:
    number: int
    kind: str
    legs: list[tuple[str, int]]
    size: int
    life: str
    due: int
    limit: int = 0
    trigger: int = 0
    distance: int = 0
    until: int = 0
    post_only: bool = False
    reduce_only: bool = False
    parent: Order | None = None
    group: set[int] = field(default_factory=set)
    children: list[Order] = field(default_factory=list)
    units: int = 0
    arrived: int = 0
    filled: int = 0
    status: str = "working"
    in_book: bool = False
    queue: tuple[int, int] | None = None

    @property
    def buys(self) -> bool:
        return len(self.legs) > 1 or self.legs[0][1] > 0


@dataclass(frozen=True, kw_only=True)
class Assumed:
    """What the run assumes."""

    model: str
    slippage_micros: int = 0
    slippage_ppm: int = 0
    participation_ppm: int = 100_000
    latency_ns: int = 0
    stale_ns: int = 60 * 10**9


class Reference:
    """Plays a tape; ``orders`` and ``fills`` are what came of it."""

    def __init__(self, tape: Tape, assumed: Assumed, actions: Mapping[int, Sequence[tuple[Any, ...]]]) -> None:
        self.tape, self.of, self.actions = tape, assumed, actions
        self.codes = [contract.code for contract in tape.contracts]
        self.shown: dict[str, Display] = {}
        self.bars: dict[str, Bar] = {}
        self.last: dict[str, int] = {}
        self.held = dict.fromkeys(self.codes, 0)
        self.orders: list[Order] = []
        self.tickets: list[Order] = []
        self.queue: list[Order] = []
        self.fills: list[Filled] = []
        self.now = 0

    def run(self) -> Reference:
        columns = [self.tape.events[name].tolist() for name in ("ts", "kind", "ref", "open", "high", "low", "close", "volume", "ts_event")]
        for ts, events in groupby(zip(*columns, strict=True), key=lambda event: event[0]):
            self.now, self.bars = ts, {}
            rows = list(events)
            for _, kind, ref, o, h, lo, c, volume, _ in rows:
                if kind == Kind.BAR:
                    self.bars[self.codes[ref]] = self.bar(o, h, lo, c, None if volume == MISSING else volume)
                    self.last[self.codes[ref]] = c
            for order in self.queue:
                if order.status == "working" and order.life == "gtd" and self.now > order.until:
                    self.end(order, "lapsed")
            for order in self.queue:
                self.meet_trades(order)
            for _, kind, ref, bid, bid_lots, ask, ask_lots, level, happened in rows:
                if kind == Kind.QUOTE:
                    self.show(self.codes[ref], happened, level, (bid, bid_lots), (ask, ask_lots))
            for order in self.queue:
                self.meet_display(order)
            if self.bars:
                self.ask(self.actions.get(ts, ()))
        return self

    def bar(self, o: int, h: int, lo: int, c: int, volume: int | None) -> Bar:
        if volume is None:
            left = ENDLESS
        else:
            left = volume if h == lo else volume * self.of.participation_ppm // 10**6
        return Bar(o, h, lo, c, volume, left)

    def show(self, code: str, at: int, level: int, bid: tuple[int, int], ask: tuple[int, int]) -> None:
        if level == 0:
            self.shown[code] = Display(at)
        for (price, lots), side in ((bid, self.shown[code].bids), (ask, self.shown[code].asks)):
            if lots:
                side.append(Level(price, lots))

    def levels(self, code: str, asks: bool) -> list[Level]:
        """What counts of a side now, levels that are used up included."""
        display = self.shown.get(code)
        if display is None or self.now - display.at > self.of.stale_ns:
            return []
        return display.side(asks)[: 1 if self.of.model == "quote" else None]

    def best(self, code: str, asks: bool) -> Level | None:
        return next((level for level in self.levels(code, asks) if level.lots), None)

    def together(self, order: Order, pays: bool) -> int | None:
        """Σ ratio · best; the price itself of one leg."""
        total = 0
        for code, ratio in order.legs:
            level = self.best(code, (ratio > 0) == pays)
            if level is None:
                return None
            total += level.price if len(order.legs) == 1 else ratio * level.price
        return total

    def meet_trades(self, order: Order) -> None:
        bar = self.bars.get(order.legs[0][0])
        if not self.is_due(order) or len(order.legs) > 1 or bar is None or bar.volume == 0:
            return
        if order.kind not in ("market", "limit"):
            if self.way_triggers(order, bar):
                self.convert(order)
        elif order.kind == "limit" and order.queue is not None and order.queue[0] == order.limit:
            self.rest(order, bar)

    def is_due(self, order: Order) -> bool:
        return order.status == "working" and order.units > order.filled and order.due <= self.now

    def way_triggers(self, order: Order, bar: Bar) -> bool:
        near, far = (bar.low, bar.high) if bar.open - bar.low <= bar.high - bar.open else (bar.high, bar.low)
        points, rises = [bar.open, near, far, bar.close], order.buys != (order.kind == "if_touched")
        if order.kind != "trailing_stop":
            return any(p >= order.trigger if rises else p <= order.trigger for p in points)
        for point in points:
            if point >= order.trigger if rises else point <= order.trigger:
                return True
            order.trigger = min(order.trigger, point + order.distance) if order.buys else max(order.trigger, point - order.distance)
        return False

    def convert(self, order: Order) -> None:
        order.kind = "limit" if order.kind == "stop_limit" else "market"

    def rest(self, order: Order, bar: Bar) -> None:
        assert order.queue is not None
        limit, ahead = order.queue
        extreme = bar.low if order.buys else bar.high
        left = bar.left
        if extreme < limit if order.buys else extreme > limit:
            order.queue = (limit, 0)
        elif extreme == limit and bar.high == bar.low and bar.volume is not None:
            order.queue = (limit, max(ahead - left, 0))
            left -= ahead
        else:
            return
        units = min(self.wanted(order), max(left, 0))
        if units and order.status == "working":
            bar.left -= units
            code, side = order.legs[0]
            self.fill(order, code, side * units, limit, "maker")
            self.after(order, units)

    def wanted(self, order: Order) -> int:
        units = order.units - order.filled
        if order.reduce_only:
            most = self.reducible(order)
            if most == 0:
                self.end(order, "cancelled")
            units = min(units, most)
        return units

    def reducible(self, order: Order) -> int:
        return min(abs(self.held[code]) // abs(ratio) if self.held[code] * ratio < 0 else 0 for code, ratio in order.legs)

    def meet_display(self, order: Order) -> None:
        if not self.is_due(order):
            return
        if order.kind not in ("market", "limit"):
            if not self.display_triggers(order):
                return
            self.convert(order)
        offers = self.offers(order)
        if offers and order.post_only and not order.in_book:
            self.end(order, "refused")
            return
        order.in_book = True
        if offers:
            self.take(order, offers)
        if order.status == "working" and order.life in ("ioc", "fok"):
            self.end(order, "lapsed")
        elif order.status == "working" and order.kind == "limit" and len(order.legs) == 1:
            self.queue_up(order)

    def display_triggers(self, order: Order) -> bool:
        pay, get = self.together(order, True), self.together(order, False)
        sign = 1 if order.buys else -1
        if order.kind == "if_touched":
            return pay is not None and sign * pay <= sign * order.trigger
        if get is not None and sign * get >= sign * order.trigger:
            return True
        if order.kind == "trailing_stop" and pay is not None:
            order.trigger = sign * min(sign * order.trigger, sign * pay + order.distance)
        return False

    def offers(self, order: Order) -> list[tuple[Level, int]]:
        """The levels an order may take, each with the units in it; of several legs one entry with the whole units."""
        sign = 1 if order.buys else -1
        if len(order.legs) == 1:
            code = order.legs[0][0]
            return [(level, level.lots) for level in self.levels(code, order.buys)
                    if level.lots and (order.kind != "limit" or sign * level.price <= sign * order.limit)]
        price = self.together(order, True)
        if price is None or (order.kind == "limit" and price > order.limit):
            return []
        best = [(self.best(code, ratio > 0), abs(ratio)) for code, ratio in order.legs]
        return [(Level(price, 0), min(level.lots // ratio for level, ratio in best if level))]

    def take(self, order: Order, offers: list[tuple[Level, int]]) -> None:
        units = min(self.wanted(order), sum(lots for _, lots in offers))
        if units <= 0 or order.status != "working" or (order.life == "fok" and units < order.units):
            return
        if len(order.legs) > 1:
            self.take_legs(order, units)
        else:
            self.walk(order, offers, units)
        self.after(order, units)

    def walk(self, order: Order, offers: list[tuple[Level, int]], units: int) -> None:
        (code, side), left = order.legs[0], units
        rested = order.kind == "limit" and order.queue is not None and order.queue[0] == order.limit
        for level, _ in offers:
            part = min(left, level.lots)
            paid = level.price + side * self.cost(level.price)
            if order.kind == "limit":
                paid = order.limit if rested else side * min(side * paid, side * order.limit)
            if part:
                level.lots -= part
                left -= part
                self.fill(order, code, side * part, paid, "maker" if rested else "taker")

    def take_legs(self, order: Order, units: int) -> None:
        levels = [self.best(code, ratio > 0) for code, ratio in order.legs]
        price = self.together(order, True)
        assert price is not None
        cost = sum(abs(ratio) * self.cost(level.price) for (_, ratio), level in zip(order.legs, levels, strict=True) if level)
        better = max(price + cost - order.limit, 0) if order.kind == "limit" else 0
        for place, ((code, ratio), level) in enumerate(zip(order.legs, levels, strict=True)):
            assert level is not None
            paid = level.price + (1 if ratio > 0 else -1) * self.cost(level.price) - (better // ratio if place == 0 else 0)
            level.lots -= abs(ratio) * units
            self.fill(order, code, ratio * units, paid, "taker")

    def cost(self, price: int) -> int:
        return self.of.slippage_micros + round(Fraction(abs(price) * self.of.slippage_ppm, 10**6))

    def queue_up(self, order: Order) -> None:
        code, _ = order.legs[0]
        ahead = self.ahead_of(code, order)
        if order.queue is not None and order.queue[0] == order.limit:
            ahead = min(ahead, order.queue[1])
        order.queue = (order.limit, ahead)

    def ahead_of(self, code: str, order: Order) -> int:
        display = self.shown.get(code)
        if display is None or self.now - display.at > self.of.stale_ns:
            return ENDLESS
        sign = 1 if order.buys else -1
        for level in self.levels(code, not order.buys):
            if level.price == order.limit:
                return level.lots
            if sign * order.limit > sign * level.price:
                return 0
        recorded = max(len(display.bids), len(display.asks))
        counted = min(recorded, 1) if self.of.model == "quote" else recorded
        return 0 if len(self.levels(code, not order.buys)) < max(counted, 1) else ENDLESS

    def fill(self, order: Order, code: str, lots: int, price: int, liquidity: str) -> None:
        self.held[code] += lots
        self.fills.append(Filled(self.now, order.number, code, lots, price, liquidity))

    def after(self, order: Order, units: int) -> None:
        order.filled += units
        for other in self.orders:
            if other.status != "working" or other is order:
                continue
            if order.number in other.group:
                other.size -= min(units, other.size - other.filled)
                other.arrived -= units
                self.set_units(other)
                if other.size == other.filled:
                    self.end(other, "cancelled")
            elif other.parent is order:
                other.arrived += units
                self.set_units(other)
                same = len(other.legs) == len(order.legs) == 1 and other.legs[0][0] == order.legs[0][0]
                other.due = self.now if same and other.due <= self.now else max(other.due, self.now + 1)
        if order.filled == order.units and (order.parent is None or order.filled == order.size):
            self.end(order, "filled")
        elif order.reduce_only and order.units > order.filled and self.reducible(order) == 0:
            self.end(order, "cancelled")

    def set_units(self, order: Order) -> None:
        order.units = max(min(order.size, order.arrived), order.filled) if order.parent else order.size

    def end(self, order: Order, status: str) -> None:
        order.status = status
        for child in order.children:
            if child.status == "working":
                child.parent, child.size = None, child.units
                if child.filled == child.units:
                    child.status = "filled" if child.units else "cancelled"

    def ask(self, actions: Sequence[tuple[Any, ...]]) -> None:
        for action in actions:
            verb, *of = action
            if verb == "bracket":
                code, lots, price, profit, loss = of
                entry = self.new("limit", code, lots, "gtc", {}, limit=price)
                take = self.new("limit", code, -lots, "gtc", {"reduce_only": True}, limit=profit, parent=entry)
                stop = self.new("stop", code, -lots, "gtc", {"reduce_only": True}, trigger=loss, parent=entry)
                take.group, stop.group = {stop.number}, {take.number}
                entry.children = [take, stop]
            elif verb == "cancel":
                order = self.named(of[0])
                if order is not None and order.status == "working":
                    self.end(order, "cancelled")
            elif verb == "amend":
                self.amend(self.named(of[0]), of[1], of[2])
            else:
                self.order(verb, of)

    def refuse_change(self, order: Order) -> None:
        self.orders.append(replace(order, number=len(self.orders) + 1, status="refused", filled=0, children=[], group=set()))

    def order(self, verb: str, of: list[Any]) -> None:
        options = dict(of.pop()) if isinstance(of[-1], Mapping) else {}
        code, lots, *prices, life = of
        names = {"limit": ("limit",), "stop": ("trigger",), "if_touched": ("trigger",), "stop_limit": ("trigger", "limit"),
                 "trailing_stop": ("distance",), "market": ()}[verb]
        self.new(verb, code, lots, life, options, **dict(zip(names, prices, strict=True)))

    def new(self, kind: str, code: str, lots: int, life: str, options: dict[str, Any], *, parent: Order | None = None, **prices: int) -> Order:
        side, against = (1 if lots > 0 else -1), options.get("against")
        legs = [(code, side)] if against is None else [(code, side), (against, -side)]
        if against is not None:
            prices = {name: price if name == "distance" else side * price for name, price in prices.items()}
        order = Order(len(self.orders) + 1, kind, legs, abs(lots), life, self.now + max(self.of.latency_ns, 1), **prices,
                      until=options.get("until", 0), post_only=options.get("post_only", False),
                      reduce_only=options.get("reduce_only", False), parent=parent, units=0 if parent else abs(lots))
        if kind == "trailing_stop":
            last = sum(ratio * self.last[leg] for leg, ratio in legs) if against else self.last[code]
            order.trigger = last + order.distance if order.buys else last - order.distance
        if order.reduce_only and parent is None and not self.stands_against(legs):
            order.status = "refused"
        self.orders.append(order)
        self.tickets.append(order)
        self.queue.append(order)
        return order

    def stands_against(self, legs: list[tuple[str, int]]) -> bool:
        return all(self.held[code] * ratio < 0 for code, ratio in legs)

    def named(self, ticket: int) -> Order | None:
        place = ticket - 1 if ticket > 0 else len(self.tickets) + ticket
        return self.tickets[place] if 0 <= place < len(self.tickets) else None

    def amend(self, order: Order | None, lots: int, price: int) -> None:
        if order is None or order.status != "working":
            return
        size = lots * order.legs[0][1]
        if 0 <= size <= order.filled:
            self.end(order, "cancelled")
            return
        if size < 0 or (order.reduce_only and order.parent is None and not self.stands_against(order.legs)):
            self.refuse_change(order)
            return
        name = {"limit": "limit", "trailing_stop": "distance", "market": ""}.get(order.kind, "trigger")
        sign = order.legs[0][1] if len(order.legs) > 1 and name != "distance" else 1
        before = getattr(order, name) if name else 0
        grows, moved = size > order.size, bool(name) and before != sign * price
        if name:
            setattr(order, name, sign * price)
        if name == "distance":
            order.trigger += order.distance - before if order.buys else before - order.distance
        order.in_book = order.in_book and not moved
        order.size, order.due = size, self.now + max(self.of.latency_ns, 1)
        self.set_units(order)
        if moved or grows:
            order.queue = None
            moves = [order, *(one for one in self.queue if one.parent is order and one.units == one.filled)]  # what sleeps stays behind it
            self.queue = [one for one in self.queue if one not in moves] + moves
