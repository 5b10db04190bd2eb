# SPDX-License-Identifier: Apache-2.0
"""The memory that the engine and a strategy share, as numpy records: layout only, no behaviour.

Prices and money in the book are integer micros, times nanoseconds UTC, positions whole lots; the desk shows the
same in floats of dollars. Capacities are fixed so that the engine is compiled once for every tape.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any
"""Rows of one of these records. Told that they are an array, a type checker tries all overloads of numpy's at each access, half of its
time over the package, to find that a field is Any."""

CONTRACTS = 1024
PRODUCTS = 16
CHAIN = 128
INDICES = 64
REQUESTS = 64
TICKETS = 256
COLUMNS = 16
ORDERS = 256
LEGS = 8
ROWS = 16_384
SCENARIOS = 16
TIERS = 4
PAIRS = 8
LEVELS = 10
MISSING = -(2**63)

BAR, MARK, FUNDING, PRINT, INTEREST, FINAL, EXPIRY, LISTING, QUOTE = 1, 2, 3, 4, 5, 6, 7, 8, 9
CASH_INTEREST = 0
"""Stands for a kind of event when the part for rare ones is called to pay interest on cash."""
SESSION = 10
OPEN, PRE_OPEN, NO_CANCEL, IN_HALT, CLOSED = 0, 1, 2, 3, 4

DONE, FAILED, FULL, NO_PRINT, OVERFLOW, NO_FUNDING = 0, 1, 2, 3, 4, 5
"""What ``advance`` returns: the end was reached, the strategy failed, an output buffer is nearly full, a fixing
window misses a print that its rule needs, a chain holds too many contracts, a funding has no mark or no positive print."""

SERVE_REQUESTS, CALL_MARGIN = 1, 2
MEET_MARKS, MEET_QUOTES = -1, -2
WATCH_LOSSES, CHECK_AMENDED, CHECK_NEW = -1, 0, 1
ACTIVE, ONLY_REDUCING, HALTED = 0, 1, 2
RATE_RING, ASKED = 1024, 256
"""How many sent orders, and of how many what they were, is remembered for the limits on rates and repetitions."""
"""What the part that meets orders is called with instead of a slot."""
REQUEST_TARGET, REQUEST_ORDER, REQUEST_CANCEL, REQUEST_AMEND = 1, 2, 3, 4
MARKET, LIMIT, STOP, STOP_LIMIT, TRAILING_STOP, MARKET_IF_TOUCHED, AT_SETTLEMENT = 1, 2, 3, 4, 5, 6, 7
GTC, DAY, IOC, FOK, GTD = 1, 2, 3, 4, 5
POST_ONLY, REDUCE_ONLY = 1, 2
TIED, TRIGGERED = 4, 8
"""How an order's row says that it is one of a group, or a child."""
FILL_BY_PATH, FILL_AT_OPEN, FILL_AT_QUOTE, FILL_BY_BOOK = 0, 1, 2, 3
FILL_MODELS = ("path", "open", "quote", "book")
FROM_TARGET, FROM_ORDER, FROM_LIQUIDATION, FROM_RISK = 1, 2, 3, 4

# numba compiles a function again for each plain constant it is called with, and once for all numpy ones.
ZERO, ADDED, TAKEN, NEVER = np.int64(0), np.int64(1), np.int64(-1), np.int64(-1)
EVERY_ORDER, DAY_ORDERS = np.int64(0), np.int64(1)
WORKING, FILLED, REPLACED, CANCELLED, LAPSED, EXPIRED, MARGIN_CALL, REFUSED, RISK_STOP = (np.int64(i) for i in range(1, 10))
(NOT_LISTED, NO_PRICE, SIZE, TICK, CAPACITY, MARGIN, LIFE, GROUP, REDUCES, RESTS, VENUE, BAND,
 POSITION_LIMIT, IS_HALTED, REDUCING, RESTRICTED, NEAR_EXPIRY, POSITION_LOTS, GROSS_UNITS, NET_UNITS, ORDER_LOTS, ORDER_NOTIONAL,
 OPEN_ORDERS, OPEN_NOTIONAL, ORDER_RATE, DUPLICATE, SELF_MATCH, IN_SESSION, PRICE, COLLAR, REJECTED, FEED_AGE,
 DRY_RUN) = (np.int64(i) for i in range(1, 34))
