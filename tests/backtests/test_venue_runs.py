# SPDX-License-Identifier: Apache-2.0
"""A run at a venue: whose table counts, what reaches the engine, what the run says of it, and what it refuses."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

import kilohour as kh
from kilohour.backtests.manifest import modelled_sentences
from kilohour.backtests.outputs import REFUSALS
from kilohour.backtests.prepare import prepare
from kilohour.backtests.refusals import refusal_codes
from kilohour.contracts import Assumptions, Contract, Registry, Venue, engine_terms
from kilohour.contracts.contract import NEVER
from kilohour.desk import Desk
from kilohour.errors import UnknownName
from kilohour.kernels import records as r
from kilohour.market import Market
from kilohour.reports.evidence import meaning
from kilohour.strategy import Strategy
from kilohour.tape import TapeBuilder
from kilohour.units import NANOS_PER_DAY
from tests.backtests.tapes import sim_tape

TAPE = sim_tape(days=10)
NO_LIMITS = """
title = "A venue without limit orders"
like = "sandbox"

[features]
limit = { value = "refused", code = "order_type_not_supported", source = "a test" }
"""


class Asks(Strategy):
    """A market order, a limit order, a limit order for the day, each bar."""

    def on_bar(self, desk: Desk) -> None:
        desk.market(0, 1)
        desk.limit(0, 1, 1.0)
        desk.limit(1, 1, 1.0, True)


@pytest.fixture
def no_limits(tmp_path):
    (tmp_path / "plain.toml").write_text(NO_LIMITS)
    return tmp_path / "plain.toml"


# venue given   whose table   kinds      lives   flags
CHOSEN = """
-               sandbox       1111111    11111   3
sandbox         sandbox       1111111    11111   3
ax              ax            1111110    11101   3
nymex           nymex         1111110    11111   2
"""


@pytest.mark.parametrize("row", [line.split() for line in CHOSEN.strip().splitlines()], ids=lambda row: row[0])
def test_the_venue_reaches_the_engines_terms(row):
    prepared = prepare(Asks, TAPE, parameters={}, venue=None if row[0] == "-" else row[0])
    assert {code: venue.name for code, venue in prepared.venues.items()} == {"SIM:H100": row[1]}
    assert len(prepared.market.terms) == 2
    for terms in prepared.market.terms:
        kinds = "".join(str(int(terms["kinds_mask"]) >> n & 1) for n in range(1, 8))
        lives = "".join(str(int(terms["lives_mask"]) >> n & 1) for n in range(1, 6))
        assert [kinds, lives, str(terms["flags_mask"])] == row[2:]
        assert (terms["spreads_mask"], terms["groups_mask"], terms["can_amend"]) == (0b110, 0b1110, 1)
        assert (terms["band_ppm"], terms["position_limit"], terms["spot_limit"], terms["spot_from"]) == (0, 0, 0, NEVER)


def test_without_a_venue_nothing_is_masked():
    terms = Market.of(TAPE, {"SIM:H100": engine_terms(Registry.shipped().product("SIM:H100"))}, {"SIM:H100": None}).terms
    assert all((terms[name] == -1).all() for name in ("kinds_mask", "lives_mask", "flags_mask", "spreads_mask", "groups_mask"))


# The last business days are Thursday 2030-01-31, Friday 2027-01-29, Monday 2028-01-31 (a weekend lies between) and Friday 2028-12-29
# (Christmas Day, the Monday, lies before).
@pytest.mark.parametrize("stated", [False, True], ids=["fixing days", "weekdays"])
@pytest.mark.parametrize(("month", "begins"), [(203001, "2030-01-28"), (202701, "2027-01-26"), (202801, "2028-01-26"), (202812, "2028-12-26")])
def test_the_spot_limit_counts_from_the_close_of_the_third_business_day_before_the_last(month, begins, stated):
    """By its fixing days, or by weekdays where the venue states the price: Christmas Day is not among these."""
    product = Assumptions.load("gpu1-2026").fill(Registry.shipped().product("NYMEX:GPU1"))
    contract = dataclasses.replace(product.contract(month), fixing_days=()) if stated else product.contract(month)
    builder = TapeBuilder(source="one contract")
    ref = builder.contract(contract)
    one = np.ones(1, dtype=np.int64)
    builder.bars(ref, one * (contract.last_trade_at - NANOS_PER_DAY), one, one, one, one, one)
    terms = Market.of(builder.build(), {product.code: engine_terms(product)}, {product.code: None}).terms[0]
    assert terms["spot_limit"] == 7500
    close = np.datetime64(int(terms["spot_from"]), "ns")
    assert str(close)[:10] == begins
    assert str(close)[10:] == str(np.datetime64(contract.last_trade_at, "ns"))[10:]


def test_a_product_trades_at_its_own_venue_and_what_is_unknown_is_said():
    tape = sim_tape(days=5, products=("NYMEX:GPU1",))
    prepared = prepare(Asks, tape, parameters={}, assume=["gpu1-2026"])
    assert prepared.venues["NYMEX:GPU1"].name == "nymex"
    assert [list(row) for row in prepared.market.terms[["band_ppm", "position_limit", "spot_limit", "spot_from"]]] == [[0, 0, 7500, NEVER]] * 2
    said = modelled_sentences(prepared)
    assert "NYMEX:GPU1: price band unknown: not enforced." in said
    assert "NYMEX:GPU1: orders are accepted and refused as at NYMEX on CME Globex; emulated by kilohour: trailing stop, " in " ".join(said)


def test_the_report_says_so_in_its_box(tmp_path):
    kh.backtest(Asks, TAPE, venue="ax", cash=2_000, interpreted=True, out=tmp_path / "run")
    text = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    box = text.partition('id="assumptions"')[2].partition("</section>")[0]
    assert "orders are accepted and refused as at Architect AX; emulated by kilohour: market, stop" in box
    assert "orders were refused:" in box
    assert "would exceed equity (INSUFFICIENT_MARGIN at ax)" in text


def test_the_report_says_what_a_venues_code_means():
    manifest = {"venues": [{"name": "ax", "refused": {"fok": "X1", "at_settlement": "X1", "gtd": "X2"}, "reasons": {"size": "X3", "tick": "tick"}}]}
    assert meaning(SimpleNamespace(manifest=manifest), "X1") == "the venue refuses it: fok at ax, at settlement at ax"
    assert meaning(SimpleNamespace(manifest={}), "X1") == ""
    assert meaning(SimpleNamespace(manifest=manifest), "tick") == "a price or a distance off the tick"
    assert meaning(SimpleNamespace(manifest=manifest), "size") == "zero lots, or more than a million in a leg (X3 at ax)"


def test_the_run_says_whose_rules_count_and_counts_what_was_refused():
    run = kh.backtest(Asks, TAPE, venue="ax", cash=2_000, interpreted=True)
    said = " ".join(run.manifest["modelled"])
    assert "SIM:H100: orders are accepted and refused as at Architect AX; emulated by kilohour: market, stop, " in said
    assert "the risk of a broken leg is not in the result" in said
    refused = run.result["refused"]
    assert refused > 0
    assert sum(run.manifest["refused"].values()) == refused
    assert run.manifest["refused"] == run.orders[run.orders["status"] == "refused"]["code"].value_counts().to_dict()
    assert f"{refused} orders were refused: {refused} margin." in said
    assert [(v["name"], v["products"], v["refused"]["fok"]) for v in run.manifest["venues"]] == [("ax", ["SIM:H100"], "INCORRECT_ORDER_TYPE")]
    assert run.manifest["venues"][0]["sha256"] == Venue.shipped("ax").sha256


def test_by_default_nothing_is_emulated_but_groups_and_nothing_refused():
    said = kh.backtest(Asks, TAPE, interpreted=True).manifest["modelled"]
    assert "SIM:H100: orders are accepted and refused as at The sandbox: kilohour's own venue; emulated by kilohour: oco, oto, bracket." in said
    assert "No order was refused." in said
    assert not any("not enforced" in line for line in said)


def test_a_sweep_takes_a_venue_too(no_limits):
    from tests.backtests.test_prepare import Plain

    found = kh.sweep(Plain, TAPE, {"window": [3, 4]}, venue=no_limits, cores=1)
    assert found.manifest["venues"][0]["refused"] == {"limit": "order_type_not_supported"}
    assert any("as at A venue without limit orders" in line for line in found.manifest["modelled"])


def test_a_venue_that_is_not_there_is_refused():
    with pytest.raises(UnknownName, match="unknown venue 'axx' .* did you mean 'ax'"):
        kh.backtest(Asks, TAPE, venue="axx")


# order  contracts  kind     tif   code           becomes
ROWS = """
1        A          limit    gtc   venue          order_type_not_supported
2        A          market   gtc   venue          venue
3        A          market   gtc   margin         margin
4        A B        market   gtc   venue          no_calendars
4        -          -        -     -              no_calendars
5        A C        market   gtc   venue          venue
5        -          -        -     -              venue
6        A          limit    gtc   -              -
"""


def test_the_venues_code_stands_where_the_engine_says_venue(tmp_path):
    (tmp_path / "plain.toml").write_text(NO_LIMITS + 'calendar = { value = "refused", code = "no_calendars", source = "a test" }\n')
    venue = Venue.load(tmp_path / "plain.toml")
    contracts = [Contract(code=code, product=product, symbol=code, month=203001, listed_at=0, last_trade_at=1, settlement_at=1, fixing_days=(),
                          rule="") for code, product in (("A", "X:P"), ("B", "X:P"), ("C", "X:Q"))]
    rows, expected = np.zeros(8, r.OUT_ORDERS), []
    lines = [line.split() for line in ROWS.strip().splitlines()]
    for at, row in enumerate(rows):
        line = lines[at]
        first = next(each for each in lines if each[0] == line[0])
        legs = [letter for letter in first if len(letter) == 1 and letter in "ABC"]
        of = 0 if line is first else 1
        row["order"], row["contract"] = int(line[0]), "ABC".index(legs[of])
        kind, code = first[1 + len(legs)], first[3 + len(legs)]
        row["kind"], row["tif"] = {"limit": r.LIMIT, "market": r.MARKET}[kind], r.GTC
        row["code"] = {"venue": r.VENUE, "margin": r.MARGIN, "-": 0}[code]
        expected.append(line[-1].replace("-", ""))
    codes, words = refusal_codes(rows, contracts, {"X:P": venue, "X:Q": venue}, REFUSALS)
    assert [words[int(code)] for code in codes] == expected


@pytest.mark.parametrize("interpreted", [False, True])
def test_the_gate_refuses_what_the_venue_refuses(no_limits, interpreted):
    run = kh.backtest(Asks, TAPE, venue=no_limits, interpreted=interpreted)
    found = [(row["kind"], row["status"] == "refused", row["code"]) for _, row in run.orders.iterrows()]
    assert set(found) == {("market", False, ""), ("limit", True, "order_type_not_supported")}
    assert run.manifest["refused"] == {"order_type_not_supported": 20}


def test_a_flag_or_a_tie_that_the_venue_refuses_is_named(tmp_path):
    (tmp_path / "strict.toml").write_text('like = "sandbox"\ntitle = "Strict"\n[features]\n' + "".join(
        f'{name} = {{ value = "refused", code = "no_{name}", source = "a test" }}\n' for name in ("post_only", "reduce_only", "oco", "oto")))
    venue = Venue.load(tmp_path / "strict.toml")
    contract = Contract(code="A", product="X:P", symbol="A", month=203001, listed_at=0, last_trade_at=1, settlement_at=1, fixing_days=(), rule="")
    rows = np.zeros(5, r.OUT_ORDERS)
    rows["order"], rows["kind"], rows["tif"], rows["code"] = range(1, 6), r.LIMIT, r.GTC, r.VENUE
    rows["flags"] = [r.POST_ONLY, r.REDUCE_ONLY + r.TIED, r.TIED, r.TRIGGERED, 0]
    codes, words = refusal_codes(rows, [contract], {"X:P": venue}, REFUSALS)
    assert [words[int(code)] for code in codes] == ["no_post_only", "no_reduce_only", "no_oco", "no_oto", "venue"]
