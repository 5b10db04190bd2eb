# SPDX-License-Identifier: Apache-2.0
"""What OKX tells anybody over REST: instruments, prices, books, candles, funding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from kilohour.execution.sandbox.instruments import Instrument
from kilohour.execution.sandbox.model import Funding
from kilohour.execution.sandbox.okx import (
    BARS,
    Fault,
    candle_row,
    family_of,
    funding_row,
    instrument_row,
    kind_of,
    level_rows,
    leverage_most,
    mark_row,
    ms,
    ticker_row,
    trade_row,
)
from kilohour.execution.sandbox.wire import decimal, rate_text, whole_of

if TYPE_CHECKING:
    from kilohour.execution.sandbox.server import Server

Query = Mapping[str, Any]
PAGE_MOST = 300
KINDS = ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION")


class Public:
    """The paths that need no key."""

    def __init__(self, server: Server) -> None:
        self.server, self.exchange = server, server.exchange

    def answers(self) -> dict[str, Callable[[str, Any], Any]]:
        """Every path below ``/api/v5/``."""
        exchange = self.exchange
        return {
            "public/time": lambda _, __: [{"ts": ms(self.server.wall())}],
            "public/instruments": lambda _, query: self._instruments(query),
            "public/mark-price": lambda _, query: [mark_row(exchange, each) for each in self.listed(query)],
            "public/position-tiers": lambda _, query: self._tiers(query),
            "public/funding-rate": lambda _, query: [funding_row(exchange, each) for each in self._perpetuals(query)],
            "public/funding-rate-history": lambda _, query: self._fundings(query),
            "public/open-interest": lambda _, query: [self._interest(each) for each in self.listed(query)],
            "market/ticker": lambda _, query: [ticker_row(exchange, self.named(query))],
            "market/tickers": lambda _, query: [ticker_row(exchange, each) for each in self.listed(query)],
            "market/index-tickers": lambda _, query: self._indices(query),
            "market/books": lambda _, query: self._books(query),
            "market/trades": lambda _, query: self._trades(query),
            **dict.fromkeys(
                ("market/candles", "market/history-candles", "market/mark-price-candles", "market/history-mark-price-candles"),
                lambda _, query: self._candles(query),
            ),
        }

    def named(self, query: Query) -> Instrument:
        """The instrument that ``instId`` names. Raises :class:`Fault`."""
        found = self.exchange.listing.by_okx.get(str(query.get("instId")))
        if found is None:
            raise Fault("51001", "Instrument ID does not exist")
        return found

    def listed(self, query: Query) -> list[Instrument]:
        """The instruments that a query asks for: one, or all of a kind and family that trade."""
        if query.get("instId"):
            return [self.named(query)]
        kind, family = query.get("instType"), query.get("instFamily") or query.get("uly")
        return [
            each
            for each in self.exchange.listing.outrights
            if self.exchange.is_shown(each) and kind in (None, "", kind_of(each)) and family in (None, "", family_of(each))
        ]

    def _perpetuals(self, query: Query) -> list[Instrument]:
        if query.get("instId") == "ANY":
            return [each for each in self.listed({}) if each.pays_funding]
        each = self.named(query)
        if not each.pays_funding:
            raise Fault("51000", "Parameter instId error: only a perpetual pays funding")
        return [each]

    def _instruments(self, query: Query) -> Any:
        if query.get("instType") not in KINDS:
            raise Fault("51000", "Parameter instType error")
        return [instrument_row(self.exchange, each) for each in self.listed(query)]

    def _tiers(self, query: Query) -> Any:
        if query.get("instType") not in ("SWAP", "FUTURES"):
            raise Fault("51000", "Parameter instType error: SWAP or FUTURES")
        wanted = str(query.get("instFamily") or query.get("uly") or query.get("instId") or "").split(",")
        families = {family_of(each): each for each in reversed(self.listed({"instType": query["instType"]}))}
        return [
            {
                "instFamily": family,
                "instId": "",
                "uly": family,
                "tier": "1",
                "minSz": "0",
                "maxSz": "1000000",
                "imr": f"{each.terms.margin_initial_ppm / 1e6:g}",
                "mmr": f"{each.terms.margin_maintenance_ppm / 1e6:g}",
                "maxLever": str(leverage_most(each)),
                "baseMaxLoan": "",
                "quoteMaxLoan": "",
                "optMgnFactor": "0",
            }
            for family, each in families.items()
            if wanted == [""] or family in wanted or each.okx in wanted
        ]

    def _fundings(self, query: Query) -> Any:
        each = self._perpetuals(query)[0]
        kept = paged(list(self.exchange.fundings.get(each.symbol, ())), query, lambda row: row.ts // 10**6)

        def row(found: Funding) -> dict[str, Any]:
            rate = rate_text(found.rate)
            return {"instType": "SWAP", "instId": each.okx, "fundingRate": rate, "realizedRate": rate, "fundingTime": ms(found.ts),
                    "method": "current_period", "formulaType": "noRate"}  # fmt: skip

        return [row(found) for found in reversed(kept[-limit_of(query, 100, PAGE_MOST) :])]

    def _interest(self, each: Instrument) -> Any:
        lots = str(self.exchange.tickers[each.symbol].interest)
        return {"instType": kind_of(each), "instId": each.okx, "oi": lots, "oiCcy": "", "ts": ms(self.exchange.now)}

    def _indices(self, query: Query) -> Any:
        """The indices by family, as ``SIMH100-USD``."""
        found = {}
        for each in self.listed({}):
            value = self.exchange.tickers[each.symbol].index
            if value is not None and query.get("instId") in (None, "", family_of(each)):
                price = decimal(value)
                found[family_of(each)] = {"instId": family_of(each), "idxPx": price, "high24h": price, "low24h": price, "open24h": price,
                                          "sodUtc0": price, "sodUtc8": price, "ts": ms(self.exchange.now)}  # fmt: skip
        return list(found.values())

    def _books(self, query: Query) -> Any:
        bids, asks = self.exchange.depth(self.named(query), min(max(whole_of(query.get("sz", 1)) or 1, 1), 400))
        return [{"asks": level_rows(asks), "bids": level_rows(bids), "ts": ms(self.exchange.now)}]

    def _trades(self, query: Query) -> Any:
        each = self.named(query)
        rows = list(self.exchange.trades.get(each.symbol, ()))[-limit_of(query, 100, 500) :]
        return [trade_row(trade, each) for trade in reversed(rows)]

    def _candles(self, query: Query) -> Any:
        each, bar = self.named(query), query.get("bar", "1m")
        if bar not in BARS:
            raise Fault("51000", f"Parameter bar error: the sandbox has {', '.join(BARS)}")
        kept = self.exchange.candles.of(each.symbol, BARS[str(bar)])
        rows = paged(kept, query, lambda candle: candle.start // 10**6)[-limit_of(query, 100, PAGE_MOST) :]
        return [candle_row(candle, candle is not kept[-1]) for candle in reversed(rows)]


def paged(rows: list[Any], query: Query, at: Callable[[Any], int]) -> list[Any]:
    """The rows between OKX's two cursors: ``after`` asks for older ones, ``before`` for newer ones, both without the one they name."""
    after, before = whole_of(query.get("after")), whole_of(query.get("before"))
    return [row for row in rows if (after is None or at(row) < after) and (before is None or at(row) > before)]


def limit_of(query: Query, usual: int, most: int) -> int:
    """How many rows a page has."""
    return min(max(whole_of(query.get("limit", usual)) or usual, 1), most)
