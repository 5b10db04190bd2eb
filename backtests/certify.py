# SPDX-License-Identifier: Apache-2.0
"""The certificate: a strategy in our engine and in stock backtrader, in the rules both can express, fill by fill."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kilohour.backtests.backtest import between, play
from kilohour.backtests.prepare import CASH_USD, Prepared, prepare
from kilohour.backtests.resolve import strategy_class
from kilohour.contracts.terms import EVERYTHING
from kilohour.errors import UsageError
from kilohour.execution.bridge.stock import Fill, Outcome, Stock
from kilohour.faces.reach import reach_of
from kilohour.fills import Fills
from kilohour.market import Market
from kilohour.session import Session
from kilohour.strategy import Strategy
from kilohour.tape.schema import Kind
from kilohour.tape.tape import Tape
from kilohour.units import MICROS, MISSING, datetime_of, divide_half_even

CENT_MICROS = 10_000
RULES = (
    "market orders fill at the next open, without half a spread and without a volume cap",
    "limit orders fill at the open or at their limit; a touch is no fill: stock backtrader is shown lows a micro higher, highs one lower",
    "stop orders fill at the open or at their price; a touch sets them off",
    "fees per lot and on the notional, makers pay what takers pay; no funding; margin off",
    "no price bands, position limits or refusals of a venue",
    "final settlements are left out: a position stays at its last close",
)
"""What both engines are told, in sentences."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where the engines part: a fill's number (from 1) with both rows, or the equity at the end."""

    what: str
    number: int
    kilohour: dict[str, Any] | None
    backtrader: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Certificate:
    """Both outcomes, and the first difference if there is one."""

    strategy: str
    tape: str
    fills: int
    backtrader_fills: int
    equity_micros: int
    backtrader_equity_micros: int
    held_past_last_trade: tuple[str, ...]
    """Contracts with a position after their last trade, whose settlement the certificate leaves out."""
    difference: Difference | None

    @property
    def is_equal(self) -> bool:
        """True when every fill and the cash agree."""
        return self.difference is None

    def to_dict(self) -> dict[str, Any]:
        """As JSON; money in micros beside dollars."""
        return {
            "strategy": self.strategy, "tape": self.tape, "equal": self.is_equal, "rules": list(RULES),
            "fills": self.fills, "backtrader_fills": self.backtrader_fills,
            "equity_usd": self.equity_micros / MICROS, "equity_micros": self.equity_micros,
            "backtrader_equity_usd": self.backtrader_equity_micros / MICROS, "backtrader_equity_micros": self.backtrader_equity_micros,
            "held_past_last_trade": list(self.held_past_last_trade),
            "difference": None if self.difference is None else asdict(self.difference),
        }  # fmt: skip


def certify(strategy: str | type[Strategy], tape: Tape | str | Path, *, cash: float = CASH_USD, start: str | None = None,
            end: str | None = None, assume: Sequence[str | Path] = (), contracts: str | Path | None = None,
            interpreted: bool = False, **parameters: Any) -> Certificate:  # fmt: skip
    """Plays a strategy in both engines. Arguments are those of :func:`kilohour.backtest`.

    Raises :class:`UsageError` for a strategy that asks for what only one of the engines has.
    """
    face = strategy_class(strategy)
    if hasattr(face, "original"):
        raise UsageError(f"certify takes a kilohour strategy, found the backtrader strategy {face.__name__}: run it with backtest")
    whole = between(tape, start, end)
    prepared = prepare(face, whole, parameters=parameters, cash=cash, assume=assume, contracts=contracts, interpreted=interpreted)
    name = strategy if isinstance(strategy, str) and ".py" not in strategy else face.__name__
    return compare(replace(prepared, market=plain_market(prepared.market)), name)


