# SPDX-License-Identifier: Apache-2.0
"""Where the engine and the reference part, with the first difference seen: to become empty.

The tests named here must fail; ``conftest.py`` marks them as strict expected failures. Who reconciles one takes its
line away.
"""

from __future__ import annotations

SAME_MOMENT = "a sleeping child whose parent ends at the same moment: cancelled in the engine, lapsed or expired in the reference"
TICK = "a {} off the tick: refused (tick) by the engine and the page, accepted by the reference"
REFUSED_TIE = "when one order of a tie is refused, the engine and the page cancel those accepted before it, the reference keeps them"
AMENDED = "the sign of an amended size: ignored by the reference; against its own direction it cancels the order in the engine"

AGREE = ("ioc", "fok", "gtd", "reduce_only")
"""Words of the scripts that, each drawn alone beside the plain ones, make both book the same rows."""

APART = {
    "stop": TICK.format("stop"),
    "stop_limit": TICK.format("stop"),
    "trailing_stop": TICK.format("distance"),
    "if_touched": TICK.format("touched price"),
    "at_settlement": "a day order whose latency outlasts its first mark: lapsed there by the page and the reference, tried at the next in the engine",
    "post_only": "a resting one whose bar opens beyond its limit: at the limit by the page and the reference, at the open with cost in the engine",
    "pair": REFUSED_TIE,
    "family": SAME_MOMENT,
    "bracket": SAME_MOMENT,
    "amend": AMENDED,
    "against": "a spread's limit on the tick of its first leg, off the other's: accepted by the engine and the page, refused by the reference",
}
"""Words drawn so by which the two part."""

LIVES = "test_order_lives.py::test_"
TIES = "test_tied_order_tables.py::test_"
TABLES = {
    f"{LIVES}a_spread_at_settlement_waits_for_the_marks_of_both_legs[engine]":
        "a spread of the day at settlement: the engine waits for a mark of both legs, in the reference it lapses at the first of either",
    f"{LIVES}post_only_is_refused_where_it_would_pay_and_fills_at_its_limit_where_it_rests[engine]":
        "the desk's stop_limit knows no post_only, nor a life's refusal of it",
    f"{LIVES}amending_moves_the_trigger_of_what_is_not_a_limit_order[engine]": AMENDED,
    f"{TIES}ties_that_are_refused[engine]": "the desk raises when a child is named before its parent; the reference refuses the order",
    f"{TIES}sleepers_take_no_margin_when_reduce_only_and_are_asked_for_it_otherwise[engine]": REFUSED_TIE,
    "test_engine.py::test_a_strategy_that_answers_prices_books_what_the_oracle_books[ProberOfOrders]": "the words above together",
}
"""Tables worked out by hand, and strategies, by test."""
