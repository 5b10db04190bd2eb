# SPDX-License-Identifier: Apache-2.0
"""One account's engine behind a replayed tape: the memory of a backtest, whose orders come over a wire."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from kilohour.contracts import Assumptions, Registry, Venue, engine_terms
from kilohour.execution.sandbox.averages import Entry
from kilohour.execution.sandbox.instruments import Instrument, Listing
from kilohour.execution.sandbox.model import KINDS, LIVES, NewOrder, Order, Reason
from kilohour.faces.fields import dtype_of
from kilohour.fills import Fills
from kilohour.kernels import records as r
from kilohour.market import Market
from kilohour.session import Session as EngineSession
from kilohour.strategy import Strategy
from kilohour.tape.tape import Tape
from kilohour.units import MISSING

CODES: Mapping[str, Reason] = {
    "not_listed": Reason.NOT_LISTED, "no_price": Reason.NO_PRICE, "size": Reason.QUANTITY, "tick": Reason.TICK, "venue": Reason.ORDER_TYPE,
    "band": Reason.BAND, "life": Reason.ORDER_TYPE, "group": Reason.GROUP, "reduce_only": Reason.REDUCE_ONLY, "capacity": Reason.CAPACITY,
    "position_limit": Reason.POSITION_LIMIT, "margin": Reason.MARGIN, "post_only": Reason.POST_ONLY,
    "session": Reason.CLOSED, "price": Reason.BAND, "halted": Reason.CLOSED, "reducing": Reason.REDUCE_ONLY,
    "restricted": Reason.NOT_LISTED, "near_expiry": Reason.NOT_LISTED, "position_lots": Reason.POSITION_LIMIT,
    "product_gross": Reason.POSITION_LIMIT, "product_net": Reason.POSITION_LIMIT, "collar": Reason.BAND,
    "order_lots": Reason.QUANTITY, "order_notional": Reason.QUANTITY, "open_orders": Reason.CAPACITY,
    "open_notional": Reason.CAPACITY, "order_rate": Reason.CAPACITY, "duplicate": Reason.DUPLICATE, "self_match": Reason.SELF_TRADE,
}  # fmt: skip
"""The risk gate's codes as the exchange's reasons."""
LEDGER = {
    int(r.VARIATION): "variation", int(r.FEE): "fee", int(r.SETTLEMENT): "settlement", int(r.SETTLEMENT_FEE): "settlement_fee",
    int(r.VARIATION_REVERSED): "variation_reversed", int(r.SETTLEMENT_REVERSED): "settlement_reversed",
    int(r.FUNDING_PAID): "funding", int(r.CLEARING_FEE): "clearing_fee", int(r.INTEREST_PAID): "interest",
}  # fmt: skip


AT = r.ORDER_AT
_BLANK = tuple(AT[name] for name in ("filled", "looked", "place", "has_children", "ahead", "arrived"))


class Wire(Strategy):
    """Stands where a session wants a strategy; its orders come from outside."""

    interpreted: ClassVar[bool] = True

    def on_bar(self, desk: Any) -> None:
        """Nothing: whoever is on the wire decides after the timestamp."""


class Account:
    """One account's engine: the memory of a backtest, moved on one timestamp at a time."""

    def __init__(self, name: str, market: Market, cash: int) -> None:
        self.name = name
        self.session = session = EngineSession(market, Wire, np.zeros(1, dtype_of(Wire)), cash, interpreted=True)
        self.desk, self.book, self.scratch = session.desk[0], session.book[0], session.scratch[0]
        words: Any = session.scratch.view(np.int64)
        self.words = memoryview(words)
        """The scratch memory again, by :data:`AT`: numpy takes a microsecond and more over each field of a record."""
        self.entries: dict[int, Entry] = {}
        self.by_number: dict[int, Order] = {}
        self.tickets = 0
        terms = market.margin_terms if market.has_scenarios else market.terms
        self._addresses = [each.ctypes.data for each in (session.book, session.desk, terms, session.scratch, session.out)]
        self._enter: int | None = None
        self._serve: int | None = None
        self._act: int | None = None

    def enter(self) -> None:
        """Submits the order in the scratch memory."""
        if self._enter is None:
            from kilohour.kernels.venue_service import entry_address

            self._enter = entry_address(self.session.market.has_scenarios)
        self._call(self._enter, 0)

    def serve(self) -> None:
        """Serves the request on the desk."""
        if self._serve is None:
            from kilohour.kernels.desk_service import service_address

            self._serve = service_address(self.session.market.has_scenarios)
        self._call(self._serve, r.SERVE_REQUESTS)

    def act(self, what: int) -> int:
        """One act of the venue on the books, told by the scratch memory; what it found out."""
        if self._act is None:
            from kilohour.kernels.venue_service import act_address

            self._act = act_address(self.session.market.has_scenarios)
        self._call(self._act, what)
        return int(self.words[AT["place"]])

    def _call(self, part: int, what: int) -> None:
        from kilohour.kernels.venue_service import call_part

        call_part(part, what, *self._addresses)

    def write(self, new: NewOrder, instrument: Instrument, parent: Order | None) -> None:
        """Puts an order into the scratch memory, every field of it."""
        words = self.words
        self.tickets += 1
        for place in _BLANK:
            words[place] = 0
        sign = new.side if instrument.is_spread else 1
        flags = (r.POST_ONLY if new.post_only else 0) + (r.REDUCE_ONLY if new.reduce_only else 0)
        untied = not new.parent and new.group == 0 and flags == 0
        is_plain = untied and new.life in ("GTC", "DAY") and (new.kind == "market" or (new.kind == "limit" and not instrument.is_spread))
        for name, value in (
            ("kind", KINDS.index(new.kind) + 1), ("life", LIVES.index(new.life) + 1), ("origin", r.FROM_ORDER), ("flags", flags),
            ("ticket", self.tickets), ("until", new.until), ("group", new.group), ("limit", sign * (new.price or 0)),
            ("trigger", sign * (new.trigger or 0)), ("distance", new.distance or 0), ("ahead_at", MISSING),
            ("units", new.lots), ("plain", int(is_plain)),
            ("parent", (parent.number if parent is not None and parent.state.is_open else -1) if new.parent else 0),
        ):  # fmt: skip
            words[AT[name]] = value
        self.write_legs(instrument, new.side)

    def write_legs(self, instrument: Instrument, side: int) -> None:
        """The contracts of an order in the scratch memory, and signed lots of each to a unit."""
        words, contract, ratio = self.words, AT["contract"], AT["ratio"]
        words[AT["legs"]] = len(instrument.legs)
        for leg, (row, lots) in enumerate(instrument.legs):
            words[contract + leg], words[ratio + leg] = row, lots * side

    def slot(self, order: Order) -> Any | None:
        """The engine's record of a working order."""
        for slot in range(int(self.book["orders_working"])):
            if int(self.book["order"][slot]["number"]) == order.number:
                return self.book["order"][slot]
        return None

    def write_to(self, rows: Any) -> None:
        """Another buffer for what the engine writes: accounts that are read one after the other can share one."""
        self.session.out = rows
        self._addresses[-1] = rows.ctypes.data

    def symbol_of(self, listing: Listing, row: int) -> str:
        """The symbol of a ledger row's contract; interest has none."""
        return listing.outrights[row].symbol if row >= 0 else ""

    def taken(self) -> dict[str, Any]:
        """The rows written since the last call, by table."""
        found = {}
        for name, (row, _) in r.TABLES.items():
            used = int(self.session.out[name][0])
            parts = [*self.session.tables[name], self.session.out[row][0][:used].copy()]
            self.session.tables[name] = []
            self.session.out[name] = 0
            found[name] = np.concatenate(parts) if len(parts) > 1 else parts[0]
        return found


