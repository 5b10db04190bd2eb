# SPDX-License-Identifier: Apache-2.0
"""A ccxt class in miniature that misbehaves as the real ones were seen to (hazards H3 to H17), without a network."""

from __future__ import annotations

import asyncio
from typing import Any

import ccxt

SYMBOL = "H100/USDT:USDT"


class Wild:
    """One market of 100 units a contract, one book in memory; :meth:`trade` fills an order, :meth:`stream` tells of it badly."""

    def __init__(self, name: str = "okx", **terms: Any) -> None:
        self.id, self.options, self.enableRateLimit = name, {"maxRetriesOnFailure": 3, "defaultType": "spot"}, False
        self.has: dict[str, Any] = dict.fromkeys(("createOrder", "cancelOrder", "fetchOrder", "fetchOpenOrders", "fetchMyTrades",
                                                  "fetchPositions", "fetchBalance", "watchOrders", "watchMyTrades"), True)
        self.features = {"swap": {"linear": {"createOrder": {"timeInForce": {"IOC": True, "PO": True}}}}}
        self.markets: dict[str, Any] = {SYMBOL: {"id": "H100USDT", "contractSize": 100.0, "symbol": SYMBOL, **terms}}
        self.orders: dict[str, dict[str, Any]] = {}
        self.trades: list[dict[str, Any]] = []
        self.calls: list[tuple[Any, ...]] = []
        self.asked: list[str] = []
        self.is_newest_first = False
        self.fails: list[Exception] = []
        self.accepts_first = False
        """A failing submit has reached the book all the same."""
        self._waiting: asyncio.Future[Any] | None = None
        self.session: Any = None
        self.cache: list[dict[str, Any]] = []

    def amount_to_precision(self, symbol: str, amount: float) -> str:
        """Cuts to whole amounts, as ccxt does."""
        step = self.markets[symbol].get("step", 1)
        return str(int(amount // step * step))

    def price_to_precision(self, symbol: str, price: float) -> str:
        return f"{round(price, 3):.3f}"

    async def load_markets(self) -> dict[str, Any]:
        return self.markets

    async def create_order(self, symbol, kind, side, amount, price, params) -> dict[str, Any]:
        self.calls.append((symbol, kind, side, amount, price, dict(params)))
        error = self.fails.pop(0) if self.fails else None
        oid = str(len(self.orders) + 1)
        key = "label" if self.id == "deribit" else "clientOrderId"
        if error is None or self.accepts_first:
            self.orders[oid] = {"id": oid, "symbol": symbol, "side": side, "amount": amount, "filled": 0.0, "status": "open", "price": None,
                                "clientOrderId": params.get(key) if key == "clientOrderId" else None, "info": {key: params.get(key)}}
        if error is not None:
            raise error
        return {"id": oid, "status": None}  # H14: nothing but an id

    async def cancel_order(self, oid, symbol, params) -> dict[str, Any]:
        order = self.orders.get(oid) or next(o for o in self.orders.values() if o["info"].get("clientOrderId") == params.get("clientOrderId"))
        if order["status"] != "open":
            raise ccxt.OrderNotFound("too late")
        order["status"] = "canceled"
        return {"id": order["id"]}

    async def fetch_order(self, oid, symbol, params=None) -> dict[str, Any]:
        self.asked.append(oid or params["clientOrderId"])
        for order in self.orders.values():
            if order["id"] == oid or (oid is None and order["clientOrderId"] == params["clientOrderId"]):
                return dict(order)
        raise ccxt.OrderNotFound("none of that id")

    async def private_get_get_order_state_by_label(self, params) -> dict[str, Any]:
        return {"result": [order for order in self.orders.values() if order["info"].get("label") == params["label"]]}

    def market(self, symbol: str) -> dict[str, Any]:
        return self.markets[symbol]

    def parse_order(self, row, market) -> dict[str, Any]:
        return dict(row)

    async def fetch_open_orders(self, symbol) -> list[dict[str, Any]]:
        return [dict(order) for order in self.orders.values() if order["status"] == "open"]

    async def fetch_my_trades(self, symbol, since, limit, params=None) -> list[dict[str, Any]]:
        assert symbol, "without a symbol the class answers of spot"  # H17
        until = (params or {}).get("until", 10**18)
        rows = [dict(trade) for trade in self.trades if since <= trade["timestamp"] <= until]
        return rows[-limit:] if self.is_newest_first else rows[:limit]

    async def fetch_positions(self, symbols) -> list[dict[str, Any]]:
        lots = sum(t["amount"] if t["side"] == "buy" else -t["amount"] for t in self.trades)
        return [{"symbol": SYMBOL, "contracts": abs(lots), "side": "long" if lots > 0 else "short"}]

    async def fetch_balance(self) -> dict[str, Any]:
        return {"USDT": {"total": 1000.5}}

    async def close(self) -> None:
        """Nothing to close."""

    def trade(self, oid: str, amount: float, price: float = 2.5, *, fee_currency: str = "USDT", size: float = 100.0) -> None:
        """Fills so much of an order; the venue's books know it at once."""
        order = self.orders[oid]
        order["filled"] += amount
        if order["filled"] >= order["amount"]:
            order["status"] = "closed"
        lots = amount / (self.markets[SYMBOL]["contractSize"] if self.id == "deribit" else 1)
        self.trades.append({"id": f"T{len(self.trades) + 1}", "order": oid, "symbol": SYMBOL, "side": order["side"], "amount": amount,
                            "price": price, "cost": lots * size * price, "timestamp": 10**9 + len(self.trades), "takerOrMaker": "taker",
                            "fee": {"cost": 0.05, "currency": fee_currency}})

    async def watch_orders(self) -> list[dict[str, Any]]:
        """H3: a message that comes while nobody waits is dropped."""
        self._waiting = asyncio.get_running_loop().create_future()
        found: list[dict[str, Any]] = await self._waiting
        return found

    watch_my_trades = watch_orders

    def stream(self, *orders: dict[str, Any]) -> None:
        """H3, H4: wakes who waits now with dicts that will change later."""
        self.cache = list(orders)
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(self.cache)
