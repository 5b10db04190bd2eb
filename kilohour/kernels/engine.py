# SPDX-License-Identifier: Apache-2.0
"""The engine: one resumable step over the tape, the same in every mode.

``advance`` runs whole timestamps; the order inside one is docs/engine.md. Nothing in it knows what a strategy is:
it calls a native function by address, compiled or a way back into CPython.
"""

from __future__ import annotations

import math

import numpy as np

from kilohour.kernels.books import book_mark, equity_now
from kilohour.kernels.call import call_gate, call_step
from kilohour.kernels.chain import expire_contract, list_contract, move_fronts
from kilohour.kernels.compiling import entry, inner
from kilohour.kernels.margin import measure_margin
from kilohour.kernels.matching import match_orders
from kilohour.kernels.memory import borrowed
from kilohour.kernels.official import end_orders_of, see_final, see_marks, see_print
from kilohour.kernels.output import write_ledger
from kilohour.kernels.records import (
    BAR,
    CALL_MARGIN,
    CASH_INTEREST,
    DONE,
    EVERY_ORDER,
    EXPIRED,
    EXPIRY,
    FAILED,
    FILL_AT_OPEN,
    FINAL,
    FULL,
    FUNDING,
    INTEREST,
    LEGS,
    LISTING,
    MARK,
    MEET_MARKS,
    MEET_QUOTES,
    MISSING,
    NO_FUNDING,
    NO_PRINT,
    ORDERS,
    OVERFLOW,
    PRINT,
    QUOTE,
    ROWS,
    SERVE_REQUESTS,
    SESSION,
    UNSETTLED,
    WATCH_LOSSES,
)

ROWS_PER_GROUP = 2 * ORDERS * LEGS + 4096
UNHEARD, HEARD, UNABLE = np.int64(0), np.int64(1), np.int64(2)
"""Whether the strategy has run at a timestamp: not yet, it has, it failed."""
ONE = np.uint64(1)
NANOS_PER_DAY = 86_400_000_000_000


@inner
def note_change(book):
    """The change of equity over a UTC day that is now complete: from the last row of the day before to its own last."""
    if book.day != MISSING:
        change = (book.day_last - book.day_before) / 1e6
        book.day_count += 1
        book.change_sum += change
        book.change_sum2 += change * change
        book.day_before = book.day_last


@inner
def note_peak(book):
    """The highest equity so far and the deepest fall from it."""
    book.equity_peak = max(book.equity_peak, book.equity)
    fall = book.equity_peak - book.equity
    book.drawdown_peak = max(book.drawdown_peak, fall)
    if book.equity_peak > 0:
        book.drawdown_fraction = max(book.drawdown_fraction, fall / book.equity_peak)


@inner
def note_day(book, desk, out):
    """Phase 5: one row of equity, one row a held contract, and the running statistics of daily changes."""
    equity, day = book.equity, desk.now // NANOS_PER_DAY
    if day != book.day:
        note_change(book)
        book.day = day
    book.day_last = equity
    note_peak(book)
    book.margin_peak = max(book.margin_peak, book.initial)
    if book.quiet:
        return
    row = out.equity_row[out.equity]
    row.ts, row.equity_micros, row.cash_micros = desk.now, equity, book.cash
    row.margin_initial_micros, row.margin_maintenance_micros = book.initial, book.maintenance
    out.equity += 1
    for line in range(book.open_count):
        contract = book.open_contract[line]
        if book.position[contract]:
            held = out.position_row[out.positions]
            held.ts, held.contract, held.lots, held.mark_micros = (
                desk.now, contract, book.position[contract], book.value_price[contract])
            out.positions += 1


@inner
def note_columns(desk, out):
    """The columns that the strategy recorded at this timestamp."""
    if desk.column_count == 0:
        return
    row = out.record_row[out.records]
    row.ts = desk.now
    written = False
    for column in range(desk.column_count):
        value = desk.column_value[column]
        row.values[column] = value
        written = written or value == value
        desk.column_value[column] = math.nan
    if written:
        out.records += 1


