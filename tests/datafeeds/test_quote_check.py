# SPDX-License-Identifier: Apache-2.0
"""What `data check` finds in quotes and prints: each fault planted by hand on a clean table, and no alarm on clean ones."""

import dataclasses

import numpy as np
import pytest

from kilohour.datafeeds.print_check import check_prints
from kilohour.datafeeds.prints import Print, Prints
from kilohour.datafeeds.quote_check import check_quote_table
from kilohour.datafeeds.quotes import COLUMNS, Quote, Quotes
from kilohour.units import NANOS_PER_DAY as DAY

ZONES, SNAPSHOTS = 6, 60


def rows_of(change=None, without=()):
    """Six zones of one provider, a snapshot every six hours; ``change(zone, snapshot, price)`` spoils prices."""
    rng = np.random.default_rng(4)
    market = np.cumsum(rng.normal(0, 0.02, SNAPSHOTS))
    paths = np.rint(2_000_000 * np.exp(market + rng.normal(0, 0.01, (ZONES, SNAPSHOTS))))
    for zone in range(ZONES):
        for shot in range(SNAPSHOTS):
            if shot in without:
                continue
            price = int(paths[zone, shot])
            yield Quote(seen=shot * DAY // 4, quoted=shot * DAY // 4, price=change(zone, shot, price) if change else price, provider="AWS",
                        segment="hyperscaler", chip="H100", zone=f"z{zone}", term="spot", source="by hand")


def found(quotes):
    return [(one.rule, one.contract, one.count) for one in check_quote_table(quotes)]


WHAT = "AWS H100 spot"


def test_a_clean_table_raises_no_alarm():
    assert found(Quotes.of(rows_of())) == []


@pytest.mark.parametrize(("change", "wanted"), [
    (lambda zone, shot, price: price * 2 if (zone, shot) == (2, 30) else price, [("outlier", WHAT, 1)]),
    (lambda zone, shot, price: price * 5 if (zone, shot) == (2, 30) else price, [("outlier", WHAT, 1), ("outside neighbours", WHAT, 1)]),
    (lambda zone, shot, price: price * 8 if (zone, shot) == (2, 30) else price, [("outside neighbours", WHAT, 1), ("unit slip", WHAT, 2)]),
    (lambda zone, shot, price: price // 100 if (zone, shot) == (2, 30) else price, [("outside neighbours", WHAT, 1), ("unit slip", WHAT, 2)]),
    (lambda zone, shot, price: price * 8 if zone == 2 and shot >= 0 else price, [("outside neighbours", WHAT, SNAPSHOTS), ("unit slip", WHAT, 1)]),
    (lambda zone, shot, price: 2_000_000 if zone == 2 and 20 <= shot < 40 else price, [("stale", WHAT, 1)]),
])
def test_a_planted_fault_is_found_and_nothing_else(change, wanted):
    assert found(Quotes.of(rows_of(change))) == wanted


def test_a_hole_in_a_source_is_a_gap():
    (one,) = check_quote_table(Quotes.of(rows_of(without=range(20, 35))))
    assert (one.rule, one.contract, one.count) == ("gap", "by hand", 1)
    assert one.detail == "the longest: 4.0 days from 1970-01-05, usual are 0.2"


def taken(quotes, rows):
    return dataclasses.replace(quotes, **{name: getattr(quotes, name)[rows] for name in COLUMNS})


def test_rows_twice_and_out_of_order_are_found():
    quotes = Quotes.of(rows_of())
    order = np.arange(len(quotes))
    assert found(taken(quotes, np.sort(np.append(order, 100)))) == [("duplicated row", "", 1)]
    order[[50, 100]] = order[[100, 50]]
    assert [rule for rule, _, _ in found(taken(quotes, order))] == ["out of order"]


def test_list_prices_that_never_move_are_clean():
    assert found(Quotes.of(rows_of(constant))) == []


def constant(*_):
    return 2_000_000


def as_it_is(_, value):
    return value


def one_method(_):
    return "A"


def prints_of(change=as_it_is, regime=one_method, again=(), days=range(60)):
    values = 100_000_000 + np.cumsum(np.random.default_rng(2).normal(0, 1_000_000, 60)).astype(np.int64)
    rows = [Print(series="X", value_at=day * DAY, known_at=(day + 1) * DAY, value=int(change(day, values[day])), regime=regime(day), source="by hand")
            for day in days]
    rows += [dataclasses.replace(rows[day], known_at=(day + 9) * DAY) for day in again]
    return Prints.of(rows, units={"X": "million"})


@pytest.mark.parametrize(("spoilt", "wanted"), [
    ({}, []),
    ({"change": lambda day, value: value * 8 if day == 30 else value}, [("unit slip", 2)]),
    ({"change": lambda day, value: value * 2 if day == 30 else value}, [("outlier", 1)]),
    ({"change": lambda day, value: 5_000_000 if 10 <= day < 30 else value}, [("stale", 1)]),
    ({"regime": lambda day: "A" if day < 30 else "B"}, [("level break", 1)]),
    ({"regime": lambda day: "A" if day < 30 else "B", "change": lambda day, value: value * 8 if day >= 30 else value}, [("level break", 1)]),
    ({"again": (5, 6)}, [("duplicated row", 2)]),
    ({"days": [*range(20), *range(30, 60)]}, [("gap", 1)]),
    ({"days": [day for day in range(60) if (day + 3) % 7 < 5]}, []),  # business days
    ({"days": [day for day in range(60) if (day + 3) % 7 < 5 or day == 16]}, [("weekend", 1)]),  # 1970-01-17, a Saturday
])
def test_series_are_looked_at_within_each_regime(spoilt, wanted):
    assert [(one.rule, one.count) for one in check_prints(prints_of(**spoilt))] == wanted
