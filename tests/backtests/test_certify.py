# SPDX-License-Identifier: Apache-2.0
"""The certificate: our fills and cash against those of stock backtrader, on random paths and order scripts."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

pytest.importorskip("backtrader", reason="the extra kilohour[backtrader] is not installed")

from kilohour import Strategy
from kilohour.backtests.certify import certify, compare, plain_market
from kilohour.backtests.prepare import Prepared
from kilohour.cli.main import main
from kilohour.errors import StrategyRaised, UsageError
from kilohour.execution.bridge.stock import ArrayFeed
from tests.backtests.random_scripts import random_run
from tests.backtests.tapes import sim_tape
from tests.faces.small import CASH, market, tape_of_bars
from tests.oracle.tables import tape_of
from tests.soaking import played

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:backtrader")


def certificate_of(seed):
    prepared = random_run(seed)
    return compare(replace(prepared, market=plain_market(prepared.market)), "script")


def check(seeds):
    fills = 0
    count = 0
    for seed in seeds:
        count += 1
        certificate = certificate_of(seed)
        assert certificate.is_equal, (seed, certificate)
        fills += certificate.fills
    assert fills > 10 * count


@pytest.mark.parametrize("block", range(10))
def test_fills_and_cash_of_random_scripts_are_equal(block):
    check(range(block * 30, block * 30 + 30))


@pytest.mark.soak
def test_fills_and_cash_of_two_thousand_scripts_are_equal():
    check(played("certificates", range(1_000, 3_000)))


FILE = """
from kilohour import Product, Strategy, product


class Swings(Strategy):
    product: Product = product("SIM:H100")
    odd: bool = False

    def on_bar(self, desk):
        near, far = desk.nth(self.product, 1), desk.nth(self.product, 2)
        if desk.date() % 5 == 0:
            desk.target_spread(near, far, 3)
        elif desk.date() % 7 == 0:
            desk.flat(self.product)
        desk.limit(near, 1, desk.price(near) - 0.02, 2)
"""


def command(tmp_path, *words):
    (tmp_path / "swings.py").write_text(FILE)
    sim_tape(60).save(tmp_path / "tape")
    return main(["certify", f"{tmp_path / 'swings.py'}:Swings", "--tape", str(tmp_path / "tape"), *words])


def test_the_command_ends_with_0_when_all_is_equal(tmp_path, capsys):
    assert command(tmp_path) == 0
    assert "equal: every fill, and the cash to the cent" in capsys.readouterr().out


def test_the_command_ends_with_1_and_shows_both_rows(tmp_path, capsys, monkeypatch):
    """A referee that sees other prices finds the first fill."""
    monkeypatch.setattr(ArrayFeed, "_load", other_prices(ArrayFeed._load))
    assert command(tmp_path) == 1
    shown = capsys.readouterr().out
    assert "first difference: fill 1" in shown
    assert shown.count("SIM:H100-2030-01") >= 2
    assert command(tmp_path, "--json") == 1
    found = json.loads(capsys.readouterr().out)
    ours, theirs = found["difference"]["kilohour"], found["difference"]["backtrader"]
    assert not found["equal"]
    assert found["difference"]["number"] == 1
    assert round(theirs["price_usd"] - ours["price_usd"], 6) == 0.01


def other_prices(load):
    def one_cent_more(self):
        loaded = load(self)
        if loaded:
            self.lines.open[0] += 0.01
        return loaded

    return one_cent_more


class Touches(Strategy):
    def on_bar(self, desk):
        if desk.position(0) == 0 and desk.working(0) == 0:
            desk.limit(0, 1, 2.0)


TOUCH = """
day | event | of | open | high | low  | close
1   | bar   | A  | 2.10 | 2.10 | 2.10 | 2.10
2   | bar   | A  | 2.10 | 2.10 | 2.00 | 2.10
3   | bar   | A  | 2.10 | 2.10 | 1.99 | 2.10
"""


def prepared_of(face, of):
    return Prepared(face, {}, plain_market(of), (), (), CASH, True, {})


def test_a_touch_is_no_fill_in_either(monkeypatch):
    certificate = compare(prepared_of(Touches, market(tape_of("contract\nA", TOUCH))), "touches")
    assert certificate.is_equal
    assert certificate.fills == 1
    monkeypatch.setattr(ArrayFeed, "_load", as_on_the_tape(ArrayFeed._load))
    difference = compare(prepared_of(Touches, market(tape_of("contract\nA", TOUCH))), "touches").difference
    assert difference is not None
    assert difference.backtrader["time"] == "1970-01-03 00:00:00"
    assert difference.kilohour["time"] == "1970-01-04 00:00:00"


def as_on_the_tape(load):
    """Undoes what levels the touch rule."""
    def exact(self):
        loaded = load(self)
        if loaded:
            self.lines.low[0] -= 1e-6
            self.lines.high[0] += 1e-6
        return loaded

    return exact


class Holds(Strategy):
    def on_bar(self, desk):
        desk.target(0, 2)


def test_what_is_held_past_its_last_trade_is_named():
    text = "day | event | of | price\n1 | bar | A | 2\n2 | bar | A | 2.1\n2 | mark | A | 2.3\n4 | final | A | 2.5\n5 | bar | B | 1"
    of = market(tape_of("contract | last | final\nA | 3 | 4\nB | - | -", text))
    certificate = compare(prepared_of(Holds, of), "holds")
    assert certificate.is_equal
    assert certificate.held_past_last_trade == ("A",)
    assert certificate.equity_micros == CASH


class Cash(Strategy):
    def on_bar(self, desk):
        desk.record("cash", desk.cash())


class Fails(Strategy):
    def on_bar(self, desk):
        raise ValueError("no")


def test_what_cannot_be_certified_is_refused():
    with pytest.raises(UsageError, match="Cash uses cash, the clearing account's"):
        compare(prepared_of(Cash, market(tape_of_bars(3))), "cash")
    with pytest.raises(StrategyRaised, match="Fails raised at"):
        compare(prepared_of(Fails, market(tape_of_bars(3))), "fails")
    import backtrader as bt

    with pytest.raises(UsageError, match="certify takes a kilohour strategy, found the backtrader strategy Strategy"):
        certify(bt.Strategy, sim_tape(9))


class Worth(Strategy):
    def on_bar(self, desk):
        desk.target(0, int(desk.equity() / 10.0) % 7)


def test_equity_on_the_desk_is_the_same_in_both():
    """Sized by equity in hundreds of dollars, on bars and marks that differ."""
    text = "\n".join(["day | event | of | price", *(line for day in range(1, 30) for line in (
        f"{day} | bar | A | {2 + day % 5 / 10}", f"{day}.5 | mark | A | {2 + day % 3 / 10}", f"{day}.75 | bar | B | 1"))])
    certificate = compare(prepared_of(Worth, market(tape_of("contract\nA\nB", text), fee_ppm=500)), "worth")
    assert certificate.is_equal, certificate
    assert certificate.fills >= 10
