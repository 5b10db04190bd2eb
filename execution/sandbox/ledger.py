# SPDX-License-Identifier: Apache-2.0
"""Accounts of the book exchange. Their arithmetic is the engine's own: each has a session of it that is told of trades and sees the
market's marks, funding, prints, settlements and expiries, but no bars, for what it trades at is decided in the order book.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from kilohour.execution.sandbox.averages import Entry
from kilohour.execution.sandbox.engines import AT, Account
from kilohour.execution.sandbox.instruments import Instrument, Listing
from kilohour.execution.sandbox.model import Holding, NewOrder, Order, Statement
from kilohour.kernels import records as r
from kilohour.kernels import venue_service as act
from kilohour.market import Market
from kilohour.tape.schema import COLUMNS, Kind
from kilohour.tape.tape import Tape
from kilohour.units import divide_half_even


def without_bars(tape: Tape) -> Tape:
    """The tape's official events: everything but what was traded."""
    kept = tape.events["kind"] != Kind.BAR
    return Tape(
        events={name: tape.events[name][kept].copy() for name in COLUMNS},
        contracts=tape.contracts,
        indices=tape.indices,
        source=tape.source,
        notes=tape.notes,
        days_per_year=tape.days_per_year,
        assumptions=tape.assumptions,
        products=tape.products,
    )


class Ledger:
    """Every account's books. ``value`` says what a contract is worth now, in micros, None when nobody knows."""

    def __init__(self, market: Market, listing: Listing, cash: Mapping[str, int], value: Callable[[int], int | None]) -> None:
        self.market, self.listing, self.value = market, listing, value
        self.accounts = {name: Account(name, market, micros) for name, micros in cash.items()}
        rows = next(iter(self.accounts.values())).session.out
        for account in self.accounts.values():
            account.write_to(rows)  # what one account's engine writes is read before the next one runs
            account.book["may_correct"] = 1
            account.desk["seen_at"][: len(listing.outrights)] = 0  # a bar is not what makes a price here

    def run(self, until: int) -> list[tuple[str, dict[str, Any]]]:
        """Moves every account's engine until so many official events are behind it; what each wrote, by table."""
        written = []
        for name, account in self.accounts.items():
            if int(account.book["cursor"]) < until:
                account.session.run(until)
            written.append((name, account.taken()))
        return written

    def ask(self, name: str, new: NewOrder, instrument: Instrument, left: int | None = None) -> int:
        """The risk gate's code for an order, 0 when it may go."""
        account = self.accounts[name]
        self._refresh(account)
        account.write(new, instrument, None)
        account.words[AT["units"]] = account.words[AT["size"]] = new.lots if left is None else left
        return account.act(act.ASK)

    def work(self, order: Order, instrument: Instrument, lots: int) -> None:
        """So many more lots of an order work (fewer when negative)."""
        account = self.accounts[order.account]
        account.words[AT["origin"]] = r.FROM_ORDER
        account.write_legs(instrument, order.side)
        account.words[AT["filled"]] = abs(lots)
        account.act(act.ADD if lots > 0 else act.TAKE)

    def trade(self, name: str, row: int, lots: int, price: int, *, is_maker: bool, ts: int) -> int:
        """Books signed lots at a price; the fee in micros."""
        account = self.accounts[name]
        for field, value in (("legs", 1), ("contract", row), ("units", lots), ("limit", price), ("looked", int(is_maker))):
            account.words[AT[field]] = value
        fee = account.act(act.TRADE)
        account.entries.setdefault(row, Entry()).trade(lots, price, ts)
        return fee

    def finish(self, row: int, price: int) -> list[tuple[str, dict[str, Any]]]:
        """The contract settles for everybody and expires; what each account's engine wrote."""
        written = []
        for name, account in self.accounts.items():
            account.scratch["contract"][0], account.scratch["limit"] = row, price
            account.act(act.FINISH)
            account.entries.pop(row, None)
            written.append((name, account.taken()))
        return written

    def correct(self, row: int, price: int, *, is_final: bool) -> list[tuple[str, dict[str, Any]]]:
        """The latest mark, or the final price, was another; what each account's engine wrote."""
        written = []
        for name, account in self.accounts.items():
            if is_final and int(account.book["past"][row]["final_lots"]) == 0:
                continue
            account.scratch["contract"][0], account.scratch["limit"] = row, price
            account.act(act.CORRECT_FINAL if is_final else act.CORRECT_MARK)
            written.append((name, account.taken()))
        return written

    def held(self, name: str, row: int) -> int:
        """Signed lots of a contract."""
        return int(self.accounts[name].book["position"][row])

    def liquidations(self, name: str) -> list[list[tuple[int, int]]]:
        """The orders of a margin call, taken out of the engine: legs of (row, signed lots)."""
        account = self.accounts[name]
        orders = [account.book["order"][slot] for slot in range(int(account.book["orders_working"]))]
        found = [
            [(int(o["contract"][leg]), int(o["ratio"][leg] * (o["units"] - o["filled"]))) for leg in range(int(o["legs"]))] for o in orders
        ]
        if found:
            account.act(act.END_WORKING)
            account.taken()
        return found

    def statement(self, name: str) -> Statement:
        """The account now, positions valued at what they would trade at."""
        account = self.accounts[name]
        self._refresh(account)
        book, holdings, initial, maintenance, unrealized_all = account.book, [], 0, 0, 0
        for row in np.flatnonzero(book["open_slot"][: len(self.listing.outrights)] >= 0).tolist():
            each, lots, price = self.listing.outrights[row], int(book["position"][row]), int(book["value_price"][row])
            terms = each.terms
            exact = lots * price * terms.lot_num - int(book["open_value"][row]) + int(book["residue"][row])
            unrealized = divide_half_even(exact, terms.lot_den)
            unrealized_all += unrealized
            initial += margin(each, lots, price, terms.margin_initial_ppm, terms.margin_initial_floor_micros)
            maintenance += margin(each, lots, price, terms.margin_maintenance_ppm, terms.margin_maintenance_floor_micros)
            entry = account.entries.get(row, Entry())
            holdings.append(
                Holding(
                    symbol=each.symbol,
                    lots=lots,
                    open_value=int(book["open_value"][row]),
                    average=entry.average,
                    value_price=price,
                    unrealized=unrealized,
                    opened=entry.opened,
                    realized=divide_half_even(entry.realized * terms.lot_num, terms.lot_den),
                )
            )
        cash = int(book["cash"])
        return Statement(
            account=name,
            cash=cash,
            equity=cash + unrealized_all,
            initial=initial,
            maintenance=maintenance,
            fees=int(book["fees"]),
            holdings=tuple(holdings),
        )

    def _refresh(self, account: Account) -> None:
        book = account.book
        for line in range(int(book["open_count"])):
            row = int(book["open_contract"][line])
            price = self.value(row)
            if price is not None:
                book["value_price"][row] = price


def margin(instrument: Instrument, lots: int, price: int, ppm: int, floor: int) -> int:
    """Requirement of a position by per cent of notional with a floor a lot, micros. Rule: docs/engine.md, "Margin"."""
    terms = instrument.terms
    return max(abs(lots) * floor, divide_half_even(abs(lots) * abs(price) * terms.lot_num * ppm, terms.lot_den * 1_000_000))
