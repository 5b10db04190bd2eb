# SPDX-License-Identifier: Apache-2.0
"""Levels of accountability: above one the venue may ask what a position is for. No order is refused; the run notes it."""

from __future__ import annotations

import numpy as np

from kilohour.backtests.prepare import Prepared
from kilohour.kernels.records import Array
from kilohour.session import Session
from kilohour.units import datetime_of

SINGLE, ALL = "position_accountability_single", "position_accountability_all"


def accountability_notes(prepared: Prepared, session: Session) -> list[str]:
    """A sentence for each level that a position was above: in one month, and in all months of a product, long less short."""
    contracts, notes = prepared.market.tape.contracts, []
    ts, contract, change = position_changes(session.table("fills"), session.table("settlements"))
    for product in prepared.products:
        single, every = (None if product.get(name) is None else product.whole(name) for name in (SINGLE, ALL))
        of = np.array([contracts[row].product == product.code for row in contract], dtype=bool)
        if single is not None:
            rows = [row for row in range(len(contracts)) if contracts[row].product == product.code]
            notes += [note for row in rows for note in _note(contracts[row].code, ts, np.where(contract == row, change, 0), single)]
        if every is not None:
            notes += _note(f"all months of {product.code}", ts, np.where(of, change, 0), every)
    return notes


def position_changes(fills: Array, settlements: Array) -> tuple[Array, Array, Array]:
    """Times, contract rows and signed lots of everything that changed a position, in the order in which it did."""
    settled = settlements[settlements["revision"] == 0]
    ts = np.concatenate([fills["ts"], settled["ts"]])
    order = np.argsort(ts, kind="stable")
    lots = np.concatenate([fills["lots"], -settled["lots"]])
    return ts[order], np.concatenate([fills["contract"], settled["contract"]])[order], lots[order]


def _note(what: str, ts: Array, change: Array, level: int) -> list[str]:
    held = np.abs(np.cumsum(change))
    above = np.flatnonzero(held > level)
    if not len(above):
        return []
    return [f"{what}: the position was above the level of accountability of {level:,} lots, first on "
            f"{datetime_of(int(ts[above[0]])):%Y-%m-%d}, at most {int(held.max()):,} lots; the venue may ask for it to be reduced."]
