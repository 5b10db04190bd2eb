# SPDX-License-Identifier: Apache-2.0
"""Every order kind against every shape of bar, as a trader would write it down; worked out by hand from the page.

The contract last traded at 2.00 on the day before, when the order of five lots is given. The tick is 0.01 and half
the spread 0.005, so that taking costs 0.005. ``fills`` says lots and price, ``-`` nothing. The way of the price is
open, the nearer extreme (the low when both are as near), the other extreme, close.
"""

from __future__ import annotations

from fractions import Fraction

import pytest

from tests.oracle.books import FillRules, Terms
from tests.oracle.runners import RUNNERS, rows_by
from tests.oracle.tables import case_of, rows_of, shown

TERMS = Terms(half_spread_micros=5_000)

ONE_BAR = """
kind          | side | prices    | open  | high  | low   | close | volume | fills      | why
market        | buy  |           | 2.05  | 2.10  | 1.90  | 2.00  | 100    | 5 at 2.055 | the open and half a spread
market        | sell |           | 2.05  | 2.10  | 1.90  | 2.00  | 100    | 5 at 2.045 | the open less half a spread
market        | buy  |           | 2.05  | 2.05  | 2.05  | 2.05  |        | 5 at 2.055 | an unknown volume does not limit
market        | buy  |           | 2.05  | 2.10  | 1.90  | 2.00  | 3      | 3 at 2.055 | the volume there was
market        | buy  |           | 2.05  | 2.10  | 1.90  | 2.00  | 0      | -          | no volume, no fill
market        | buy  |           | -0.05 | 0.02  | -0.10 | 0.00  | 100    | 5 at -0.045 | prices below zero
limit         | buy  | 1.95      | 2.00  | 2.05  | 1.95  | 2.00  | 100    | -          | exact touch
limit         | buy  | 1.95      | 2.00  | 2.05  | 1.949 | 2.00  | 100    | 5 at 1.95  | through by a little
limit         | buy  | 1.95      | 2.00  | 2.05  | 1.80  | 1.85  | 100    | 5 at 1.95  | through by much: no better
limit         | buy  | 1.95      | 1.90  | 1.97  | 1.88  | 1.90  | 100    | 5 at 1.905 | gap: the open, half a spread paid
limit         | buy  | 1.95      | 1.948 | 1.97  | 1.94  | 1.95  | 100    | 5 at 1.95  | gap inside half a spread: the limit
limit         | buy  | 1.95      | 1.95  | 1.97  | 1.95  | 1.96  | 100    | 5 at 1.95  | opens at the limit
limit         | buy  | 1.95      | 2.00  | 2.05  | 1.90  | 2.00  | 2      | 2 at 1.95  | the volume there was
limit         | buy  | 1.95      | 2.00  | 2.05  | 1.90  | 2.00  | 0      | -          | no volume
limit         | buy  | 1.95      | 1.90  | 1.97  | 1.88  | 1.90  | 0      | -          | gap without volume
limit         | sell | 2.05      | 2.00  | 2.05  | 1.95  | 2.00  | 100    | -          | exact touch
limit         | sell | 2.05      | 2.00  | 2.051 | 1.95  | 2.00  | 100    | 5 at 2.05  | through by a little
limit         | sell | 2.05      | 2.10  | 2.12  | 2.03  | 2.08  | 100    | 5 at 2.095 | gap
limit         | sell | 2.05      | 2.052 | 2.06  | 2.03  | 2.05  | 100    | 5 at 2.05  | gap inside half a spread
limit         | sell | -0.05     | -0.06 | -0.04 | -0.10 | -0.06 | 100    | 5 at -0.05 | through, below zero
stop          | buy  | 2.10      | 2.00  | 2.09  | 1.95  | 2.00  | 100    | -          | not reached
stop          | buy  | 2.10      | 2.00  | 2.10  | 1.95  | 2.00  | 100    | 5 at 2.105 | exact touch, half a spread paid
stop          | buy  | 2.10      | 2.00  | 2.30  | 1.95  | 2.20  | 100    | 5 at 2.105 | through: where it was touched
stop          | buy  | 2.10      | 2.15  | 2.30  | 2.14  | 2.20  | 100    | 5 at 2.155 | gap: the open
stop          | buy  | 2.10      | 2.00  | 2.30  | 1.95  | 2.20  | 4      | 4 at 2.105 | the volume there was
stop          | buy  | 2.10      | 2.00  | 2.30  | 1.95  | 2.20  | 0      | -          | no volume
stop          | buy  | 1.95      | 2.00  | 2.00  | 1.99  | 2.00  | 100    | 5 at 2.005 | on the wrong side: at once
stop          | sell | 1.90      | 2.00  | 2.10  | 1.91  | 2.00  | 100    | -          | not reached
stop          | sell | 1.90      | 2.00  | 2.10  | 1.90  | 2.00  | 100    | 5 at 1.895 | exact touch
stop          | sell | 1.90      | 1.85  | 1.95  | 1.80  | 1.92  | 100    | 5 at 1.845 | gap
stop          | sell | 1.90      | 1.85  | 1.95  | 1.80  | 1.92  | 0      | -          | gap without volume
stop_limit    | buy  | 2.10 2.12 | 2.00  | 2.09  | 1.95  | 2.00  | 100    | -          | stop not reached
stop_limit    | buy  | 2.10 2.12 | 2.00  | 2.10  | 1.95  | 2.00  | 100    | 5 at 2.105 | touched: half a spread above the stop is within
stop_limit    | buy  | 2.10 2.10 | 2.00  | 2.10  | 1.95  | 2.00  | 100    | 5 at 2.1   | touched: never above the limit
stop_limit    | buy  | 2.10 2.12 | 2.11  | 2.20  | 2.05  | 2.15  | 100    | 5 at 2.115 | gap between stop and limit
stop_limit    | buy  | 2.10 2.12 | 2.15  | 2.20  | 2.12  | 2.15  | 100    | -          | gap beyond both, limit only touched
stop_limit    | buy  | 2.10 2.12 | 2.15  | 2.20  | 2.11  | 2.15  | 100    | 5 at 2.12  | gap beyond both, then through the limit
stop_limit    | buy  | 2.10 2.08 | 2.00  | 2.10  | 1.95  | 2.05  | 100    | 5 at 2.08  | stop at the high, then falls through the limit
stop_limit    | buy  | 2.10 2.08 | 2.00  | 2.10  | 1.85  | 2.09  | 100    | 5 at 2.08  | high first, then the low
stop_limit    | buy  | 2.10 2.08 | 2.00  | 2.10  | 1.95  | 2.09  | 100    | -          | low first: what was below before the stop is no help
stop_limit    | buy  | 2.10 2.12 | 2.00  | 2.30  | 1.95  | 2.20  | 0      | -          | no volume
stop_limit    | sell | 1.90 1.88 | 2.00  | 2.10  | 1.90  | 2.00  | 100    | 5 at 1.895 | touched
stop_limit    | sell | 1.90 1.88 | 1.85  | 1.88  | 1.80  | 1.85  | 100    | -          | gap beyond both, limit only touched
stop_limit    | sell | 1.90 1.88 | 1.85  | 1.89  | 1.80  | 1.85  | 100    | 5 at 1.88  | gap beyond both, then through
trailing_stop | sell | 0.10      | 2.00  | 2.10  | 1.91  | 2.00  | 100    | 5 at 1.995 | low first; the high lifts the level to 2.00, which the close touches
trailing_stop | sell | 0.10      | 2.00  | 2.05  | 1.95  | 1.96  | 100    | -          | low first: 1.95 is before the high; 1.96 is not 1.95
trailing_stop | sell | 0.10      | 2.00  | 2.05  | 1.94  | 1.96  | 100    | 5 at 1.945 | high first: level 1.95
trailing_stop | sell | 0.10      | 2.00  | 2.05  | 1.95  | 1.95  | 100    | 5 at 1.945 | low first, the close touches the level
trailing_stop | sell | 0.10      | 2.00  | 2.00  | 1.90  | 1.95  | 100    | 5 at 1.895 | exact touch of yesterday's level
trailing_stop | sell | 0.10      | 1.85  | 1.95  | 1.80  | 1.90  | 100    | 5 at 1.845 | gap: the open
trailing_stop | sell | 0.10      | 2.30  | 2.30  | 2.25  | 2.25  | 100    | -          | gap up lifts the level to 2.20
trailing_stop | sell | 0.10      | 2.00  | 2.05  | 1.94  | 1.96  | 0      | -          | no volume
trailing_stop | buy  | 0.10      | 2.00  | 2.06  | 1.95  | 2.04  | 100    | 5 at 2.055 | low first: level 2.05
trailing_stop | buy  | 0.10      | 2.00  | 2.04  | 1.95  | 2.04  | 100    | -          | high first; level 2.05 not reached
trailing_stop | buy  | 0.10      | 2.15  | 2.20  | 2.10  | 2.10  | 100    | 5 at 2.155 | gap: the open
if_touched    | buy  | 1.90      | 2.00  | 2.10  | 1.91  | 2.00  | 100    | -          | not reached
if_touched    | buy  | 1.90      | 2.00  | 2.10  | 1.90  | 2.00  | 100    | 5 at 1.905 | exact touch
if_touched    | buy  | 1.90      | 2.00  | 2.10  | 1.80  | 1.85  | 100    | 5 at 1.905 | through
if_touched    | buy  | 1.90      | 1.85  | 1.95  | 1.80  | 1.90  | 100    | 5 at 1.855 | gap: the open
if_touched    | buy  | 1.90      | 1.85  | 1.95  | 1.80  | 1.90  | 0      | -          | gap without volume
if_touched    | sell | 2.10      | 2.00  | 2.10  | 1.91  | 2.00  | 100    | 5 at 2.095 | exact touch
if_touched    | sell | 2.10      | 2.15  | 2.20  | 2.05  | 2.10  | 100    | 5 at 2.145 | gap
limit         | buy  | 1.95      | 2.00  | 2.20  | 1.90  | 2.00  | 100    | 5 at 1.95  | both extremes far off: the limit
limit         | sell | 2.05      | 2.00  | 2.10  | 1.80  | 2.00  | 100    | 5 at 2.05  | both extremes far off: the limit
limit         | sell | 2.05      | 2.00  | 2.10  | 1.95  | 2.00  | 0      | -          | no volume
stop          | sell | 1.90      | 2.00  | 2.10  | 1.80  | 1.85  | 100    | 5 at 1.895 | through: where it was touched
stop          | sell | 1.90      | 2.00  | 2.10  | 1.80  | 1.85  | 0      | -          | no volume
stop_limit    | sell | 1.90 1.88 | 2.00  | 2.10  | 1.91  | 2.00  | 100    | -          | stop not reached
stop_limit    | sell | 1.90 1.88 | 1.89  | 1.95  | 1.80  | 1.85  | 100    | 5 at 1.885 | gap between stop and limit
stop_limit    | sell | 1.90 1.88 | 2.00  | 2.10  | 1.80  | 1.85  | 100    | 5 at 1.895 | through both: where it was touched
stop_limit    | sell | 1.90 1.88 | 2.00  | 2.10  | 1.80  | 1.85  | 0      | -          | no volume
trailing_stop | buy  | 0.10      | 2.00  | 2.10  | 2.00  | 2.05  | 100    | 5 at 2.105 | exact touch of yesterday's level
trailing_stop | buy  | 0.10      | 2.00  | 2.30  | 2.00  | 2.20  | 100    | 5 at 2.105 | through yesterday's level
trailing_stop | buy  | 0.10      | 2.00  | 2.30  | 2.00  | 2.20  | 0      | -          | no volume
trailing_stop | sell | 0.10      | 2.00  | 2.00  | 1.70  | 1.80  | 100    | 5 at 1.895 | through yesterday's level
if_touched    | buy  | 1.90      | 2.00  | 2.10  | 1.80  | 1.85  | 0      | -          | no volume
if_touched    | sell | 2.10      | 2.00  | 2.09  | 1.90  | 2.00  | 100    | -          | not reached
if_touched    | sell | 2.10      | 2.00  | 2.30  | 1.95  | 2.20  | 100    | 5 at 2.095 | through: where it was touched
if_touched    | sell | 2.10      | 2.00  | 2.30  | 1.95  | 2.20  | 0      | -          | no volume
market        | sell |           | 2.05  | 2.10  | 1.90  | 2.00  | 0      | -          | no volume, no fill
at_settlement | sell |           | 2.05  | 2.10  | 1.90  | 2.00  | 100    | -          | bars are nothing to it
at_settlement | buy  |           | 2.05  | 2.10  | 1.90  | 2.00  | 0      | -          | nor is their volume
at_settlement | sell |           | 2.05  | 2.10  | 1.90  | 2.00  | 0      | -          | nor is their volume
trailing_stop | buy  | 0.10      | 2.00  | 2.30  | 1.95  | 2.20  | 100    | 5 at 2.055 | low first: level 2.05, then the high
trailing_stop | sell | 0.10      | 2.00  | 2.05  | 1.80  | 1.85  | 100    | 5 at 1.945 | high first: level 1.95, then the low
at_settlement | buy  |           | 2.05  | 2.10  | 1.90  | 2.00  | 100    | -          | bars are nothing to it
"""
# Trailing 2.00 / 2.10 / 1.91 / 2.00: the low is nearer (0.09 to 0.10). Yesterday's level 1.90 is not met at 1.91; the high
# lifts it to 2.00, and the close at 2.00 touches it: 2.00 - 0.005.
ONE_BAR = ONE_BAR.replace("5 at 2.0   |", "5 at 1.995 |")

