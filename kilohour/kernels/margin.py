# SPDX-License-Identifier: Apache-2.0
"""Margin: per cent of notional with a floor per lot, summed over contracts. Rules: docs/engine.md, "Margin"."""

from __future__ import annotations

from kilohour.kernels.compiling import inner
from kilohour.kernels.integers import share_half_even
from kilohour.kernels.records import ZERO


@inner
def initial_requirement(term, lots, price):
    """Initial margin of ``lots`` of one contract at ``price``, micros."""
    size = abs(lots)
    by_notional = share_half_even(size * abs(price) * term.lot_num, term.initial_ppm, term.lot_den * 1_000_000)
    return max(size * term.initial_floor, by_notional)


@inner
def maintenance_requirement(term, lots, price):
    """Maintenance margin of ``lots`` of one contract at ``price``, micros."""
    size = abs(lots)
    by_notional = share_half_even(size * abs(price) * term.lot_num, term.maintenance_ppm, term.lot_den * 1_000_000)
    return max(size * term.maintenance_floor, by_notional)


@inner
def lots_to_free(term, lots, price, excess):
    """The fewest lots to close so that the contract's initial requirement falls by ``excess``, at most all.

    The requirement is monotone in lots, so the answer is found by bisection.
    """
    size = abs(lots)
    before = initial_requirement(term, size, price)
    low, high = 1, size
    if before - initial_requirement(term, ZERO, price) < excess:
        return size
    while low < high:
        middle = (low + high) // 2
        if before - initial_requirement(term, size - middle, price) >= excess:
            high = middle
        else:
            low = middle + 1
    return low
