# SPDX-License-Identifier: Apache-2.0
"""The AX dialect as text: our commands as its messages, its events as our facts. No socket and no clock.

Prices are decimal strings, quantities whole contracts, ``ts`` seconds and ``tn`` the nanoseconds within.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from kilohour.errors import DataError, UsageError
from kilohour.execution.port import Acknowledged, Amend, Amended, CancelRefused, Ended, Fact, Filled, Found, LegFill, Place, Triggered
from kilohour.units import MICROS, NANOS_PER_SECOND

UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)
"""What a message raises where something is missing, is of another type, or is nested without end."""
ENDS = {"FILLED": "filled", "CANCELED": "canceled", "REJECTED": "rejected", "EXPIRED": "expired", "REPLACED": "canceled",
        "DONE_FOR_DAY": "expired"}
LIVES = {"fok": "IOC", "gtd": "GTC"}
"""What stands in ``tif`` for lives that AX does not have."""
LIVE = ("PENDING", "ACCEPTED", "PARTIALLY_FILLED")
EVENTS = {"c": "canceled", "x": "expired", "d": "expired", "j": "rejected", "r": "canceled"}
"""Event letters that end an order; of a replacement it is the old one."""
NOT_TAKEN = (400, 401, 403, 422, 429)
"""Answers that prove that an order was not taken. 404, 409 and all of 5xx do not: see :func:`is_definite`."""
LIQUIDATION = "liquidation"
"""The tag of the sandbox's own orders; what AX puts there was not seen."""
_DECIMAL = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,6})0*)?")


def decimal(micros: int) -> str:
    """Micros as a decimal string.

    >>> decimal(2_815_000), decimal(-37_630_000)
    ('2.815', '-37.63')
    """
    whole, part = divmod(abs(micros), MICROS)
    text = f"{whole}.{part:06d}".rstrip("0").rstrip(".")
    return f"-{text}" if micros < 0 else text


def micros_of(text: object) -> int:
    """A decimal string as micros. Raises :class:`DataError` for anything else, floats included.

    >>> micros_of("2.815"), micros_of("-0.5")
    (2815000, -500000)
    """
    match = _DECIMAL.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise DataError(f"a price or amount must be a decimal string of at most six decimals, found {text!r}")
    size = int(match[2]) * MICROS + int((match[3] or "").ljust(6, "0") or 0)
    return -size if match[1] else size


def whole(value: object) -> int:
    """A whole number. Raises :class:`DataError`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise DataError(f"a quantity must be a whole number, found {value!r}")
    return value


def time_of(body: Mapping[str, Any]) -> int:
    """Nanoseconds UTC of a message."""
    return whole(body.get("ts", 0)) * NANOS_PER_SECOND + whole(body.get("tn", 0))


def is_definite(code: object) -> bool:
    """True when an error's number proves that the venue does not have the order. A client id in use (409) proves the contrary
    as much: an earlier message may have got through."""
    return isinstance(code, int) and code in NOT_TAKEN


class Symbols:
    """Our codes and the venue's symbols, both ways. A spread is ``LEG~LEG`` or ``1*LEG~-2*LEG``, an extension of the sandbox.

    Raises :class:`UsageError` where two symbols share a contract: orders would go to one and positions of the other be ours."""

    def __init__(self, codes: Mapping[str, str]) -> None:
        self.code_of = dict(codes)
        self.symbol_of = {code: symbol for symbol, code in codes.items()}
        for symbol, code in codes.items():
            if self.symbol_of[code] != symbol:
                raise UsageError(f"{symbol} and {self.symbol_of[code]} share the contract {code}: only one of them may be traded")

    def symbol(self, place: Place) -> str:
        """The symbol to send an order to."""
        if len(place.legs) == 1:
            return self.symbol_of[place.legs[0][0]]
        ratios = [ratio for _, ratio in place.legs]
        names = [self.symbol_of[code] for code, _ in place.legs]
        if ratios == [1, -1]:
            return "~".join(names)
        return "~".join(f"{ratio}*{name}" for ratio, name in zip(ratios, names, strict=True))


def place_message(place: Place, symbols: Symbols, rid: int, tag: str) -> dict[str, Any]:
    """The message that places an order. AX has limit orders only; what else there is goes beside them in ``x``, to a sandbox."""
    buys = len(place.legs) > 1 or place.legs[0][1] > 0
    message = {"rid": rid, "t": "p", "s": symbols.symbol(place), "d": "B" if buys else "S", "q": place.units, "p": decimal(place.limit),
               "tif": LIVES.get(place.life, place.life.upper()), "po": place.post_only, "cid": place.cid, "tag": tag}
    extra = extension(place)
    if extra:
        message["x"] = extra
        if extra.get("kind") not in (None, "limit", "stop_limit"):
            del message["p"]
    return message


def amend_message(amend: Amend, rid: int) -> dict[str, Any]:
    """The message that replaces an order by itself with another size and price."""
    return {"rid": rid, "t": "r", "cid": amend.cid, "q": amend.units, "p": decimal(amend.price)}


def extension(place: Place) -> dict[str, Any]:
    """What AX has no words for (docs/sandbox.md, "Ours beside AX"); nothing of a plain limit order."""
    extra: dict[str, Any] = {"life": place.life.upper()} if place.native is not None or place.life in LIVES else {}
    if place.native is not None:
        for name in ("kind", "until", "reduce_only", "group", "parent"):
            if value := getattr(place.native, name):
                extra[name] = value
        for name in ("trigger", "distance"):
            if (level := getattr(place.native, name)) is not None:
                extra[name] = decimal(level)
    return extra


def cid_of(order: Mapping[str, Any]) -> int:
    """Our number of an order, 0 for one that has none."""
    cid = order.get("cid")
    return int(cid) if isinstance(cid, int | str) and str(cid).isdecimal() else 0


def object_of(text: str) -> Mapping[str, Any]:
    """A message's object. Raises :class:`DataError` for what is none: no JSON, JSON nested without end, a list."""
    try:
        body = json.loads(text)
    except UNREADABLE as error:
        raise DataError(f"a message must be JSON ({type(error).__name__}), found {text[:60]!r}") from None
    if not isinstance(body, Mapping):
        raise DataError(f"a message must be an object, found {text[:60]!r}")
    return body


