# SPDX-License-Identifier: Apache-2.0
"""Funding of a perpetual: the rate a venue states, or worked out from its mark and the index. docs/engine.md, "Funding"."""

from __future__ import annotations

from kilohour.kernels.books import RATE_UNIT, book_funding
from kilohour.kernels.compiling import inner
from kilohour.kernels.integers import half_even, share_half_even
from kilohour.kernels.records import MISSING


@inner
def funding_rate(term, mark, index):
    """``clamp(premium + clamp(interest - premium, damper), cap) / divisor`` in hundred-millionths, for ``index > 0``.

    ``premium = (mark - index) / index``. Prices in micros. Both roundings are half-even.
    """
    premium = share_half_even(abs(mark - index), RATE_UNIT, index)
    if mark < index:
        premium = -premium
    rate = premium + min(max(term.funding_interest - premium, -term.funding_damper), term.funding_damper)
    return half_even(min(max(rate, -term.funding_cap), term.funding_cap), term.funding_divisor)


@inner
def see_funding(book, desk, terms, contract, stated, out):
    """Phase 2: funding of what is held now, on the official mark. False when there is no mark, or no print for the rule."""
    if book.position[contract] == 0:
        return True
    term, mark, rate = terms[contract], book.mark[contract], stated
    if mark == MISSING:
        return False
    if stated == MISSING:
        index = desk.index_micros[term.index] if term.index >= 0 else MISSING
        if index <= 0:
            return False
        rate = funding_rate(term, mark, index)
    book_funding(book, term, contract, mark, rate, desk.now, out)
    return True
