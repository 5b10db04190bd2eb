# SPDX-License-Identifier: Apache-2.0
"""What venues and index houses publish: marks, prints, final settlements, and their corrections. Phases 2 and 3 of docs/engine.md."""

from __future__ import annotations

import math

import numpy as np

from kilohour.kernels.books import book_final, book_final_correction, book_mark_correction, book_variation
from kilohour.kernels.compiling import inner
from kilohour.kernels.output import write_settlement
from kilohour.kernels.records import AT_MARK, AT_SETTLEMENT, DAY, DAY_ORDERS, LAPSED, MARK, MISSING, ZERO
from kilohour.kernels.settlement import counts, mean_of_prints
from kilohour.kernels.working import end_order, sweep_orders

ONE = np.uint64(1)
DECAY = 0.97
"""Weight of the past in the volatility of a contract's marks (RiskMetrics' monthly horizon; docs/engine.md, "Desk")."""


@inner
def end_orders_of(book, desk, contract, which, status, out):
    """Ends working orders with a leg in the contract: all of them, or the DAY orders accepted earlier."""
    ended = False
    for slot in range(book.orders_working):
        order = book.order[slot]
        if order.number == 0:
            continue
        if which == DAY_ORDERS and (order.life != DAY or order.accepted_at >= desk.now or order.kind == AT_SETTLEMENT):
            continue
        for leg in range(order.legs):
            if order.contract[leg] == contract:
                end_order(book, desk, order, status, out)
                ended = True
                break
    if ended:
        sweep_orders(book)


@inner
def show_mark(book, desk, contract, price, before, past):
    """The official mark, and the volatility with it, from the mark and the variance before it."""
    if before != MISSING:
        change = (price - before) / 1e6
        square = change * change
        desk.variance[contract] = square if past != past else DECAY * past + (1.0 - DECAY) * square
    book.mark[contract] = price
    desk.official[contract] = price / 1e6


@inner
def remember_mark(book, desk, contract, of):
    """Keeps what a correction of the mark that comes now will ask."""
    was = book.past[contract]
    was.mark_of, was.mark_before, was.variance_before, was.mark_lots = of, book.mark[contract], desk.variance[contract], 0


@inner
def see_mark(book, desk, contract, price, of):
    """Phase 2: the official mark and the day's volatility. ``of``: when it happened."""
    if book.may_correct:
        remember_mark(book, desk, contract, of)
    show_mark(book, desk, contract, price, book.mark[contract], desk.variance[contract])
    book.marked_at[contract] = desk.now
    book.value_price[contract] = price


@inner
def see_marks(book, desk, terms, i, ts, ts_event, kind, ref, close, volume, out):
    """Phase 2: the marks of one timestamp, from event ``i`` on, their variation margin; DAY orders lapse.

    Returns the event behind them, or a corrected one. Unsigned indices spare this loop, which daily tapes run as often
    as that of bars, the question whether they count from the end.
    """
    n, k, now = np.uint64(ts.shape[0]), np.uint64(i), desk.now
    while k < n and ts[k] == now and kind[k] == MARK and volume[k] <= 0:
        contract, price = np.uint64(ref[k]), close[k]
        see_mark(book, desk, contract, price, ts_event[k])
        if book.open_slot[contract] >= 0:
            book_variation(book, terms[contract], np.int64(contract), price, now, out)
        if book.orders_working:
            end_orders_of(book, desk, np.int64(contract), DAY_ORDERS, LAPSED, out)
        k += ONE
    desk.mark_count += np.int64(k) - i
    return np.int64(k)


@inner
def correct_mark(book, desk, terms, contract, price, of, out):
    """Phase 2: the venue corrects a mark. One that a later mark has followed moves nothing: what it gives it takes again."""
    was = book.past[contract]
    if was.mark_of != of or book.mark[contract] == MISSING:
        return
    book_mark_correction(book, terms[contract], contract, price, desk.now, out)
    show_mark(book, desk, contract, price, was.mark_before, was.variance_before)
    if desk.seen_at[contract] <= book.marked_at[contract]:
        book.value_price[contract] = price


@inner
def see_print(desk, terms, index, day, value, weight, revision, latest, first, first_day, fixes_from, fixes_contract,
              fixing_days):  # fmt: skip
    """Phase 3: a print enters the store, and the fixed share of every open window that holds its day."""
    at, weights = day - first_day, latest.shape[0] // 2 + index
    latest[index, at], latest[weights, at] = value, weight
    if revision == 0:
        first[index, at], first[weights, at] = value, weight
    if desk.index_value_day[index] <= day:
        desk.index_value[index], desk.index_micros[index] = value / 1e6, value
        desk.index_value_day[index] = day
        desk.index_known_at[index] = desk.now
    desk.index_fresh[index] = 1
    desk.news = 1
    cell = index * latest.shape[1] + at
    for i in range(fixes_from[cell], fixes_from[cell + 1]):
        contract = fixes_contract[i]
        term = terms[contract]
        start, stop = term.fixing_from, term.fixing_to
        store = latest if term.restatement_latest else first
        count, total, units = 0, 0.0, 0
        for j in range(start, stop):
            column = fixing_days[j] - first_day
            if column >= latest.shape[1]:
                break
            if counts(store, index, column, term.weighted):
                size = store[weights, column] if term.weighted else 1
                count += 1
                units += size
                total += size * (store[index, column] / 1e6)
        desk.fixed_count[contract] = count
        desk.fixed_sum[contract] = total if units == count else (total / units * count if units else math.nan)


@inner
def see_final(book, desk, terms, contract, stated, latest, first, first_day, fixing_days, out):
    """Phase 3: final settlement, at the venue's stated price or by rule. False when the rule lacks a print."""
    if book.open_slot[contract] < 0:
        return True
    term = terms[contract]
    price, used, total, missing, weight = stated, 0, 0, 0, 0
    if stated == MISSING and term.settles_at_mark:
        price, used, day = book.mark[contract], AT_MARK, MISSING
    elif stated == MISSING:
        store = latest if term.restatement_latest else first
        days = fixing_days[term.fixing_from : term.fixing_to]
        price, used, total, missing, day, weight = mean_of_prints(store, term.index, days, first_day, term)
    if price == MISSING:
        book.failed_ref, book.failed_day = contract, day
        return False
    lots = book.position[contract]
    book.value_price[contract] = price
    book_final(book, desk, term, contract, price, desk.now, out)
    if lots:
        book.settlements += 1
        if not book.quiet:
            write_settlement(out, desk.now, contract, lots, price, used, total, missing, weight, ZERO)
    return True


@inner
def correct_final(book, desk, terms, contract, price, revision, out):
    """Phase 3: the venue corrects a final settlement of lots that were held."""
    lots = book.past[contract].final_lots
    if lots:
        book_final_correction(book, terms[contract], contract, price, desk.now, out)
        if not book.quiet:
            write_settlement(out, desk.now, contract, lots, price, ZERO, ZERO, ZERO, ZERO, revision)
