# SPDX-License-Identifier: Apache-2.0
"""What AX lists: its open list of instruments, which needs no token."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from kilohour.contracts import Product
from kilohour.errors import UsageError


async def symbols_at(base: str) -> dict[str, dict[str, Any]]:
    """Every instrument by symbol. Raises :class:`UsageError` in one line when the venue does not answer with a list, or lists a symbol
    twice: which of the two an order would go to nobody knows."""
    import aiohttp

    try:
        patience = aiohttp.ClientTimeout(total=15)
        async with aiohttp.ClientSession(timeout=patience) as session, session.get(f"{base}/api/instruments") as answer:
            rows = (await answer.json(content_type=None))["instruments"]
            found = {str(row["symbol"]): row for row in rows}
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{base}: no list of instruments came ({type(error).__name__})") from None
    if len(found) < len(rows):
        twice = next(symbol for symbol, times in Counter(str(row["symbol"]) for row in rows).items() if times > 1)
        raise UsageError(f"{base}: {twice} is listed twice")
    return found


def check_terms(symbol: str, row: Mapping[str, Any], product: Product) -> None:
    """The venue's contract is the product's: a size or a tick that has changed would make another order of every order.

    ``row``: the venue's words on ``symbol``. Raises :class:`UsageError`.
    """
    for name, ours, unit in (("multiplier", product.ratio("lot"), "units a lot"), ("tick_size", product.ratio("tick"), "dollars a tick")):
        found = row.get(name)
        if isinstance(found, bool) or not isinstance(found, str | int) or not is_equal(found, ours):
            raise UsageError(f"{symbol}: {name} must be {float(ours):g}, the {unit} of {product.code} in the registry, found {found!r}")


def is_equal(text: str | int, number: Fraction) -> bool:
    """True when a decimal says the number."""
    try:
        return Fraction(text) == number
    except (ValueError, ZeroDivisionError):
        return False
