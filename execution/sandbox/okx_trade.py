# SPDX-License-Identifier: Apache-2.0
"""What OKX clients do with orders, by REST and by socket alike: place, cancel, amend, one or many, and the dead-man timer."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from kilohour.execution.sandbox.accounts import Credentials
from kilohour.execution.sandbox.model import Order, Reason, State
from kilohour.execution.sandbox.okx import CODES, Fault, ms, read_order
from kilohour.execution.sandbox.wire import micros_of, whole_of
from kilohour.units import NANOS_PER_SECOND, nanos_of

if TYPE_CHECKING:
    from kilohour.execution.sandbox.server import Server

BATCH_MOST = 20
SKEW_SECONDS = 30


def signed(secret: str, text: str, signature: object) -> bool:
    """True when the signature is the one of the secret."""
    wanted = base64.b64encode(hmac.new(secret.encode(), text.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()).decode()
    return isinstance(signature, str) and hmac.compare_digest(wanted.encode(), signature.encode("utf-8", "surrogatepass"))


def nanos_of_timestamp(text: str) -> int | None:
    """ISO with milliseconds, or seconds since 1970, as nanoseconds."""
    try:
        if text.replace(".", "", 1).isdecimal() and len(text) < 20:
            return int(float(text) * NANOS_PER_SECOND)
        moment = dt.datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        return None
    return nanos_of(moment) if moment.tzinfo is not None else None


class Trading:
    """Orders of OKX clients. Every verb answers with rows that have their own ``sCode``."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def holder(self, key: object, passphrase: object, timestamp: str, text: str, signature: object) -> Credentials:
        """Whose signed request it is. Raises :class:`Fault`."""
        found = self.server.keyring.holder(key)
        at = nanos_of_timestamp(timestamp)
        if found is None:
            raise Fault("50111", "Invalid OK-ACCESS-KEY", 401)
        if at is None:
            raise Fault("50112", "Invalid OK-ACCESS-TIMESTAMP", 401)
        if abs(at - self.server.wall()) > SKEW_SECONDS * NANOS_PER_SECOND:
            raise Fault("50102", "Timestamp request expired", 401)
        if found.passphrase != passphrase:
            raise Fault("50105", "Request header OK-ACCESS-PASSPHRASE incorrect", 401)
        if not signed(found.api_secret, text, signature):
            raise Fault("50113", "Invalid Sign", 401)
        return found

    def each(self, account: str, items: Any, do: Callable[[str, Mapping[str, Any]], dict[str, Any]]) -> dict[str, Any]:
        """One answer for one or many: code 0 when all went, 1 when none did, 2 when some did."""
        rows: list[dict[str, Any]] = []
        many = items if isinstance(items, list) else [items]
        if not 1 <= len(many) <= BATCH_MOST:
            raise Fault("51000", f"a batch must have 1 to {BATCH_MOST} orders")
        for item in many:
            if not isinstance(item, Mapping):
                raise Fault("50014", "Parameter can not be empty: an order must be an object")
            try:
                rows.append({**do(account, item), "sCode": "0", "sMsg": "", "ts": ms(self.server.exchange.now)})
            except Fault as fault:
                rows.append(
                    {
                        "ordId": "",
                        "clOrdId": str(item.get("clOrdId") or ""),
                        "tag": "",
                        "sCode": fault.code,
                        "sMsg": fault.message,
                        "ts": ms(self.server.exchange.now),
                    }
                )
        failed = sum(row["sCode"] != "0" for row in rows)
        code = "0" if not failed else "1" if failed == len(rows) else "2"
        return {
            "code": code,
            "msg": "" if code == "0" else "All operations failed" if code == "1" else "Some operations failed",
            "data": rows,
        }

    def place(self, account: str, item: Mapping[str, Any]) -> dict[str, Any]:
        """Places one order. A post-only order that would cross is taken and cancelled, as there."""
        new, _ = read_order(self.server.exchange, item)
        order = self.server.exchange.place(account, new)
        reason = self.server.exchange.changes.events[-1].reason if order.state is State.REJECTED else None
        if reason is not None and reason is not Reason.POST_ONLY:
            raise Fault(CODES.get(reason, "51000"), reason.value)
        return {"ordId": order.id, "clOrdId": order.client_id, "tag": order.tag}

    def cancel(self, account: str, item: Mapping[str, Any]) -> dict[str, Any]:
        """Cancels one order."""
        order = self.find(account, item)
        reason = self.server.exchange.cancel(order)
        if reason is not None:
            raise Fault(CODES.get(reason, "51400"), "Cancellation failed as the order has been filled, canceled or is halted")
        return {"ordId": order.id, "clOrdId": order.client_id}

    def amend(self, account: str, item: Mapping[str, Any]) -> dict[str, Any]:
        """Changes one order, which keeps its id."""
        order = self.find(account, item)
        lots, price = whole_of(item.get("newSz")), micros_of(item.get("newPx"))
        if (item.get("newSz") and (lots is None or lots < 1)) or (item.get("newPx") and (price is None or price <= 0)):
            raise Fault("51000", "Parameter newSz or newPx error")
        if lots is None and price is None:
            raise Fault("51000", "newSz or newPx is needed")
        done = self.server.exchange.replace(order, lots=lots, price=price, keep_id=True)
        if isinstance(done, Reason):
            raise Fault("51503" if done is Reason.GONE else CODES.get(done, "51000"), done.value)
        return {"ordId": order.id, "clOrdId": order.client_id, "reqId": str(item.get("reqId") or "")}

    def find(self, account: str, item: Mapping[str, Any]) -> Order:
        """The order that a request names. Raises :class:`Fault`."""
        order = self.server.exchange.order_of(account, item.get("ordId"), item.get("clOrdId"))
        if order is None or order.is_asleep or self.server.is_hidden(order):
            raise Fault("51603", "Order does not exist")
        return order

    def cancel_all_after(self, account: str, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The dead-man timer, in seconds of the wall clock: 0 switches it off, 10 is the least."""
        seconds = whole_of(body.get("timeOut"))
        if seconds is None or not (seconds == 0 or 10 <= seconds <= 120):
            raise Fault("51000", "Parameter timeOut error: 0, or 10 to 120 seconds")
        if account in self._timers:
            self._timers.pop(account).cancel()
        if seconds:
            self._timers[account] = asyncio.get_running_loop().call_later(seconds, self.fire, account)
        trigger = self.server.wall() + seconds * NANOS_PER_SECOND if seconds else 0
        return [{"triggerTime": ms(trigger), "ts": ms(self.server.wall()), "tag": str(body.get("tag") or "")}]

    def fire(self, account: str) -> None:
        """The timer has run out."""
        self._timers.pop(account, None)
        self.server.exchange.cancel_all(account, reason=Reason.TIMER)
        self.server.publish()
