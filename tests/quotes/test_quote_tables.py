# SPDX-License-Identifier: Apache-2.0
"""What a trader expects of quotes and books, worked out by hand from docs/fills.md; the engine and the reference both do it.

Times are seconds, prices dollars, ``5 @ 10.00, 3 @ 9.99`` are levels, best first. A trade is ``lots @ price``, a range
``lots @ open high low close``. A request is made when its second is seen. A share of a tenth of a range's volume counts.
"""

from __future__ import annotations

import pytest

from kilohour.tape import Tape
from kilohour.units import NANOS_PER_SECOND
from tests.oracle.books import FillRules
from tests.oracle.tables import actions_of, micros_of, rows_of, table
from tests.quotes.markets import builder_of, columns, engine_rows, reference_rows
from tests.quotes.reference import Assumed, Filled

TABLES = {
    "a market order takes what is asked, and waits for more": ("quote", """
        s  | bid      | ask
        0  | 9 @ 9.99 | 5 @ 10.01
        10 | 9 @ 9.99 | 5 @ 10.01
        20 | 9 @ 9.98 | 5 @ 10.00
    """, "0 | market A 8 gtc", """
        10 | A | 5 | 10.01 | taker
        20 | A | 3 | 10 | taker
    """),
    "nothing is displayed on the side it needs": ("quote", """
        s  | bid      | ask       | trade
        0  | 9 @ 9.99 | 5 @ 10.01 |
        10 | 9 @ 9.99 |           | 50 @ 10.00
        20 | 9 @ 9.99 |           | 50 @ 10.00
        30 | 9 @ 9.99 | 1 @ 10.05 |
    """, "0 | market A 8 gtc", """
        30 | A | 1 | 10.05 | taker
    """),
    "a quote of sixty seconds fills, an older one is stale": ("quote", """
        s  | bid      | ask       | trade
        0  | 9 @ 9.99 | 5 @ 10.01 |
        59 |          |           | 1 @ 10.00
        60 |          |           | 1 @ 10.00
        61 |          |           | 1 @ 10.00
        70 | 9 @ 9.99 | 5 @ 10.02 |
    """, """
        59 | market A 2 gtc
        60 | market A 1 gtc
    """, """
        60 | A | 2 | 10.01 | taker
        70 | A | 1 | 10.02 | taker
    """),
    "own fills use up what is displayed, until the next quote": ("quote", """
        s  | bid      | ask       | trade
        0  | 9 @ 9.99 | 5 @ 10.01 |
        1  |          |           | 1 @ 10.00
        2  |          |           | 1 @ 10.00
        3  | 9 @ 9.99 | 5 @ 10.01 |
    """, """
        0 | market A 3 gtc
        0 | market A 4 gtc
    """, """
        1 | A | 3 | 10.01 | taker
        1 | A | 2 | 10.01 | taker
        3 | A | 2 | 10.01 | taker
    """),
    "the first model sees the best level only": ("quote", """
        s  | bid                | ask
        0  | 9 @ 9.99           | 5 @ 10.01, 5 @ 10.02
        10 | 9 @ 9.99           | 5 @ 10.01, 5 @ 10.02
    """, "0 | market A 8 gtc", """
        10 | A | 5 | 10.01 | taker
    """),
    "a market order walks the book": ("book", """
        s  | bid                | ask
        0  | 9 @ 9.99           | 5 @ 10.01, 5 @ 10.02
        10 | 2 @ 9.99, 9 @ 9.95 | 5 @ 10.01, 2 @ 10.02, 9 @ 10.05
    """, """
        0 | market A 8 gtc
        0 | market A -3 gtc
    """, """
        10 | A | 5 | 10.01 | taker
        10 | A | 2 | 10.02 | taker
        10 | A | 1 | 10.05 | taker
        10 | A | -2 | 9.99 | taker
        10 | A | -1 | 9.95 | taker
    """),
    "a limit order walks to its limit and rests there": ("book", """
        s  | bid      | ask                             | trade
        0  | 9 @ 9.99 | 5 @ 10.01, 5 @ 10.02            |
        10 | 9 @ 9.99 | 5 @ 10.01, 2 @ 10.02, 9 @ 10.05 |
        20 | 9 @ 9.99 | 9 @ 10.05                       | 4 @ 10.02
    """, "0 | limit A 8 10.02 gtc", """
        10 | A | 5 | 10.01 | taker
        10 | A | 2 | 10.02 | taker
        20 | A | 1 | 10.02 | maker
    """),
    "ioc lets go what is not there, fok takes all or nothing": ("book", """
        s  | bid      | ask
        0  | 9 @ 9.99 | 5 @ 10.01, 2 @ 10.02
        10 | 9 @ 9.99 | 5 @ 10.01, 2 @ 10.02
        20 | 9 @ 9.99 | 5 @ 10.01, 2 @ 10.02
    """, """
        0 | limit A 8 10.02 fok
        0 | limit A 8 10.02 ioc
        10 | market A 7 fok
    """, """
        10 | A | 5 | 10.01 | taker
        10 | A | 2 | 10.02 | taker
        20 | A | 5 | 10.01 | taker
        20 | A | 2 | 10.02 | taker
    """),
    "an exact touch: what was displayed at the price trades first": ("quote", """
        s  | bid      | ask       | trade
        0  | 5 @ 9.99 | 5 @ 10.01 |
        10 | 5 @ 9.99 | 5 @ 10.01 |
        20 |          |           | 4 @ 9.99
        30 |          |           | 3 @ 9.99
        40 |          |           | 9 @ 9.99
    """, "0 | limit A 4 9.99 gtc", """
        30 | A | 2 | 9.99 | maker
        40 | A | 2 | 9.99 | maker
    """),
    "the queue is never longer than what is displayed": ("quote", """
        s  | bid       | ask       | trade
        0  | 50 @ 9.99 | 5 @ 10.01 |
        10 | 50 @ 9.99 | 5 @ 10.01 |
        20 | 2 @ 9.99  | 5 @ 10.01 |
        30 |           |           | 3 @ 9.99
    """, "0 | limit A 4 9.99 gtc", """
        30 | A | 1 | 9.99 | maker
    """),
    "behind the recorded levels the queue is not known": ("quote", """
        s  | bid       | ask       | trade
        0  | 5 @ 9.99  | 5 @ 10.01 |
        10 | 5 @ 9.99  | 5 @ 10.01 |
        20 |           |           | 99 @ 9.98
        30 | 3 @ 9.98  | 5 @ 10.01 |
        40 |           |           | 4 @ 9.98
    """, "0 | limit A 4 9.98 gtc", """
        40 | A | 1 | 9.98 | maker
    """),
    "a gap through the limit fills at the limit": ("quote", """
        s  | bid      | ask       | trade
        0  | 5 @ 9.99 | 5 @ 10.01 |
        10 | 5 @ 9.99 | 5 @ 10.01 |
        20 |          |           | 3 @ 9.50
    """, "0 | limit A 4 9.99 gtc", """
        20 | A | 3 | 9.99 | maker
    """),
    "of a bar with a range a tenth of the volume counts, through the price only": ("quote", """
        s  | bid      | ask       | trade
        0  | 5 @ 9.99 | 5 @ 10.01 |
        10 | 5 @ 9.99 | 5 @ 10.01 |
        20 |          |           | 900 @ 10.00 10.00 9.99 10.00
        30 |          |           | 39 @ 10.00 10.00 9.98 10.00
    """, "0 | limit A 4 9.99 gtc", """
        30 | A | 3 | 9.99 | maker
    """),
    "an ask that comes down to a resting bid, and one that goes through it": ("quote", """
        s  | bid      | ask
        0  | 5 @ 9.99 | 5 @ 10.01
        10 | 5 @ 9.99 | 5 @ 10.01
        20 | 5 @ 9.98 | 1 @ 9.99
        30 | 5 @ 9.90 | 2 @ 9.95
    """, "0 | limit A 4 9.99 gtc", """
        20 | A | 1 | 9.99 | maker
        30 | A | 2 | 9.99 | maker
    """),
    "both sides touched in one bar: the older order fills and cancels the other": ("quote", """
        s  | bid      | ask       | trade
        0  | 5 @ 9.99 | 5 @ 10.01 |
        10 | 5 @ 9.99 | 5 @ 10.01 |
        20 | 5 @ 9.99 | 5 @ 10.01 | 90 @ 10.00 10.20 9.80 10.00
        30 | 5 @ 9.70 | 5 @ 9.80  | 5 @ 9.75
    """, "0 | bracket A 5 10.01 10.10 9.90", """
        10 | A | 5 | 10.01 | taker
        20 | A | -5 | 10.1 | maker
    """),
    "a wide ask triggers no stop; a bid at the trigger does": ("quote", """
        s  | bid       | ask
        0  | 5 @ 9.99  | 5 @ 10.01
        10 | 5 @ 9.99  | 5 @ 10.90
        20 | 5 @ 10.10 | 5 @ 10.12
    """, "0 | stop A 4 10.10 gtc", """
        20 | A | 4 | 10.12 | taker
    """),
    "a trade triggers a stop, which takes what is displayed": ("quote", """
        s  | bid      | ask       | trade
        0  | 5 @ 9.99 | 5 @ 10.01 |
        10 |          |           | 1 @ 10.10
    """, "0 | stop A 4 10.10 gtc", """
        10 | A | 4 | 10.01 | taker
    """),
    "a trailing stop follows the bid up": ("quote", """
        s  | bid       | ask
        0  | 5 @ 9.99  | 5 @ 10.01
        10 | 5 @ 10.20 | 5 @ 10.22
        20 | 5 @ 10.09 | 5 @ 10.11
        30 | 5 @ 10.06 | 5 @ 10.10
    """, "0 | trailing_stop A -4 0.10 gtc", """
        30 | A | -4 | 10.06 | taker
    """),
    "a spread fills together or waits": ("book", """
        s  | of | bid      | ask
        0  | A  | 5 @ 9.99 | 5 @ 10.01
        0  | B  | 5 @ 8.99 | 5 @ 9.01
        10 | A  | 5 @ 9.99 | 5 @ 10.01
        10 | B  |          | 5 @ 9.01
        20 | B  | 2 @ 9.00 | 5 @ 9.01
        30 | A  | 5 @ 9.99 | 5 @ 10.02
        40 | B  | 7 @ 9.02 | 5 @ 9.03
    """, "0 | limit A 4 1.01 gtc against=B", """
        20 | A | 2 | 10.01 | taker
        20 | B | -2 | 9 | taker
        40 | A | 2 | 10.02 | taker
        40 | B | -2 | 9.02 | taker
    """),
    "an order that must rest is refused where it would not": ("quote", """
        s  | bid      | ask
        0  | 5 @ 9.99 | 5 @ 10.01
        10 | 5 @ 9.99 | 5 @ 10.01
        20 | 5 @ 9.99 | 5 @ 10.00
    """, """
        0 | limit A 4 10.01 gtc post_only=yes
        0 | limit A 4 10.00 gtc post_only=yes
    """, """
        20 | A | 4 | 10 | maker
    """),
}