OPEN_ONLY = """
kind          | side | prices    | open  | high  | low   | close | volume | fills      | why
market        | buy  |           | 2.05  | 2.10  | 1.90  | 2.00  | 100    | 5 at 2.055 | as ever
limit         | buy  | 1.95      | 2.00  | 2.05  | 1.80  | 1.85  | 100    | -          | the low is not on the way
limit         | buy  | 1.95      | 1.90  | 2.05  | 1.80  | 1.85  | 100    | 5 at 1.905 | gap
stop          | buy  | 2.10      | 2.00  | 2.30  | 1.95  | 2.20  | 100    | -          | the high is not on the way
stop          | buy  | 2.10      | 2.15  | 2.30  | 1.95  | 2.20  | 100    | 5 at 2.155 | gap
stop_limit    | buy  | 2.10 2.12 | 2.11  | 2.20  | 2.05  | 2.15  | 100    | 5 at 2.115 | gap between stop and limit
stop_limit    | buy  | 2.10 2.12 | 2.15  | 2.20  | 2.05  | 2.15  | 100    | -          | gap beyond both
trailing_stop | sell | 0.10      | 2.00  | 2.30  | 1.80  | 1.85  | 100    | -          | it sees opens alone
trailing_stop | sell | 0.10      | 1.90  | 2.30  | 1.80  | 1.85  | 100    | 5 at 1.895 | the open touches
if_touched    | sell | 2.10      | 2.00  | 2.30  | 1.80  | 1.85  | 100    | -          | the high is not on the way
if_touched    | sell | 2.10      | 2.15  | 2.30  | 1.80  | 1.85  | 100    | 5 at 2.145 | gap
if_touched    | buy  | 1.90      | 2.00  | 2.30  | 1.80  | 1.85  | 100    | -          | the low is not on the way
if_touched    | buy  | 1.90      | 1.90  | 2.30  | 1.80  | 1.85  | 100    | 5 at 1.905 | the open touches
market        | sell |           | 2.05  | 2.10  | 1.90  | 2.00  | 100    | 5 at 2.045 | as ever
limit         | sell | 2.05      | 2.00  | 2.30  | 1.80  | 1.85  | 100    | -          | the high is not on the way
limit         | sell | 2.05      | 2.10  | 2.30  | 1.80  | 1.85  | 100    | 5 at 2.095 | gap
limit         | sell | 2.05      | 2.10  | 2.30  | 1.80  | 1.85  | 0      | -          | gap without volume
stop          | sell | 1.90      | 2.00  | 2.30  | 1.80  | 1.85  | 100    | -          | the low is not on the way
stop          | sell | 1.90      | 1.90  | 2.30  | 1.80  | 1.85  | 100    | 5 at 1.895 | the open touches
stop          | sell | 1.90      | 1.85  | 2.30  | 1.80  | 1.85  | 100    | 5 at 1.845 | gap
stop          | sell | 1.90      | 1.85  | 2.30  | 1.80  | 1.85  | 0      | -          | gap without volume
stop_limit    | sell | 1.90 1.88 | 2.00  | 2.30  | 1.80  | 1.85  | 100    | -          | the low is not on the way
stop_limit    | sell | 1.90 1.88 | 1.89  | 2.30  | 1.80  | 1.85  | 100    | 5 at 1.885 | gap between stop and limit
trailing_stop | buy  | 0.10      | 2.00  | 2.30  | 1.80  | 2.20  | 100    | -          | it sees opens alone
trailing_stop | buy  | 0.10      | 2.15  | 2.30  | 1.80  | 2.20  | 100    | 5 at 2.155 | gap
"""

