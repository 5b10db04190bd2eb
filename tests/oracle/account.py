# SPDX-License-Identifier: Apache-2.0
"""The oracle's account: fills, marks, finals, equity and requirements."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from kilohour.contracts.contract import Contract
from kilohour.errors import DataError
from kilohour.tape import Tape
from kilohour.units import MISSING, date_of
from tests.oracle.books import (
    MILLION,
    PREVIOUS,
    REFUSE,
    Book,
    FillRow,
    LedgerRow,
    PositionRow,
    Result,
    SettlementRow,
    TermsLike,
    half_even,
)


class Account:
    """Books by contract, cash, and the rows they write."""

    def __init__(self, tape: Tape, terms: Mapping[str, TermsLike], cash_micros: int,
                 indices: Mapping[str, str] | None) -> None:
        self.contracts: dict[str, Contract] = {contract.code: contract for contract in tape.contracts}
        self.row = {code: row for row, code in enumerate(self.contracts)}
        self.all_terms = terms
        self.index_of = indices or {code: code.replace(":", "-") for code in tape.product_codes}
        self.cash = cash_micros
        self.lots_in_units = {code: Fraction(its.lot_num, its.lot_den) for code, its in terms.items()}
        self.books = {code: Book() for code in self.contracts}
        self.prints: dict[str, dict[int, list[int]]] = {index.code: {} for index in tape.indices}
        self.result = Result(cash_start=cash_micros)

    def book_fill(self, ts: int, number: int, code: str, lots: int, price: int, seen: int) -> None:
        """``seen`` is the price without cost at the place of the fill."""
        book, terms = self.books[code], self.terms(code)
        book.position += lots
        book.is_open = True
        book.open_value += lots * price * self.lot(code)
        fee = abs(lots) * terms.fee_per_lot_micros
        fee += half_even(abs(lots) * abs(price) * self.lot(code) * Fraction(terms.fee_ppm, MILLION))
        self.book_cash(ts, code, "fee", -fee)
        given_up = half_even(max(lots * (price - seen), 0) * self.lot(code))
        self.result.fills.append(FillRow(ts, number, code, lots, price, fee, book.position, given_up))

    def mark(self, ts: int, code: str, price: int, kind: str) -> None:
        book = self.books[code]
        book.value_price = price
        if self.contracts[code].product in self.all_terms:
            value = book.position * price * self.lot(code)
            owed = value - book.open_value + book.residue
            amount = half_even(owed)
            book.residue = owed - amount
            book.open_value = value
            book.is_open = book.position != 0
            self.book_cash(ts, code, kind, amount)

    def settle(self, ts: int, code: str, stated: int) -> None:
        """The final.

        Decision: nothing is worked out for a contract with nothing to settle (no position, and no fill since its
        last mark), so that nobody's missing print stops a run. Decision: a row of settlements only where lots are
        held at the final.
        """
        book = self.books[code]
        if not book.is_open:
            return
        if stated == MISSING:
            values, missing = self.fixings(code)
            unit = self.terms(code).rounding_micros
            price = half_even(Fraction(sum(values), len(values) * unit)) * unit
        else:
            # Decision: the venue's own price is booked as stated, not rounded again.
            values, missing, price = [], 0, stated
        lots = book.position
        self.mark(ts, code, price, "settlement")
        if lots:
            self.book_cash(ts, code, "settlement_fee", -abs(lots) * self.terms(code).fee_settlement_micros)
            self.result.settlements.append(SettlementRow(ts, code, lots, price, len(values), sum(values), missing))
        book.position, book.open_value, book.residue, book.is_open = 0, Fraction(0), Fraction(0), False

    def fixings(self, code: str) -> tuple[list[int], int]:
        """Values of the fixing days by the product's rules, and how many days had no print."""
        contract, terms = self.contracts[code], self.terms(code)
        known = self.prints.get(self.index_of[contract.product], {})
        last_or_first = -1 if terms.restatement_latest else 0
        values, missing = [], 0
        for day in contract.fixing_days:
            if day in known:
                values.append(known[day][last_or_first])
                continue
            missing += 1
            if terms.missing_rule == REFUSE:
                raise DataError(f"{code}: no print for the fixing day {date_of(day)} and the rule is refuse")
            if terms.missing_rule == PREVIOUS:
                # Any earlier value date of the index counts, not only fixing days.
                earlier = [other for other in known if other < day]
                if not earlier:
                    raise DataError(f"{code}: no print for the fixing day {date_of(day)} nor for any day before it")
                values.append(known[max(earlier)][last_or_first])
        if not values:
            raise DataError(f"{code}: not one print for its {len(contract.fixing_days)} fixing days")
        return values, missing

    def equity(self) -> int:
        total = self.cash
        for code, book in self.books.items():
            if book.position or book.open_value or book.residue:
                assert book.value_price is not None
                total += half_even(book.position * book.value_price * self.lot(code) - book.open_value + book.residue)
        return total

    def requirement(self, code: str, lots: int, *, initial: bool) -> int:
        if lots == 0:
            return 0
        terms, price = self.terms(code), self.books[code].value_price
        assert price is not None
        ppm = terms.margin_initial_ppm if initial else terms.margin_maintenance_ppm
        floor = terms.margin_initial_floor_micros if initial else terms.margin_maintenance_floor_micros
        return max(abs(lots) * floor, half_even(abs(lots) * abs(price) * self.lot(code) * Fraction(ppm, MILLION)))

    def requirement_of(self, lots: Mapping[str, int], *, initial: bool) -> int:
        return sum(self.requirement(code, held, initial=initial) for code, held in lots.items())

    def held(self) -> dict[str, int]:
        return {code: book.position for code, book in self.books.items() if book.position}

    def write_positions(self, ts: int) -> None:
        for code, lots in self.held().items():
            price = self.books[code].value_price
            assert price is not None
            self.result.positions.append(PositionRow(ts, code, lots, price))

    def book_cash(self, ts: int, code: str, kind: str, amount: int) -> None:
        """Decision: no row of any kind for an amount of zero."""
        if amount:
            self.cash += amount
            self.result.ledger.append(LedgerRow(ts, code, kind, amount))

    def terms(self, code: str) -> TermsLike:
        return self.all_terms[self.contracts[code].product]

    def lot(self, code: str) -> Fraction:
        return self.lots_in_units[self.contracts[code].product]

    def is_tradable(self, code: str) -> bool:
        return self.books[code].is_listed and not self.books[code].is_past_last_trade
