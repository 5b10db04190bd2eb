# SPDX-License-Identifier: Apache-2.0
"""What is displayed: quotes and recorded levels as they come from the tape. Rules: docs/fills.md."""

from __future__ import annotations

from kilohour.kernels.compiling import inner
from kilohour.kernels.memory import record_at
from kilohour.kernels.records import LEVELS, MISSING


@inner
def see_quote(book, desk, event):
    """One level of both sides; the level 0 begins a new snapshot. What another account keeps stays as that one left it."""
    if book.quotes == 0:
        return
    quotes, contract, level = record_at(book.quotes), event.contract, event.revision
    if book.keeps_quotes:
        at = contract * LEVELS + level
        quotes.depth[contract] = level + 1
        quotes.shown_at[contract] = event.of
        quotes.bid[at], quotes.bid_left[at] = event.open, event.high
        quotes.ask[at], quotes.ask_left[at] = event.low, event.price
    if level == 0:
        show_best(quotes, desk, contract)


@inner
def show_best(quotes, desk, contract):
    """The best bid and ask on the desk; a price without size stands there as 0 and is never shown."""
    at = contract * LEVELS
    desk.quoted_at[contract] = quotes.shown_at[contract]
    desk.bid_lots[contract], desk.ask_lots[contract] = quotes.bid_left[at], quotes.ask_left[at]
    desk.bid_price[contract] = 0.0 if quotes.bid[at] == MISSING else quotes.bid[at] / 1e6
    desk.ask_price[contract] = 0.0 if quotes.ask[at] == MISSING else quotes.ask[at] / 1e6


@inner
def is_fresh(quotes, contract, now):
    """True when something was displayed and is not stale yet."""
    return quotes.depth[contract] > 0 and now - quotes.shown_at[contract] <= quotes.stale_after
