# SPDX-License-Identifier: Apache-2.0
"""Tapes from DataFrames of quotes, or of recorded levels.

:func:`tape_from_quotes` takes one row a quote, or one row a level of a snapshot:

==================  ====================================================================================
``time``            when it was displayed: times with a zone
``contract``        our code, the venue's symbol, or the month as ``2026-12``; a ``Product.simple`` takes any name
``bid``, ``ask``    USD per unit; may be empty where its size is 0 or empty
``bid_size``, ``ask_size``   whole lots displayed, 0 or empty where that side has none
``level``           optional: 0 the best, then 1, 2 ... up to 9 in rows of the same time
==================  ====================================================================================

``trades`` may add what was traded: ``time``, ``contract``, ``price`` and ``size`` in whole lots.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kilohour.errors import DataError, UnknownName
from kilohour.tape.builder import TapeBuilder
from kilohour.tape.columns import PRICES, Columns, lots_of, names_of, prices_of, times_of
from kilohour.tape.frames import add_contracts, product_of
from kilohour.tape.levels import bars_of_trades
from kilohour.tape.tape import Tape
from kilohour.units import MISSING

if TYPE_CHECKING:
    import pandas as pd

    from kilohour.contracts.product import Product

Ints = npt.NDArray[np.int64]
QUOTE_COLUMNS = ("time", "contract", "bid", "bid_size", "ask", "ask_size")
TRADE_COLUMNS = ("time", "contract", "price", "size")
NOTE = ("quotes from a DataFrame: a two-sided quote is also a bar of no volume at its middle, which is the price a strategy sees until "
        "the next trade or quote, and the last of a UTC day is the day's mark")


def tape_from_quotes(frame: pd.DataFrame, *, product: str | Product, trades: pd.DataFrame | None = None,
                     assume: Sequence[str] = ()) -> Tape:
    """A tape of one product's quotes and trades; see the module for the columns, :func:`~kilohour.tape.frames.tape_from_bars`
    for ``product`` and ``assume``, listing and settlement.

    A two-sided quote is also a bar of no volume at its middle (half-even micros), unless a trade of the same time is there:
    so it has a price, ``on_bar`` is called, and nothing fills at it under the models for bars.

    Raises :class:`DataError` naming row or contract, column and value, and :class:`UnknownName` for a column or product.
    """
    terms, own = product_of(product, assume)
    _check_columns(frame, (*QUOTE_COLUMNS, "level"), QUOTE_COLUMNS, "the frame of quotes")
    place, names = names_of(frame)
    times = times_of(frame, terms)
    bid, ask = prices_of(frame, "bid", gaps=True), prices_of(frame, "ask", gaps=True)
    bid_size, ask_size = (np.maximum(lots_of(frame, name), 0) for name in ("bid_size", "ask_size"))
    level = lots_of(frame, "level") if "level" in frame else np.zeros(len(frame), dtype=np.int64)
    two_sided = (level == 0) & (bid_size > 0) & (ask_size > 0) & (bid != MISSING) & (ask != MISSING)
    traded = _traded(trades, terms)
    bars = _bars(names, place, times, np.where(two_sided, _middle(bid, ask), MISSING), traded)
    builder = TapeBuilder(source=f"quotes of {terms.code} from a DataFrame", days_per_year=terms.whole("days_per_year"),
                          products=(terms,) if own else (), assumptions=assume, notes=(NOTE,))
    refs = add_contracts(builder, terms, bars)
    for row, name in enumerate(names):
        rows = np.flatnonzero(place == row)
        builder.quotes(refs[name], times[rows], bid[rows], bid_size[rows], ask[rows], ask_size[rows], level[rows])
    return builder.build()


def _check_columns(frame: pd.DataFrame, known: tuple[str, ...], needed: tuple[str, ...], where: str) -> None:
    names = [str(name) for name in frame.columns]
    for name in names:
        if name not in known:
            raise UnknownName("column", name, known, where=where)
    for name in needed:
        if names.count(name) != 1:
            raise DataError(f"{where} needs the columns {', '.join(needed)} once each, found {', '.join(names)}")
    if len(frame) == 0:
        raise DataError(f"{where} needs at least one row, found none")


def _middle(bid: Ints, ask: Ints) -> Ints:
    """The middle in micros, half-even."""
    known = (bid != MISSING) & (ask != MISSING)
    total = np.where(known, bid, 0) + np.where(known, ask, 0)
    floor = total // 2
    middle: Ints = floor + ((total % 2 == 1) & (floor % 2 == 1))
    return middle


def _traded(trades: pd.DataFrame | None, product: Product) -> dict[str, tuple[Ints, ...]]:
    """Bars of the trades by the name of the contract."""
    if trades is None:
        return {}
    _check_columns(trades, TRADE_COLUMNS, TRADE_COLUMNS, "the frame of trades")
    place, names = names_of(trades)
    times, price, size = times_of(trades, product), prices_of(trades, "price"), lots_of(trades, "size")
    return {name: bars_of_trades(name, *(column[place == row] for column in (times, price, size))) for row, name in enumerate(names)}


def _bars(names: list[str], place: npt.NDArray[np.intp], times: Ints, middle: Ints, traded: dict[str, tuple[Ints, ...]]) -> Columns:
    """One bar a contract and time: its trades, or the middle of its quote."""
    for name in traded:
        if name not in names:
            raise UnknownName("contract", name, names, where="the frame of quotes")
    parts: list[tuple[Ints, ...]] = []
    for row, name in enumerate(names):
        rows = np.flatnonzero((place == row) & (middle != MISSING))
        trades = traded.get(name)
        if trades is not None:
            rows = rows[~np.isin(times[rows], trades[0])]
        price = middle[rows]
        bars: list[Ints] = [times[rows], price, price, price, price, np.zeros(len(rows), dtype=np.int64)]
        if trades is not None:
            joined = [np.concatenate(pair) for pair in zip(bars, trades, strict=True)]
            order = np.argsort(joined[0], kind="stable")
            bars = [column[order] for column in joined]
        if len(bars[0]) == 0:
            raise DataError(f"contract {name}: needs a quote with both sides, or a trade, found none")
        parts.append((*bars, np.full(len(bars[0]), row)))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return Columns(time=columns[0], place=columns[6], names=names, prices=dict(zip(PRICES, columns[1:5], strict=True)),
                   volume=columns[5], settle=None, interest=None, rounded=0)
