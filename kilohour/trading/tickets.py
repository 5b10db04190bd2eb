# SPDX-License-Identifier: Apache-2.0
"""How an order of a component stands, in every mode."""

from __future__ import annotations

from kilohour.desk import Desk
from kilohour.kernels.records import FILLED, REFUSED

TICKETS_LEFT = 128
"""A desk answers for its last 256 tickets, and one call makes at most 64: an order that so many younger ones follow is
cancelled, and asked for again, while the desk can still say what became of it."""


def is_alive(desk: Desk, ticket: int) -> bool:
    """True while an order may still fill: until the venue has said how it ended, whatever was asked for since."""
    status = desk.status(ticket)
    return not FILLED <= status <= REFUSED
