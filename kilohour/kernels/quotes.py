# SPDX-License-Identifier: Apache-2.0
"""What is displayed: quotes and recorded levels as they come from the tape. Rules: docs/fills.md."""

from __future__ import annotations

from llvmlite import ir
from numba import from_dtype, types
from numba.extending import intrinsic

from kilohour.kernels.compiling import inner
from kilohour.kernels.records import LEVELS, MISSING, QUOTES

NUMBER = ir.IntType(64)


@intrinsic
def record_at(typing_context, address):
    """The record of QUOTES at an address."""
    record = from_dtype(QUOTES)

    def codegen(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(record))

    return record(types.int64), codegen


@intrinsic
def number_at(typing_context, address, place):
    """The 64-bit integer so many places behind an address."""

    def codegen(context, builder, signature, arguments):
        start = builder.inttoptr(arguments[0], NUMBER.as_pointer())
        return builder.load(builder.gep(start, [arguments[1]]))

    return types.int64(types.int64, types.int64), codegen


@inner
def see_quote(book, desk, event):
    """One level of both sides; the level 0 begins a new snapshot. What another account has seen already stays as it left it."""
    quotes, contract, row = record_at(book.quotes), event.contract, event.row
    level = number_at(quotes.volume_column, row)
    if row >= quotes.rows_shown:
        quotes.rows_shown = row + 1
        at = contract * LEVELS + level
        quotes.depth[contract] = level + 1
        quotes.shown_at[contract] = event.of
        quotes.bid[at], quotes.bid_left[at] = number_at(quotes.open_column, row), number_at(quotes.high_column, row)
        quotes.ask[at], quotes.ask_left[at] = number_at(quotes.low_column, row), number_at(quotes.close_column, row)
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