CODES = ("not_listed", "no_price", "size", "tick", "capacity", "margin", "life", "group", "reduce_only", "post_only", "venue",
         "band", "position_limit", "halted", "reducing", "restricted", "near_expiry", "position_lots", "product_gross", "product_net",
         "order_lots", "order_notional", "open_orders", "open_notional", "order_rate", "duplicate", "self_match", "session", "price",
         "collar", "rejected", "feed_age", "dry_run")
"""Names of the reasons for a refusal, the first has the number 1."""
VARIATION, FEE, SETTLEMENT, SETTLEMENT_FEE, UNSETTLED = (np.int64(i) for i in range(1, 6))
VARIATION_REVERSED, SETTLEMENT_REVERSED, FUNDING_PAID, CLEARING_FEE, INTEREST_PAID = (np.int64(i) for i in range(6, 11))

REFUSE_MISSING, PREVIOUS_PRINT, SKIP_DAY = 0, 1, 2
AT_MARK = -1
"""Stands for the number of fixings of a settlement at the last official mark."""
BY_NOTIONAL, BY_SCENARIO = 0, 1
"""Margin models; per lot is per cent of notional with a percentage of zero."""

I8, F8 = np.int64, np.float64

DESK = np.dtype(
    [
        ("is_Desk", I8),
        ("now", I8),
        ("contract_count", I8),
        ("product_count", I8),
        ("index_count", I8),
        ("has_bar", I8),
        ("news", I8),
        ("mark_count", I8),
        ("fronts_due", I8),
        ("tracks_equity", I8),
        ("cash_micros", I8),
        ("equity_micros", I8),
        ("initial_micros", I8),
        ("request_count", I8),
        ("basket_count", I8),
        ("ticket_count", I8),
        ("column_count", I8),
        ("column_limit", I8),
        ("quote_life", I8),
        ("request_kind", I8, (REQUESTS,)),
        ("request_contract", I8, (REQUESTS,)),
        ("request_lots", I8, (REQUESTS,)),
        ("request_price", F8, (REQUESTS,)),
        ("request_limit", F8, (REQUESTS,)),
        ("request_order", I8, (REQUESTS,)),
        ("request_life", I8, (REQUESTS,)),
        ("request_until", I8, (REQUESTS,)),
        ("request_flags", I8, (REQUESTS,)),
        ("request_against", I8, (REQUESTS,)),
        ("request_parent", I8, (REQUESTS,)),
        ("request_group", I8, (REQUESTS,)),
        ("request_basket", I8, (REQUESTS,)),
        ("request_ticket", I8, (REQUESTS,)),
        ("ticket_status", I8, (TICKETS,)),
        ("ticket_filled", I8, (TICKETS,)),
        ("ticket_value", I8, (TICKETS,)),
        ("column_key", I8, (COLUMNS,)),
        ("column_value", F8, (COLUMNS,)),
        ("chain_count", I8, (PRODUCTS,)),
        ("front_at", I8, (PRODUCTS,)),
        ("front", I8, (PRODUCTS,)),
        ("front_changed", I8, (PRODUCTS,)),
        ("index_value", F8, (INDICES,)),
        ("index_value_day", I8, (INDICES,)),
        ("index_known_at", I8, (INDICES,)),
        ("index_fresh", I8, (INDICES,)),
        ("chain", I8, (PRODUCTS * CHAIN,)),
        ("last", F8, (CONTRACTS + 8,)),
        ("official", F8, (CONTRACTS + 8,)),
        ("seen_at", I8, (CONTRACTS + 8,)),
        ("held", I8, (CONTRACTS + 8,)),
        ("on_target", I8, (CONTRACTS + 8,)),
        ("on_order", I8, (CONTRACTS + 8,)),
        ("variance", F8, (CONTRACTS + 8,)),
        ("traded", I8, (CONTRACTS + 8,)),
        ("open_interest", I8, (CONTRACTS + 8,)),
        ("listed", I8, (CONTRACTS + 8,)),
        ("product_of", I8, (CONTRACTS + 8,)),
        ("delivery_month", I8, (CONTRACTS + 8,)),
        ("fixing_at", I8, (CONTRACTS + 8,)),
        ("last_trade_at", I8, (CONTRACTS + 8,)),
        ("settlement_at", I8, (CONTRACTS + 8,)),
        ("fixing_count", I8, (CONTRACTS + 8,)),
        ("fixed_count", I8, (CONTRACTS + 8,)),
        ("fixed_sum", F8, (CONTRACTS + 8,)),
        ("units_per_lot", F8, (CONTRACTS + 8,)),
        ("tick_size", F8, (CONTRACTS + 8,)),
        ("spread_tick_size", F8, (CONTRACTS + 8,)),
        ("index_micros", I8, (INDICES,)),
        ("bid_price", F8, (CONTRACTS + 8,)),
        ("ask_price", F8, (CONTRACTS + 8,)),
        ("bid_lots", I8, (CONTRACTS + 8,)),
        ("ask_lots", I8, (CONTRACTS + 8,)),
        ("quoted_at", I8, (CONTRACTS + 8,)),
        ("session", I8, (CONTRACTS + 8,)),
    ],
    align=True,
)

