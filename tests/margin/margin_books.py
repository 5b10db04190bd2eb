# SPDX-License-Identifier: Apache-2.0
"""Portfolios for the margin kernels: a market of contracts without events, and the kernels as functions of plain numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from kilohour.contracts.contract import NEVER, Contract
from kilohour.contracts.margin import MarginTable
from kilohour.contracts.terms import EngineTerms
from kilohour.kernels import records as r
from kilohour.kernels.liquidation import liquidate
from kilohour.kernels.margin import plan_line, plan_requirement
from kilohour.market import Market
from kilohour.session import _empty_book
from kilohour.tape import TapeBuilder
from kilohour.units import MICROS, NANOS_PER_DAY

NOW = 20_000 * NANOS_PER_DAY
OUT, ORDER = np.zeros(1, r.OUT), np.zeros(1, r.ORDER)
"""Where a kernel leaves its rows: eight megabytes, so all portfolios take turns."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A contract of the market: its value price in micros, and what the portfolio holds of it."""

    product: str
    days: int | None = 30
    """To the last trade; None for a perpetual."""
    price: int = 10 * MICROS
    lots: int = 0
    is_tradable: bool = True


def terms_of(*, table: MarginTable | None = None, grace: int = 0, lot: tuple[int, int] = (1, 1), ppm: int = 0, floor: int = 0,
             share: tuple[int, int] = (3, 4), fee: int = 0, half_spread: int = 0) -> EngineTerms:
    """Terms of a product; ``floor``, ``fee`` and ``half_spread`` in micros, maintenance a share of initial margin."""
    num, den = share
    return EngineTerms(
        lot_num=lot[0], lot_den=lot[1], tick_micros=1, rounding_micros=1, fee_per_lot_micros=fee, fee_ppm=0, fee_settlement_micros=0,
        margin_initial_ppm=ppm, margin_maintenance_ppm=ppm * num // den, margin_initial_floor_micros=floor,
        margin_maintenance_floor_micros=floor * num // den, half_spread_micros=half_spread, participation_ppm=MICROS, missing_rule=0,
        restatement_latest=1, margin_grace_marks=grace, margin_table=table)


@njit
def _ask(books, desks, terms, lots):
    book, desk = books[0], desks[0]
    book.plan_count = 0
    for contract in range(desk.contract_count):
        if lots[contract]:
            plan_line(book, contract, lots[contract])
    return plan_requirement(book, desk, terms)


@njit
def _liquidate(books, desks, terms, orders, outs):
    liquidate(books[0], desks[0], terms, orders[0], outs[0])


class Portfolio:
    """Lines with terms by product, and what the kernels say of them."""

    def __init__(self, lines: list[Line], terms: Mapping[str, EngineTerms]) -> None:
        builder, one = TapeBuilder(source="margin"), np.ones(1, dtype=np.int64)
        for row, line in enumerate(lines):
            last = NEVER if line.days is None else NOW + line.days * NANOS_PER_DAY + 1
            code = f"{line.product}-{row}"
            ref = builder.contract(Contract(code=code, product=line.product, symbol=code, month=203001, listed_at=0, last_trade_at=last,
                                            settlement_at=last, fixing_days=(), rule="by hand"))
            builder.bars(ref, one, one, one, one, one, one)
        self.lines, self.terms = lines, terms
        market = Market.of(builder.build(), terms, dict.fromkeys(terms))
        self.desk, self.margin_terms = market.desk, market.margin_terms
        self.desk["now"] = NOW
        self.desk["listed"][0][: len(lines)] = [line.is_tradable for line in lines]
        self.book = _empty_book(0, False)
        self.book["value_price"][0][: len(lines)] = [line.price for line in lines]
        self.lots = [line.lots for line in lines]

    def asked(self, lots: list[int] | None = None) -> tuple[int, int]:
        """Initial and maintenance requirement of so many lots of each line, micros."""
        return _ask(self.book, self.desk, self.margin_terms, np.array(lots or self.lots, dtype=np.int64))

    def liquidated(self, equity: int) -> list[dict[int, int]]:
        """The orders of a liquidation at that equity: lots by line, in the order they were sent."""
        for name in ("orders_working", "orders_made", "open_count"):
            self.book[name] = 0
        self.book["equity"] = equity
        self.book["position"][0][: len(self.lots)] = self.lots
        self.desk["held"][0][: len(self.lots)] = self.lots
        self.desk["on_target"] = 0
        OUT["orders"] = 0
        ORDER[:] = np.zeros(1, r.ORDER)
        _liquidate(self.book, self.desk, self.margin_terms, ORDER, OUT)
        sent: list[dict[int, int]] = []
        for row in OUT["order_row"][0][: int(OUT["orders"][0])]:
            assert row["origin"] == r.FROM_LIQUIDATION
            if int(row["order"]) > len(sent):
                sent.append({})
            sent[-1][int(row["contract"])] = int(row["lots"])
        return sent


def table_of(scenarios: list[tuple[Any, ...]], *, days: tuple[int, ...] = (), calendar: tuple[int, ...] = (0,), across: int = 0,
             spreads: tuple[tuple[str, int, int, int], ...] = (), share: int = 750_000) -> MarginTable:
    """A table; scenarios in scanning ranges, each with its opposite added, credits in millionths."""
    whole = [tuple(round(move * MICROS) for move in row) for row in scenarios]
    both = tuple(move for row in whole for move in (row, tuple(-cell for cell in row)))
    return MarginTable(tier_days=days, scenarios=both, calendar_credits=calendar, tier_credit_ppm=across, spread_credits=spreads,
                       maintenance_share_ppm=share)
