# SPDX-License-Identifier: Apache-2.0
"""Where the money came from: the ledger split by purpose, product and contract, in parts that add up to net exactly.

The ledger books what was paid. A fill away from the middle of the market costs half a spread that no ledger row shows:
it hides inside the variation. So the half spread is added back to trading and taken off as a cost, and the sum stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from kilohour.errors import DataError
from kilohour.reports.folder import month_of, product_of
from kilohour.reports.table import Ints, Labels, Mask, Table


@dataclass(frozen=True, slots=True)
class Profit:
    """Net profit in parts, integer micros; costs are negative. The parts add up to :attr:`net`."""

    trading: int
    """Price changes of positions, before the half spread, up to the last mark before final settlement."""
    settlement: int
    """From the last mark to the final price."""
    costs: int
    """Fees and half spreads of opening, closing and changing positions."""
    roll: int
    """Fees and half spreads of moving positions from one delivery month to another."""
    liquidation: int
    """Fees and half spreads of forced reductions."""
    settlement_fees: int
    funding: int = 0
    """Funding of perpetuals, paid and received."""
    interest: int = 0
    """Interest on cash."""

    @property
    def net(self) -> int:
        """The sum of the parts."""
        return (self.trading + self.settlement + self.costs + self.roll + self.liquidation + self.settlement_fees + self.funding
                + self.interest)


PARTS = {
    "trading": "Trading",
    "settlement": "Final settlement",
    "costs": "Trading costs",
    "roll": "Roll costs",
    "liquidation": "Liquidation costs",
    "settlement_fees": "Settlement fees",
    "funding": "Funding",
    "interest": "Interest on cash",
}
"""The fields of :class:`Profit` in reading order, and what a reader sees."""


TRADING = ("variation", "variation_reversed", "unsettled")
SETTLEMENT = ("settlement", "settlement_reversed")
FEES = ("fee", "clearing_fee")
"""Kinds of ledger row behind parts of a profit."""


def profit_by_contract(ledger: Table, fills: Table) -> dict[str, Profit]:
    """Splits the ledger for each contract it or a fill names, in order of product and delivery month.

    Raises DataError on a ledger row of unknown kind, and when the fees booked are not those of the fills.
    """
    names = tuple(sorted({*_used(ledger), *_used(fills)}, key=lambda name: (product_of(name), month_of(name), name)))
    kind, micros = ledger.labels("kind"), ledger.integers("micros")
    booked = _rows_of(ledger.labels("contract"), names)
    known = kind.is_any(*TRADING, *SETTLEMENT, *FEES, "settlement_fee", "funding", "interest")
    if not known.all():
        raise DataError(f"a ledger row must be of a known kind, found {kind.text(int(np.argmin(known)))!r}")

    def from_ledger(*kinds: str) -> Ints:
        return _sums(booked, micros, kind.is_any(*kinds), len(names))

    purpose, fee = fills.labels("purpose"), fills.integers("fee_micros")
    half_spread = fills.integers("half_spread_micros")
    filled = _rows_of(fills.labels("contract"), names)
    roll, liquidation = purpose.is_any("roll"), purpose.is_any("liquidation")

    def from_fills(values: Ints, rows: Mask) -> Ints:
        return _sums(filled, values, rows, len(names))

    everything = np.ones(fills.rows, dtype=bool)
    _same_fees(names, from_ledger(*FEES), -from_fills(fee, everything))
    columns = (
        from_ledger(*TRADING) + from_fills(half_spread, everything),
        from_ledger(*SETTLEMENT),
        -from_fills(fee + half_spread, ~(roll | liquidation)),
        -from_fills(fee + half_spread, roll),
        -from_fills(fee + half_spread, liquidation),
        from_ledger("settlement_fee"),
        from_ledger("funding"),
        from_ledger("interest"),
    )
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return {name: Profit(*row) for name, row in zip(names, rows, strict=True)}


def profit_by_product(parts: dict[str, Profit]) -> dict[str, Profit]:
    """Adds the contracts of :func:`profit_by_contract` up by product."""
    found: dict[str, list[Profit]] = {}
    for contract, part in parts.items():
        found.setdefault(product_of(contract), []).append(part)
    return {code: total(members) for code, members in found.items()}


def total(parts: Iterable[Profit]) -> Profit:
    """Adds up, part by part."""
    members = list(parts)
    return Profit(**{name: sum(getattr(part, name) for part in members) for name in PARTS})


def _used(table: Table) -> list[str]:
    labels = table.labels("contract")
    return [labels.names[code] for code in np.unique(labels.codes).tolist()]


def _rows_of(contracts: Labels, names: tuple[str, ...]) -> Ints:
    place = {name: row for row, name in enumerate(names)}
    lookup = np.array([place.get(name, -1) for name in contracts.names], dtype=np.int64)
    return lookup[contracts.codes] if len(lookup) else contracts.codes


def _sums(rows: Ints, values: Ints, wanted: Mask, count: int) -> Ints:
    sums = np.zeros(count, dtype=np.int64)
    np.add.at(sums, rows[wanted], values[wanted])
    return sums


def _same_fees(names: tuple[str, ...], booked: Ints, filled: Ints) -> None:
    for name, found, owed in zip(names, booked.tolist(), filled.tolist(), strict=True):
        if found != owed:
            raise DataError(f"the fees booked for {name} must be those of its fills, {owed} micros, found {found}")
