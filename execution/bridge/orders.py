# SPDX-License-Identifier: Apache-2.0
"""What a backtrader order becomes at the desk, and what cannot be expressed there: one line of a table an order type."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from typing import Any

from kilohour.errors import UsageError
from kilohour.execution.bridge.library import bt

Ask = Callable[[Any, int, Any], int]
"""Asks the desk for what an order wants on a contract's row and returns the ticket."""

Order = bt.Order


def is_day(order: Any) -> bool:
    """True for an order that ends with the day."""
    return bool(order.is_day)


ASKS: dict[int, Ask] = {
    Order.Market: lambda desk, row, order: desk.market(row, order.lots, is_day(order)),
    Order.Limit: lambda desk, row, order: desk.limit(row, order.lots, to_tick(desk, row, order.created.price, -order.lots), is_day(order)),
}
"""backtrader's order type to the verb of the desk."""

NEVER_ASKED = {
    Order.Close: "backtrader fills it at the close of a bar that has ended: send a market order, it fills at the next open",
    Order.Historical: "a past fill has no place in a ledger that is kept as it happens",
}
"""Why an order type will not be there."""


def to_tick(desk: Any, row: int, price: float, side: int) -> float:
    """The nearest price on the tick that is no worse for the trader: below for a buyer (``side`` < 0), above for a seller.

    A unit is in the last of six decimals, so that a price that is on the tick but for its float stays there.
    """
    tick = round(desk.tick_size[row] * 1e6)
    micros = round(price * 1e6)
    steps = -(-micros // tick) if side > 0 else micros // tick
    return float(steps * tick) / 1e6


def check_order(order: Any, asked: dict[str, Any]) -> None:
    """Raises :class:`UsageError` for an order that the desk cannot express; ``asked`` holds what buy() or sell() was given."""
    name = order.getordername()
    if order.exectype not in ASKS:
        reason = NEVER_ASKED.get(order.exectype, "this version of the bridge has no such order")
        known = " or ".join(Order.ExecTypes[kind] for kind in ASKS)
        raise UsageError(f"backtrader bridge: an order must be {known}, found {name}: {reason}")
    lots = asked["size"]
    if not math.isfinite(lots) or lots != int(lots) or lots == 0:
        raise UsageError(f"backtrader bridge: size must be whole lots, found {lots!r}")
    for what in ("oco", "parent"):
        if asked[what] is not None:
            raise UsageError(f"backtrader bridge: {what} must be None, found {asked[what]!r}: this version has no linked orders")
    if not asked["transmit"]:
        raise UsageError("backtrader bridge: transmit must be True, found False: this version has no linked orders")
    if order.data._compensate is not None:
        raise UsageError("backtrader bridge: a feed cannot compensate another: each contract has its own ledger line")


def ends_with_the_day(valid: Any) -> bool:
    """Reads backtrader's ``valid``: None is good till cancelled, 0 or ``Order.DAY`` ends with the day.

    Raises :class:`UsageError` for a date, which this version cannot express.
    """
    if valid is None:
        return False
    if isinstance(valid, dt.timedelta):
        if not valid:
            return True
    elif not isinstance(valid, dt.date) and not valid:
        return True
    raise UsageError(f"backtrader bridge: valid must be None or Order.DAY, found {valid!r}: this version has no orders good till a date")
