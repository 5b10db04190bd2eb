# SPDX-License-Identifier: Apache-2.0
"""Every trade of an account since a time, from classes that answer a page at a time and do not say in which direction they cut."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PAGE = 100
BACKWARDS = {"okx": ("after", "billId"), "myokx": ("after", "billId"), "okxus": ("after", "billId")}
"""Classes whose page holds the newest trades, and who name the older ones by a number of the oldest: the parameter and where the number is.
A sweep of a book can trade more than a page within one millisecond, which no time tells apart."""
HISTORY_DAYS = {"okx": 90, "myokx": 90, "okxus": 90}
"""How far back a class's own answer goes, where it is known to end."""
DAY_MS = 86_400_000


async def trades_since(exchange: Any, symbol: str, since: int, now: int) -> tuple[list[Mapping[str, Any]], str]:
    """Trades from ``since`` on (milliseconds, as ``now``), oldest first, each once; and why some may be missing, empty when none can be.

    A full page is followed forwards (its latest time as the next ``since``) and backwards (its oldest number, or time as ``until``),
    until neither brings anything new. Raises what the class raises.
    """
    found: dict[tuple[str, str, str], Mapping[str, Any]] = {}
    page = await _page(exchange, symbol, since, {}, found)
    ahead = behind = page
    while len(ahead) >= PAGE and (fresh := await _page(exchange, symbol, _time(ahead[-1]), {}, found)):
        ahead = fresh
    while len(behind) >= PAGE and (fresh := await _page(exchange, symbol, since, _older(exchange, behind[0]), found)):
        behind = fresh
    rows = sorted(found.values(), key=_place)
    days = HISTORY_DAYS.get(exchange.id)
    if days is not None and since < now - days * DAY_MS:
        return rows, f"{symbol}: trades from {(now - since) // DAY_MS} days ago on were asked for, and the venue shows {days}"
    return rows, _doubt(exchange, symbol, rows) if len(page) >= PAGE else ""


async def _page(exchange: Any, symbol: str, since: int, more: Mapping[str, Any],
                found: dict[tuple[str, str, str], Mapping[str, Any]]) -> list[Mapping[str, Any]]:  # fmt: skip
    """One answer, oldest first, added to what was found; empty when it holds nothing new."""
    rows = sorted(await exchange.fetch_my_trades(symbol, since, PAGE, dict(more)), key=_place)
    fresh = [row for row in rows if _key(row) not in found]
    found.update((_key(row), row) for row in fresh)
    return rows if fresh else []


def _older(exchange: Any, oldest: Mapping[str, Any]) -> dict[str, Any]:
    if exchange.id in BACKWARDS:
        name, number = BACKWARDS[exchange.id]
        return {name: oldest["info"][number]}
    return {"until": _time(oldest)}


def _doubt(exchange: Any, symbol: str, rows: list[Mapping[str, Any]]) -> str:
    if exchange.id not in BACKWARDS:
        for first, last in zip(rows, rows[PAGE - 1 :], strict=False):
            if _time(first) == _time(last):
                return f"{symbol}: {PAGE} trades or more within the millisecond {_time(first)} fill a page, and more may be behind it"
    return ""


def _key(trade: Mapping[str, Any]) -> tuple[str, str, str]:
    return str(trade["id"]), str(trade.get("order") or ""), str(trade["side"])


def _place(trade: Mapping[str, Any]) -> tuple[int, int, str]:
    """By time, and within a millisecond by number: a longer one is a later one."""
    number = str((trade.get("info") or {}).get("billId") or trade["id"])
    return _time(trade), len(number), number


def _time(trade: Mapping[str, Any]) -> int:
    return int(trade["timestamp"])