AT_A_MARK = """
side | mark | volume | fills       | why
buy  | 2.02 | 100    | 5 at 2.025  | the official price and half a spread
sell | 1.98 | 100    | -5 at 1.975 | the same for a sale
buy  | 2.50 | 100    | 5 at 2.505  | whatever the bar did
buy  | 2.02 | 3      | 3 at 2.025  | the volume there was in the day's bar
sell | 2.02 | 0      | -           | no volume, no fill
sell |      | 100    | -           | no mark, no fill
"""

TWO_SIDES = """
requests                                                              | open | high | low  | close | fills                 | why
limit NEAR 5 1.90; limit NEAR -5 2.10                                 | 2.00 | 2.15 | 1.80 | 2.00  | 5 at 1.9, -5 at 2.1   | untied orders both fill, and are booked oldest first
limit NEAR 5 1.90; limit NEAR -5 2.10                                 | 2.00 | 2.20 | 1.85 | 2.00  | 5 at 1.9, -5 at 2.1   | whichever extreme is nearer
limit NEAR 5 1.90; limit NEAR -5 2.10; one_cancels_other #1 #2        | 2.00 | 2.15 | 1.80 | 2.00  | -5 at 2.1             | the high is nearer
limit NEAR 5 1.90; limit NEAR -5 2.10; one_cancels_other #1 #2        | 2.00 | 2.15 | 1.85 | 2.00  | 5 at 1.9              | as near: the low first
stop NEAR 5 2.10; stop NEAR -5 1.90; one_cancels_other #1 #2          | 2.00 | 2.15 | 1.80 | 2.00  | 5 at 2.105            | the high is nearer, the other is cancelled
stop NEAR 5 2.10; stop NEAR -5 1.90; one_cancels_other #1 #2          | 2.00 | 2.20 | 1.85 | 2.00  | -5 at 1.895           | the low is nearer
limit NEAR -5 2.10; stop NEAR -5 1.90; one_cancels_other #1 #2        | 2.00 | 2.15 | 1.85 | 2.00  | -5 at 1.895           | as near: the stop, and not the profit
if_touched NEAR 5 1.90; if_touched NEAR -5 2.10; one_cancels_other #1 #2 | 2.00 | 2.15 | 1.80 | 2.00 | -5 at 2.095        | the high is nearer
trailing_stop NEAR 5 0.10; trailing_stop NEAR -5 0.10; one_cancels_other #1 #2 | 2.00 | 2.15 | 1.80 | 2.00 | 5 at 2.105    | the high is nearer
stop_limit NEAR 5 2.10 2.12; stop_limit NEAR -5 1.90 1.88; one_cancels_other #1 #2 | 2.00 | 2.20 | 1.85 | 2.00 | -5 at 1.895 | the low is nearer
market NEAR 5; limit NEAR -5 2.10                                     | 2.00 | 2.15 | 1.80 | 2.00  | 5 at 2.005, -5 at 2.1 | the open comes before both
"""

