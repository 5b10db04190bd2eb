# SPDX-License-Identifier: Apache-2.0
"""What is listed: contracts of the registry under a venue's form of symbol, and spreads made of them.

A contract ``SIM:H100-2027-03`` is ``SIM-H100-2027-MAR`` to AX clients and ``SIMH100-USD-270331`` to OKX clients, which put
the last trading day there. A spread has the symbol ``LEG~LEG`` (first less second, one for one) or ``1*LEG~-2*LEG~1*LEG``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import gcd

from kilohour.contracts import Contract, Product
from kilohour.contracts.codes import MONTH_NAMES
from kilohour.contracts.contract import NEVER
from kilohour.contracts.terms import EngineTerms
from kilohour.errors import UnknownName
from kilohour.units import datetime_of

LEGS_MOST, RATIO_MOST = 8, 4
_LEG = re.compile(r"(?:([+-]?\d{1,3})\*)?([A-Z0-9.-]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """A contract that is listed, or a spread of several. ``row`` is the contract's place on the exchange's list."""

    symbol: str
    okx: str
    number: int
    """OKX's number of the instrument, from 1."""
    contract: Contract
    product: Product
    terms: EngineTerms
    row: int
    legs: tuple[tuple[int, int], ...]
    """Rows and ratios; an outright has one leg."""

    @property
    def is_spread(self) -> bool:
        """True with more than one leg."""
        return len(self.legs) > 1

    @property
    def pays_funding(self) -> bool:
        """True for a perpetual whose terms have a rule of funding."""
        return self.contract.is_perpetual and self.terms.funding_divisor > 0

    @property
    def tick(self) -> int:
        """Micros."""
        return self.terms.tick_micros

    @property
    def multiplier(self) -> str:
        """Units in a lot, as a decimal."""
        lot = self.product.ratio("lot")
        return str(lot.numerator) if lot.denominator == 1 else f"{float(lot):.10f}".rstrip("0")


def ax_symbol(contract: Contract) -> str:
    """A contract's symbol in AX's form."""
    stem = contract.product.replace(":", "-")
    if contract.is_perpetual:
        return f"{stem.removesuffix('PERP').removesuffix('-')}-PERP"
    return f"{stem}-{contract.month // 100}-{MONTH_NAMES[contract.month % 100 - 1]}"


def okx_id(contract: Contract, currency: str) -> str:
    """A contract's instrument id in OKX's form; the base names venue and chip, for ccxt tells markets apart by it."""
    base = re.sub("[^A-Z0-9]", "", contract.product)
    if contract.is_perpetual:
        return f"{base.removesuffix('PERP')}-{currency}-SWAP"
    if contract.last_trade_at == NEVER:  # a month whose last day nobody has worked out
        return f"{base}-{currency}-{contract.month % 10_000:04d}28"
    return f"{base}-{currency}-{datetime_of(contract.last_trade_at):%y%m%d}"


class Listing:
    """Every instrument by symbol and by OKX id; spreads are made when they are first named."""

    def __init__(self, contracts: tuple[Contract, ...], products: Mapping[str, Product], terms: Mapping[str, EngineTerms]) -> None:
        self.outrights: list[Instrument] = []
        for row, contract in enumerate(contracts):
            product = products[contract.product]
            self.outrights.append(
                Instrument(
                    symbol=ax_symbol(contract),
                    okx=okx_id(contract, product.currency),
                    number=row + 1,
                    contract=contract,
                    product=product,
                    terms=terms[contract.product],
                    row=row,
                    legs=((row, 1),),
                )
            )
        self.by_symbol = {each.symbol: each for each in self.outrights}
        self.by_okx = {each.okx: each for each in self.outrights}
        self.by_number = {each.number: each for each in self.outrights}

    def find(self, symbol: object) -> Instrument | None:
        """The instrument of a symbol, or None; a well-formed spread is listed by asking for it."""
        if not isinstance(symbol, str) or len(symbol) > 512:
            return None
        found = self.by_symbol.get(symbol)
        if found is None and "~" in symbol:
            found = self._spread(symbol)
            if found is not None and len(self.by_symbol) < 10_000:
                self.by_symbol[symbol] = found
        return found

    def of_contract(self, code: str) -> Instrument:
        """The instrument of a contract's code. Raises :class:`UnknownName`."""
        for each in self.outrights:
            if each.contract.code == code:
                return each
        raise UnknownName("contract", code, [each.contract.code for each in self.outrights], where="the sandbox")

    def _spread(self, symbol: str) -> Instrument | None:
        legs: dict[int, int] = {}
        for place, text in enumerate(symbol.split("~")):
            match = _LEG.fullmatch(text)
            leg = self.by_symbol.get(match[2]) if match else None
            if match is None or leg is None or leg.is_spread or leg.row in legs:
                return None
            legs[leg.row] = int(match[1]) if match[1] else (1 if place == 0 else -1)
        ratios = list(legs.values())
        if not 2 <= len(legs) <= LEGS_MOST or not all(1 <= abs(n) <= RATIO_MOST for n in ratios) or gcd(*ratios) != 1:
            return None
        first = self.outrights[next(iter(legs))]
        return Instrument(
            symbol=symbol,
            okx="",
            number=0,
            contract=first.contract,
            product=first.product,
            terms=first.terms,
            row=first.row,
            legs=tuple(legs.items()),
        )


def spread_symbol(legs: list[tuple[str, int]]) -> str:
    """The symbol of an order's legs: symbols with ratios; one leg keeps its own.

    >>> spread_symbol([("SIM-H100-2027-MAR", 1), ("SIM-H100-2027-JUN", -2)])
    '1*SIM-H100-2027-MAR~-2*SIM-H100-2027-JUN'
    """
    return legs[0][0] if len(legs) == 1 else "~".join(f"{ratio}*{symbol}" for symbol, ratio in legs)
