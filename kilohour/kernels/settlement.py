# SPDX-License-Identifier: Apache-2.0
"""Final settlement: the contract's rounding of the exact mean of the prints known at settlement.

``values`` of these functions: (2 · indices, days) as known now, MISSING where nothing is known; the upper half holds the
prints in micros, the lower half their weights.
"""

from __future__ import annotations

from kilohour.kernels.compiling import inner
from kilohour.kernels.integers import half_even
from kilohour.kernels.records import MISSING, PREVIOUS_PRINT, REFUSE_MISSING


@inner
def counts(values, index, at, weighted):
    """True when the day has a print that a mean can take: with a weight where weights count."""
    if at < 0 or at >= values.shape[1] or values[index, at] == MISSING:
        return False
    return not weighted or values[values.shape[0] // 2 + index, at] != MISSING


@inner
def fixing_place(values, index, at, rule, weighted):
    """The column of one fixing day's print, of the latest earlier one under ``PREVIOUS_PRINT``, or -1."""
    if rule == PREVIOUS_PRINT:
        at = min(at, values.shape[1] - 1)
    while at >= 0:
        if counts(values, index, at, weighted):
            return at
        if rule != PREVIOUS_PRINT:
            return -1
        at -= 1
    return -1


@inner
def mean_of_prints(values, index, days, first_day, term):
    """Settles a fixing window. Returns (price, prints used, weighted sum, missing days, first missing day, weight).

    ``price = half_even(sum, weight · rounding) · rounding``, every weight 1 unless weights count; MISSING when the rule refuses a
    missing day, no print is there at all or all weights are zero. ``days``: value dates since 1970; ``first_day``: the
    day of column 0 of ``values``.
    """
    total, used, missing, first_missing, weight, rule = 0, 0, 0, MISSING, 0, term.missing_rule
    for day in days:
        place = fixing_place(values, index, day - first_day, rule, term.weighted)
        if place != day - first_day or place < 0:
            missing += 1
            if first_missing == MISSING:
                first_missing = day
        if place >= 0:
            size = values[values.shape[0] // 2 + index, place] if term.weighted else 1
            total += size * values[index, place]
            weight += size
            used += 1
    if weight == 0 or (rule == REFUSE_MISSING and missing > 0) or (rule == PREVIOUS_PRINT and used < len(days)):
        return MISSING, used, total, missing, first_missing, weight
    return half_even(total, weight * term.rounding) * term.rounding, used, total, missing, first_missing, weight