SPREAD_BAR = """
kind          | side | prices      | near  | far  | volume | fills                         | why
market        | buy  |             | 2.05  | 1.80 | 100    | NEAR 5 2.055, FAR -5 1.795    | two half spreads
market        | buy  |             | 2.05  | 1.80 | 0      | -                             | no volume
limit         | buy  | 0.26        | 2.05  | 1.80 | 100    | NEAR 5 2.055, FAR -5 1.795    | 0.25 + 0.01 is just within
limit         | buy  | 0.25        | 2.05  | 1.80 | 100    | NEAR 5 2.045, FAR -5 1.795    | the first leg gives the difference
limit         | buy  | 0.24        | 2.05  | 1.80 | 100    | -                             | too dear
limit         | sell | 0.25        | 2.05  | 1.80 | 100    | NEAR -5 2.055, FAR 5 1.805    | sells 2.045 - 1.805 = 0.24, a cent too low
limit         | sell | 0.26        | 2.05  | 1.80 | 100    | -                             | too cheap
stop          | buy  | 0.25        | 2.05  | 1.80 | 100    | NEAR 5 2.055, FAR -5 1.795    | touched by the opens
stop          | buy  | 0.26        | 2.05  | 1.80 | 100    | -                             | not reached
stop          | sell | 0.25        | 2.05  | 1.80 | 100    | NEAR -5 2.045, FAR 5 1.805    | touched
stop_limit    | buy  | 0.24 0.255  | 2.05  | 1.80 | 100    | -                             | 0.255 is off the tick: refused
stop_limit    | buy  | 0.24 0.25   | 2.05  | 1.80 | 100    | NEAR 5 2.045, FAR -5 1.795    | triggered and within
trailing_stop | sell | 0.05        | 2.05  | 1.80 | 100    | -                             | began at 0.20, now 0.25
trailing_stop | sell | 0.05        | 2.00  | 1.85 | 100    | NEAR -5 1.995, FAR 5 1.855    | from 0.20 to 0.15
if_touched    | buy  | 0.25        | 2.05  | 1.80 | 100    | NEAR 5 2.055, FAR -5 1.795    | touched
if_touched    | buy  | 0.24        | 2.05  | 1.80 | 100    | -                             | not reached
"""


