# SPDX-License-Identifier: Apache-2.0
"""Final settlement: the contract's rounding of the exact mean of the prints known at settlement."""

from __future__ import annotations

from kilohour.kernels.compiling import inner
from kilohour.kernels.integers import half_even
from kilohour.kernels.records import MISSING, PREVIOUS_PRINT, REFUSE_MISSING


@inner
def fixing_value(values, index, day_index, rule):
    """The print of one fixing day in micros, the latest earlier one under ``PREVIOUS_PRINT``, or MISSING.

    ``values``: (indices, days) micros as known now, MISSING where nothing is known.
    """
    at = day_index
    while at >= 0:
        if values[index, at] != MISSING:
            return values[index, at]
        if rule != PREVIOUS_PRINT:
            return MISSING
        at -= 1
    return MISSING


@inner
def mean_of_prints(values, index, days, first_day, rule, rounding):
    """Settles a fixing window. Returns (price, prints used, their sum, missing days, first missing day).

    ``price = half_even(sum, used · rounding) · rounding``; MISSING when the rule refuses a missing day or no
    print is there at all. ``days``: value dates since 1970; ``first_day``: the day of column 0 of ``values``.
    """
    total, used, missing, first_missing = 0, 0, 0, MISSING
    for day in days:
        at = day - first_day
        value = MISSING
        if 0 <= at < values.shape[1]:
            value = fixing_value(values, index, at, rule)
        if at < 0 or at >= values.shape[1] or values[index, at] == MISSING:
            missing += 1
            if first_missing == MISSING:
                first_missing = day
        if value != MISSING:
            total += value
            used += 1
    if used == 0 or (rule == REFUSE_MISSING and missing > 0) or (rule == PREVIOUS_PRINT and used < len(days)):
        return MISSING, used, total, missing, first_missing
    return half_even(total, used * rounding) * rounding, used, total, missing, first_missing
