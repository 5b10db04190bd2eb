# SPDX-License-Identifier: Apache-2.0
"""Margin terms: tables of scenarios and credits as they are written, read and checked, and as the engine takes them.

A table is an array in TOML and one text inside a term: cells apart by blanks, rows by semicolons. Rules: docs/margin.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from kilohour.errors import UsageError

if TYPE_CHECKING:
    from kilohour.contracts.product import Product

MILLION = 1_000_000
SCENARIOS, TIERS, PAIRS = 16, 4, 8
"""How much of each a product can have; the engine's capacities."""
MOVE_MOST = 3
"""The largest move a scenario may have, in scanning ranges."""
RATIO_MOST = 100
_CODE = re.compile(r"[A-Z0-9_.-]+:[A-Z0-9_.-]+")
SCENARIO_TERMS = ("margin_tiers", "margin_scenarios", "margin_calendar_credit_ppm", "margin_tier_credit_ppm")
"""What a product with scenario margin must have; its spread credits may be left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginTable:
    """One product's scenario margin in whole numbers; the scanning range is in the terms ``margin_initial_...``."""

    tier_days: tuple[int, ...]
    """Most days to the last trade, of every tier but the last."""
    scenarios: tuple[tuple[int, ...], ...]
    """Moves by scenario and tier, millionths of the scanning range."""
    calendar_credits: tuple[int, ...]
    """Millionths of the offset legs' requirement, within each tier."""
    tier_credit_ppm: int
    """The same across tiers."""
    spread_credits: tuple[tuple[str, int, int, int], ...]
    """Other product, own lots, its lots, millionths."""
    maintenance_share_ppm: int
    """Maintenance as a share of initial margin, rounded up."""


def table_of(rows: Callable[[int, list[object]], list[str]], most: int) -> Callable[[object], str]:
    """A parser of tables with at least one row and at most ``most``; ``rows`` checks one and gives its cells as text."""

    def parse(raw: object) -> str:
        found = [row.split() for row in raw.split(";")] if isinstance(raw, str) else raw
        if not isinstance(found, list) or not all(isinstance(row, list) for row in found) or not 1 <= len(found) <= most:
            raise ValueError(f"must be a table of 1 to {most} rows")
        return "; ".join(" ".join(rows(number, row)) for number, row in enumerate(found, start=1))

    return parse


def line_of(least: int, most: int) -> Callable[[object], str]:
    """A parser of one row of at most four whole numbers from ``least`` to ``most``."""

    def parse(raw: object) -> str:
        found = raw.split() if isinstance(raw, str) else raw
        if not isinstance(found, list) or len(found) > TIERS:
            raise ValueError(f"must be a list of at most {TIERS} whole numbers from {least} to {most}")
        return " ".join(str(_whole(cell, least, most, f"number {place}")) for place, cell in enumerate(found, start=1))

    return parse


def scenario_row(number: int, cells: list[object]) -> list[str]:
    """One scenario: a move for each tier, in scanning ranges."""
    moves = []
    for tier, cell in enumerate(cells, start=1):
        where = f"scenario {number}, tier {tier}"
        if isinstance(cell, bool) or not isinstance(cell, int | str | Decimal):
            raise ValueError(f"{where}: must be a number")
        try:
            move = Fraction(cell)
        except (ValueError, ZeroDivisionError):
            raise ValueError(f"{where}: must be a number") from None
        if abs(move) > MOVE_MOST or (move * MILLION).denominator != 1:
            raise ValueError(f"{where}: must be at most {MOVE_MOST} and have six decimals at most")
        moves.append(str(Decimal(int(move * MILLION)) / MILLION))
    if not moves:
        raise ValueError(f"scenario {number}: must have a move for each tier")
    return moves


def credit_row(number: int, cells: list[object]) -> list[str]:
    """One spread credit: the other product, own lots, its lots, millionths."""
    where = f"credit {number}"
    if len(cells) != 4:
        raise ValueError(f"{where}: must be a product, own lots, its lots and millionths")
    product, own, other, ppm = cells
    if not isinstance(product, str) or not _CODE.fullmatch(product):
        raise ValueError(f"{where}: must begin with a product's code")
    lots = [str(_whole(cell, 1, RATIO_MOST, f"{where}, lots")) for cell in (own, other)]
    return [product, *lots, str(_whole(ppm, 0, MILLION, f"{where}, millionths"))]


def _whole(cell: object, least: int, most: int, where: str) -> int:
    value = int(cell) if isinstance(cell, str) and cell.isdecimal() else cell
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{where}: must be a whole number from {least} to {most}")
    return value