@inner
def show_equity(book, desk, terms):
    """Cash and equity as of now, in the book and on the desk."""
    book.equity = equity_now(book, terms)
    desk.cash_micros, desk.equity_micros = book.cash, book.equity


@inner
def close_day(book, desk, terms, out, margin_at, book_address, desk_address, margin_terms_at, order_address, out_address):
    """Phase 5: both requirements, a margin call when equity is under the lower one, the rows of equity. False when the code of a call
    could not be had."""
    is_safe = measure_margin(book, desk, terms) and not book.in_call and book.equity >= book.maintenance
    if is_safe or call_gate(margin_at, CALL_MARGIN, book_address, desk_address, margin_terms_at, order_address, out_address) == 0:
        note_day(book, desk, out)
        return True
    return False


@inner
def forget_news(desk):
    """What ``desk.rolled`` and ``desk.is_new`` answer is true once."""
    if desk.news == 0:
        return
    desk.news = 0
    for product in range(desk.product_count):
        desk.front_changed[product] = 0
    for index in range(desk.index_count):
        desk.index_fresh[index] = 0


@inner
def is_full(book, out):
    """True when the rows of one more timestamp might not fit."""
    if book.quiet:
        return False
    most = ROWS - ROWS_PER_GROUP
    return (out.orders > most or out.fills > most or out.ledger > most or out.equity > most or out.positions > most
            or out.settlements > most or out.records > most)


@inner
def see_bar(book, desk, now, contract, price, volume):
    """Phase 1: one bar."""
    desk.last[contract] = price / 1e6
    desk.seen_at[contract] = now
    desk.traded[contract] = volume
    book.value_price[contract] = price


@inner
def see_bars(book, desk, i, ts, kind, ref, close, volume):
    """Phase 1: the bars of one timestamp, from event ``i`` on; returns the event behind them.

    Unsigned indices spare the hottest loop the question whether they count from the end.
    """
    n, k = np.uint64(ts.shape[0]), np.uint64(i)
    while k < n and ts[k] == desk.now and kind[k] == BAR:
        see_bar(book, desk, desk.now, np.uint64(ref[k]), close[k], volume[k])
        k += ONE
    return np.int64(k)


@inner
def coast(book, desk, i, end, ts, kind, ref, close, volume, step_address, strategy_address, desk_address):
    """Runs timestamps with bars and nothing else while the strategy asks for nothing and no order works.

    Most timestamps are such; alone in a loop they take half the time. Returns the event at which there is more to do, the one
    behind its bars, which are seen, and whether the strategy has run there already; all events before them are bars.
    """
    n, k, stop = np.uint64(ts.shape[0]), np.uint64(i), np.uint64(end)
    due = desk.fronts_due
    desk.has_bar = 1
    while k < stop:
        now, began = ts[k], k
        if now >= due:
            return np.int64(k), np.int64(k), UNHEARD
        desk.now = now
        while True:
            if kind[k] != BAR:
                return np.int64(began), np.int64(k), UNHEARD
            see_bar(book, desk, now, np.uint64(ref[k]), close[k], volume[k])
            k += ONE
            if k >= n or ts[k] != now:
                break
        if call_step(step_address, strategy_address, desk_address) != 0:
            return np.int64(began), np.int64(k), UNABLE
        if desk.request_count or desk.column_count or desk.news:
            return np.int64(began), np.int64(k), HEARD
    return np.int64(k), np.int64(k), UNHEARD


@inner
def show_bars(book, began, behind, ref, open, high, low, close, volume):
    """Puts the bars of this timestamp where working orders meet them."""
    for i in range(np.uint64(began), np.uint64(behind)):
        contract = np.uint64(ref[i])
        book.bar_open[contract] = open[i]
        book.bar_high[contract] = high[i]
        book.bar_low[contract] = low[i]
        book.bar_close[contract] = close[i]
        book.bar_volume[contract] = volume[i]