ONE_LEG = """
kind          | side | prices    | near | near volume | far  | far volume | why
market        | buy  |           | 2.05 | 100         |      |            | FAR has no bar
market        | sell |           |      |             | 1.80 | 100        | NEAR has no bar
market        | buy  |           | 2.05 | 100         | 1.80 | 0          | FAR has no volume
limit         | buy  | 1.00      | 2.05 | 100         |      |            | any price would do, and nobody sells FAR
limit         | sell | -1.00     | 2.05 | 0           | 1.80 | 100        | NEAR has no volume
stop          | buy  | 0.10      | 2.05 | 100         |      |            | no bar of both, no price of the spread
stop          | sell | 0.40      |      |             | 1.80 | 100        | the same
stop_limit    | buy  | 0.10 1.00 | 2.05 | 100         |      |            | the same
trailing_stop | sell | 0.05      | 1.50 | 100         |      |            | the same
if_touched    | buy  | 0.40      | 2.05 | 100         |      |            | the same
"""


def lots_of(side):
    return 5 if side == "buy" else -5


SHAPES = ("gap through", "exact touch", "both sides", "no volume")
KINDS = ("market", "limit", "stop", "stop_limit", "trailing_stop", "if_touched", "at_settlement")
NO_PRICE = {(kind, shape): "it has no price that a bar could touch" for kind in ("market", "at_settlement")
            for shape in ("gap through", "exact touch")}
