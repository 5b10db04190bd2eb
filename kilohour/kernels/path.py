# SPDX-License-Identifier: Apache-2.0
"""The way of a price in a bar: straight lines through four points. A place on it is the distance travelled, in micros.

Rules: docs/engine.md, "Orders".
"""

from __future__ import annotations

from kilohour.kernels.compiling import inner
from kilohour.kernels.records import NEVER


@inner
def draw_path(path, open, high, low, close):
    """Open, the nearer extreme (the low when both are as near), the other one, close."""
    low_first = open - low <= high - open
    path[0], path[3] = open, close
    path[1], path[2] = (low, high) if low_first else (high, low)


@inner
def draw_point(path, price):
    """A way of one place."""
    path[0], path[1], path[2], path[3] = price, price, price, price


@inner
def price_at(path, place):
    """The price at a place; behind the end it is the close."""
    left = place
    for k in range(3):
        step = abs(path[k + 1] - path[k])
        if left <= step:
            return path[k] + left if path[k + 1] > path[k] else path[k] - left
        left -= step
    return path[3]


@inner
def reach(path, level, rising, place):
    """The first place from ``place`` on with a price at or beyond ``level``, NEVER without one."""
    price = price_at(path, place)
    if (price >= level) if rising else (price <= level):
        return place
    travelled = 0
    for k in range(3):
        begin, end = path[k], path[k + 1]
        if (begin < level <= end) if rising else (end <= level < begin):
            at = travelled + abs(level - begin)
            if at >= place:
                return at
        travelled += abs(end - begin)
    return NEVER


@inner
def pass_beyond(path, level, rising, place):
    """Where behind ``place`` the price leaves ``level`` for prices beyond it, as a resting limit order wants; NEVER without one.

    The place is that of the level itself, so that who is woken there sees the level, on its tick.
    """
    price = price_at(path, place)
    if (price > level) if rising else (price < level):
        return place if place < abs(path[1] - path[0]) + abs(path[2] - path[1]) + abs(path[3] - path[2]) else NEVER
    at = reach(path, level + 1 if rising else level - 1, rising, place)
    return NEVER if at == NEVER else at - 1


@inner
def trail(path, level, distance, falling, place):
    """Where a trailing level is met, and the level there; (NEVER, the level at the end) when it is not.

    ``falling``: the level is ``distance`` below the highest price so far and is met from above, as a seller's is.
    """
    sign = 1 if falling else -1
    price, travelled = price_at(path, place), 0
    if sign * (price - level) <= 0:
        return place, level
    level = sign * max(sign * level, sign * price - distance)
    for k in range(3):
        begin, end = path[k], path[k + 1]
        step = abs(end - begin)
        if travelled + step > place:
            if sign * (end - level) <= 0:
                return travelled + sign * (begin - level), level
            level = sign * max(sign * level, sign * end - distance)
        travelled += step
    return NEVER, level
