# SPDX-License-Identifier: Apache-2.0
"""The baseline by hand: average lots at each place of the curve, held and rolled at the mark."""

from __future__ import annotations

import numpy as np

from kilohour.backtests.baseline import baseline_equity, mark_grid
from kilohour.contracts.contract import NEVER
from kilohour.kernels.records import OUT_EQUITY, OUT_POSITIONS
from tests.faces.small import market
from tests.oracle.tables import tape_of

# B begins to fix on day 13: from then on C is first in its place. 730 GPU-hours a lot.
CONTRACTS = """
contract | listed | last | final | fixings
A        | 0      | 11.5 | 12    | 12
B        | 0      | 15   | 16    | 13 14
C        | 0      | -    | -     |
"""
EVENTS = """
day | event | of | price
10  | bar   | A  | 2.00
10  | mark  | A  | 2.00
10  | mark  | B  | 2.10
10  | mark  | C  | 2.20
11  | mark  | A  | 2.03
11  | mark  | B  | 2.15
11  | mark  | C  | 2.21
12  | mark  | B  | 2.05
12  | mark  | C  | 2.25
13  | mark  | B  | 2.35
13  | mark  | C  | 2.20
14  | mark  | B  | 2.45
14  | mark  | C  | 2.30
"""
DAY = 86_400 * 10**9


def curve():
    return market(tape_of(CONTRACTS, EVENTS))


def test_places_are_counted_from_the_first_unfixed_contract():
    """A single print counts until its last trade (day 11.5); a window begins with its first day (13)."""
    times, marks, places = mark_grid(curve())
    assert (times // DAY).tolist() == [10, 11, 12, 13, 14]
    assert places.tolist() == [[1, 2, 3], [1, 2, 3], [0, 1, 2], [0, 0, 1], [0, 0, 1]]
    assert np.isnan(marks[2, 0])
    assert marks[3].tolist()[1:] == [2.35, 2.20]
    assert curve().tape.contracts[2].last_trade_at == NEVER


def test_the_average_lots_are_held_and_rolled():
    """Held: 5 lots of A on days 10 and 11 (place 1), 10 of B on day 12 (place 1), -5 of C on day 12 (place 2).

    Averages over five marks: place 1: (5 + 5 + 10) / 5 = 4 lots, place 2: -5 / 5 = -1 lot.
    Gains per unit:  10 to 11: 4 * 0.03 - 1 * 0.05 = 0.07;  11 to 12: place 1 was A, which has no mark any more, and
    place 2 was B: -1 * -0.10 = 0.10;  12 to 13: 4 * 0.30 - 1 * -0.05 = 1.25;  13 to 14: place 1 is C: 4 * 0.10 = 0.40.
    """
    positions = np.array([(10 * DAY, 0, 5, 0), (11 * DAY, 0, 5, 0), (12 * DAY, 1, 10, 0), (12 * DAY, 2, -5, 0)], dtype=OUT_POSITIONS)
    equity = np.zeros(5, dtype=OUT_EQUITY)
    equity["ts"] = np.arange(10, 15) * DAY
    found = baseline_equity(curve(), positions, equity, 10**12)
    per_unit = np.cumsum([0.0, 0.07, 0.10, 1.25, 0.40])
    assert found.tolist() == [10**12 + round(gain * 730 * 10**6) for gain in per_unit.tolist()]


def test_a_mark_stands_until_the_next_of_its_contract():
    """C is marked an hour after B, and not at all on day 12: the change from day 11 to 13 is not lost."""
    rows = [line for line in EVENTS.strip().splitlines() if not ("| C" in line and line.startswith("12"))]
    later = "\n".join(line.replace("13 ", "13.04 ", 1) if "| C" in line and line.startswith("13") else line for line in rows)
    times, marks, places = mark_grid(market(tape_of(CONTRACTS, later)))
    assert (times / DAY).round(2).tolist() == [10, 11, 12, 13, 13.04, 14]
    assert marks[:, 2].tolist() == [2.20, 2.21, 2.21, 2.21, 2.20, 2.30]
    assert places[:, 2].tolist() == [3, 3, 2, 1, 1, 1]
    assert np.isnan(marks[2:, 0]).all()
    positions = np.array([(t, 2, 3, 0) for t in times], dtype=OUT_POSITIONS)
    equity = np.zeros(6, dtype=OUT_EQUITY)
    equity["ts"] = times
    place_lots = {3: 3 * 2 / 6, 2: 3 / 6, 1: 3 * 3 / 6}
    gains = [0.0, place_lots[1] * 0.03 + place_lots[2] * 0.05 + place_lots[3] * 0.01, place_lots[2] * -0.10, place_lots[1] * 0.30,
             place_lots[1] * -0.01, place_lots[1] * 0.10]
    found = baseline_equity(market(tape_of(CONTRACTS, later)), positions, equity, 0)
    assert np.abs(found - np.cumsum(gains) * 730e6).max() <= 1.0


def test_without_positions_it_is_nothing_held():
    equity = np.zeros(5, dtype=OUT_EQUITY)
    equity["ts"] = np.arange(10, 15) * DAY
    assert baseline_equity(curve(), np.zeros(0, dtype=OUT_POSITIONS), equity, 10**12).tolist() == [10**12] * 5