TERMS = np.dtype(
    [
        ("lot_num", I8),
        ("lot_den", I8),
        ("tick", I8),
        ("spread_tick", I8),
        ("rounding", I8),
        ("fee_per_lot", I8),
        ("fee_ppm", I8),
        ("fee_settlement", I8),
        ("initial_ppm", I8),
        ("maintenance_ppm", I8),
        ("initial_floor", I8),
        ("maintenance_floor", I8),
        ("half_spread", I8),
        ("slippage", I8),
        ("slippage_ppm", I8),
        ("participation_ppm", I8),
        ("missing_rule", I8),
        ("restatement_latest", I8),
        ("index", I8),
        ("fixing_from", I8),
        ("fixing_to", I8),
        ("kinds_mask", I8),
        ("lives_mask", I8),
        ("flags_mask", I8),
        ("spreads_mask", I8),
        ("groups_mask", I8),
        ("can_amend", I8),
        ("order_in_halt", I8),
        ("cancel_in_halt", I8),
        ("band_ppm", I8),
        ("band_queues", I8),
        ("price_minimum", I8),
        ("position_limit", I8),
        ("spot_limit", I8),
        ("spot_from", I8),
        ("fee_maker_per_lot", I8),
        ("fee_maker_ppm", I8),
        ("fee_clearing", I8),
        ("weighted", I8),
        ("settles_at_mark", I8),
        ("funding_cap", I8),
        ("funding_damper", I8),
        ("funding_interest", I8),
        ("funding_divisor", I8),
        ("margin_model", I8),
    ],
    align=True,
)
"""One row a contract. ``fixing_from:fixing_to`` is its slice of the array of fixing days.

Bit n of ``kinds_mask``, ``lives_mask``, ``spreads_mask`` and ``groups_mask`` is set when the venue takes that constant,
``flags_mask`` holds the flags it takes; every bit is set without a venue. ``band_ppm``, ``position_limit`` and
``spot_limit`` are 0 when there is none; the last counts from ``spot_from`` on (the end of time when there is none).
Funding rates are in hundred-millionths; a divisor of zero stands for a product without a funding rule.
"""

