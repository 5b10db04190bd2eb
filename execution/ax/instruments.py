# SPDX-License-Identifier: Apache-2.0
"""What AX lists: its open list of instruments, which needs no token."""

from __future__ import annotations

from typing import Any

from kilohour.errors import UsageError


async def symbols_at(base: str) -> dict[str, dict[str, Any]]:
    """Every instrument by symbol. Raises :class:`UsageError` in one line when the venue does not answer with a list."""
    import aiohttp

    try:
        patience = aiohttp.ClientTimeout(total=15)
        async with aiohttp.ClientSession(timeout=patience) as session, session.get(f"{base}/api/instruments") as answer:
            body = await answer.json(content_type=None)
            return {str(row["symbol"]): row for row in body["instruments"]}
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{base}: no list of instruments came ({type(error).__name__})") from None