@inner
def see_others(book, desk, terms, i, ts, ts_event, kind, ref, open, high, low, close, volume, latest, first, first_day,
               fixes_from, fixes_contract, fixing_days, out, rare_address, book_address, desk_address, terms_address, order_address,
               out_address):  # fmt: skip
    """Phases 2 to 4: the events of one timestamp behind its bars. Returns the event behind them, or minus a status."""
    now, n = desk.now, ts.shape[0]
    while i < n and ts[i] == now:
        what, at = kind[i], np.int64(ref[i])
        if what == MARK and volume[i] <= 0:
            i = see_marks(book, desk, terms, i, ts, ts_event, kind, ref, close, volume, out)
            continue
        if what == MARK:
            desk.mark_count += 1
        if what == QUOTE or what == FUNDING or what == MARK or (what == FINAL and volume[i] > 0):
            event = book.rare
            event.contract, event.price, event.of, event.revision, event.failed = at, close[i], ts_event[i], volume[i], 0
            event.open, event.high, event.low = open[i], high[i], low[i]
            call_gate(rare_address, np.int64(what), book_address, desk_address, terms_address, order_address, out_address)
            if event.failed:
                book.failed_ref = at
                return -NO_FUNDING
        elif what == PRINT:
            see_print(desk, terms, at, ts_event[i] // NANOS_PER_DAY, close[i], high[i], volume[i], latest, first, first_day,
                      fixes_from, fixes_contract, fixing_days)
        elif what == INTEREST:
            desk.open_interest[at] = volume[i]
        elif what == FINAL:
            if not see_final(book, desk, terms, at, close[i], latest, first, first_day, fixing_days, out):
                return -NO_PRINT
        elif what == EXPIRY:
            end_orders_of(book, desk, at, EVERY_ORDER, EXPIRED, out)
            expire_contract(desk, at)
        elif what == SESSION:
            desk.session[at] = volume[i]
        elif what == LISTING and not list_contract(desk, at):
            book.failed_ref = at
            return -OVERFLOW
        i += 1
    return i


@inner
def watch_limits(book, book_address, desk_address, terms_address, order_address, out_address):
    """Losses and fills against the run's risk limits, behind phase 5; False when it has none."""
    if book.risk.call == 0:
        return False
    call_gate(book.risk.call, WATCH_LOSSES, book_address, desk_address, terms_address, order_address, out_address)
    return True


@inner
def answer(desk, out, gate_address, book_address, desk_address, terms_address, order_address, out_address):
    """Phases 6 and 7 behind the strategy's call: what it recorded, and what it asked for."""
    forget_news(desk)
    note_columns(desk, out)
    if desk.request_count:
        call_gate(gate_address, SERVE_REQUESTS, book_address, desk_address, terms_address, order_address, out_address)


@inner
def see_rest(book, has_mark, meet_address, rare_address, book_address, desk_address, terms_address, order_address, out_address):
    """Phase 4, at its end: orders that meet marks and quotes, and interest on the cash that stood since the last mark."""
    if book.orders_working and meet_address:
        if has_mark:
            call_gate(meet_address, MEET_MARKS, book_address, desk_address, terms_address, order_address, out_address)
        if book.fill_model > FILL_AT_OPEN:
            call_gate(meet_address, MEET_QUOTES, book_address, desk_address, terms_address, order_address, out_address)
    if has_mark and book.earns:
        call_gate(rare_address, CASH_INTEREST, book_address, desk_address, terms_address, order_address, out_address)