def market_of(tape: Tape, assume: Sequence[str | Path] = (), contracts: str | Path | None = None,
              fills: Fills | None = None) -> tuple[Market, Listing]:  # fmt: skip
    """The market of a tape as a backtest with ``--venue sandbox`` sees it, and the instruments on it.

    Raises what :func:`kilohour.contracts.engine_terms` raises for an unknown term.
    """
    loaded = [Assumptions.load(name) for name in dict.fromkeys((*tape.assumptions, *map(str, assume)))]
    registry = Registry.shipped(contracts).adding(tape.products).assuming(*loaded)
    products = {code: registry.product(code) for code in tape.product_codes}
    venue = Venue.shipped("sandbox")
    terms = {code: venue.on(engine_terms(product)) for code, product in products.items()}
    market = Market.of(tape, terms, {code: product.index for code, product in products.items()}, fills)
    return market, Listing(tape.contracts, products, terms)


def by_order(rows: Any) -> Iterator[list[Any]]:
    """Rows of fills in runs: the legs of one execution stand together and name each contract once."""
    run: list[Any] = []
    for row in rows:
        if run and (row["order"] != run[0]["order"] or any(row["contract"] == other["contract"] for other in run)):
            yield run
            run = []
        run.append(row)
    if run:
        yield run


def rows_of(engine: Account, number: int) -> list[dict[str, int]]:
    """The legs of a working order, as rows of the table of orders have them."""
    for slot in range(int(engine.book["orders_working"])):
        order = engine.book["order"][slot]
        if int(order["number"]) == number:
            return [
                {"order": number, "contract": int(order["contract"][leg]), "lots": int(order["ratio"][leg]) * int(order["size"])}
                for leg in range(int(order["legs"]))
            ]
    return []