MARGIN_TERMS = np.dtype(
    [
        ("margin_grace", I8),  # first, or numba takes the shorter record for a part of this one
        *((name, I8) for name in TERMS.names or ()),
        ("maintenance_share", I8),
        ("scenarios", I8),
        ("tiers", I8),
        ("tier_days", I8, (TIERS,)),
        ("calendar_credit", I8, (TIERS,)),
        ("tier_credit", I8),
        ("move", I8, (TIERS * SCENARIOS,)),
        ("pairs", I8),
        ("pair_product", I8, (PAIRS,)),
        ("pair_own", I8, (PAIRS,)),
        ("pair_other", I8, (PAIRS,)),
        ("pair_credit", I8, (PAIRS,)),
    ],
    align=True,
)
"""The same with what only margin calls and scenario margin read. ``move[tier * SCENARIOS + scenario]`` is in millionths of the
scanning range; ``pair_product`` is a product's row on the tape, -1 when the tape has none of it."""

ORDER = np.dtype(
    [
        ("number", I8),
        ("ticket", I8),
        ("kind", I8),
        ("life", I8),
        ("flags", I8),
        ("origin", I8),
        ("limit", I8),
        ("trigger", I8),
        ("distance", I8),
        ("until", I8),
        ("parent", I8),
        ("has_children", I8),
        ("group", I8),
        ("plain", I8),
        ("looked", I8),
        ("place", I8),
        ("ahead", I8),
        ("ahead_at", I8),
        ("size", I8),
        ("arrived", I8),
        ("units", I8),
        ("filled", I8),
        ("accepted_at", I8),
        ("earliest", I8),
        ("legs", I8),
        ("contract", I8, (LEGS,)),
        ("ratio", I8, (LEGS,)),
        ("beyond", I8, (LEGS,)),
    ],
    align=True,
)
"""``trigger``: the price of a stop, or the level of a trailing one. ``arrived``: what a parent has filled, less what tied
orders took of it; ``units``: what may fill, less than ``size`` while a parent still fills. ``plain``: needs nothing but
matching.py. ``looked``: has met a bar. ``place``: where on the way of a price it looks from, in the bar at ``earliest``.
``ahead``: lots displayed before it at the limit ``ahead_at`` (fill models of quotes). ``beyond``: at a venue, signed lots of each leg
that filled beyond the whole units; in a backtest legs fill together and nobody looks at it."""
ORDER_AT = {name: offset // 8 for name, (_, offset, *_) in (ORDER.fields or {}).items()}
"""Where a field of an order lies, in words: it is 64-bit numbers throughout, the lists of its legs behind the others."""

AT_VENUE = np.int64(2**62)
"""The latency of an order that fills at a venue and nowhere else: later than every tape's end, and with a time it fits 64 bits."""

PAST = np.dtype(
    [
        ("mark_of", I8),
        ("mark_lots", I8),
        ("mark_amount", I8),
        ("mark_before", I8),
        ("variance_before", F8),
        ("final_price", I8),
        ("final_lots", I8),
        ("final_amount", I8),
        ("final_residue", I8),
    ],
    align=True,
)
"""What a contract's last official mark and its final settlement did, so that a correction can be booked: when the mark
happened, the lots it margined, the cash it moved, the mark and the variance before it."""

RARE = np.dtype([("contract", I8), ("price", I8), ("of", I8), ("revision", I8), ("failed", I8), ("open", I8), ("high", I8),
                 ("low", I8)])
"""An event that few tapes hold, on its way to the part of the engine that books it (``rare_events``): the tape's columns."""

QUOTES = np.dtype(
    [
        ("stale_after", I8),
        ("depth", I8, (CONTRACTS + 8,)),
        ("shown_at", I8, (CONTRACTS + 8,)),
        *((name, I8, (CONTRACTS * LEVELS,)) for name in ("bid", "bid_left", "ask", "ask_left")),
    ],
    align=True,
)
"""What is displayed of each contract: ``depth`` levels a side, prices in micros and lots, less what own fills have taken.

Only runs on tapes with quotes have one; several accounts may share it. ``shown_at``: when the quote happened. Nanoseconds, lots, micros.
"""

RISK = np.dtype([(name, I8) for name in ("call", "code", "guard", "book", "desk", "terms", "order", "out")])
"""How the gate asks for a run's risk limits: the address of the part that knows them (0: the run has none), its answer, and the
addresses of what it works on."""

WAS_ASKED = np.dtype([(name, I8) for name in ("ts", "kind", "limit", "trigger", "distance", "size", "legs")]
                     + [("contract", I8, (LEGS,)), ("ratio", I8, (LEGS,))], align=True)
LIMIT_NUMBERS = ("order_lots", "position_lots", "open_orders", "orders_per_second", "orders_per_minute", "fills_most", "self_match",
                 "collar_ticks")
LIMIT_AMOUNTS = ("order_notional", "product_gross", "product_net", "open_notional")
LIMIT_LOSSES = ("loss_daily", "loss_drawdown", "flat_daily", "flat_drawdown")
LIMIT_TIMES = ("duplicate_ns", "fills_ns", "last_trade_ns")
GUARD = np.dtype(
    [
        *((name, I8) for name in (*LIMIT_NUMBERS, *LIMIT_LOSSES, *LIMIT_TIMES, "collar_ppm")),
        *((name, F8) for name in LIMIT_AMOUNTS),
        *((name, I8) for name in ("state", "floor", "flattens", "changes", "changed_at", "day", "day_equity", "last_equity", "peak",
                                  "sent", "fills")),
        ("sent_at", I8, (RATE_RING,)),
        ("fill_at", I8, (RATE_RING,)),
        ("asked", WAS_ASKED, (ASKED,)),
        ("restricted", I8, (CONTRACTS + 8,)),
    ],
    align=True,
)
"""A run's limits (amounts in dollars and units, losses in micros) and what they remember: the trading state, the one it falls
back to when a day is over, equity at the end of the day before and at its highest."""

BOOK = np.dtype(
    [
        ("cursor", I8),
        ("quiet", I8),
        ("may_correct", I8),
        ("cash", I8),
        ("equity", I8),
        ("initial", I8),
        ("maintenance", I8),
        ("orders_working", I8),
        ("orders_made", I8),
        ("orders_refused", I8),
        ("orders_legged", I8),
        ("latency", I8),
        ("fill_model", I8),
        ("quotes", I8),
        ("keeps_quotes", I8),
        ("earns", I8),
        ("cash_rate", I8),
        ("rate_index", I8),
        ("interest_day", I8),
        ("interest_base", I8),
        ("lapsed_at", I8),
        ("path", I8, (4,)),
        ("fills", I8),
        ("lots_traded", I8),
        ("fees", I8),
        ("settlements", I8),
        ("bars", I8),
        ("margin_calls", I8),
        ("margin_peak", I8),
        ("equity_peak", I8),
        ("drawdown_peak", I8),
        ("drawdown_fraction", F8),
        ("day", I8),
        ("day_count", I8),
        ("day_before", I8),
        ("day_last", I8),
        ("change_sum", F8),
        ("change_sum2", F8),
        ("failed_ref", I8),
        ("failed_day", I8),
        ("open_count", I8),
        ("open_contract", I8, (CONTRACTS + 8,)),
        ("open_slot", I8, (CONTRACTS + 8,)),
        ("position", I8, (CONTRACTS + 8,)),
        ("open_value", I8, (CONTRACTS + 8,)),
        ("residue", I8, (CONTRACTS + 8,)),
        ("mark", I8, (CONTRACTS + 8,)),
        ("value_price", I8, (CONTRACTS + 8,)),
        ("bar_open", I8, (CONTRACTS + 8,)),
        ("bar_high", I8, (CONTRACTS + 8,)),
        ("bar_low", I8, (CONTRACTS + 8,)),
        ("bar_close", I8, (CONTRACTS + 8,)),
        ("bar_volume", I8, (CONTRACTS + 8,)),
        ("available", I8, (CONTRACTS + 8,)),
        ("stamp", I8, (CONTRACTS + 8,)),
        ("marked_at", I8, (CONTRACTS + 8,)),
        ("order", ORDER, (ORDERS,)),
        ("past", PAST, (CONTRACTS + 8,)),
        ("rare", RARE),
        ("risk", RISK),
        ("in_call", I8),
        ("grace_left", I8),
        ("plan_count", I8),
        ("plan_contract", I8, (CONTRACTS + 8,)),
        ("plan_lots", I8, (CONTRACTS + 8,)),
        ("tier_gross", I8, (TIERS,)),
        ("tier_loss", I8, (TIERS * SCENARIOS,)),
        ("product_line", I8, (PRODUCTS,)),
        ("product_scan", I8, (PRODUCTS,)),
        ("product_net", I8, (PRODUCTS,)),
        ("product_left", I8, (PRODUCTS,)),
        ("product_credit", I8, (PRODUCTS,)),
        ("product_initial", I8, (PRODUCTS,)),
    ],
    align=True,
)
"""``may_correct``: marks are remembered in ``past``, for the tape holds corrections, or may yet.
``quotes`` is the address of a record of QUOTES, 0 without; one of the accounts that share it ``keeps_quotes`` up to date.
``interest_base``: the cash that earns ``cash_rate`` (millionths a year; of the index ``rate_index``, if not -1) since ``interest_day``.
From ``plan_count`` on it is working memory: the portfolio whose margin is asked, and the sums that answer it."""

OUT_ORDERS = np.dtype(
    [("order", I8), ("ts", I8), ("basket", I8), ("contract", I8), ("lots", I8), ("kind", I8), ("limit_micros", I8),
     ("tif", I8), ("origin", I8), ("status", I8), ("code", I8), ("filled_lots", I8), ("flags", I8)]
)
"""A row when an order is accepted (WORKING) or refused, and one more when it ends; one row a leg."""
OUT_FILLS = np.dtype(
    [("order", I8), ("ts", I8), ("contract", I8), ("lots", I8), ("price_micros", I8), ("fee_micros", I8),
     ("half_spread_micros", I8), ("position_after", I8), ("origin", I8), ("maker", I8)]
)
OUT_LEDGER = np.dtype([("ts", I8), ("contract", I8), ("kind", I8), ("micros", I8)])
OUT_EQUITY = np.dtype(
    [(name, I8) for name in ("ts", "equity_micros", "cash_micros", "margin_initial_micros", "margin_maintenance_micros")]
)
OUT_POSITIONS = np.dtype([("ts", I8), ("contract", I8), ("lots", I8), ("mark_micros", I8)])
OUT_SETTLEMENTS = np.dtype(
    [("contract", I8), ("ts", I8), ("lots", I8), ("price_micros", I8), ("fixings", I8), ("prints_sum_micros", I8), ("missing", I8),
     ("weight", I8), ("revision", I8)]
)
OUT_RECORDS = np.dtype([("ts", I8), ("values", F8, (COLUMNS,))])
TABLES = {
    "orders": ("order_row", OUT_ORDERS), "fills": ("fill_row", OUT_FILLS), "ledger": ("ledger_row", OUT_LEDGER),
    "equity": ("equity_row", OUT_EQUITY), "positions": ("position_row", OUT_POSITIONS),
    "settlements": ("settlement_row", OUT_SETTLEMENTS), "records": ("record_row", OUT_RECORDS),
}
"""Name of each table of a run to its rows in OUT; the number of rows in use carries the table's name."""
OUT = np.dtype([(name, I8) for name in TABLES] + [(row, dtype, (ROWS,)) for row, dtype in TABLES.values()], align=True)
