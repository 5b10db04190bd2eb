# SPDX-License-Identifier: Apache-2.0
"""What OKX tells the holder of a key over REST: balance, positions, bills, orders and fills."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from kilohour.execution.sandbox.model import Order, State
from kilohour.execution.sandbox.okx import (
    Fault,
    balance_row,
    bill_row,
    family_of,
    fill_row,
    leverage_most,
    ms,
    order_row,
    position_rows,
)
from kilohour.execution.sandbox.okx_public import Public, Query, limit_of
from kilohour.execution.sandbox.okx_trade import Trading
from kilohour.execution.sandbox.wire import decimal, micros_of, rate_text, whole_of

if TYPE_CHECKING:
    from kilohour.execution.sandbox.server import Server

PAGE_MOST = 100
CONFIG = {"acctLv": "2", "posMode": "net_mode", "autoLoan": False, "greeksType": "PA", "level": "Lv1", "ctIsoMode": "automatic",
          "perm": "read_only,trade"}  # fmt: skip
DOLLAR = {"ccy": "USD", "name": "US dollar", "chain": "USD-sandbox", "canDep": False, "canWd": False, "canInternal": False,
          "minFee": "0", "maxFee": "0", "minWd": "0"}  # fmt: skip


class AccountReads:
    """The paths that need a key and move nothing, and the two settings of an account."""

    def __init__(self, server: Server, public: Public, trading: Trading) -> None:
        self.server, self.exchange, self.public, self.trading = server, server.exchange, public, trading

    def answers(self) -> dict[str, Callable[[str, Any], Any]]:
        """Every path below ``/api/v5/``."""
        exchange = self.exchange
        return {
            "account/balance": lambda account, _: [balance_row(exchange, exchange.statement(account))],
            "account/positions": self._positions,
            "account/config": lambda account, _: [{"uid": account, "mainUid": account, **CONFIG}],
            "account/leverage-info": self._leverage,
            "account/bills": self._bills,
            "account/bills-archive": self._bills,
            "account/trade-fee": lambda _, query: self._fees(query),
            "asset/currencies": lambda _, __: [DOLLAR],
            "trade/order": lambda account, query: [self._order(self.trading.find(account, query))],
            "trade/orders-pending": lambda account, query: self._orders(account, query, is_open=True),
            "trade/orders-history": lambda account, query: self._orders(account, query, is_open=False),
            "trade/orders-history-archive": lambda account, query: self._orders(account, query, is_open=False),
            "trade/fills": self._fills,
            "trade/fills-history": self._fills,
        }

    def _positions(self, account: str, query: Query) -> Any:
        rows = position_rows(self.exchange, self.exchange.statement(account))
        wanted = str(query.get("instId") or "").split(",")
        return [row for row in rows if (wanted == [""] or row["instId"] in wanted) and query.get("instType") in (None, "", row["instType"])]

    def _leverage(self, account: str, query: Query) -> Any:
        each = self.public.named(query)
        mode = str(query.get("mgnMode") or "cross")
        return [{"instId": each.okx, "mgnMode": mode, "posSide": "net", "lever": str(self.exchange.leverage_of(account, each))}]

    def _fees(self, query: Query) -> Any:
        """Shares of notional, negative for what is paid; fees by the lot have no place here."""
        families = (query.get("instFamily"), query.get("uly"))
        terms = next((each.terms for each in self.public.listed({"instType": query.get("instType")}) if family_of(each) in families),
                     self.exchange.listing.outrights[0].terms)  # fmt: skip
        maker = rate_text(-100 * (terms.fee_ppm if terms.fee_maker_ppm is None else terms.fee_maker_ppm))
        taker = rate_text(-100 * terms.fee_ppm)
        return [{"maker": maker, "taker": taker, "makerU": maker, "takerU": taker, "instType": str(query.get("instType") or ""),
                 "level": "Lv1", "ts": ms(self.exchange.now)}]  # fmt: skip

    def _order(self, order: Order) -> Any:
        each = self.exchange.listing.find(order.symbol)
        assert each is not None, "an order is on an instrument that is listed"
        return order_row(order, each)

    def _orders(self, account: str, query: Query, *, is_open: bool) -> Any:
        pool = reversed(self.exchange.open_orders[account].values()) if is_open else self.exchange.history(account)
        rows = (self._order(o) for o in pool if o.state.is_open is is_open and not self.server.is_hidden(o) and is_known(o))
        return page(rows, query, ("instType", "instId", "state", "ordType"), "ordId")

    def _fills(self, account: str, query: Query) -> Any:
        listing = self.exchange.listing
        rows = (fill_row(fill, listing.by_symbol[fill.symbol]) for fill in reversed(self.exchange.fills[account]))
        return page(rows, query, ("instType", "instId", "ordId"), "billId")

    def _bills(self, account: str, query: Query) -> Any:
        rows = (bill_row(row, self.exchange) for row in reversed(self.exchange.transactions[account]))
        return page(rows, query, ("type", "instType", "instId"), "billId")

    def set_leverage(self, account: str, body: Any) -> Any:
        """A label, within what the margin allows: margin is asked of the whole account."""
        if not isinstance(body, dict):
            raise Fault("50002", "JSON syntax error: an object", 400)
        each, lever = self.public.named(body), micros_of(body.get("lever"))
        most = leverage_most(each)
        if lever is None or not 10**6 <= lever <= most * 10**6:
            raise Fault("59102", f"Leverage exceeds the maximum limit: 1 to {most}")
        if body.get("mgnMode") not in (None, "", "cross", "isolated"):
            raise Fault("51000", "Parameter mgnMode error")
        self.exchange.leverage[account, each.okx] = lever // 10**6
        return [{"instId": each.okx, "lever": decimal(lever), "mgnMode": str(body.get("mgnMode") or "cross"), "posSide": "net"}]

    def set_position_mode(self, _: str, body: Any) -> Any:
        """Net positions, the only mode there is."""
        if not isinstance(body, dict) or body.get("posMode") != "net_mode":
            raise Fault("51000", "Parameter posMode error: this sandbox has net_mode")
        return [{"posMode": "net_mode"}]


def is_known(order: Order) -> bool:
    """False for what OKX never took (a post-only order it takes and cancels), for spreads, and for algo orders that no price has woken."""
    return "~" not in order.symbol and not order.is_asleep and (order.state is not State.REJECTED or order.post_only)


def page(rows: Iterable[dict[str, Any]], query: Query, filters: Iterable[str], name: str) -> list[dict[str, Any]]:
    """The rows, newest first, that a query asks for: by their fields, by time, older than the id ``after``, so many.

    Rows are made one by one as long as the page is not full. An id that is not among them is as none.
    """
    wanted = {key: query[key] for key in filters if query.get(key)}
    begin, end = whole_of(query.get("begin")), whole_of(query.get("end"))
    most, after = limit_of(query, PAGE_MOST, PAGE_MOST), query.get("after")
    newest: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    is_behind = False
    for row in rows:
        at = int(row["ts"] if "ts" in row else row["cTime"]) if begin is not None or end is not None else 0
        if any(row[key] != value for key, value in wanted.items()) or not (begin is None or at >= begin) or not (end is None or at <= end):
            continue
        if len(newest) < most:
            newest.append(row)
        if is_behind:
            found.append(row)
        is_behind = is_behind or row[name] == after
        if len(found if is_behind else newest) >= most and (is_behind or not after):
            break
    return found if is_behind else newest