@entry
def advance(
    desks, books, terms, ts, ts_event, kind, ref, open, high, low, close, volume, wants_events, latest, first, first_day,
    fixes_from, fixes_contract, fixing_days, outs, step_address, gate_address, meet_address, rare_address, strategy_address,
    desk_address, book_address, terms_address, order_address, out_address, margin_at, margin_terms_at, end,
):  # fmt: skip
    """Runs whole timestamps from the book's cursor until ``end`` events are behind it; returns a status of ``records``.

    ``desks``, ``books``, ``outs``: arrays of one record; ``ts`` … ``volume``: the tape's columns;
    ``latest``, ``first``: (indices, days) prints known; ``fixes_…``: contracts by (index, day). FAILED leaves the cursor there.
    """
    desk, book, out = desks[0], books[0], outs[0]
    terms, ts, ts_event, kind, ref = borrowed(terms), borrowed(ts), borrowed(ts_event), borrowed(kind), borrowed(ref)
    open, high, low, close, volume = borrowed(open), borrowed(high), borrowed(low), borrowed(close), borrowed(volume)
    latest, first, fixing_days, fixes_from, fixes_contract = (
        borrowed(latest), borrowed(first), borrowed(fixing_days), borrowed(fixes_from), borrowed(fixes_contract))
    n, i, bars, status, wrote = ts.shape[0], book.cursor, 0, DONE, True
    while i < end:
        if wrote and is_full(book, out):  # most timestamps of a tape write nothing
            status = FULL
            break
        behind, heard, wrote = i, UNHEARD, False
        if not (book.orders_working or wants_events or desk.tracks_equity):
            began = i
            i, behind, heard = coast(book, desk, i, end, ts, kind, ref, close, volume, step_address, strategy_address, desk_address)
            bars += i - began
            if i >= end:
                break
        now = ts[np.uint64(i)]
        desk.now = now
        behind = see_bars(book, desk, behind, ts, kind, ref, close, volume)
        has_bar, bars = behind > i, bars + behind - i
        if heard == UNHEARD:
            has_mark = False
            if book.orders_working:
                show_bars(book, i, behind, ref, open, high, low, close, volume)
                match_orders(book, desk, terms, out, meet_address, book_address, desk_address, terms_address, order_address, out_address)
                wrote = True
            if behind < n and ts[np.uint64(behind)] == now:
                marks_before = desk.mark_count
                behind = see_others(book, desk, terms, behind, ts, ts_event, kind, ref, open, high, low, close, volume, latest, first,
                                    first_day, fixes_from, fixes_contract, fixing_days, out, rare_address, book_address, desk_address,
                                    terms_address, order_address, out_address)
                if behind < 0:
                    status = -behind
                    break
                has_mark, wrote = desk.mark_count > marks_before, True
            see_rest(book, has_mark, meet_address, rare_address, book_address, desk_address, terms_address, order_address, out_address)
            if now >= desk.fronts_due:
                move_fronts(desk)
            if has_mark or desk.tracks_equity:
                show_equity(book, desk, terms)
            if has_mark and not close_day(book, desk, terms, out, margin_at, book_address, desk_address, margin_terms_at, order_address,
                                          out_address):
                status = FAILED
                break
            wrote = watch_limits(book, book_address, desk_address, terms_address, order_address, out_address) or wrote
            if has_bar or wants_events:
                desk.has_bar = has_bar
                heard = HEARD if call_step(step_address, strategy_address, desk_address) == 0 else UNABLE
        if heard == UNABLE:
            status = FAILED
            break
        if heard == HEARD:
            answer(desk, out, gate_address, book_address, desk_address, terms_address, order_address, out_address)
            wrote = True
        i = behind
    book.cursor = i
    book.bars += bars
    return status


@entry
def close_books(desks, books, terms, outs):
    """End of the run: what is still open is marked at its value price, so that the ledger adds up to equity."""
    book, out = books[0], outs[0]
    for contract in range(desks[0].contract_count):
        if book.open_slot[contract] >= 0:
            amount = book_mark(book, terms[contract], contract, book.value_price[contract])
            if amount and not book.quiet:
                write_ledger(out, desks[0].now, contract, UNSETTLED, amount)
    book.equity = equity_now(book, terms)
    note_peak(book)