def compare(prepared: Prepared, name: str) -> Certificate:
    """Both runs on a market whose rules both engines can express, compared."""
    if "cash" in reach_of(prepared.face).names:
        raise UsageError(f"certify: {prepared.face.__name__} uses cash, the clearing account's, which stock backtrader lacks; use equity")
    session = prepared.session()
    session.warm_up()
    play(session)
    ours = outcome_of(session)
    stock = Stock(replace(prepared, interpreted=True).session()).run()
    codes = [contract.code for contract in prepared.market.tape.contracts]
    position, listed = session.book["position"][0], session.desk["listed"][0]
    held = tuple(code for row, code in enumerate(codes) if position[row] and not listed[row])
    return Certificate(name, prepared.market.tape.source, len(ours.fills), len(stock.fills), ours.equity_micros, stock.equity_micros, held,
                       first_difference(ours, stock, codes))


def plain_market(market: Market) -> Market:
    """The market in the rules both engines can express."""
    tape = market.tape
    keep = ~np.isin(tape.events["kind"], (Kind.FINAL, Kind.FUNDING))
    events = {name: column[keep] for name, column in tape.events.items()}
    volume = events["volume"].copy()
    bars = events["kind"] == Kind.BAR
    volume[bars & (volume == 0)] = MISSING
    events["volume"] = volume
    terms = market.terms.copy()
    for name in ("half_spread", "slippage", "slippage_ppm", "initial_ppm", "initial_floor", "maintenance_ppm", "maintenance_floor",
                 "band_ppm", "position_limit", "spot_limit"):  # fmt: skip
        terms[name] = 0
    terms["fee_per_lot"] += terms["fee_clearing"]
    terms["fee_clearing"] = 0
    terms["fee_maker_per_lot"], terms["fee_maker_ppm"] = terms["fee_per_lot"], terms["fee_ppm"]
    for name in ("kinds_mask", "lives_mask", "flags_mask", "spreads_mask", "groups_mask"):
        terms[name] = EVERYTHING
    terms["participation_ppm"] = (2**63 - 1) // max(int(volume[bars].max(initial=1)), 1)
    return replace(market, tape=replace(tape, events=events), terms=terms, fills=Fills())


def outcome_of(session: Session) -> Outcome:
    """A finished session's fills by time and contract, and its equity with every position at its last close."""
    rows = session.table("fills")
    rows = rows[np.lexsort((rows["contract"], rows["ts"]))]
    fills = [Fill(*(int(row[name]) for name in ("ts", "contract", "lots", "price_micros", "fee_micros"))) for row in rows]
    book, equity = session.book[0], int(session.book["equity"][0])
    for row in np.flatnonzero(book["position"]).tolist():
        close, term = round(session.desk["last"][0][row] * MICROS), session.market.terms[row]
        moved = int(book["position"][row]) * (close - int(book["value_price"][row])) * int(term["lot_num"])
        equity += divide_half_even(moved, int(term["lot_den"]))
    return Outcome(fills, equity)


def first_difference(ours: Outcome, stock: Outcome, codes: Sequence[str]) -> Difference | None:
    """The first fill that is not the same in both, prices to the micro and fees to the cent; else the equity; else None."""
    for at in range(max(len(ours.fills), len(stock.fills))):
        mine = ours.fills[at] if at < len(ours.fills) else None
        theirs = stock.fills[at] if at < len(stock.fills) else None
        if mine is None or theirs is None or not is_same(mine, theirs):
            return Difference("fill", at + 1, fill_row(mine, codes), fill_row(theirs, codes))
    if abs(ours.equity_micros - stock.equity_micros) >= CENT_MICROS // 2:
        worths = [{"equity_usd": outcome.equity_micros / MICROS} for outcome in (ours, stock)]
        return Difference("equity", len(ours.fills), *worths)
    return None


def is_same(ours: Fill, theirs: Fill) -> bool:
    """True when two fills agree: time, contract, lots and price exactly, the fee to the cent."""
    return replace(ours, fee_micros=0) == replace(theirs, fee_micros=0) and abs(ours.fee_micros - theirs.fee_micros) < CENT_MICROS // 2


def fill_row(fill: Fill | None, codes: Sequence[str]) -> dict[str, Any] | None:
    """A fill for people; None when an engine has no such fill."""
    if fill is None:
        return None
    return {"time": f"{datetime_of(fill.ts):%Y-%m-%d %H:%M:%S}", "contract": codes[fill.contract], "lots": fill.lots,
            "price_usd": fill.price_micros / MICROS, "fee_usd": fill.fee_micros / MICROS}