"""What no bar can do to an order, and why."""


def shape_of(row):
    """The shapes of a one-bar row, from its numbers: where the trigger (else the limit) lies in the bar."""
    opened, high, low = (Fraction(row[name]) for name in ("open", "high", "low"))
    shapes = {"no volume"} if row.get("volume") == "0" else set()
    if "prices" not in row:
        return shapes | {"both sides"}
    first, *more = (Fraction(text) for text in row["prices"].split())
    up = (row["kind"] in ("stop", "stop_limit", "trailing_stop")) == (row["side"] == "buy")
    price = (2 + first if up else 2 - first) if row["kind"] == "trailing_stop" else first
    if opened > price if up else opened < price:
        shapes.add("gap through")
    elif price == (high if up else low):
        shapes.add("exact touch")
    if low < 2 < high and low < price < high:
        shapes.add("both sides")
    return shapes


def test_every_kind_has_a_row_for_every_shape_of_bar_on_both_sides():
    found = {(row["kind"], row["side"], shape) for row in rows_of(ONE_BAR) for shape in shape_of(row)}
    wanted = {(kind, side, shape) for kind in KINDS for side in ("buy", "sell") for shape in SHAPES if (kind, shape) not in NO_PRICE}
    assert found == wanted


@pytest.mark.parametrize("table", [OPEN_ONLY, SPREAD_BAR, ONE_LEG])
def test_every_other_table_has_every_kind_that_it_can_have(table):
    kinds = {row["kind"] for row in rows_of(table)}
    assert kinds == set(KINDS) - {"at_settlement"}


