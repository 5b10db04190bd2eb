# SPDX-License-Identifier: Apache-2.0
"""backtrader's broker interface over a kilohour session: fills, fees, margin and settlement are the engine's.

Orders wait here until the strategy's ``next`` is over, then become requests at the desk. What became of them is read
from the session's own rows and told to backtrader with the next bar, before the strategy runs.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from typing import Any, NoReturn

from kilohour.errors import UsageError
from kilohour.execution.bridge.extra import bt
from kilohour.execution.bridge.feed import TapeFeed, days_of
from kilohour.execution.bridge.orders import ASKS, check_order, read_valid, tie
from kilohour.execution.bridge.rows import ORDER, SETTLEMENT, Rows
from kilohour.kernels import records as r
from kilohour.session import Session
from kilohour.units import MICROS, datetime_of

_FEES, _SLIPPAGE = "fees are the product's fee_per_lot and fee_ppm", "slippage is the product's half_spread_ticks"
_FUND = "an account has no shares"
REFUSED_SETTERS = {
    "set_coc": "cheat-on-close fills at a price that is gone", "set_coo": "cheat-on-open trades on an open that is gone",
    "set_slippage_perc": _SLIPPAGE, "set_slippage_fixed": _SLIPPAGE, "set_filler": "the volume cap is the product's participation_ppm",
    "set_checksubmit": "the risk gate checks every order", "set_eosbar": "there are no orders at a session's close",
    "set_shortcash": "futures are margined, not paid", "set_int2pnl": "there is no interest on positions",
    "set_cash": "give --cash", "setcash": "give --cash", "add_cash": "the account has one deposit, --cash",
    "set_fundmode": _FUND, "set_fund_history": _FUND, "add_order_history": "a past fill has no place in a ledger kept as it happens",
    "setcommission": _FEES, "addcommissioninfo": _FEES,
}  # fmt: skip
"""What stock brokers let a strategy change, and what decides it here."""


class TermsCommission(bt.CommInfoBase):  # type: ignore[misc]
    """A contract's terms as backtrader asks for them: futures-like, one lot is ``mult`` units, margin is the initial requirement."""

    params = (("fee_share", 0.0), ("margin_floor", 0.0), ("margin_share", 0.0))

    def get_margin(self, price: float) -> float:
        """Initial margin of one lot at a price; where the product asks for none, the notional."""
        notional = abs(price) * self.p.mult
        return float(max(self.p.margin_floor, notional * self.p.margin_share) or notional)

    def _getcommission(self, size: float, price: float, pseudoexec: bool) -> float:  # noqa: ARG002
        return float(abs(size) * (self.p.commission + abs(price) * self.p.mult * self.p.fee_share))

    def getvalue(self, position: Any, price: float) -> float:
        """Margin of a position, negative when short, so that targets by value work on both sides."""
        return float(position.size) * self.get_margin(price)


def commission_of(term: Any) -> TermsCommission:
    """The terms of one row of the market."""
    return TermsCommission(
        mult=int(term["lot_num"]) / int(term["lot_den"]), margin=1.0,
        commission=int(term["fee_per_lot"] + term["fee_clearing"]) / MICROS, fee_share=int(term["fee_ppm"]) / 1e6,
        margin_floor=int(term["initial_floor"]) / MICROS, margin_share=int(term["initial_ppm"]) / 1e6,
        commtype=TermsCommission.COMM_FIXED, stocklike=False)


