# SPDX-License-Identifier: Apache-2.0
"""What looks wrong in one series of prices: runs without a change, jumps by a unit, values out of line, days it does not print on.

Arrays are of one length, in order of time. Each threshold says what it lets pass: a false alarm costs trust in the true ones.
"""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from kilohour.units import NANOS_PER_DAY

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

STALE_STEPS = 15
"""So many steps without a change are a run, in a series that has as many other steps and moves at half of them or more."""
UNITS = (8.0, 100.0)
"""A whole node of eight, and cents for dollars."""
UNIT_TOLERANCE = 0.10
"""What the market may move in the same step."""
NEIGHBOURS = 5
OUTLIER_SHARE = 0.25
"""Of the nearer of the medians before and after: closer values are a market."""
OUTLIER_WIDTHS = 12.0
"""Of the series' own usual step."""
GAP_FACTOR = 6.0
"""Of a series' own usual distance between values; a gap is a day at least."""
STEPS_MIN = 5
REGULAR = 2.0
"""Three of four distances are within so many usual ones: a list of changes, which come when they come, has no gaps."""
OFTEN = 0.5
"""Share of its days from which weekdays, or weekends, belong to a series."""


def stale_runs(values: Ints, shortest: int = STALE_STEPS) -> list[tuple[int, int]]:
    """First and last position of each run of ``shortest`` steps or more without a change."""
    if len(values) < shortest + 2:
        return []
    moves = np.diff(values) != 0
    edges = np.flatnonzero(np.diff(np.concatenate([[True], moves, [True]]).astype(np.int8)))
    runs = [(int(first), int(end)) for first, end in zip(edges[::2], edges[1::2], strict=True) if end - first >= shortest]
    inside = sum(end - first for first, end in runs)
    outside = len(moves) - inside
    return runs if outside >= shortest and np.count_nonzero(moves) >= outside / 2 else []


def unit_slips(values: npt.NDArray[np.float64] | Ints) -> list[tuple[int, float]]:
    """Positions whose value is 8 or 100 times the one before, or that part of it, with the factor.

    In a long series the step must be wide beside its usual ones: a difference of two prices goes from 0.1 to 0.8 on its own.
    """
    before, after = np.asarray(values[:-1], np.float64), np.asarray(values[1:], np.float64)
    steps = np.abs(after - before)
    usual = float(np.median(steps)) if len(values) >= 2 * NEIGHBOURS + 1 else 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where((before > 0) & (after > 0) & (steps > OUTLIER_WIDTHS * usual), after / before, 1.0)
    found: list[tuple[int, float]] = []
    for unit in (*UNITS, *(1 / unit for unit in UNITS)):
        hits = np.flatnonzero(np.abs(ratio / unit - 1) < UNIT_TOLERANCE) + 1
        found += [(int(hit), unit) for hit in hits]
    return sorted(found)


def outliers(values: Ints | Floats) -> Ints:
    """Positions beyond the values on both sides: a jump that came back. A step to a new level is none, nor a steep way up."""
    wide = np.asarray(values, np.float64)
    if len(wide) < 2 * NEIGHBOURS + 1:
        return np.empty(0, np.int64)
    left, right = _medians(wide), _medians(wide[::-1])[::-1]
    low, high = np.minimum(left, right), np.maximum(left, right)
    distance = np.maximum(np.maximum(low - wide, wide - high), 0.0)
    nearest = np.where(wide > high, np.abs(high), np.abs(low))
    usual = float(np.median(np.abs(np.diff(wide))))
    far = (distance > OUTLIER_SHARE * nearest) & (distance > OUTLIER_WIDTHS * usual)
    far[[0, -1]] = False
    return np.flatnonzero(far).astype(np.int64)


def weekend_days(days: Ints) -> Ints:
    """Days (since 1970) on a Saturday or Sunday, of a series that has most weekdays and few weekends."""
    distinct = np.unique(days)
    is_weekend = (distinct + 3) % 7 >= 5
    weeks = (int(distinct[-1]) - int(distinct[0]) + 1) / 7 if len(distinct) else 0.0
    is_daily = np.count_nonzero(~is_weekend) >= OFTEN * 5 * weeks
    found = distinct[is_weekend]
    return found if is_daily and weeks >= 1 and len(found) < OFTEN * 2 * weeks else np.empty(0, np.int64)


def holes(times: Ints) -> list[int]:
    """Positions after which a regular series of times (nanoseconds, rising) is silent for longer than is usual for it."""
    steps = np.diff(times).astype(np.float64)
    if len(steps) < STEPS_MIN:
        return []
    usual = float(np.median(steps))
    if np.quantile(steps, 0.75) > REGULAR * usual:
        return []
    found: list[int] = np.flatnonzero(steps > max(GAP_FACTOR * usual, float(NANOS_PER_DAY))).tolist()
    return found


def bad_ticks(opens: Ints, highs: Ints, lows: Ints, closes: Ints) -> list[tuple[int, float]]:
    """Bars whose high is 8 or 100 times their open and close, or whose low is that part of them, with the factor."""
    body_high, body_low = np.maximum(opens, closes).astype(np.float64), np.minimum(opens, closes).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        up, down = np.where(body_high > 0, highs / body_high, 1.0), np.where((lows > 0) & (body_low > 0), lows / body_low, 1.0)
    found = [(int(row), unit) for unit in UNITS for row in np.flatnonzero(np.abs(up / unit - 1) < UNIT_TOLERANCE)]
    found += [(int(row), 1 / unit) for unit in UNITS for row in np.flatnonzero(np.abs(down * unit - 1) < UNIT_TOLERANCE)]
    return sorted(found)


def out_of_band(groups: Ints, places: Ints, values: Floats, *, share: float) -> Ints:
    """Rows whose value lies outside those of the places before and after it in its group, by more than ``share`` of the nearer one.

    ``groups`` and ``places`` order the rows: a day and a delivery month, say. What is usual for a place (a winter month of gas)
    is measured over all groups and is no finding.
    """
    order = np.lexsort((places, groups))
    group, value = groups[order], values[order]
    inner = np.flatnonzero((group[2:] == group[:-2]) & (group[2:] == group[1:-1])) + 1
    low, high = np.minimum(value[inner - 1], value[inner + 1]), np.maximum(value[inner - 1], value[inner + 1])
    beyond = np.maximum(np.maximum(value[inner] - high, low - value[inner]), 0.0)
    nearer = np.where(value[inner] > high, np.abs(high), np.abs(low))
    usual = float(np.quantile(beyond / np.maximum(nearer, 1e-12), 0.95)) if len(inner) else 0.0
    far = beyond > max(share, 3 * usual) * nearer
    return np.sort(order[inner[far]]).astype(np.int64)


def runs_of(rows: Ints) -> list[Ints]:
    """Increasing rows cut where they do not follow one another."""
    return np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1) if len(rows) else []


def _medians(values: Floats) -> Floats:
    """The median of the NEIGHBOURS values before each, or of as many as there are; the first has none and stands for itself."""
    found = values.copy()
    found[NEIGHBOURS:] = np.median(np.lib.stride_tricks.sliding_window_view(values[:-1], NEIGHBOURS), axis=1)
    for row in range(1, NEIGHBOURS):
        found[row] = np.median(values[:row])
    return found


def slices_of(keys: Ints) -> list[slice]:
    """The stretches of equal keys, which lie together."""
    cuts = [0, *(np.flatnonzero(np.diff(keys) != 0) + 1).tolist(), len(keys)]
    return [slice(first, end) for first, end in itertools.pairwise(cuts) if end > first]
