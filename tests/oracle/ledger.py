# SPDX-License-Identifier: Apache-2.0
"""The oracle's ledger: variation, final settlement, and what the venue corrects, in exact fractions.

From docs/engine.md, "Books", "Corrections by the venue" and "Final settlement by rule". Where the page leaves a choice,
the choice is a comment that begins with "Decision".
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from kilohour.contracts.contract import Contract
from kilohour.errors import DataError
from kilohour.units import MISSING, date_of
from tests.oracle.books import MILLION, PREVIOUS, REFUSE, Book, Exact, LedgerRow, Result, SettlementRow, TermsLike, half_even, nearest
from tests.oracle.events import Event

RATE_UNIT = 10**8


class Ledger:
    """The part of the account that marks and settles."""

    contracts: Mapping[str, Contract]
    all_terms: Mapping[str, TermsLike]
    index_of: Mapping[str, str]
    cash: int
    books: dict[str, Book]
    prints: dict[str, dict[int, list[int]]]
    weights: dict[str, dict[int, list[int]]]
    result: Result
    lots_of: dict[str, Exact]

    def book_fees(self, ts: int, code: str, lots: int, price: int, *, is_maker: bool) -> int:
        """The exchange's fee and clearing's, a row each; returns their sum."""
        terms = self.terms(code)
        per_lot, ppm = terms.fee_per_lot_micros, terms.fee_ppm
        if is_maker:
            per_lot = per_lot if terms.fee_maker_per_lot_micros is None else terms.fee_maker_per_lot_micros
            ppm = ppm if terms.fee_maker_ppm is None else terms.fee_maker_ppm
        fee = abs(lots) * per_lot + nearest(abs(lots * price) * terms.lot_num * ppm, terms.lot_den * MILLION)
        clearing = abs(lots) * terms.fee_clearing_micros
        self.book_cash(ts, code, "fee", -fee)
        self.book_cash(ts, code, "clearing_fee", -clearing)
        return fee + clearing

    def mark(self, ts: int, code: str, price: int, kind: str) -> int:
        book, amount = self.books[code], 0
        book.value_price = price
        if not (book.position or book.open_value or book.residue):
            book.is_open = False  # nothing is held and nothing was carried over: nothing is owed
        elif self.contracts[code].product in self.all_terms:
            value = book.position * price * self.lot(code)
            owed = value - book.open_value + book.residue
            amount = half_even(owed)
            book.residue = owed - amount
            book.open_value = value
            book.is_open = book.position != 0
            self.book_cash(ts, code, kind, amount)
        return amount

    def correct_mark(self, ts: int, event: Event) -> None:
        book = self.books[event.code]
        if book.marked is None or book.marked[0] != event.ts_event:
            return
        of, seen, price, lots, paid = book.marked
        if lots:
            moved = lots * (event.close - price) * self.lot(event.code)
            owed = paid + book.residue + moved
            amount = half_even(owed)
            book.residue = owed - amount
            book.open_value += moved
            self.book_change(ts, event.code, "variation", paid, amount)
            paid = amount
        book.marked = (of, seen, event.close, lots, paid)
        if book.bar_at <= seen:
            book.value_price = event.close

    def correct_final(self, ts: int, code: str, price: int, revision: int) -> None:
        book = self.books[code]
        if book.settled is not None:
            before, lots, paid, kept = book.settled
            owed = paid + kept + lots * (price - before) * self.lot(code)
            amount = half_even(owed)
            self.book_change(ts, code, "settlement", paid, amount)
            book.settled = (price, lots, amount, owed - amount)
            self.result.settlements.append(SettlementRow(ts, code, lots, price, 0, 0, 0, revision=revision))

    def book_change(self, ts: int, code: str, kind: str, before: int, after: int) -> None:
        if after != before:
            self.book_cash(ts, code, f"{kind}_reversed", -before)
            self.book_cash(ts, code, kind, after)

    def fund(self, ts: int, code: str, stated: int) -> None:
        """Funding of what is held, on the latest official mark.

        Decision: a contract without a position pays nothing and needs neither mark nor print.
        """
        book = self.books[code]
        if book.position == 0:
            return
        terms = self.terms(code)
        if book.marked is None:
            raise DataError(f"{code}: funding without a mark")
        mark = book.marked[2]
        rate = Fraction(stated, RATE_UNIT)
        if stated == MISSING:
            known = self.prints.get(self.index_of[self.contracts[code].product], {})
            index = known[max(known)][-1] if known else 0
            if index <= 0:
                raise DataError(f"{code}: funding by rule without a positive print")
            premium = half_even(Fraction(mark - index, index) * RATE_UNIT)
            pull = max(-terms.funding_damper, min(terms.funding_damper, terms.funding_interest - premium))
            capped = max(-terms.funding_cap, min(terms.funding_cap, premium + pull))
            rate = Fraction(half_even(Fraction(capped, terms.funding_divisor)), RATE_UNIT)
        self.book_cash(ts, code, "funding", -half_even(book.position * mark * self.lot(code) * rate))

    def settle(self, ts: int, code: str, stated: int) -> None:
        """The final.

        Decision: nothing is worked out for a contract with nothing to settle (no position, and no fill since its
        last mark), so that nobody's missing print stops a run. Decision: a row of settlements only where lots are
        held at the final.
        """
        book = self.books[code]
        if not book.is_open:
            return
        values: list[tuple[int, int]] = []
        missing, price = 0, stated
        if stated == MISSING and self.terms(code).settles_at_mark:
            if book.marked is None:
                raise DataError(f"{code}: no mark to settle at")
            price = book.marked[2]
        elif stated == MISSING:
            values, missing = self.fixings(code)
            unit, weight = self.terms(code).rounding_micros, sum(size for _, size in values)
            if weight == 0:
                raise DataError(f"{code}: every weight is zero")
            price = nearest(sum(value * size for value, size in values), weight * unit) * unit
        # Decision: the venue's own price and the last mark are booked as they are, not rounded again.
        lots = book.position
        paid = self.mark(ts, code, price, "settlement")
        if book.marked is not None:
            book.marked = (*book.marked[:3], 0, 0)
        if lots:
            book.settled = (price, lots, paid, book.residue)
            self.book_cash(ts, code, "settlement_fee", -abs(lots) * self.terms(code).fee_settlement_micros)
            self.result.settlements.append(SettlementRow(
                ts, code, lots, price, len(values), sum(value * size for value, size in values), missing,
                weight=sum(size for _, size in values)))
        book.position, book.open_value, book.residue, book.is_open = 0, 0, 0, False

    def fixings(self, code: str) -> tuple[list[tuple[int, int]], int]:
        """Values and weights of the fixing days by the product's rules, and how many days had no print.

        Decision: where weights count, a print without one is no print, also for the rule ``previous``.
        """
        contract, terms = self.contracts[code], self.terms(code)
        index = self.index_of[contract.product]
        last_or_first = -1 if terms.restatement_latest else 0
        known = {day: (prints[last_or_first], self.weights[index][day][last_or_first] if terms.weighted else 1)
                 for day, prints in self.prints.get(index, {}).items()}
        known = {day: pair for day, pair in known.items() if pair[1] != MISSING}
        values, missing = [], 0
        for day in contract.fixing_days:
            if day in known:
                values.append(known[day])
                continue
            missing += 1
            if terms.missing_rule == REFUSE:
                raise DataError(f"{code}: no print for the fixing day {date_of(day)} and the rule is refuse")
            if terms.missing_rule == PREVIOUS:
                # Any earlier value date of the index counts, not only fixing days.
                earlier = [other for other in known if other < day]
                if not earlier:
                    raise DataError(f"{code}: no print for the fixing day {date_of(day)} nor for any day before it")
                values.append(known[max(earlier)])
        if not values:
            raise DataError(f"{code}: not one print for its {len(contract.fixing_days)} fixing days")
        return values, missing

    def book_cash(self, ts: int, code: str, kind: str, amount: int) -> None:
        """Decision: no row of any kind for an amount of zero."""
        if amount:
            self.cash += amount
            self.result.ledger.append(LedgerRow(ts, code, kind, amount))

    def terms(self, code: str) -> TermsLike:
        return self.all_terms[self.contracts[code].product]

    def lot(self, code: str) -> Exact:
        """Units of a lot."""
        if code not in self.lots_of:
            terms = self.terms(code)
            self.lots_of[code] = terms.lot_num if terms.lot_den == 1 else Fraction(terms.lot_num, terms.lot_den)
        return self.lots_of[code]
