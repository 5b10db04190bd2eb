# SPDX-License-Identifier: Apache-2.0
"""Refused orders in words: our own code where a rule of ours refused, the venue's where the venue does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kilohour.contracts import Contract, Venue
from kilohour.kernels import records as r
from kilohour.kernels.records import Array

OUTRIGHT, CALENDAR, INTER_PRODUCT = 0, 1, 2
OCO, OTO = 1, 2
"""Both together are a bracket's tie: places in :data:`kilohour.contracts.venue.GROUPS`."""


def refusal_codes(
    orders: Array, contracts: Sequence[Contract], venues: Mapping[str, Venue], words: Mapping[Any, str]
) -> tuple[Array, dict[int, str]]:
    """A code for each order row, and the word of each code: ``words`` and one more for every reason of a venue met."""
    codes, named = orders["code"].copy(), {int(code): word for code, word in words.items()}
    numbers = {word: code for code, word in named.items()}
    for at in np.flatnonzero(codes == r.VENUE):
        row = orders[at]
        venue = venues.get(contracts[row["contract"]].product)
        flags = int(row["flags"])
        tie = (OCO if flags & r.TIED else 0) + (OTO if flags & r.TRIGGERED else 0)
        reason = "" if venue is None else venue.reason(
            int(row["kind"]), int(row["tif"]), flags % r.TIED, _spread(orders, int(at), contracts), tie)
        if reason:
            codes[at] = numbers.setdefault(reason, max(named) + 1)
            named[int(codes[at])] = reason
    return codes, named


def _spread(orders: Array, at: int, contracts: Sequence[Contract]) -> int:
    """What the legs of the order at a row make it; a refused order has one row a leg, next to one another."""
    first, last = at, at + 1
    while first and orders["order"][first - 1] == orders["order"][at]:
        first -= 1
    while last < len(orders) and orders["order"][last] == orders["order"][at]:
        last += 1
    if last - first == 1:
        return OUTRIGHT
    products = {contracts[row].product for row in orders["contract"][first:last]}
    return CALENDAR if len(products) == 1 else INTER_PRODUCT