class SessionBroker(bt.BrokerBase):  # type: ignore[misc]
    """The broker that a strategy on the bridge sees."""

    def __init__(self, session: Session, feeds: dict[int, TapeFeed]) -> None:
        super().__init__()
        self.session, self.feeds, self.rows = session, feeds, Rows(session)
        self.startingcash = session.cash_micros / MICROS
        self.terms = {row: commission_of(session.market.terms[row]) for row in feeds}
        self.positions: dict[Any, Any] = defaultdict(bt.Position)
        self.asked: list[tuple[str, Any]] = []
        self.families: dict[int, list[Any]] = {}
        self.awaiting: deque[Any] = deque()
        self.working: dict[int, Any] = {}
        self.told: deque[Any] = deque()

    # -- what the strategy asks of its broker -----------------------------------------------------------------

    def getcommissioninfo(self, data: Any) -> Any:
        """Terms of the feed's contract."""
        return self.terms[data.p.row]

    def getvalue(self, datas: Any = None, mkt: bool = False, lever: bool = False) -> float:  # noqa: ARG002
        """Equity, or the margin that the positions in ``datas`` bind."""
        if datas is None:
            return int(self.session.book["equity"][0]) / MICROS
        return float(sum(self.terms[d.p.row].getvalue(self.positions[d], d.close[0]) for d in datas))

    get_value = getvalue

    def getcash(self) -> float:
        """Equity that no margin binds, as in stock backtrader, where value is cash and margin."""
        return (int(self.session.book["equity"][0]) - int(self.session.book["initial"][0])) / MICROS

    get_cash = getcash

    def getposition(self, data: Any, clone: bool = True) -> Any:  # noqa: ARG002
        """Lots and average entry price."""
        return self.positions[data]

    def get_orders_open(self, safe: bool = False) -> list[Any]:
        """Orders that are asked for or working, oldest first."""
        asked = [order for verb, order in self.asked if verb == "ask"]
        alive = [order for order in (*self.working.values(), *self.awaiting, *asked) if order.alive()]
        return [order.clone() for order in alive] if safe else alive

    def orderstatus(self, order: Any) -> int:
        """Status as last told."""
        return int(order.status)

    def buy(self, owner: Any, data: Any, size: float, price: float | None = None, plimit: float | None = None,
            exectype: int | None = None, valid: Any = None, **named: Any) -> Any:  # fmt: skip
        """An order to buy; it reaches the desk when ``next`` is over."""
        return self._take(bt.order.BuyOrder, owner, data, size, price, plimit, exectype, valid, named)

    def sell(self, owner: Any, data: Any, size: float, price: float | None = None, plimit: float | None = None,
             exectype: int | None = None, valid: Any = None, **named: Any) -> Any:  # fmt: skip
        """An order to sell."""
        return self._take(bt.order.SellOrder, owner, data, size, price, plimit, exectype, valid, named)

    def cancel(self, order: Any) -> bool:
        """Asks for an order's end; False when it is over already. The order says so itself with the next bar."""
        if not order.alive():
            return False
        self.asked.append(("cancel", order))
        return True

    def _take(self, kind: Any, owner: Any, data: Any, size: float, price: float | None, plimit: float | None,
              exectype: int | None, valid: Any, named: dict[str, Any]) -> Any:  # fmt: skip
        own = {name: named.pop(name) for name in ("tradeid", "trailamount", "trailpercent", "oco", "parent", "transmit") if name in named}
        order = kind(owner=owner, data=data, size=size, price=price, pricelimit=plimit, exectype=exectype, **own)
        check_order(order, size, price)
        order.lots, order.ticket = int(order.size), 0
        order.life, order.until = read_valid(valid, data.times.stamps[-1])
        order.closes = order.parent is not None and order.parent.lots * order.lots < 0
        order.addinfo(**named)
        order.addcomminfo(self.getcommissioninfo(data))
        family = self.families.setdefault(order.parent.ref if order.parent is not None else order.ref, [])
        family.append(order)
        if order.transmit:
            self._send(family)
        return order

    def _send(self, family: list[Any]) -> None:
        """A parent and its children go together, once the last of them says so."""
        for order in family:
            order.submit(self)
            self.tell(order)
            self.asked.append(("ask", order))
        family.clear()

    # -- what the session makes of it -------------------------------------------------------------------------

    def hand_over(self, desk: Any) -> None:
        """Turns what was asked for since the last bar into requests at the desk, in its order."""
        asked, self.asked = self.asked, []
        self.families = {ref: family for ref, family in self.families.items() if family}
        for verb, order in asked:
            if verb == "ask":
                order.ticket = ASKS[order.exectype](desk, order.data.p.row, order)
                self.awaiting.append(order)
            else:
                desk.cancel(order.ticket)
        tie(desk, [order for verb, order in asked if verb == "ask"])

    def next(self) -> None:
        """Reads what the engine did since the last bar; backtrader calls it before the strategy."""
        for table, row in self.rows.fresh():
            if int(row["contract"]) not in self.feeds:
                continue
            if table == ORDER:
                self._see_order(row)
            elif table == SETTLEMENT:
                self._settle(row)
            else:
                self._execute(self.working[int(row["order"])], row, int(row["price_micros"]) / MICROS, int(row["fee_micros"]) / MICROS)

    def _see_order(self, row: Any) -> None:
        number, status = int(row["order"]), int(row["status"])
        if status in (r.WORKING, r.REFUSED):
            order = self.awaiting.popleft() if row["origin"] == r.FROM_ORDER else self._liquidation(row)
            if status == r.WORKING:
                order.accept(self)
                self.working[number] = order
            else:
                self._refuse(order, int(row["code"]))
            self.tell(order)
            return
        order = self.working.pop(number)
        if status == r.FILLED:
            return  # its last fill has told
        if status == r.CANCELLED:
            order.cancel()
        elif status == r.MARGIN_CALL:
            order.margin()
        else:
            order.status, order.executed.dt = bt.Order.Expired, order.data.datetime[0]
        self.tell(order)

    def _refuse(self, order: Any, code: int) -> None:
        order.addinfo(code=r.CODES[code - 1])
        if code == r.MARGIN:
            order.margin()
        else:
            order.reject(self)

    def _liquidation(self, row: Any) -> Any:
        """An order of the house after a margin call, told like the strategy's own."""
        return self._engines_order(row, liquidation=True)

    def _settle(self, row: Any) -> None:
        """A final settlement closes the trade without an order of the strategy."""
        order = self._engines_order({"contract": row["contract"], "lots": -int(row["lots"])}, simulated=True,
                                    price=int(row["price_micros"]) / MICROS, settlement=True)
        fee = abs(int(row["lots"])) * int(self.session.market.terms[int(row["contract"])]["fee_settlement"]) / MICROS
        self._execute(order, {"ts": row["ts"], "lots": -int(row["lots"])}, int(row["price_micros"]) / MICROS, fee)

    def _engines_order(self, row: Any, simulated: bool = False, price: float | None = None, **info: Any) -> Any:
        lots, data = int(row["lots"]), self.feeds[int(row["contract"])]
        kind = bt.order.BuyOrder if lots > 0 else bt.order.SellOrder
        order = kind(owner=None, data=data, size=abs(lots), price=price, exectype=bt.Order.Market, simulated=simulated)
        order.lots, order.ticket = lots, 0
        order.addinfo(**info)
        order.addcomminfo(self.getcommissioninfo(data))
        order.submit(self)
        return order

    def _execute(self, order: Any, row: Any, price: float, fee: float) -> None:
        data, lots, terms = order.data, int(row["lots"]), order.comminfo
        position = self.positions[data]
        entry = position.price
        size, average, opened, closed = position.update(lots, price, datetime_of(int(row["ts"])).replace(tzinfo=None))
        share = abs(closed) / abs(lots)
        order.execute(days_of(int(row["ts"])), lots, price,
                      closed, terms.getvaluesize(-closed, entry), fee * share,
                      opened, terms.getvaluesize(opened, price), fee * (1.0 - share),
                      terms.get_margin(price), terms.profitandloss(-closed, entry, price), size, average)  # fmt: skip
        self.tell(order)

    def tell(self, order: Any) -> None:
        """Keeps what an order looks like now for the strategy."""
        self.told.append(order.clone())

    def get_notification(self) -> Any:
        """The oldest word not yet told, None when all is told."""
        return self.told.popleft() if self.told else None


def _refuser(name: str, reason: str) -> Any:
    def refuse(self: Any, *values: Any, **named: Any) -> NoReturn:  # noqa: ARG001
        raise UsageError(f"backtrader bridge: broker.{name} must not be called: {reason}")

    refuse.__doc__ = f"Refused: {reason}."
    return refuse


def _names() -> Iterator[tuple[str, Any]]:
    for name, reason in REFUSED_SETTERS.items():
        yield name, _refuser(name, reason)


for _name, _method in _names():
    setattr(SessionBroker, _name, _method)