def event_facts(body: Mapping[str, Any], symbols: Symbols) -> list[Fact]:
    """What a message of the orders socket says. Raises :class:`DataError` for one that cannot be read."""
    try:
        return _facts(body, symbols)
    except UNREADABLE as error:
        raise DataError(f"an event cannot be read ({type(error).__name__}: {error}): {str(body)[:120]}") from None


def _facts(body: Mapping[str, Any], symbols: Symbols) -> list[Fact]:
    kind, ts = body.get("t"), time_of(body)
    if kind == "h":
        return []
    order = body.get("o")
    if kind == "e":
        return [CancelRefused(cid=cid_of(order or body), reason=str(body.get("r") or body.get("txt") or "cancel rejected"))]
    if kind == "r":
        new, order = body.get("no"), body.get("ro") or order
        if isinstance(new, Mapping) and cid_of(new) and cid_of(new) == cid_of(order or {}):
            return [Amended(cid=cid_of(new), oid=str(new.get("oid", "")), units=whole(new.get("q")), ts=ts)]
    if not isinstance(order, Mapping):
        raise DataError(f"an event must carry its order, found {str(body)[:120]}")
    cid, oid, filled = cid_of(order), str(order.get("oid", "")), whole(order.get("xq", 0))
    is_liquidation = cid == 0 and order.get("tag") == LIQUIDATION
    if is_liquidation and kind not in ("p", "f"):
        return []
    if kind == "n":
        return [(Triggered if body.get("txt") == "triggered" else Acknowledged)(cid=cid, oid=oid, ts=ts)]
    if kind in ("p", "f"):
        fill = body["xs"]
        return [Filled(cid=cid, oid=oid, legs=(leg_of(fill, symbols),), cumulative=filled, is_maker=not fill.get("agg", True), ts=ts,
                       is_liquidation=is_liquidation)]
    if kind in EVENTS:
        reason = str(body.get("r") or body.get("xr") or body.get("txt") or EVENTS[kind])
        return [Ended(cid=cid, oid=oid, state=EVENTS[kind], filled=filled, reason=reason, ts=ts)]
    return []


def leg_of(fill: Mapping[str, Any], symbols: Symbols) -> LegFill:
    """A fill block; the fee is not in it."""
    sign = 1 if fill["d"] == "B" else -1
    symbol = str(fill["s"])
    return LegFill(contract=symbols.code_of.get(symbol, symbol), trade=str(fill["tid"]), lots=sign * whole(fill["q"]),
                   price=micros_of(fill["p"]), cost=micros_of(fill["cost"]) if "cost" in fill else None)


def found_order(row: Mapping[str, Any]) -> Found:
    """An order as REST shows it, under ``open-orders`` or ``order-status``."""
    state = str(row.get("o", row.get("state")))
    cid = cid_of(row) or cid_of({"cid": row.get("clord_id")})
    oid = str(row.get("oid") or row.get("order_id") or "")
    filled = whole(row.get("xq", row.get("filled_quantity", 0)))
    if state not in ENDS and state not in LIVE:
        raise DataError(f"an order's state must be one of {', '.join((*LIVE, *ENDS))}, found {state!r}")
    return Found(cid=cid, oid=oid, state=ENDS.get(state, "live"), filled=filled, ts=time_of(row) if "ts" in row else 0,
                 is_triggered=isinstance(extra := row.get("x"), Mapping) and extra.get("triggered") is True)


def fill_fact(row: Mapping[str, Any], cid: int, symbols: Symbols, *, is_liquidation: bool = False) -> Filled:
    """A fill as REST shows it, with its fee."""
    sign = 1 if row["side"] in ("B", "BUY", "Buy") else -1
    symbol = str(row["symbol"])
    leg = LegFill(contract=symbols.code_of.get(symbol, symbol), trade=str(row["trade_id"]), lots=sign * whole(row["quantity"]),
                  price=micros_of(row["price"]), fee=micros_of(row["fee"]))
    return Filled(cid=cid, oid=str(row["order_id"]), legs=(leg,), cumulative=None, is_maker=not row.get("is_taker", True),
                  ts=fill_time(row), is_liquidation=is_liquidation)


def fill_time(row: Mapping[str, Any]) -> int:
    """When a fill of REST happened, nanoseconds UTC."""
    import datetime as dt

    from kilohour.units import nanos_of

    if "timestamp_ns" in row:
        return whole(row["timestamp_ns"])
    return nanos_of(dt.datetime.fromisoformat(str(row["timestamp"]).replace("Z", "+00:00")))
