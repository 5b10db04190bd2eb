# SPDX-License-Identifier: Apache-2.0
"""OKX's algo orders: stops, touches, trailing stops, and a stop with a take-profit, which the exchange holds until a trade reaches them.

An algo order and the order that it becomes are one order of the exchange with one id: ``algoId`` while it sleeps, ``ordId`` too once it
is awake. What wakes it is the last price; marks and indices do not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from kilohour.execution.sandbox.core import Exchange
from kilohour.execution.sandbox.instruments import Instrument
from kilohour.execution.sandbox.model import NewOrder, Order, Reason, State
from kilohour.execution.sandbox.okx import CODES, Fault, kind_of, ms, read_common, read_instrument
from kilohour.execution.sandbox.okx_account import page
from kilohour.execution.sandbox.wire import decimal, micros_of
from kilohour.units import MICROS

if TYPE_CHECKING:
    from kilohour.execution.sandbox.server import Server

Body = Mapping[str, Any]
FORMS = ("conditional", "oco", "trigger", "move_order_stop")
PRICE_TYPES = ("triggerPxType", "tpTriggerPxType", "slTriggerPxType")
NOT_THERE = ("closeFraction", "activePx")
"""Fields of which the sandbox knows nothing: an order that has one would not do what its sender means."""
STATES = ("live", "effective", "canceled", "order_failed")


class Algos:
    """The verbs and the reads. Placing and cancelling answer with one row each, or raise :class:`Fault`."""

    def __init__(self, server: Server) -> None:
        self.server, self.exchange = server, server.exchange

    def answers(self) -> dict[str, Callable[[str, Any], Any]]:
        """Reads below ``/api/v5/``."""
        return {"trade/order-algo": lambda account, query: [self._row(self._find(account, query))],
                "trade/orders-algo-pending": self._pending, "trade/orders-algo-history": self._history}  # fmt: skip

    def place(self, account: str, item: Body) -> dict[str, Any]:
        """One algo order."""
        new = read_algo(self.exchange, item)
        order = self.exchange.place(account, new)
        if order.state is State.REJECTED:
            reason = self.exchange.changes.events[-1].reason or Reason.ORDER_TYPE
            raise Fault(CODES.get(reason, "51000"), reason.value)
        return {"algoId": order.id, "clOrdId": order.client_id, "algoClOrdId": order.client_id, "tag": order.tag}

    def cancel(self, account: str, item: Body) -> dict[str, Any]:
        """One algo order that still sleeps."""
        order = self._find(account, item)
        reason = self.exchange.cancel(order) if order.is_asleep else Reason.GONE
        if reason is not None:
            raise Fault(CODES.get(reason, "51400"), "Cancellation failed as the order has been triggered, canceled or is halted")
        return {"algoId": order.id, "clOrdId": order.client_id, "algoClOrdId": order.client_id, "tag": order.tag}

    def _find(self, account: str, item: Body) -> Order:
        order = self.exchange.order_of(account, item.get("algoId"), item.get("algoClOrdId") or item.get("clOrdId"))
        if order is None or order.condition is None or self.server.is_hidden(order):
            raise Fault("51603", "Order does not exist")
        return order

    def _row(self, order: Order) -> dict[str, Any]:
        each = self.exchange.listing.find(order.symbol)
        assert each is not None, "an order is on an instrument that is listed"
        return algo_row(self.exchange, order, each)

    def _pending(self, account: str, query: Body) -> Any:
        if not query.get("ordType") and not query.get("algoId"):
            raise Fault("51000", f"Parameter ordType error: some of {', '.join(FORMS)}")
        return self._page(reversed(self.exchange.open_orders[account].values()), query, is_open=True)

    def _history(self, account: str, query: Body) -> Any:
        if query.get("state") not in STATES[1:] and not query.get("algoId"):
            raise Fault("51000", f"Parameter state error: one of {', '.join(STATES[1:])}, or algoId")
        return self._page(self.exchange.history(account), query, is_open=False)

    def _page(self, orders: Any, query: Body, *, is_open: bool) -> Any:
        forms = str(query.get("ordType") or ",".join(FORMS)).split(",")
        rows = (self._row(order) for order in orders if order.condition is not None and not self.server.is_hidden(order)
                and (order.is_asleep and order.state.is_open) is is_open)  # fmt: skip
        return page((row for row in rows if row["ordType"] in forms), query, ("instType", "instId", "state", "algoId"), "algoId")


def read_algo(exchange: Exchange, body: Body) -> NewOrder:
    """The algo order of a message. Raises :class:`Fault` for what is none, or would mean something else here."""
    each, form = read_instrument(exchange, body), str(body.get("ordType"))
    if form not in FORMS:
        raise Fault("51000", f"Parameter ordType error: the sandbox has {', '.join(FORMS)}")
    for name in NOT_THERE:
        if body.get(name) not in (None, ""):
            raise Fault("51000", f"Parameter {name} error: the sandbox has none")
    for name in PRICE_TYPES:
        if body.get(name) not in (None, "", "last"):
            raise Fault("51000", f"Parameter {name} error: the sandbox has last")
    common: dict[str, Any] = {"symbol": each.symbol, "form": form, **read_common(body, "algoClOrdId", "clOrdId")}
    if form == "move_order_stop":
        distance, ppm = _trail(exchange, each, body)
        return NewOrder(kind="trailing_stop", distance=distance, distance_ppm=ppm, **common)
    last = _last(exchange, each)
    if form == "trigger":
        level, limit = _level(body, "triggerPx"), _limit(body, "orderPx")
        is_stop = last is None or (common["side"] > 0) == (level >= last)
        return NewOrder(kind=("stop" if limit is None else "stop_limit") if is_stop else "market_if_touched",
                        trigger=level, price=limit, **common)  # fmt: skip
    has_stop, has_profit = (body.get(name) not in (None, "") for name in ("slTriggerPx", "tpTriggerPx"))
    if form == "oco" and not (has_stop and has_profit):
        raise Fault("51000", "Parameter tpTriggerPx or slTriggerPx error: an oco order has both")
    if has_stop or not has_profit:  # of two levels a conditional order keeps the stop, as there
        level, limit = _level(body, "slTriggerPx"), _limit(body, "slOrdPx")
        _check_side(common["side"], level, last, is_stop=True)
        profit: dict[str, Any] = {}
        if form == "oco":
            profit = {"touch": _level(body, "tpTriggerPx"), "touch_price": _limit(body, "tpOrdPx")}
            _check_side(common["side"], profit["touch"], last, is_stop=False)
        return NewOrder(kind="stop" if limit is None else "stop_limit", trigger=level, price=limit, **profit, **common)
    level = _level(body, "tpTriggerPx")
    _check_side(common["side"], level, last, is_stop=False)
    return NewOrder(kind="market_if_touched", trigger=level, price=_limit(body, "tpOrdPx"), **common)


def _last(exchange: Exchange, each: Instrument) -> int | None:
    ticker = exchange.tickers[each.symbol]
    return ticker.mark if ticker.last is None else ticker.last


def _level(body: Body, name: str) -> int:
    found = micros_of(body.get(name))
    if found is None or found <= 0:
        raise Fault("51000", f"Parameter {name} error: a price above 0")
    return found


def _limit(body: Body, name: str) -> int | None:
    """A limit, None for -1, which is to go at the market."""
    return None if micros_of(body.get(name)) == -MICROS else _level(body, name)


def _check_side(side: int, level: int, last: int | None, *, is_stop: bool) -> None:
    """A stop is on the side to which the market runs away, a profit on the other one."""
    if last is None or level == last or (level > last) == ((side > 0) == is_stop):
        return
    word, much = "SL" if is_stop else "TP", "lower" if (side > 0) == is_stop else "higher"
    code = {("TP", "higher"): "51277", ("SL", "lower"): "51278", ("TP", "lower"): "51279", ("SL", "higher"): "51280"}[word, much]
    raise Fault(code, f"{word} trigger price can not be {much} than the last price")


def _trail(exchange: Exchange, each: Instrument, body: Body) -> tuple[int, int]:
    """The distance, and the share that it is when it was said so: the gate is asked about what that is now."""
    spread, ratio, last = micros_of(body.get("callbackSpread")), micros_of(body.get("callbackRatio")), _last(exchange, each)
    if (spread is None) == (ratio is None):
        raise Fault("51000", "Parameter callbackSpread or callbackRatio error: one of them")
    if spread is not None:
        return spread, 0
    if ratio is None or not 0 < ratio < MICROS or last is None:
        raise Fault("51000", "Parameter callbackRatio error: between 0 and 1, of a contract that has a price")
    return max(abs(last) * ratio // MICROS // each.tick, 1) * each.tick, ratio


def algo_state(order: Order) -> str:
    """How an algo order stands, whatever became of the order that it woke as."""
    return "effective" if order.woke_at else "live" if order.state.is_open else "canceled"


def _levels(new: NewOrder, form: str) -> tuple[tuple[int | None, str], ...]:
    """Level and limit of a trigger, a stop and a profit."""
    none: tuple[int | None, str] = (None, "")
    level = new.trigger, "-1" if new.price is None else decimal(new.price)
    if form == "trigger":
        return level, none, none
    if form not in ("conditional", "oco"):
        return none, none, none
    if new.kind == "market_if_touched":
        return none, none, level
    return none, level, none if new.touch is None else (new.touch, "-1" if new.touch_price is None else decimal(new.touch_price))


def algo_row(exchange: Exchange, order: Order, each: Instrument, state: str = "") -> dict[str, Any]:
    """An algo order as REST and the ``orders-algo`` channel show it, in the state it has now or had."""
    new, state = order.condition, state or algo_state(order)
    assert new is not None, "an algo order is one of a kind that waits"
    form = new.form or ("move_order_stop" if new.kind == "trailing_stop" else "trigger")
    is_effective = state == "effective"
    plain, stop, profit = _levels(new, form)
    woke_on = ("tp" if order.trigger == profit[0] else "sl") if is_effective and form in ("conditional", "oco") else ""
    return {
        "instType": kind_of(each), "instId": each.okx, "ccy": "", "algoId": order.id, "clOrdId": order.client_id,
        "algoClOrdId": order.client_id, "ordId": order.id if is_effective else "",
        "ordIdList": [order.id] if is_effective else [], "tag": order.tag, "ordType": form,
        "side": "buy" if order.side > 0 else "sell", "posSide": "net", "tdMode": "cross", "tgtCcy": "", "sz": str(new.lots),
        "state": state, "lever": str(exchange.leverage_of(order.account, each)), "closeFraction": "",
        "reduceOnly": "true" if order.reduce_only else "false", "triggerPx": decimal(plain[0]),
        "triggerPxType": "last" if form == "trigger" else "", "ordPx": plain[1], "slTriggerPx": decimal(stop[0]),
        "slTriggerPxType": "last" if stop[1] else "", "slOrdPx": stop[1], "tpTriggerPx": decimal(profit[0]),
        "tpTriggerPxType": "last" if profit[1] else "", "tpOrdPx": profit[1],
        "callbackRatio": decimal(new.distance_ppm) if new.distance_ppm else "",
        "callbackSpread": decimal(new.distance) if new.kind == "trailing_stop" and not new.distance_ppm else "", "activePx": "",
        "moveTriggerPx": decimal(order.trigger) if form == "move_order_stop" else "",
        "last": decimal(exchange.tickers[each.symbol].last), "actualSz": str(new.lots) if is_effective else "0",
        "actualPx": decimal(order.price) if is_effective and order.kind == "limit" else "", "actualSide": woke_on,
        "triggerTime": ms(order.woke_at) if is_effective else "", "failCode": "", "cTime": ms(order.created),
        "uTime": ms(order.updated), "linkedOrd": {"ordId": ""}, "attachAlgoOrds": [],
    }  # fmt: skip
