# SPDX-License-Identifier: Apache-2.0
"""The ledger: fills, daily variation margin, final settlement, equity. Rules: docs/engine.md, "Books"."""

from __future__ import annotations

from kilohour.kernels.compiling import inner
from kilohour.kernels.integers import half_even, share_half_even
from kilohour.kernels.output import write_ledger
from kilohour.kernels.records import (
    CLEARING_FEE,
    FEE,
    FUNDING_PAID,
    LIMIT,
    POST_ONLY,
    SETTLEMENT,
    SETTLEMENT_FEE,
    SETTLEMENT_REVERSED,
    VARIATION,
    VARIATION_REVERSED,
)

RATE_UNIT = 100_000_000
"""Funding rates have eight decimals."""


@inner
def is_maker(book, order):
    """True when an outright limit order waited for its price: its bar did not open at the limit or through it. Post-only always did."""
    if order.flags & POST_ONLY:
        return True
    if order.kind != LIMIT or order.legs != 1:
        return False
    open = book.bar_open[order.contract[0]]
    return open > order.limit if order.ratio[0] > 0 else open < order.limit


@inner
def fee_of_fill(term, lots, price, maker):
    """Fees of one leg in micros: the exchange's per lot and in millionths of notional, and clearing per lot."""
    per_lot, ppm = term.fee_per_lot, term.fee_ppm
    if maker:
        per_lot, ppm = term.fee_maker_per_lot, term.fee_maker_ppm
    fee = abs(lots) * (per_lot + term.fee_clearing)
    if ppm:
        fee += share_half_even(abs(lots) * abs(price) * term.lot_num, ppm, term.lot_den * 1_000_000)
    return fee


@inner
def book_fill(book, desk, term, contract, lots, price, fee):
    """Enters a fill; its gain or loss becomes cash at the contract's next mark."""
    if book.open_slot[contract] < 0:
        book.open_slot[contract] = book.open_count
        book.open_contract[book.open_count] = contract
        book.open_count += 1
    book.position[contract] += lots
    book.open_value[contract] += lots * price * term.lot_num
    book.cash -= fee
    book.fees += fee
    book.fills += 1
    book.lots_traded += abs(lots)
    desk.held[contract] = book.position[contract]


@inner
def book_mark(book, term, contract, price):
    """Margins the contract at ``price`` and returns the cash it moved, in micros.

    What a lot that is a fraction leaves over is carried, so a held position pays its exact total within a micro.
    """
    worth = book.position[contract] * price * term.lot_num
    exact = worth - book.open_value[contract] + book.residue[contract]
    amount = half_even(exact, term.lot_den)
    book.residue[contract] = exact - amount * term.lot_den
    book.open_value[contract] = worth
    book.cash += amount
    return amount


@inner
def close_line(book, contract):
    """Takes a contract without a position off the list of open lines."""
    slot, last = book.open_slot[contract], book.open_contract[book.open_count - 1]
    book.open_contract[slot] = last
    book.open_slot[last] = slot
    book.open_slot[contract] = -1
    book.open_count -= 1


@inner
def book_variation(book, term, contract, price, ts, out):
    """Daily variation margin of an open line at the official mark."""
    was, amount = book.past[contract], book_mark(book, term, contract, price)
    was.mark_lots, was.mark_amount = book.position[contract], amount
    if amount and not book.quiet:
        write_ledger(out, ts, contract, VARIATION, amount)
    if book.position[contract] == 0:
        close_line(book, contract)


@inner
def book_change(book, contract, before, after, reversal, kind, ts, out):
    """Takes back an amount that was booked and books the one that is right, both dated now; nothing when they are equal."""
    book.cash += after - before
    if after != before and not book.quiet:
        if before:
            write_ledger(out, ts, contract, reversal, -before)
        if after:
            write_ledger(out, ts, contract, kind, after)


@inner
def book_mark_correction(book, term, contract, price, ts, out):
    """The last mark was another: its variation is worked out anew from the lots it margined."""
    was = book.past[contract]
    step = was.mark_lots * (price - book.mark[contract]) * term.lot_num
    if step:
        exact = was.mark_amount * term.lot_den + book.residue[contract] + step
        amount = half_even(exact, term.lot_den)
        book.residue[contract] = exact - amount * term.lot_den
        book.open_value[contract] += step
        book_change(book, contract, was.mark_amount, amount, VARIATION_REVERSED, VARIATION, ts, out)
        was.mark_amount = amount


@inner
def book_final_correction(book, term, contract, price, ts, out):
    """The final settlement was another: the same lots, the corrected price. The fee stays."""
    was = book.past[contract]
    exact = was.final_amount * term.lot_den + was.final_residue + was.final_lots * (price - was.final_price) * term.lot_num
    amount = half_even(exact, term.lot_den)
    was.final_residue = exact - amount * term.lot_den
    book_change(book, contract, was.final_amount, amount, SETTLEMENT_REVERSED, SETTLEMENT, ts, out)
    was.final_amount, was.final_price = amount, price


@inner
def book_final(book, desk, term, contract, price, ts, out):
    """Final settlement: the last variation, the cash settlement fee, and the position is gone."""
    lots = book.position[contract]
    amount = book_mark(book, term, contract, price)
    was = book.past[contract]
    was.mark_lots = 0
    was.final_price, was.final_lots, was.final_amount, was.final_residue = price, lots, amount, book.residue[contract]
    fee = abs(lots) * term.fee_settlement
    book.cash -= fee
    book.fees += fee
    book.position[contract] = 0
    book.open_value[contract] = 0
    book.residue[contract] = 0
    desk.held[contract] = 0
    if book.open_slot[contract] >= 0:
        close_line(book, contract)
    if not book.quiet:
        if amount:
            write_ledger(out, ts, contract, SETTLEMENT, amount)
        if fee:
            write_ledger(out, ts, contract, SETTLEMENT_FEE, -fee)


@inner
def book_funding(book, term, contract, price, rate, ts, out):
    """Funding of one interval in cash: with a positive rate longs pay shorts. ``rate`` in hundred-millionths."""
    lots = book.position[contract]
    paid = share_half_even(abs(lots) * abs(price) * term.lot_num, abs(rate), term.lot_den * RATE_UNIT)
    amount = -paid if ((lots > 0) == (price > 0)) == (rate > 0) else paid
    book.cash += amount
    if amount and not book.quiet:
        write_ledger(out, ts, contract, FUNDING_PAID, amount)


@inner
def book_fee_row(term, contract, lots, fee, ts, out):
    """The ledger rows of a fill's fee, which is cash at once: the exchange's and clearing's part."""
    clearing = abs(lots) * term.fee_clearing
    if fee != clearing:
        write_ledger(out, ts, contract, FEE, clearing - fee)
    if clearing:
        write_ledger(out, ts, contract, CLEARING_FEE, -clearing)


@inner
def unsettled_value(book, term, contract):
    """What the contract would pay if it were marked at its value price now, micros."""
    worth = book.position[contract] * book.value_price[contract] * term.lot_num
    return half_even(worth - book.open_value[contract] + book.residue[contract], term.lot_den)


@inner
def equity_now(book, terms):
    """Cash and what every open line would pay at its value price, micros."""
    equity = book.cash
    for line in range(book.open_count):
        contract = book.open_contract[line]
        equity += unsettled_value(book, terms[contract], contract)
    return equity
