# SPDX-License-Identifier: Apache-2.0
"""Every transition of the roll in tables that a trader can read (tests/trading/scripts.py says how)."""

from __future__ import annotations

from typing import Any

import pytest

from kilohour.trading.roll import BY_COST, BY_INTEREST, BY_VOLUME
from tests.trading.scripts import played

CASES: dict[str, tuple[dict[str, Any], str]] = {
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
    "by volume: the later month traded more on two days running, as seen then": ({"trigger": BY_VOLUME}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 5     |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  5 |  0 |  0 |  0
102   |       | vN=120      | holding       |  5 |  0 |  0 |  0
103   |       | vN=99       | holding       |  5 |  0 |  0 |  0
104   |       | vN=101      | holding       |  5 |  0 |  0 |  0
104.5 |       | vN=300      | holding       |  5 |  0 |  0 |  0
105   |       |             | spread_limit  |  5 |  0 |  0 |  0
106   |       | M N         | holding       |  0 |  5 |  0 |  0
107   |       | vP=301      | holding       |  0 |  5 |  0 |  0
108   |       |             | spread_limit  |  0 |  5 |  0 |  0
"""),
    "by volume: a month without a bar traded nothing, a day without any bar is no day": ({"trigger": BY_VOLUME}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 5     |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  5 |  0 |  0 |  0
102   |       | vN=120      | holding       |  5 |  0 |  0 |  0
103   |       | no N        | holding       |  5 |  0 |  0 |  0
104   |       | no N        | holding       |  5 |  0 |  0 |  0
105   |       |             | holding       |  5 |  0 |  0 |  0
106   |       | no M no N   | holding       |  5 |  0 |  0 |  0
107   |       | no M vN=1   | spread_limit  |  5 |  0 |  0 |  0
108   |       | M N         | holding       |  0 |  5 |  0 |  0
"""),
    "by volume: what is not published crosses nothing, and the days still do": ({"trigger": BY_VOLUME, "confirm": 1}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 5     | vM=-1       | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  5 |  0 |  0 |  0
102   |       | vM=5 vN=-1  | holding       |  5 |  0 |  0 |  0
103   |       | vN=5        | holding       |  5 |  0 |  0 |  0
115   |       |             | holding       |  5 |  0 |  0 |  0
116   |       |             | spread_limit  |  5 |  0 |  0 |  0
"""),
    "by volume: who comes when it has crossed buys the later month at once": ({"trigger": BY_VOLUME, "confirm": 1}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 5     | vN=120      | holding       |  0 |  0 |  0 |  0
101   |       | M N         | holding       |  0 |  5 |  0 |  0
"""),
    "by open interest: it stands until it is published again": ({"trigger": BY_INTEREST, "confirm": 3}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 5     |             | holding       |  0 |  0 |  0 |  0
101   |       | M vN=900    | holding       |  5 |  0 |  0 |  0
102   |       | iM=50 iN=50 | holding       |  5 |  0 |  0 |  0
103   |       | iN=51       | holding       |  5 |  0 |  0 |  0
104   |       | no N        | holding       |  5 |  0 |  0 |  0
105   |       | no M no N   | holding       |  5 |  0 |  0 |  0
106   |       |             | spread_limit  |  5 |  0 |  0 |  0
107   |       | M N         | holding       |  0 |  5 |  0 |  0
"""),
    "by cost: a long position pays far less near, here 15 cents are to be earned": ({"trigger": BY_COST, "cost_most": -0.15}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 5     |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  5 |  0 |  0 |  0
102   |       | pN=2.36     | holding       |  5 |  0 |  0 |  0
103   |       | pN=2.34     | spread_limit  |  5 |  0 |  0 |  0
104   |       | M N         | holding       |  0 |  5 |  0 |  0
"""),
    "by cost: a short position pays near less far; no price, no cost": ({"trigger": BY_COST, "cost_most": 0.05}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | -5    |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       | -5 |  0 |  0 |  0
102   |       | pN=nan      | holding       | -5 |  0 |  0 |  0
103   |       | pN=2.44     | holding       | -5 |  0 |  0 |  0
104   |       | pN=2.46     | spread_limit  | -5 |  0 |  0 |  0
105   |       | M N         | holding       |  0 | -5 |  0 |  0
"""),
    "to the last trade: held in the window, rolled fourteen days before day 150": ({"to_last_trade": True}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 5     |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  5 |  0 |  0 |  0
131   |       | M N         | holding       |  5 |  0 |  0 |  0
136   |       |             | spread_limit  |  5 |  0 |  0 |  0
143   |       |             | forced        |  5 |  0 |  0 |  0
144   |       | M N         | forced        |  5 |  0 |  0 |  0
145   |       | M N         | holding       |  0 |  0 |  0 |  0
146   |       | N           | holding       |  0 |  5 |  0 |  0
166   |       |             | spread_limit  |  0 |  5 |  0 |  0
"""),
    "two months further, and one where no second is listed: closed by force, entered again": ({"ahead": 2}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 5     |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  5 |  0 |  0 |  0
116   |       |             | spread_limit  |  5 |  0 |  0 |  0
117   |       | M N P       | holding       |  0 |  0 |  5 |  0
183   |       |             | forced        |  0 |  0 |  5 |  0
184   |       | P           | flat          |  0 |  0 |  0 |  0
"""),
    "never forced before the window begins: what is left then goes at the market": ({
        "days": 8, "forced_days": 0, "at_market": True, "patience": 30.0}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 5     |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  5 |  0 |  0 |  0
122   |       |             | spread_market |  5 |  0 |  0 |  0
129   |       | M           | spread_market |  5 |  0 |  0 |  0
130   |       | M:2 N:2     | forced        |  3 |  2 |  0 |  0
131   |       | M N         | forced        |  3 |  2 |  0 |  0
132   |       | M N         | holding       |  0 |  2 |  0 |  0
133   |       | N           | holding       |  0 |  5 |  0 |  0
"""),
    "by open interest: three days are one too few for four, and as much is not more": ({"trigger": BY_INTEREST, "confirm": 4, "days": 8}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 5     |             | holding       |  0 |  0 |  0 |  0
101   |       | M iN=9      | holding       |  5 |  0 |  0 |  0
102   |       |             | holding       |  5 |  0 |  0 |  0
103   |       |             | holding       |  5 |  0 |  0 |  0
104   |       | iM=9        | holding       |  5 |  0 |  0 |  0
105   |       | iM=8        | holding       |  5 |  0 |  0 |  0
108   |       |             | holding       |  5 |  0 |  0 |  0
109   |       |             | holding       |  5 |  0 |  0 |  0
110   |       |             | spread_limit  |  5 |  0 |  0 |  0
"""),
    "the market's share is seen to have filled a day later: the next one begins with a limit": ({"stages": 2, "patience": 0.4}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 4     |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  4 |  0 |  0 |  0
116   |       |             | spread_limit  |  4 |  0 |  0 |  0
116.5 |       |             | spread_market |  4 |  0 |  0 |  0
116.6 |       |             | spread_market |  4 |  0 |  0 |  0
117   |       | (M N)       | spread_limit  |  2 |  2 |  0 |  0
118   |       | M N         | holding       |  0 |  4 |  0 |  0
"""),
    "after a share by legs the next one is a spread again": ({"stages": 2}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 4     |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  4 |  0 |  0 |  0
116   |       | -N          | spread_limit  |  4 |  0 |  0 |  0
116.2 |       | +N          | legs_limit    |  4 |  0 |  0 |  0
116.4 |       | M N         | legs_limit    |  4 |  2 |  0 |  0
117   |       | M N         | spread_limit  |  2 |  2 |  0 |  0
118   |       | M N         | holding       |  0 |  4 |  0 |  0
"""),
    "after a share by legs at the market the next one is a spread at the market": ({"stages": 2, "at_market": True}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 4     |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  4 |  0 |  0 |  0
116   |       | -N          | spread_market |  4 |  0 |  0 |  0
116.2 |       | +N          | legs_market   |  4 |  0 |  0 |  0
116.4 |       | M N         | legs_market   |  4 |  2 |  0 |  0
117   |       | M N         | spread_market |  2 |  2 |  0 |  0
118   |       | M N         | holding       |  0 |  4 |  0 |  0
"""),
    "from the last rung back to the first, for the next share": ({"stages": 2, "patience": 0.4}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 4     |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  4 |  0 |  0 |  0
116   |       |             | spread_limit  |  4 |  0 |  0 |  0
116.5 |       |             | spread_market |  4 |  0 |  0 |  0
116.6 |       | -N          | spread_market |  4 |  0 |  0 |  0
116.7 |       | +N          | legs_market   |  4 |  0 |  0 |  0
116.8 |       | M N         | legs_market   |  4 |  2 |  0 |  0
117   |       | M N         | spread_limit  |  2 |  2 |  0 |  0
118   |       | M N         | holding       |  0 |  4 |  0 |  0
"""),
    "legs at the market for one share, with a limit for the next": ({"stages": 2, "as_spread": False, "patience": 0.4}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 4     |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  4 |  0 |  0 |  0
116   |       |             | legs_limit    |  4 |  0 |  0 |  0
116.5 |       |             | legs_market   |  4 |  0 |  0 |  0
116.6 |       |             | legs_market   |  4 |  0 |  0 |  0
116.7 |       |             | legs_market   |  4 |  0 |  0 |  0
116.8 |       | M N         | legs_market   |  4 |  2 |  0 |  0
117   |       | M N         | legs_limit    |  2 |  2 |  0 |  0
118   |       | M N         | legs_market   |  2 |  4 |  0 |  0
119   |       | M N         | holding       |  0 |  4 |  0 |  0
"""),
    "no bar from the first day of the roll to the end: a spread's limit": ({}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 4     |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  4 |  0 |  0 |  0
116   |       |             | spread_limit  |  4 |  0 |  0 |  0
150   |       | gone M      | settling      |  4 |  0 |  0 |  0
152   |       | final M     | holding       |  0 |  0 |  0 |  0
153   |       | N           | holding       |  0 |  0 |  0 |  0
"""),
    "no bar from the first day of the roll to the end: a spread at the market": ({"at_market": True}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 4     |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  4 |  0 |  0 |  0
116   |       |             | spread_market |  4 |  0 |  0 |  0
150   |       | gone M      | settling      |  4 |  0 |  0 |  0
152   |       | final M     | holding       |  0 |  0 |  0 |  0
153   |       | N           | holding       |  0 |  0 |  0 |  0
"""),
    "no bar from the first day of the roll to the end: legs": ({"as_spread": False}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 4     |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  4 |  0 |  0 |  0
116   |       |             | legs_limit    |  4 |  0 |  0 |  0
150   |       | gone M      | forced        |  4 |  0 |  0 |  0
152   |       | final M     | holding       |  0 |  0 |  0 |  0
153   |       | N           | forced        |  0 |  4 |  0 |  0
"""),
    "the old leg has sold, the new one is bought on the day of the end: legs": ({"stages": 2, "as_spread": False}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 4     | vM=10       | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  4 |  0 |  0 |  0
116   |       |             | legs_limit    |  4 |  0 |  0 |  0
117   |       | M           | legs_limit    |  2 |  0 |  0 |  0
150   |       | gone M N    | settling      |  2 |  2 |  0 |  0
152   |       | final M     | holding       |  0 |  2 |  0 |  0
"""),
    "no bar from the first day of the roll to the end: legs at the market": ({"as_spread": False, "at_market": True}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 4     |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  4 |  0 |  0 |  0
116   |       |             | legs_market   |  4 |  0 |  0 |  0
150   |       | gone M      | forced        |  4 |  0 |  0 |  0
152   |       | final M     | holding       |  0 |  0 |  0 |  0
153   |       | N           | forced        |  0 |  4 |  0 |  0
"""),
    "the old leg has sold, the new one is bought on the day of the end: legs at the market": ({"stages": 2, "as_spread": False, "at_market": True}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 4     | vM=10       | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  4 |  0 |  0 |  0
116   |       |             | legs_market   |  4 |  0 |  0 |  0
117   |       | M           | legs_market   |  2 |  0 |  0 |  0
150   |       | gone M N    | settling      |  2 |  2 |  0 |  0
152   |       | final M     | holding       |  0 |  2 |  0 |  0
"""),
    "no bar between two shares, and then the end": ({"stages": 2}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 4     |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  4 |  0 |  0 |  0
116   |       |             | spread_limit  |  4 |  0 |  0 |  0
116.5 |       | M N         | resting       |  2 |  2 |  0 |  0
150   |       | gone M      | settling      |  2 |  2 |  0 |  0
152   |       | final M     | holding       |  0 |  2 |  0 |  0
153   |       | N           | forced        |  0 |  2 |  0 |  0
"""),
    "the last contract listed, shut to its end: nothing follows it": ({}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
165   | 5     |             | holding       |  0 |  0 |  0 |  0
166   |       | P           | holding       |  0 |  0 |  5 |  0
183   |       |             | forced        |  0 |  0 |  5 |  0
210   |       | gone P      | settling      |  0 |  0 |  5 |  0
212   |       | final P     | flat          |  0 |  0 |  0 |  0
"""),
    "by open interest, in more shares than lots: none is due on the first day": ({"trigger": BY_INTEREST, "stages": 3}, """
day   | lots  | does        | phase         |  M |  N |  P |  Q
100   | 2     |             | holding       |  0 |  0 |  0 |  0
101   |       | M           | holding       |  2 |  0 |  0 |  0
102   |       | iN=1        | holding       |  2 |  0 |  0 |  0
103   |       |             | resting       |  2 |  0 |  0 |  0
104   |       |             | spread_limit  |  2 |  0 |  0 |  0
"""),
}


@pytest.mark.parametrize("name", CASES)
def test_a_roll_as_a_table(name):
    parameters, table = CASES[name]
    _, found = played(table, **parameters)
    assert found == table.strip()


NEVER: tuple[dict[str, Any], ...] = ({"trigger": BY_VOLUME, "confirm": 100}, {"trigger": BY_INTEREST, "confirm": 100}, {"trigger": BY_COST, "cost_most": -9.0})
BY_DAYS_ALONE = [(parameters, table) for parameters, table in CASES.values() if "trigger" not in parameters]


@pytest.mark.parametrize("never", NEVER)
def test_a_trigger_that_never_speaks_leaves_every_table_to_the_days(never):
    for parameters, table in BY_DAYS_ALONE:
        assert played(table, **parameters, **never)[1] == table.strip()
