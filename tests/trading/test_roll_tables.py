# SPDX-License-Identifier: Apache-2.0
"""Every transition of the roll in tables that a trader can read (tests/trading/scripts.py says how)."""

from __future__ import annotations

import pytest

from tests.trading.scripts import played

CASES = {
    "a roll is one spread order, and the position never leaves": ({}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 5     |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  5 |  0 |  0 |  0
116   |       | M N         | spread_limit  |  5 |  0 |  0 |  0
117   |       | M N         | holding       |  0 |  5 |  0 |  0
118   |       | M N         | holding       |  0 |  5 |  0 |  0
146   |       | N P         | spread_limit  |  0 |  5 |  0 |  0
147   |       | N P         | holding       |  0 |  0 |  5 |  0
"""),
    "a short position rolls the other way round": ({"at_market": True}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | -5    |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       | -5 |  0 |  0 |  0
116   |       | M N         | spread_market | -5 |  0 |  0 |  0
117   |       | (M N)       | holding       |  0 | -5 |  0 |  0
"""),
    "limit, market, legs: what does not fill goes up": ({"patience": 0.9}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 5     |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  5 |  0 |  0 |  0
116   |       |             | spread_limit  |  5 |  0 |  0 |  0
117   |       | (M N)       | spread_market |  5 |  0 |  0 |  0
118   |       | (M:2 N:1)   | spread_market |  5 |  0 |  0 |  0
119   |       | (M:2 N:1)   | spread_market |  4 |  1 |  0 |  0
120   |       | (M)         | legs_market   |  4 |  1 |  0 |  0
121   |       | (M)         | legs_market   |  4 |  1 |  0 |  0
122   |       | (M N)       | legs_market   |  4 |  5 |  0 |  0
123   |       | (M N)       | holding       |  0 |  5 |  0 |  0
"""),
    "a venue without spread orders sends the roll to its legs at once": ({"as_spread": True}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 5     |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  5 |  0 |  0 |  0
116   |       | -N          | spread_limit  |  5 |  0 |  0 |  0
117   |       | +N          | legs_limit    |  5 |  0 |  0 |  0
118   |       | (M N)       | legs_limit    |  5 |  0 |  0 |  0
119   |       | M N         | legs_market   |  5 |  5 |  0 |  0
120   |       | M N         | holding       |  0 |  5 |  0 |  0
"""),
    "leg by leg: the thinner one is worked, the other follows": ({"as_spread": False, "naked_most": 3}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 5     |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  5 |  0 |  0 |  0
116   |       |             | legs_limit    |  5 |  0 |  0 |  0
117   |       | N:2         | legs_limit    |  5 |  2 |  0 |  0
118   |       | M:1 N       | legs_market   |  4 |  3 |  0 |  0
119   |       | M N         | legs_market   |  3 |  4 |  0 |  0
120   |       | M N         | legs_market   |  1 |  4 |  0 |  0
121   |       | M N         | legs_market   |  1 |  5 |  0 |  0
122   |       | M N         | holding       |  0 |  5 |  0 |  0
"""),
    "three shares on three days, whole lots": ({"stages": 3}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 7     |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  7 |  0 |  0 |  0
116   |       |             | spread_limit  |  7 |  0 |  0 |  0
116.5 |       | M N         | resting       |  5 |  2 |  0 |  0
117   |       | M N         | spread_limit  |  5 |  2 |  0 |  0
118   |       | M N         | spread_limit  |  3 |  4 |  0 |  0
119   |       | M N         | holding       |  0 |  7 |  0 |  0
"""),
    "a share that is late goes with the next one, on its own rung": ({"stages": 2, "at_market": False}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 4     |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  4 |  0 |  0 |  0
116   |       |             | spread_limit  |  4 |  0 |  0 |  0
118   |       |             | spread_market |  4 |  0 |  0 |  0
118.5 |       | (M N)       | spread_market |  4 |  0 |  0 |  0
119   |       | (M N)       | holding       |  0 |  4 |  0 |  0
"""),
    "forced: out at the market before the window, and the new contract follows what is closed": ({}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 5     |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  5 |  0 |  0 |  0
116   |       |             | spread_limit  |  5 |  0 |  0 |  0
123   |       |             | forced        |  5 |  0 |  0 |  0
124   |       |             | forced        |  5 |  0 |  0 |  0
125   |       | M:2         | forced        |  3 |  0 |  0 |  0
126   |       | M N:1       | holding       |  0 |  1 |  0 |  0
127   |       | N           | holding       |  0 |  5 |  0 |  0
"""),
    "forced while the legs are apart: a cancel that comes late fills one more, and nothing is sold again": ({"as_spread": False, "patience": 30.0}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 5     |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  5 |  0 |  0 |  0
116   |       | slow        | legs_limit    |  5 |  0 |  0 |  0
117   |       | N:3         | legs_limit    |  5 |  3 |  0 |  0
123   |       |             | forced        |  5 |  3 |  0 |  0
124   |       | N:1         | forced        |  5 |  4 |  0 |  0
125   |       | M N         | holding       |  0 |  4 |  0 |  0
126   |       | N           | holding       |  0 |  5 |  0 |  0
"""),
    "a market that is shut until the end strands what is held, and nothing is bought twice": ({}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 5     |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  5 |  0 |  0 |  0
116   |       |             | spread_limit  |  5 |  0 |  0 |  0
123   |       |             | forced        |  5 |  0 |  0 |  0
124   |       | N           | forced        |  5 |  0 |  0 |  0
125   |       | M:2 N       | forced        |  3 |  0 |  0 |  0
126   |       | N           | forced        |  3 |  2 |  0 |  0
140   |       | gone M N    | settling      |  3 |  2 |  0 |  0
142   |       | final M     | holding       |  0 |  2 |  0 |  0
143   |       | N           | holding       |  0 |  2 |  0 |  0
144   |       | N           | holding       |  0 |  5 |  0 |  0
"""),
    "held into settlement when the strategy says so; the next one is bought when the last day has fixed": ({"into_settlement": True}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 5     |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  5 |  0 |  0 |  0
131   |       | M N         | holding       |  5 |  0 |  0 |  0
150   |       | gone M N    | settling      |  5 |  0 |  0 |  0
151   |       | N           | settling      |  5 |  5 |  0 |  0
152   |       | final M     | holding       |  0 |  5 |  0 |  0
"""),
    "no lots wanted ends a roll at once, both contracts are closed": ({}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 5     |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  5 |  0 |  0 |  0
116   |       |             | spread_limit  |  5 |  0 |  0 |  0
117   | 0     | M:2 N:2     | forced        |  3 |  2 |  0 |  0
118   |       | M N         | forced        |  3 |  2 |  0 |  0
119   |       | M N         | holding       |  0 |  0 |  0 |  0
120   |       |             | flat          |  0 |  0 |  0 |  0
"""),
    "the other side wanted in the middle of a roll": ({}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 5     |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  5 |  0 |  0 |  0
116   |       |             | spread_limit  |  5 |  0 |  0 |  0
117   | -4    | M:2 N:2     | forced        |  3 |  2 |  0 |  0
118   |       |             | forced        |  3 |  2 |  0 |  0
119   |       | M N         | holding       |  0 |  0 |  0 |  0
120   |       | N           | holding       |  0 | -4 |  0 |  0
"""),
    "nowhere to go: the last contract listed is closed before its window": ({}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
165   | 5     |             | holding       |  0 |  0 |  0 |  0
166   |       | P           | holding       |  0 |  0 |  5 |  0
183   |       | P           | forced        |  0 |  0 |  5 |  0
184   |       | P           | flat          |  0 |  0 |  0 |  0
"""),
    "fewer lots than shares: on some days none is due": ({"stages": 3, "at_market": True}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 2     |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  2 |  0 |  0 |  0
116   |       |             | resting       |  2 |  0 |  0 |  0
117   |       | M N         | spread_market |  2 |  0 |  0 |  0
117.5 |       | M N         | resting       |  1 |  1 |  0 |  0
118   |       | M N         | spread_market |  1 |  1 |  0 |  0
119   |       | M N         | holding       |  0 |  2 |  0 |  0
"""),
    "shares leg by leg": ({"stages": 2, "as_spread": False}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 2     |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  2 |  0 |  0 |  0
116   |       |             | legs_limit    |  2 |  0 |  0 |  0
116.2 |       | M N         | legs_limit    |  2 |  1 |  0 |  0
116.4 |       | M N         | resting       |  1 |  1 |  0 |  0
117   |       | M N         | legs_limit    |  1 |  1 |  0 |  0
118   |       | M N         | legs_limit    |  1 |  2 |  0 |  0
119   |       | M N         | holding       |  0 |  2 |  0 |  0
"""),
    "a holiday between two shares runs into the deadline": ({"stages": 2}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 4     |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  4 |  0 |  0 |  0
116   |       |             | spread_limit  |  4 |  0 |  0 |  0
116.5 |       | M N         | resting       |  2 |  2 |  0 |  0
124   |       | M N         | forced        |  2 |  2 |  0 |  0
125   |       | M N         | holding       |  0 |  2 |  0 |  0
126   |       | M N         | holding       |  0 |  4 |  0 |  0
"""),
    "a spread at the market that nobody takes": ({"at_market": True, "patience": 9.0}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 4     |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  4 |  0 |  0 |  0
116   |       |             | spread_market |  4 |  0 |  0 |  0
123   |       | M           | forced        |  4 |  0 |  0 |  0
124   |       | M           | forced        |  4 |  0 |  0 |  0
125   |       | M N         | holding       |  0 |  0 |  0 |  0
126   |       | M N         | holding       |  0 |  4 |  0 |  0
"""),
    "legs at the market, the new contract shut: nothing is sold that is not bought": ({"at_market": True, "as_spread": False}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 4     |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  4 |  0 |  0 |  0
116   |       |             | legs_market   |  4 |  0 |  0 |  0
117   |       | M           | legs_market   |  4 |  0 |  0 |  0
123   |       | M           | forced        |  4 |  0 |  0 |  0
124   |       | M           | forced        |  4 |  0 |  0 |  0
125   |       | M N         | holding       |  0 |  0 |  0 |  0
126   |       | M N         | holding       |  0 |  4 |  0 |  0
"""),
    "a change of chip: five lots of the old stand for two of the new": ({}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 5     |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  5 |  0 |  0 |  0
102   | 2 new |             | legs_limit    |  5 |  0 |  0 |  0
103   |       | M Q         | legs_limit    |  5 |  0 |  0 |  2
104   |       | M Q         | holding       |  0 |  0 |  0 |  2
"""),
    "a change of chip in two shares: 2 of 5 stand for 1 of 2": ({"stages": 2, "at_market": True}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 5     |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  5 |  0 |  0 |  0
102   | 2 new |             | legs_market   |  5 |  0 |  0 |  0
102.3 |       | M Q         | legs_market   |  5 |  0 |  0 |  1
102.6 |       | M Q         | resting       |  3 |  0 |  0 |  1
103   |       | M Q         | legs_market   |  3 |  0 |  0 |  1
104   |       | M Q         | legs_market   |  3 |  0 |  0 |  2
105   |       | M Q         | holding       |  0 |  0 |  0 |  2
"""),
    "a margin call in the middle: orders are gone, the roll goes on with what is left": ({}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 5     |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  5 |  0 |  0 |  0
116   |       |             | spread_limit  |  5 |  0 |  0 |  0
117   |       | call M:2 N  | spread_limit  |  5 |  0 |  0 |  0
118   |       | M N         | holding       |  0 |  5 |  0 |  0
"""),
}


@pytest.mark.parametrize("name", CASES)
def test_a_roll_as_a_table(name):
    parameters, table = CASES[name]
    _, found = played(table, **parameters)
    assert found == table.strip()
