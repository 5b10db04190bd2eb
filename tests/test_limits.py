# SPDX-License-Identifier: Apache-2.0
"""A risk desk's limits: what each refuses, what losses and fills end; tables worked out by hand, a lot is 730 units."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest

import kilohour as kh
from kilohour.backtests.outputs import tables_of
from kilohour.errors import UnknownName, UsageError
from kilohour.execution.risk import LiveLimits
from kilohour.limits import RiskLimits
from tests.backtests.tapes import sim_tape
from tests.oracle.explain import ended
from tests.oracle.play import scripted
from tests.oracle.tables import case_of, rows_of, shown, table

CONTRACTS = """contract | last
NEAR | 10
FAR  | -"""
BARS = "day | event | of | price\n" + "\n".join(f"{day} | bar | {name} | 2" for day in (1, 2, 3) for name in ("NEAR", "FAR"))


def play(limits, requests, bars=BARS, contracts=CONTRACTS):
    of = case_of(contracts, bars, "day | request\n" + requests)
    session = ended(scripted(of, RiskLimits(**limits)))
    assert session is not None
    return {name: [SimpleNamespace(**row) for row in tables_of(session)[name].to_pylist()] for name in ("orders", "fills")}


def value_of(text):
    return {"yes": True}.get(text) or (text if text[0].isalpha() else float(text) if "." in text else int(text))


# All are asked on day 1, last traded at 2.00; a lot is then 1,460 dollars.
LIMITS = """
limits                   | requests                                                                 | answers
order_lots=5             | market NEAR 5, market NEAR -6                                            | -, order_lots
order_notional=8000      | market NEAR 5, market NEAR 6, limit NEAR 6 1.80                          | -, order_notional, -
position_lots=5          | market NEAR 5, market NEAR 1, market NEAR -5, market FAR 5               | -, position_lots, -, -
product_net=5000         | market NEAR 6, market FAR 1, market FAR -12                              | -, product_net, -
product_gross=5000       | market NEAR 3 against=FAR, market NEAR 1, market NEAR -3 against=FAR     | -, product_gross, -
open_orders=2            | limit NEAR 1 1.50, limit NEAR 1 1.51, limit NEAR 1 1.52                  | -, -, open_orders
open_notional=3000       | limit NEAR 1 1.50, limit NEAR 1 1.50, limit NEAR 1 1.50                  | -, -, open_notional
orders_per_second=2      | market NEAR 1, market NEAR 1, market NEAR 1                              | -, -, order_rate
orders_per_minute=2      | market NEAR 1, market NEAR 1, market NEAR 1                              | -, -, order_rate
duplicate_ms=0.5         | market NEAR 1, market NEAR 1, market NEAR 2, market FAR 1, limit NEAR 1 2 | -, duplicate, -, -, -
duplicate_ms=0.5         | market NEAR 1, market FAR 1, market NEAR 1                               | -, -, duplicate
self_match=yes           | limit NEAR 5 1.90, limit NEAR -5 1.90, limit NEAR -5 1.91, market NEAR -1, market FAR -1 | -, self_match, -, -, -
self_match=yes           | market NEAR 5, market NEAR -5, limit NEAR -5 2.00, limit NEAR -5 2.01    | -, self_match, self_match, -
last_trade_days=9        | market NEAR 1, market FAR 1                                              | near_expiry, -
last_trade_days=9        | market FAR 1 against=NEAR, market NEAR 1 against=FAR                     | near_expiry, near_expiry
last_trade_days=8.5      | market NEAR 1, market FAR 1                                              | -, -
collar_percent=2         | limit NEAR 1 2.04, limit NEAR 1 2.05, limit NEAR -1 1.96, limit NEAR -1 1.95, limit NEAR 1 1.5, limit NEAR -1 2.5 | -, collar, -, collar, -, -
collar_ticks=3           | limit NEAR 1 2.03, limit NEAR 1 2.04, limit NEAR -1 1.97, limit NEAR -1 1.96 | -, collar, -, collar
collar_percent=2 collar_ticks=3 | limit NEAR 1 2.03, limit NEAR 1 2.04, market NEAR 1              | -, collar, -
collar_percent=2         | stop_limit NEAR 1 2.40 2.44, stop_limit NEAR 1 2.40 2.45, stop_limit NEAR -1 1.60 1.56, stop_limit NEAR -1 1.60 1.55 | -, collar, -, collar
collar_percent=2         | limit NEAR 1 0.08 against=FAR, limit NEAR 1 0.09 against=FAR, limit NEAR -1 -0.08 against=FAR, limit NEAR -1 -0.09 against=FAR | -, collar, -, collar
restricted=FAR           | market FAR 1, market NEAR 1 against=FAR, market NEAR 1                   | restricted, restricted, -
restricted=X:GPU         | market FAR 1, market NEAR 1                                              | restricted, restricted
state=halted             | market NEAR 1, target NEAR 1                                             | halted, halted
state=reduce_only        | market NEAR 1, target NEAR 1                                             | reducing, reducing
"""


@pytest.mark.parametrize("row", rows_of(LIMITS), ids=lambda row: row["limits"])
def test_each_limit_refuses_with_its_code(row):
    limits = {name: value_of(text) for name, text in (word.split("=") for word in row["limits"].split())}
    if "restricted" in limits:
        limits["restricted"] = (limits["restricted"],)
    asked = []
    for request in row["requests"].split(","):
        words = request.split()
        plain, named = [w for w in words if "=" not in w], [w for w in words if "=" in w]
        asked.append("1 | " + " ".join([*plain, *(["gtc"] if plain[0] != "target" else []), *named]))
    found = play(limits, "\n".join(asked))["orders"]
    answers = {order.order: order.code or "-" for order in found}
    assert ", ".join(answers.values()) == row["answers"]
    assert all((order.status == "refused") == bool(order.code) for order in found)


def test_rates_and_repetitions_are_forgotten_and_amendments_count():
    run = play({"orders_per_minute": 2, "duplicate_ms": 1000.0}, """1 | limit NEAR 1 1.5 gtc
        1 | amend #1 1 1.51
        1 | amend #1 1 1.52
        1 | cancel #1
        2 | limit NEAR 1 1.5 gtc""")
    assert [(order.status, order.code, order.limit_micros) for order in run["orders"]] == [
        ("cancelled", "", 1_510_000), ("refused", "order_rate", 1_520_000), ("working", "", 1_500_000)]


@pytest.mark.parametrize(("limit", "code", "seconds"), [
    ({"orders_per_second": 1}, "order_rate", 1), ({"orders_per_minute": 1}, "order_rate", 60), ({"duplicate_ms": 45_000.0}, "duplicate", 45)])
def test_each_span_is_as_long_as_it_says(limit, code, seconds):
    """A microsecond before its end the second order is refused, and at its end a third one goes."""
    day = 86_400 * 10**6
    late, over = f"{day + seconds * 10**6 - 1}/{day}", f"{day + seconds * 10**6}/{day}"
    bars = "day | event | of | price\n" + "\n".join(f"{at} | bar | NEAR | 2" for at in (1, late, over))
    run = play(limit, "\n".join(f"{at} | market NEAR 1 gtc" for at in (1, late, over)), bars)
    assert [order.code for order in run["orders"]] == ["", code, ""]


def test_a_products_net_units_count_whichever_leg_it_is():
    """Six lots of B are sold; the seventh, the second leg of a spread over A, would make 5,110 units."""
    contracts = "contract | product\nA | X:ONE\nB | X:TWO"
    bars = "day | event | of | price\n1 | bar | A | 2\n1 | bar | B | 2"
    run = play({"product_net": 5000.0}, "1 | market B -6 gtc\n1 | market A 1 gtc against=B\n1 | market A 1 gtc", bars, contracts)
    assert {order.order: order.code for order in run["orders"]} == {1: "", 2: "product_net", 3: ""}


def moves(*prices):
    lines = ["day | event | of | price"]
    for day, price in enumerate(prices, 1):
        lines += [f"{day} | bar | NEAR | {price}", f"{day} | mark | NEAR | {price}"]
    return "\n".join(lines)


ENDS = ("order", "lots", "filled_lots", "origin", "status", "code")


def test_a_daily_loss_leaves_reducing_only_until_the_day_is_over():
    run = play({"loss_daily": 700.0}, """1 | market NEAR 10 gtc
        2 | limit NEAR 1 1.50 gtc
        2 | limit NEAR -2 2.50 gtc
        2 | limit NEAR -12 2.50 gtc
        2 | limit NEAR -12 2.50 gtc reduce_only=yes
        3 | market NEAR 1 gtc
        3 | market NEAR -4 gtc
        3 | target NEAR 3
        4 | market NEAR 1 gtc""", moves(2, 2, "1.90", "1.90", "1.90"))
    # Day 3 loses 730: 2 and 4 could make the position larger or turn it, 3 and 5 cannot. With 2 and 4 of the ten on sale, the
    # target's seven would be too many.
    assert shown(run["orders"], *ENDS) == table("""
        1 | 10  | 10 | order  | filled  |
        2 | 1   | 0  | order  | risk    |
        3 | -2  | 0  | order  | working |
        4 | -12 | 0  | order  | risk    |
        5 | -12 | 0  | order  | working |
        6 | 1   | 0  | order  | refused | reducing
        7 | -4  | -4 | order  | filled  |
        8 | -7  | 0  | target | refused | reducing
        9 | 1   | 1  | order  | filled  |
        """)


def test_a_drawdown_stays_and_a_greater_loss_closes_everything_and_halts():
    run = play({"loss_drawdown": 700.0, "flat_drawdown": 1400.0}, """1 | market NEAR 10 gtc
        3 | market NEAR -4 gtc
        4 | market NEAR 1 gtc
        5 | limit NEAR -1 2.50 gtc
        6 | market NEAR -1 gtc""", moves(2, 2, "1.90", "1.90", "1.70", "1.70"))
    # Day 3 is 730 below the highest, day 4 too; day 5, with six lots, 730 + 876: a market order for what is left.
    assert shown(run["orders"], *ENDS) == table("""
        1 | 10 | 10 | order | filled  |
        2 | -4 | -4 | order | filled  |
        3 | 1  | 0  | order | refused | reducing
        4 | -6 | -6 | risk  | filled  |
        5 | -1 | 0  | order | refused | halted
        6 | -1 | 0  | order | refused | halted
        """)
    assert shown(run["fills"], "ts", "order", "lots")[-1] == "6 | 4 | -6"


def test_a_loss_of_the_day_that_is_too_great_closes_everything_cancels_what_would_reduce_and_halts_for_good():
    run = play({"flat_daily": 700.0}, """1 | market NEAR 10 gtc
        2 | limit NEAR -2 2.50 gtc
        5 | market NEAR 1 gtc""", moves(2, 2, "1.90", "1.90", "1.90"))
    # Day 3 loses 730. The offer of two of the ten is not left beside the order that sells all of them.
    assert shown(run["orders"], *ENDS) == table("""
        1 | 10  | 10  | order | filled  |
        2 | -2  | 0   | order | risk    |
        3 | -10 | -10 | risk  | filled  |
        4 | 1   | 0   | order | refused | halted
        """)


def test_too_many_fills_in_too_short_a_time_halt():
    run = play({"fills_most": 2, "fills_within_ms": 1.0}, "1 | market NEAR 1 gtc\n1 | market NEAR 1 gtc\n2 | market NEAR 1 gtc\n"
               "2 | market NEAR 2 gtc\n2 | market NEAR 3 gtc\n2 | limit NEAR 3 1.5 gtc\n3 | market NEAR -1 gtc")
    # Two on day 2 may be; three on day 3 are one too many: the limit order is cancelled and nothing goes any more.
    assert [(order.status, order.code) for order in run["orders"]] == [*[("filled", "")] * 5, ("risk", ""), ("refused", "halted")]


WRONG = """
order_lots=-1            | order_lots must be a whole number between 0 and 1e\\+12, found -1
order_lots=1.5           | order_lots must be a whole number between 0 and 1e\\+12, found 1.5
loss_daily=many          | loss_daily must be a number between 0 and 1e\\+12, found 'many'
collar_ticks=0.5         | collar_ticks must be a whole number between 0 and 1e\\+12, found 0.5
self_match=1             | self_match must be true or false, found 1
state=idle               | unknown trading state 'idle'
restricted=NEAR          | restricted must be a list of codes, found 'NEAR'
orders_per_second=1025   | orders_per_second must be at most 1024, found 1025
fills_most=3             | fills_most and fills_within_ms must be given together
"""


@pytest.mark.parametrize("line", WRONG.strip().splitlines(), ids=lambda line: line.split()[0])
def test_limits_that_make_no_sense(line):
    given, said = line.split(" | ")
    name, text = given.strip().split("=")
    with pytest.raises(UsageError, match=said.strip()):
        RiskLimits(**{name: value_of(text)})


def test_a_file_of_limits(tmp_path):
    path = tmp_path / "limits.toml"
    path.write_text('order_lots = 50\nloss_daily = 25000\nrestricted = ["SIM:H100"]\n')
    assert RiskLimits.load(path) == RiskLimits(order_lots=50, loss_daily=25_000, restricted=("SIM:H100",))
    for text, error, said in (("order_lot = 5", UnknownName, "limits.toml.*did you mean 'order_lots'"),
                              ("order_lots = -5", UsageError, "limits.toml: limits: order_lots must be"),
                              ("order_lots = ", UsageError, "is not TOML")):
        path.write_text(text)
        with pytest.raises(error, match=said):
            RiskLimits.load(path)
    path.write_text("order_lots = 50\n[live]\nfeed_age_seconds = 20\ncancels_reserved = 2\n")
    base = RiskLimits(collar_percent=2.0, order_lots=10)
    assert RiskLimits.load(path, base) == RiskLimits(collar_percent=2.0, order_lots=50)
    assert LiveLimits.load(path, LiveLimits(loss_today=7.0)) == LiveLimits(loss_today=7.0, feed_age_seconds=20, cancels_reserved=2)
    for text, error, said in (("[live]\nfeed_age = 5", UnknownName, r"limits.toml \[live\].*did you mean 'feed_age_seconds'"),
                              ("[live]\norder_lots = 5", UnknownName, "unknown limit 'order_lots'"),
                              ("[live]\ncancels_reserved = 10", UsageError, "cancels_reserved must be from 1 to below"),
                              ("live = 5", UsageError, "live must be a table, found 5")):
        path.write_text(text)
        with pytest.raises(error, match=said):
            LiveLimits.load(path)
    with pytest.raises(UsageError, match="cannot be read"):
        RiskLimits.load(tmp_path / "none.toml")


class Buys(kh.Strategy):
    """Wants two lots of the first contract."""

    product: kh.Product = kh.product("SIM:H100")

    def on_bar(self, desk: kh.Desk) -> None:
        desk.target(0, 2)


def test_a_run_names_its_limits_and_what_they_refused():
    tape = sim_tape(days=10)
    limits = RiskLimits(order_lots=1, restricted=(tape.contracts[1].code,))
    runs = [kh.backtest(Buys, tape, limits=its, interpreted=True) for its in (limits, RiskLimits(order_lots=2), None)]
    strict, wide, plain = runs
    assert strict.manifest["limits"] == {"order_lots": 1, "restricted": [tape.contracts[1].code]}
    assert f"Risk limits of the run: order_lots 1, restricted {tape.contracts[1].code}." in strict.manifest["modelled"]
    assert strict.manifest["refused"] == {"order_lots": len(strict.orders)}
    assert not len(strict.fills)
    assert wide.fills.equals(plain.fills)
    assert len(plain.fills) == 1
    assert plain.manifest["limits"] is None
    with pytest.raises(UnknownName, match="restricted contract or product 'SIM:H10'"):
        kh.backtest(Buys, tape, limits=dataclasses.replace(limits, restricted=("SIM:H10",)))