def play_row(runner, row, rules):
    bar = " | ".join(row.get(name, "") for name in ("open", "high", "low", "close", "volume"))
    life = "day" if row["kind"] == "at_settlement" else "gtc"
    run = rows_by(runner, case_of("contract\nNEAR", f"""
        day | event | of   | open | high | low | close | volume
        1   | bar   | NEAR | 2    | 2    | 2   | 2     | 100
        2   | bar   | NEAR | {bar}
        """, f"day | request\n1 | {row['kind']} NEAR {lots_of(row['side'])} {row.get('prices', '')} {life}",
        terms=TERMS, rules=rules))
    assert {fill.ts // 86_400_000_000_000 for fill in run.fills} <= {2}
    assert all(fill.lots * lots_of(row["side"]) > 0 for fill in run.fills)
    return ", ".join(text.replace(" | ", " at ").lstrip("-") for text in shown(run.fills, "lots", "price_micros")) or "-"


def named(row):
    return f"{row['kind']}-{row['side']}: {row['why']}"


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("row", rows_of(ONE_BAR), ids=named)
def test_one_order_one_bar(row, runner):
    assert play_row(runner, row, FillRules()) == row["fills"]


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("row", rows_of(OPEN_ONLY), ids=named)
def test_the_open_is_all_there_is(row, runner):
    assert play_row(runner, row, FillRules(model="open")) == row["fills"]


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("row", rows_of(SPREAD_BAR), ids=named)
def test_one_spread_one_place(row, runner):
    """NEAR less FAR was 0.20 the day before; the highs and lows of the legs are wide, and nothing to a spread."""
    bars = "\n".join(f"2 | bar | {leg.upper()} | {row[leg]} | 3 | 1 | {row[leg]} | {row['volume']}" for leg in ("near", "far"))
    run = rows_by(runner, case_of("contract\nNEAR\nFAR", f"""day | event | of | open | high | low | close | volume
        1 | bar | NEAR | 2   | 2   | 2   | 2   | 100
        1 | bar | FAR  | 1.8 | 1.8 | 1.8 | 1.8 | 100
        {bars}""", f"day | request\n1 | {row['kind']} NEAR {lots_of(row['side'])} {row.get('prices', '')} gtc against=FAR",
        terms=TERMS))
    filled = ", ".join(text.replace(" | ", " ") for text in shown(run.fills, "contract", "lots", "price_micros"))
    assert (filled or "-") == row["fills"]


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("row", rows_of(ONE_LEG), ids=named)
def test_a_spread_waits_where_only_one_leg_trades(row, runner):
    bars = "\n".join(f"2 | bar | {leg.upper()} | {row[leg]} | {row[leg]} | {row[leg]} | {row[leg]} | {row[leg + ' volume']}"
                     for leg in ("near", "far") if leg in row)
    run = rows_by(runner, case_of("contract\nNEAR\nFAR", f"""day | event | of | open | high | low | close | volume
        1 | bar | NEAR | 2   | 2   | 2   | 2   | 100
        1 | bar | FAR  | 1.8 | 1.8 | 1.8 | 1.8 | 100
        {bars}""", f"day | request\n1 | {row['kind']} NEAR {lots_of(row['side'])} {row.get('prices', '')} gtc against=FAR",
        terms=TERMS))
    assert run.fills == []
    assert {(order.status, order.code) for order in run.orders} == {("working", "")}, "accepted, and it waits"


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("row", rows_of(AT_A_MARK), ids=lambda row: row["why"])
def test_an_order_at_settlement_fills_at_the_mark(row, runner):
    mark = f"2.1 | mark | NEAR | {row['mark']} | | | | |" if "mark" in row else ""
    run = rows_by(runner, case_of("contract\nNEAR", f"""day | event | of | price | open | high | low | close | volume
        1 | bar | NEAR | | 2    | 2    | 2    | 2    | 100
        2 | bar | NEAR | | 2.05 | 2.10 | 1.90 | 2.00 | {row['volume']}
        {mark}""", f"day | request\n1 | at_settlement NEAR {lots_of(row['side'])} day", terms=TERMS))
    assert (", ".join(text.replace(" | ", " at ") for text in shown(run.fills, "lots", "price_micros")) or "-") == row["fills"]


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("row", rows_of(TWO_SIDES), ids=lambda row: f"{row['requests']} {row['why']}")
def test_both_sides_are_touched_in_one_bar(row, runner):
    asked = "\n".join(f"1 | {request.strip()}{' gtc' * (not request.strip().startswith('one_'))}" for request in row["requests"].split(";"))
    bar = " | ".join(row[name] for name in ("open", "high", "low", "close"))
    run = rows_by(runner, case_of("contract\nNEAR", f"""day | event | of | open | high | low | close | volume
        1   | bar   | NEAR | 2    | 2    | 2   | 2     | 100
        2   | bar   | NEAR | {bar} | 100""", f"day | request\n{asked}", terms=TERMS))
    assert ", ".join(text.replace(" | ", " at ") for text in shown(run.fills, "lots", "price_micros")) == row["fills"]
