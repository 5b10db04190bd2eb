# SPDX-License-Identifier: Apache-2.0
"""What the parameters of an indicator must obey, checked once, when a strategy is built.

Inputs are checked in every update: NaN, an infinity, or a size above :data:`LARGEST` (whose square still
adds up without overflow) is refused with a ValueError, in both faces, before anything is remembered.
"""

from math import isfinite

from kilohour.errors import UsageError

LARGEST = 1e100
"""The largest size of a value that an indicator takes."""


def require_whole(indicator: object, field: str, least: int, most: int, why: str) -> None:
    """Raises UsageError unless the integer field is in ``least .. most``.

    >>> from types import SimpleNamespace
    >>> require_whole(SimpleNamespace(window=0), "window", 1, 1024, "its capacity")
    Traceback (most recent call last):
    kilohour.errors.UsageError: SimpleNamespace.window must be from 1 to 1024 (its capacity), found 0
    """
    found = getattr(indicator, field)
    if not (float(found).is_integer() and least <= found <= most):
        limit = f"from {least} to {most} ({why})"
        raise UsageError(f"{type(indicator).__name__}.{field} must be {limit}, found {found}")


def require_window(indicator: object, ring: str = "ring", *, least: int = 1) -> None:
    """Raises UsageError unless ``window`` is in ``least .. capacity of the ring``."""
    require_whole(indicator, "window", least, len(getattr(indicator, ring)), "its capacity")


def require_span(indicator: object, *, least: int = 1) -> None:
    """Raises UsageError unless ``window`` is in ``least .. 1,000,000``, for indicators that keep no ring."""
    require_whole(indicator, "window", least, 1_000_000, "a smoothing span")


def require_between(indicator: object, field: str, least: float, most: float, *, closed: bool = False) -> None:
    """Raises UsageError unless the field is finite and in ``(least, most)``, or in ``[least, most]`` if closed."""
    found = float(getattr(indicator, field))
    inside = least <= found <= most if closed else least < found < most
    if not (inside and isfinite(found)):
        limit = f"from {least:g} to {most:g}" if closed else f"above {least:g} and below {most:g}"
        raise UsageError(f"{type(indicator).__name__}.{field} must be {limit}, found {found:g}")