def tape_of(text: str) -> Tape:
    """Each row is a quote when it names a bid or an ask, and a bar: its trade, or no volume at the last price."""
    rows, codes = rows_of(text), ("A", "B")
    used = codes[: 1 + any(row.get("of") == "B" for row in rows)]
    builder = builder_of(used)
    for ref, code in enumerate(used):
        bars, quotes, last = [], [], 10_000_000
        for row in (row for row in rows if row.get("of", "A") == code):
            ts = int(row["s"]) * NANOS_PER_SECOND
            lots, _, prices = row.get("trade", "").partition("@")
            way = [micros_of(price) for price in prices.split()] or [last]
            last = way[-1]
            bars.append((ts, way[0], max(way), min(way), last, int(lots or 0)))
            if "bid" in row or "ask" in row:
                sides = [[cell.split("@") for cell in row.get(side, "").split(",") if cell] for side in ("bid", "ask")]
                for level in range(max(map(len, sides))):
                    (bid_lots, bid), (ask_lots, ask) = (side[level] if level < len(side) else ("0", "0") for side in sides)
                    quotes.append((ts, micros_of(bid), int(bid_lots), micros_of(ask), int(ask_lots), level))
        builder.bars(ref, *columns(bars))
        builder.quotes(ref, *columns(quotes))
    return builder.build()


def script_of(text: str):
    """Seconds as the fractions of a day that the oracle's tables have."""
    lines = [line.strip().partition("|") for line in text.strip().splitlines()]
    return actions_of("\n".join(["day | request", *(f"{int(s)}/86400 | {request}" for s, _, request in lines)]))


def shown(fills: list[Filled]) -> list[str]:
    return [f"{fill.ts // NANOS_PER_SECOND} | {fill.contract} | {fill.lots} | {fill.price_micros / 1e6:g} | {fill.liquidity}" for fill in fills]


@pytest.mark.parametrize("name", TABLES)
def test_orders_fill_as_the_table_says(name):
    model, market, requests, expected = TABLES[name]
    tape, script = tape_of(market), script_of(requests)
    reference, _ = reference_rows(tape, Assumed(model=model), script)
    engine, _ = engine_rows(tape, FillRules(model=model), script, 100_000)
    assert shown(reference) == table(expected)
    assert shown(engine) == table(expected)
