# SPDX-License-Identifier: Apache-2.0
"""What the orders of components have in common: how one stands, in every mode, and where its limit may lie."""

from __future__ import annotations

from kilohour import maths
from kilohour.desk import Desk
from kilohour.kernels.records import FILLED, REFUSED

TICKETS_LEFT = 128
"""A desk answers for its last 256 tickets, and one call makes at most 64: an order that so many younger ones follow is
cancelled, and asked for again, while the desk can still say what became of it."""


def is_alive(desk: Desk, ticket: int) -> bool:
    """True while an order may still fill: until the venue has said how it ended, whatever was asked for since."""
    status = desk.status(ticket)
    return not FILLED <= status <= REFUSED


def on_tick(price: float, tick: float, buys: bool) -> float:
    """The price on the tick that is nearest without being worse for us: down when buying, up when selling."""
    ticks = price / tick
    whole = maths.nearest(ticks)
    if abs(ticks - whole) > 1e-6:
        whole = maths.floor(ticks) if buys else maths.floor(ticks) + 1
    return whole * tick
