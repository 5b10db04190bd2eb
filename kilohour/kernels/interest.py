# SPDX-License-Identifier: Apache-2.0
"""Interest on the cash of an account, actual days over 360. Rules: docs/engine.md, "Interest on cash"."""

from __future__ import annotations

from kilohour.kernels.compiling import inner
from kilohour.kernels.integers import share_half_even
from kilohour.kernels.output import write_ledger
from kilohour.kernels.records import INTEREST_PAID, MISSING

YEAR_MILLIONTHS = 360_000_000
"""A year of 360 days in millionths."""
NANOS_PER_DAY = 86_400_000_000_000
NOBODY = -1
"""Stands for the contract of a row that has none."""


@inner
def pay_interest(book, now, out):
    """On the cash as it stood after the last mark of an earlier day, for the calendar days since; a debt pays the same rate."""
    day = now // NANOS_PER_DAY
    if book.interest_day != MISSING and day > book.interest_day:
        amount = share_half_even(abs(book.interest_base), book.cash_rate * (day - book.interest_day), YEAR_MILLIONTHS)
        if book.interest_base < 0:
            amount = -amount
        book.cash += amount
        if amount and not book.quiet:
            write_ledger(out, now, NOBODY, INTEREST_PAID, amount)
    book.interest_day, book.interest_base = day, book.cash
