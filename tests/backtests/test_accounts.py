# SPDX-License-Identifier: Apache-2.0
"""Several accounts on one tape: they share its volume in their order, and with the house they sum to zero."""

from collections import Counter

import pandas as pd
import pytest

import kilohour as kh
from kilohour.backtests.house import PARTIES
from kilohour.errors import StrategyRaised, UnknownName, UsageError
from kilohour.tape import Kind
from tests.backtests.tapes import sim_tape


class Noise(kh.Strategy):
    """Asks for another position at every bar, drawn by a congruential generator of its own seed."""

    product: kh.Product = kh.product("SIM:H100")
    seed: int = 1
    most: int = 60
    drawn: int = kh.state(0)

    def on_bar(self, desk: kh.Desk) -> None:
        for n in range(1, desk.count(self.product) + 1):
            self.drawn = (self.drawn * 1_103_515_245 + 12_345 + self.seed) % 2_147_483_648
            desk.target(desk.nth(self.product, n), self.drawn // 65_536 % (2 * self.most + 1) - self.most)


class Idle(kh.Strategy):
    """Does nothing."""

    product: kh.Product = kh.product("SIM:B200")

    def on_bar(self, desk: kh.Desk) -> None:
        pass


class Late(kh.Strategy):
    """Fails at the third bar."""

    product: kh.Product = kh.product("SIM:H100")
    bars: int = kh.state(0)

    def on_bar(self, desk: kh.Desk) -> None:
        self.bars += 1
        if self.bars == 3:
            raise ValueError("enough")


def taken(runs):
    """Lots of all accounts by contract and time."""
    found: Counter[tuple[str, int]] = Counter()
    for run in runs:
        fills = run.tables["fills"].select(["contract", "ts", "lots"]).to_pydict()
        for contract, ts, lots in zip(*fills.values(), strict=True):
            found[contract, ts] += abs(lots)
    return found


def test_an_account_alone_is_a_backtest_and_an_idle_one_beside_it_changes_nothing():
    tape = sim_tape(60, ("SIM:H100", "SIM:B200"))
    alone = kh.backtest(Noise, tape, seed=5)
    beside = kh.backtest_accounts({"idle": Idle, "noise": (Noise, {"seed": 5})}, tape)
    for name in ("orders", "fills", "ledger", "equity"):
        assert beside["noise"].tables[name].equals(alone.tables[name]), name
    assert beside["idle"].result["net_micros"] == 0
    assert alone.result["fills"] > 50


@pytest.mark.parametrize("seed", range(8))
def test_accounts_share_the_volume_and_with_the_house_they_sum_to_zero(seed):
    tape = sim_tape(60, seed=seed)
    accounts = {"fund": (Noise, {"seed": seed}), "hedger": (Noise, {"seed": seed + 100}), "lender": (Noise, {"seed": seed + 200})}
    found = kh.backtest_accounts(accounts, tape, cash={"fund": 1e6, "hedger": 2e6, "lender": 3e6}, cash_rate=0.0433)
    bars = tape.events["kind"] == Kind.BAR
    offered = {(tape.contracts[ref].code, ts): volume // 10 for ref, ts, volume in
               zip(*(tape.events[name][bars].tolist() for name in ("ref", "ts", "volume")), strict=True)}
    lots = taken(found.runs.values())
    assert all(lots[cell] <= offered[cell] for cell in lots)
    assert sum(lots[cell] == offered[cell] for cell in lots) > 20, "the volume must be scarce for this to mean anything"
    house = found.house
    assert house.total == 0
    assert house.accounts == {name: run.result["net_micros"] for name, run in found.runs.items()}
    for kind in PARTIES:
        booked = sum(micros for run in found.runs.values() for micros, what in
                     zip(run.tables["ledger"]["micros"].to_pylist(), run.tables["ledger"]["kind"].to_pylist(), strict=True) if what == kind)
        assert house.by_kind.get(kind, 0) == -booked, kind


def test_the_first_account_is_served_first():
    tape = sim_tape(60)
    first, second = ("long", (Noise, {"seed": 3})), ("other", (Noise, {"seed": 4}))
    alone = kh.backtest(Noise, tape, seed=3)
    assert kh.backtest_accounts(dict([first, second]), tape)["long"].tables["fills"].equals(alone.tables["fills"])
    assert not kh.backtest_accounts(dict([second, first]), tape)["long"].tables["fills"].equals(alone.tables["fills"])


class Buys(kh.Strategy):
    """Buys once, and writes down what it sees asked."""

    product: kh.Product = kh.product("MY:GPU")
    lots: int = 4
    asked: bool = kh.state(False)

    def on_bar(self, desk: kh.Desk) -> None:
        front = desk.nth(self.product, 1)
        desk.record("size", float(desk.ask_size(front)))
        if not self.asked:
            self.asked = True
            desk.market(front, self.lots)


def test_accounts_share_what_is_displayed():
    """Five are asked at each of three times: 4 and 1, then 3 of which a snapshot later 2 are left to see."""
    quotes = pd.DataFrame({"time": pd.date_range("2026-01-05 10:00", periods=3, freq="20s", tz="UTC"), "contract": "MY:GPU-2026-12",
                           "bid": 1.99, "bid_size": 5, "ask": 2.01, "ask_size": 5})
    tape = kh.Tape.from_quotes(quotes, product=kh.Product.simple("MY:GPU", lot=100, tick="0.01"))
    found = kh.backtest_accounts({"a": Buys, "b": Buys}, tape, fills=kh.Fills(model="quote"))
    assert found["a"].fills["lots"].tolist() == [4]
    assert found["b"].fills["lots"].tolist() == [1, 3]
    assert found["a"].records["size"].tolist() == [5, 1, 5]
    assert found["b"].records["size"].tolist() == [5, 0, 2]


@pytest.mark.parametrize("interpreted", [False, True])
def test_what_stops_one_account_stops_all_with_its_line(interpreted):
    with pytest.raises(StrategyRaised, match=r'(?s)Late raised at .*raise ValueError\("enough"\)'):
        kh.backtest_accounts({"noise": Noise, "late": Late}, sim_tape(10), interpreted=interpreted)


@pytest.mark.parametrize(("accounts", "options", "error", "message"), [
    ({}, {}, UsageError, "accounts must name at least one, found none"),
    ({"a": Noise, "b": Noise}, {"cash": {"a": 1.0}}, UsageError, "cash must name every account, a, b, found a"),
    ({"a": (Noise, {"sead": 1})}, {}, UnknownName, "did you mean 'seed'"),
    ({"a": Noise, "b": (Idle, {"product": "SIM:A100"})}, {}, UnknownName, "SIM:A100"),
])
def test_bad_input_is_refused(accounts, options, error, message):
    with pytest.raises(error, match=message):
        kh.backtest_accounts(accounts, sim_tape(10), **options)