def check_margin(product: Product) -> None:
    """Raises :class:`UsageError` with product, term, row and value when the margin terms do not fit together."""
    model = product.get("margin_model") or "percent"
    given = [name for name in (*SCENARIO_TERMS, "margin_spread_credits") if name in product.terms]
    if model == "per_lot":
        for name in ("margin_initial_ppm", "margin_maintenance_ppm"):
            if product.get(name):
                raise UsageError(f"{product.code}: {name} must be 0 when margin_model is 'per_lot', found {product.get(name)}")
    if model != "scenario":
        if given and product.is_known("margin_model"):
            raise UsageError(f"{product.code}: {given[0]} needs margin_model 'scenario', found {model!r}")
        return
    for name in SCENARIO_TERMS:
        if name not in product.terms:
            raise UsageError(f"{product.code}: term {name!r} is missing; margin_model 'scenario' needs it")
    if all(product.is_known(name) for name in product.terms if name.startswith("margin_")):
        margin_table(product)


def margin_table(product: Product) -> MarginTable | None:
    """The scenario margin of a product, None when it has another model. Raises :class:`UsageError`, ``UnknownTerm``."""
    if (product.get("margin_model") or "percent") != "scenario":
        return None
    days = _numbers(product, "margin_tiers")
    if list(days) != sorted(set(days)):
        raise UsageError(f"{product.code}: margin_tiers must rise, found {product.text('margin_tiers')}")
    tiers, credits = len(days) + 1, _numbers(product, "margin_calendar_credit_ppm")
    if tiers > TIERS:
        raise UsageError(f"{product.code}: margin_tiers must make at most {TIERS} tiers, found {tiers}")
    if len(credits) != tiers:
        raise UsageError(f"{product.code}: margin_calendar_credit_ppm must have a number for each of {tiers} tiers, found {len(credits)}")
    pairs = _credits(product)
    return MarginTable(tier_days=days, scenarios=_scenarios(product, tiers), calendar_credits=credits,
                       tier_credit_ppm=product.whole("margin_tier_credit_ppm"), spread_credits=pairs,
                       maintenance_share_ppm=_maintenance_share(product))


def _scenarios(product: Product, tiers: int) -> tuple[tuple[int, ...], ...]:
    rows = [row.split() for row in product.text("margin_scenarios").split(";")]
    for number, row in enumerate(rows, start=1):
        if len(row) != tiers:
            raise UsageError(f"{product.code}: margin_scenarios: scenario {number} must have a move for each of {tiers} tiers, "
                             f"found {' '.join(row)}")
    moves = [tuple(int(Fraction(cell) * MILLION) for cell in row) for row in rows]
    for number, its_moves in enumerate(moves, start=1):
        if tuple(-move for move in its_moves) not in moves:
            raise UsageError(f"{product.code}: margin_scenarios: scenario {number} must have its opposite among the scenarios, "
                             f"found {' '.join(rows[number - 1])}")
    for tier in range(tiers):
        if not any(row[tier] for row in moves):
            raise UsageError(f"{product.code}: margin_scenarios: tier {tier + 1} must move in some scenario, found 0 in all")
    return tuple(moves)


def _credits(product: Product) -> tuple[tuple[str, int, int, int], ...]:
    if "margin_spread_credits" not in product.terms:
        return ()
    rows = [row.split() for row in product.text("margin_spread_credits").split(";")]
    for number, row in enumerate(rows, start=1):
        if row[0] == product.code or row[0] in [earlier[0] for earlier in rows[: number - 1]]:
            raise UsageError(f"{product.code}: margin_spread_credits: credit {number} must name another product, and each once, "
                             f"found {row[0]}")
    return tuple((code, int(own), int(other), int(ppm)) for code, own, other, ppm in rows)


def _maintenance_share(product: Product) -> int:
    initial, maintenance = product.whole("margin_initial_ppm"), product.whole("margin_maintenance_ppm")
    floor, least = product.ratio("margin_initial_floor"), product.ratio("margin_maintenance_floor")
    if not initial and not floor:
        raise UsageError(f"{product.code}: margin_initial_ppm or margin_initial_floor must be above 0: it is the scanning range")
    if least * initial != maintenance * floor:
        raise UsageError(f"{product.code}: margin_maintenance_ppm and margin_maintenance_floor must be the same share of "
                         f"initial margin when margin_model is 'scenario', found {maintenance} and {float(least):g}")
    share = Fraction(maintenance, initial) if initial else least / floor
    return -(-share.numerator * MILLION // share.denominator)


def _numbers(product: Product, name: str) -> tuple[int, ...]:
    return tuple(int(cell) for cell in product.text(name).split())
