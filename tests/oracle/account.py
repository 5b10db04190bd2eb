# SPDX-License-Identifier: Apache-2.0
"""The oracle's account: fills, equity and requirements; marks and finals are the ledger's."""

from __future__ import annotations

from collections.abc import Mapping

from kilohour.contracts.contract import Contract
from kilohour.tape import Tape
from tests.oracle.books import (
    MILLION,
    Book,
    FillRow,
    PositionRow,
    Result,
    TermsLike,
    half_even,
    nearest,
)
from tests.oracle.ledger import Ledger


class Account(Ledger):
    """Books by contract, cash, and the rows they write."""

    def __init__(self, tape: Tape, terms: Mapping[str, TermsLike], cash_micros: int,
                 indices: Mapping[str, str] | None) -> None:
        self.contracts: dict[str, Contract] = {contract.code: contract for contract in tape.contracts}
        self.row = {code: row for row, code in enumerate(self.contracts)}
        self.all_terms = terms
        self.lots_of = {}
        self.index_of = indices or {code: code.replace(":", "-") for code in tape.product_codes}
        self.cash = cash_micros
        self.books = {code: Book() for code in self.contracts}
        self.prints: dict[str, dict[int, list[int]]] = {index.code: {} for index in tape.indices}
        self.weights: dict[str, dict[int, list[int]]] = {index.code: {} for index in tape.indices}
        self.result = Result(cash_start=cash_micros)

    def book_fill(self, ts: int, number: int, code: str, lots: int, price: int, seen: int, *, is_maker: bool) -> None:
        """``seen`` is the price without cost at the place of the fill."""
        book = self.books[code]
        book.position += lots
        book.is_open = True
        book.open_value += lots * price * self.lot(code)
        fee = self.book_fees(ts, code, lots, price, is_maker=is_maker)
        given_up = half_even(max(lots * (price - seen), 0) * self.lot(code))
        self.result.fills.append(FillRow(ts, number, code, lots, price, fee, book.position, given_up,
                                         "maker" if is_maker else "taker"))

    def equity(self) -> int:
        total = self.cash
        for code, book in self.books.items():
            if book.position or book.open_value or book.residue:
                now = book.position, book.value_price, book.open_value, book.residue
                if now != book.valued[0]:
                    assert book.value_price is not None
                    book.valued = now, half_even(book.position * book.value_price * self.lot(code) - book.open_value + book.residue)
                total += book.valued[1]
        return total

    def requirement(self, code: str, lots: int, *, initial: bool) -> int:
        if lots == 0:
            return 0
        terms, price = self.terms(code), self.books[code].value_price
        assert price is not None
        ppm = terms.margin_initial_ppm if initial else terms.margin_maintenance_ppm
        floor = terms.margin_initial_floor_micros if initial else terms.margin_maintenance_floor_micros
        return max(abs(lots) * floor, nearest(abs(lots * price) * terms.lot_num * ppm, terms.lot_den * MILLION))

    def requirement_of(self, lots: Mapping[str, int], *, initial: bool) -> int:
        return sum(self.requirement(code, held, initial=initial) for code, held in lots.items())

    def held(self) -> dict[str, int]:
        return {code: book.position for code, book in self.books.items() if book.position}

    def write_positions(self, ts: int) -> None:
        for code, lots in self.held().items():
            price = self.books[code].value_price
            assert price is not None
            self.result.positions.append(PositionRow(ts, code, lots, price))

    def is_tradable(self, code: str) -> bool:
        return self.books[code].is_listed and not self.books[code].is_past_last_trade
