# SPDX-License-Identifier: Apache-2.0
"""Plays the orders of a finished backtest into a replay exchange, each when it was made, and reads back what came of it."""

from __future__ import annotations

from typing import Any

import numpy as np

import kilohour as kh
from kilohour.execution.sandbox.engines import market_of
from kilohour.execution.sandbox.instruments import spread_symbol
from kilohour.execution.sandbox.model import KINDS, LIVES, NewOrder
from kilohour.execution.sandbox.replay import ReplayExchange
from kilohour.kernels import records as r

ENDED_BY_THE_STRATEGY = (int(r.REPLACED), int(r.CANCELLED))


def exchange_of(tape: kh.Tape, cash: int = 10**12, **named: Any) -> ReplayExchange:
    """An exchange with two accounts over a tape."""
    market, listing = market_of(tape, **named)
    return ReplayExchange(market, listing, {"one": cash, "two": cash})


def play_orders(session: Any, exchange: ReplayExchange, account: str = "one") -> None:
    """Steps through the tape; orders go in, and are cancelled, at the times at which the session's strategy did it."""
    rows, contracts = session.table("orders"), session.market.tape.contracts
    symbols = {row: exchange.listing.of_contract(contract.code).symbol for row, contract in enumerate(contracts)}
    placed: dict[int, Any] = {}
    at = 0
    while not exchange.is_over:
        exchange.step()
        while at < len(rows) and rows[at]["ts"] == exchange.now:
            row = rows[at]
            legs = [
                each for each in rows[at:] if each["order"] == row["order"] and each["ts"] == row["ts"] and each["status"] == row["status"]
            ]
            at += len(legs)
            if int(row["origin"]) == r.FROM_LIQUIDATION:
                continue
            if row["status"] == r.WORKING and int(row["order"]) in placed:  # an amendment writes the order once more
                order = placed[int(row["order"])]
                placed[int(row["order"])] = exchange.replace(order, lots=abs(int(row["lots"])), price=int(row["limit_micros"]))
            elif row["status"] == r.WORKING:
                placed[int(row["order"])] = exchange.place(account, new_order(legs, symbols))
            elif int(row["status"]) in ENDED_BY_THE_STRATEGY:
                exchange.cancel(placed[int(row["order"])])


def new_order(legs: list[Any], symbols: dict[int, str]) -> NewOrder:
    lots = [int(leg["lots"]) for leg in legs]
    units = int(np.gcd.reduce(np.abs(lots)))
    side = 1 if len(legs) > 1 or lots[0] > 0 else -1
    symbol = spread_symbol([(symbols[int(leg["contract"])], side * size // units) for leg, size in zip(legs, lots, strict=True)])
    kind = KINDS[int(legs[0]["kind"]) - 1]
    return NewOrder(
        symbol=symbol,
        side=side,
        lots=units,
        kind=kind,
        life=LIVES[int(legs[0]["tif"]) - 1],
        price=int(legs[0]["limit_micros"]) if kind == "limit" else None,
        client_id=str(int(legs[0]["order"])),
    )
