# SPDX-License-Identifier: Apache-2.0
"""Interest on the cash of an account, actual days over 360. Rules: docs/engine.md, "Interest on cash"."""

from __future__ import annotations

from kilohour.kernels.compiling import inner
from kilohour.kernels.integers import half_even, share_half_even
from kilohour.kernels.output import write_ledger
from kilohour.kernels.records import INTEREST_PAID, MISSING

YEAR_MILLIONTHS = 360_000_000
"""A year of 360 days in millionths."""
NANOS_PER_DAY = 86_400_000_000_000
NOBODY = -1
"""Stands for the contract of a row that has none."""


@inner
def pay_interest(book, desk, out):
    """On the cash as it stood after the last mark of an earlier day, at the rate known then, for the calendar days since; a debt pays
    the same rate. A series prints millionths of a per cent."""
    day = desk.now // NANOS_PER_DAY
    if book.interest_day != MISSING and day > book.interest_day:
        amount = share_half_even(abs(book.interest_base), book.cash_rate * (day - book.interest_day), YEAR_MILLIONTHS)
        if book.interest_base < 0:
            amount = -amount
        book.cash += amount
        if amount and not book.quiet:
            write_ledger(out, desk.now, NOBODY, INTEREST_PAID, amount)
    book.interest_day, book.interest_base = day, book.cash
    if book.rate_index >= 0 and desk.index_micros[book.rate_index] != MISSING:
        book.cash_rate = half_even(desk.index_micros[book.rate_index], 100)
