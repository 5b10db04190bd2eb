# SPDX-License-Identifier: Apache-2.0
"""What every dialect does with text: JSON that cannot hurt, decimals without floats, and times."""

from __future__ import annotations

import json
import re
from typing import Any

from kilohour.units import MICROS, datetime_of

BODY_MOST = 1 << 20
"""Bytes of a body or a frame; a larger one is refused unread."""
_DECIMAL = re.compile(r"([+-]?)(\d{1,12})(?:\.(\d{1,18}))?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,19}", re.ASCII)
"""Nanoseconds UTC have 19 digits."""
DEPTH_MOST = 32


class BadText(ValueError):
    """Text that is no JSON object a client may send."""


def read_json(raw: str | bytes) -> dict[str, Any]:
    """One JSON object. Raises :class:`BadText` in a few words: not UTF-8, too deep, a number too long, not an object."""
    if len(raw) > BODY_MOST:
        raise BadText(f"a message must have at most {BODY_MOST} bytes")
    try:
        text = raw.decode() if isinstance(raw, bytes) else raw
    except UnicodeDecodeError:
        raise BadText("a message must be UTF-8") from None
    found = read_any(text)
    if not isinstance(found, dict):
        raise BadText("a message must be a JSON object")
    return found


def read_any(text: str) -> Any:
    """Any JSON value under the same rules."""
    if text.count("[") + text.count("{") > DEPTH_MOST and _depth(text) > DEPTH_MOST:
        raise BadText(f"JSON must be nested at most {DEPTH_MOST} deep")
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise BadText(f"JSON must be nested at most {DEPTH_MOST} deep") from None
    except ValueError as error:
        raise BadText(f"not JSON: {str(error)[:80]}") from None


def _depth(text: str) -> int:
    depth = deepest = 0
    for char in text:
        if char in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif char in "]}":
            depth -= 1
    return deepest


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)
"""Made once: ``json.loads`` and ``json.dumps`` with arguments make one for every message."""


def decimal(micros: int | float | None) -> str:
    """Micros as a decimal without an exponent.

    >>> decimal(2_815_000), decimal(-500), decimal(0)
    ('2.815', '-0.0005', '0')
    """
    if micros is None:
        return ""
    whole, part = divmod(abs(round(micros)), MICROS)
    text = f"{whole}.{part:06d}".rstrip("0").rstrip(".")
    return f"-{text}" if micros < 0 and text != "0" else text


def rate_text(rate: int) -> str:
    """Hundred-millionths as a decimal.

    >>> rate_text(-10_600), rate_text(375_000)
    ('-0.000106', '0.00375')
    """
    return f"{rate / 1e8:.8f}".rstrip("0").rstrip(".") if rate else "0"


def micros_of(value: object) -> int | None:
    """A decimal string or a JSON number as micros; None when it is none. More than six decimals are rounded up in size, so that
    they stay off every tick.

    >>> micros_of("2.815"), micros_of("1e5"), micros_of(True), micros_of("0.0000001")
    (2815000, None, None, 1)
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    match = _DECIMAL.fullmatch(
        repr(value) if isinstance(value, float) else str(value) if isinstance(value, str) or abs(value) < 10**12 else ""
    )
    if match is None:
        return None
    sign, whole, part = match[1], match[2], match[3] or ""
    size = int(whole) * MICROS + int(part[:6].ljust(6, "0")) + (1 if part[6:].strip("0") else 0)
    return -size if sign == "-" else size


def whole_of(value: object) -> int | None:
    """A whole number, written as a JSON number or as digits; None when it is none.

    >>> whole_of(2), whole_of("2"), whole_of(2.0), whole_of(2.5), whole_of(True)
    (2, 2, 2, None, None)
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if abs(value) < 1 << 64 else None
    if isinstance(value, float):
        return int(value) if value == value and abs(value) < 1e15 and value == int(value) else None
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    return None


def iso(nanos: int) -> str:
    """RFC 3339 in UTC, to the microsecond."""
    return datetime_of(nanos).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def dump(value: Any) -> str:
    """JSON on one line."""
    return _ENCODER.encode(value)
