# SPDX-License-Identifier: Apache-2.0
"""What a backtrader order becomes at the desk, and what cannot be expressed there: one line of a table an order type."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from typing import Any

from kilohour.errors import UsageError
from kilohour.execution.bridge.extra import bt
from kilohour.kernels.records import DAY, GTC, GTD
from kilohour.units import nanos_of

Ask = Callable[[Any, int, Any], int]
"""Asks the desk for what an order wants on a contract's row and returns the ticket."""

Order = bt.Order

ASKS: dict[int, Ask] = {
    Order.Market: lambda desk, row, o: desk.market(row, o.lots, DAY if o.life == DAY else GTC, o.closes),
    Order.Limit: lambda desk, row, o: desk.limit(row, o.lots, better(desk, row, o.created.price, o), **life_of(o)),
    Order.Stop: lambda desk, row, o: desk.stop(row, o.lots, later(desk, row, o.created.price, o), **life_of(o)),
    Order.StopLimit: lambda desk, row, o: desk.stop_limit(row, o.lots, later(desk, row, o.created.price, o),
                                                          better(desk, row, o.created.pricelimit, o), **life_of(o)),
    Order.StopTrail: lambda desk, row, o: desk.trailing_stop(row, o.lots, to_tick(desk, row, o.trailamount, up=True), **life_of(o)),
}  # fmt: skip
"""backtrader's order type to the verb of the desk."""

NEVER_ASKED = {
    Order.Close: "backtrader fills it at the close of a bar that has ended: send a market order, it fills at the next open",
    Order.Historical: "a past fill has no place in a ledger that is kept as it happens",
    Order.StopTrailLimit: "no venue has it: use StopTrail, or StopLimit and move it",
}
"""Why an order type is not there."""


def life_of(order: Any) -> dict[str, Any]:
    """An order's life and flag as the verbs of the desk name them."""
    return {"life": order.life, "until": order.until, "reduce_only": order.closes}


def better(desk: Any, row: int, price: float, order: Any) -> float:
    """The nearest price on the tick that is no worse for the trader: below for a buyer, above for a seller."""
    return to_tick(desk, row, price, up=order.lots < 0)


def later(desk: Any, row: int, price: float, order: Any) -> float:
    """The nearest price on the tick at which a stop is hit no sooner: above for a buyer, below for a seller."""
    return to_tick(desk, row, price, up=order.lots > 0)


def to_tick(desk: Any, row: int, price: float, *, up: bool) -> float:
    """A price brought to the tick, upwards or downwards; one that is off it by less than a micro, as floats are, stays."""
    tick, micros = round(desk.tick_size[row] * 1e6), round(price * 1e6)
    steps = -(-micros // tick) if up else micros // tick
    return float(steps * tick) / 1e6


def check_order(order: Any, size: float, price: float | None) -> None:
    """Raises :class:`UsageError` for an order that the desk cannot express; ``size`` and ``price`` as they were given."""
    if order.exectype not in ASKS:
        known, name = ", ".join(Order.ExecTypes[kind] for kind in ASKS), order.getordername()
        raise UsageError(f"backtrader bridge: an order must be one of {known}, found {name}: {NEVER_ASKED[order.exectype]}")
    if not math.isfinite(size) or size != int(size) or size == 0:
        raise UsageError(f"backtrader bridge: size must be whole lots, found {size!r}")
    if order.exectype == Order.StopTrail:
        if not order.trailamount:
            raise UsageError(f"backtrader bridge: a StopTrail needs trailamount, found trailpercent {order.trailpercent!r}: "
                             "a distance on the tick cannot change with the price")
        if price is not None and price != order.data.close[0]:
            raise UsageError(f"backtrader bridge: a StopTrail trails from the last price, {order.data.close[0]}, found price {price!r}")
    for what in (order.oco, order.parent):
        if what is not None and what.ticket:
            raise UsageError("backtrader bridge: orders are tied (oco, parent) when they are made at the same bar, "
                             f"found order {what.ref} of an earlier one")
    if order.data._compensate is not None:
        raise UsageError("backtrader bridge: a feed cannot compensate another: each contract has its own ledger line")


def read_valid(valid: Any, now: int) -> tuple[int, int]:
    """Reads backtrader's ``valid`` as a life and a time in nanoseconds: None is good till cancelled, 0 or ``Order.DAY`` ends with
    the day, a date, a datetime (UTC unless it has a zone) or a time from ``now`` is good till then.

    Raises :class:`UsageError` for a bare number.
    """
    if valid is None:
        return GTC, 0
    if isinstance(valid, dt.timedelta):
        micros = valid // dt.timedelta(microseconds=1)
        return (GTD, now + micros * 1_000) if micros else (DAY, 0)
    if isinstance(valid, dt.datetime):
        return GTD, nanos_of(valid if valid.tzinfo is not None else valid.replace(tzinfo=dt.UTC))
    if isinstance(valid, dt.date):
        return GTD, nanos_of(valid)
    if not valid:
        return DAY, 0
    raise UsageError(f"backtrader bridge: valid must be None, Order.DAY, a date or a timedelta, found {valid!r}: "
                     "backtrader itself ignores a number")


def tie(desk: Any, orders: list[Any]) -> None:
    """Ties orders of one call as backtrader means it: ``oco`` to its other, children to their parent and to each other."""
    eldest: dict[int, Any] = {}
    for order in orders:
        if order.oco is not None:
            desk.one_cancels_other(order.oco.ticket, order.ticket)
        if order.parent is not None:
            desk.triggers(order.parent.ticket, order.ticket)
            first = eldest.setdefault(order.parent.ref, order)
            if first is not order:
                desk.one_cancels_other(first.ticket, order.ticket)
