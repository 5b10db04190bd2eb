# SPDX-License-Identifier: Apache-2.0
"""From a strategy, a tape and assumptions to a session that is ready to run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from kilohour.contracts import Assumptions, Product, Registry, Venue, engine_terms
from kilohour.contracts.codes import refuse_continuous
from kilohour.errors import DataError, UnknownName, UsageError
from kilohour.faces.fields import checked, dtype_of, fields_of
from kilohour.faces.python_face import structure_of
from kilohour.fills import Fills
from kilohour.limits import RiskLimits
from kilohour.live import print_days
from kilohour.market import Market
from kilohour.session import Session
from kilohour.strategy import Strategy
from kilohour.tape.select import select
from kilohour.tape.tape import Tape
from kilohour.tape.windows import unprinted_days
from kilohour.units import date_of, datetime_of, micros

CASH_USD = 1_000_000.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that is decided before the first event."""

    face: type[Strategy]
    parameters: dict[str, Any]
    """Every parameter with its value, products and indices by code."""
    market: Market
    products: tuple[Product, ...]
    """With their unknown terms filled."""
    assumptions: tuple[Assumptions, ...]
    cash_micros: int
    interpreted: bool
    venues: Mapping[str, Venue]
    """Whose rules decide which orders go, by product code."""
    cash_rate_ppm: int = 0
    """Interest on cash a year, millionths."""

    def session(self, *, quiet: bool = False, **changed: Any) -> Session:
        """Fresh memory for one run; ``changed`` replaces parameters (a sweep's)."""
        state = np.zeros(1, dtype_of(self.face))
        fill_state(self.face, state, {**self.parameters, **changed}, self.market)
        return Session(self.market, self.face, state, self.cash_micros, interpreted=self.interpreted, quiet=quiet,
                       cash_rate_ppm=self.cash_rate_ppm)


def prepare(
    face: type[Strategy],
    tape: Tape,
    *,
    parameters: Mapping[str, Any],
    cash: float = CASH_USD,
    assume: Sequence[str | Path] = (),
    contracts: str | Path | None = None,
    venue: str | Path | None = None,
    interpreted: bool = False,
    fills: Fills | None = None,
    cash_rate: float = 0.0,
    beside: tuple[Sequence[str], Sequence[str]] = ((), ()),
    live_from: int | None = None,
    limits: RiskLimits | None = None,
) -> Prepared:
    """Checks every name and value and fills the terms. ``live_from``: a time in nanoseconds from which on events will come; the
    tape then needs none.

    ``venue`` is where every product trades; without it each trades at its own, or in the sandbox when that has no table.
    ``beside``: products and series that other accounts on the same tape name, which stay on it.
    Raises :class:`UnknownName`, :class:`UsageError`, :class:`~kilohour.errors.UnknownTerm` or, for a tape that a
    product's rule cannot settle, :class:`DataError`; each in one line.
    """
    values = parameter_values(face, parameters)
    wanted, series = ([*own, *others] for own, others in zip(codes_of(face, values, tape), beside, strict=True))
    loaded = tuple(Assumptions.load(name) for name in dict.fromkeys((*tape.assumptions, *map(str, assume))))
    registry = Registry.shipped(contracts).adding(tape.products).assuming(*loaded)
    products = tuple(registry.product(code) for code in (dict.fromkeys(wanted) or tape.product_codes))
    chosen = {p.code for p in products}
    part = select(tape, chosen, {*series, *(p.index for p in products if p.index)} if wanted else {i.code for i in tape.indices})
    if live_from is None and not len(part):
        raise UsageError(f"the tape has no event of {', '.join(sorted(chosen))}")
    chosen_venue = None if venue is None else Venue.load(venue)
    venues = {p.code: chosen_venue or Venue.of(p.code) for p in products}
    check_windows(part, products)
    terms = {p.code: venues[p.code].on(engine_terms(p)) for p in products}
    market = Market.of(part, terms, {p.code: p.index for p in products}, fills, limits,
                       None if live_from is None else print_days(part, live_from))
    prepared = Prepared(face, values, market, products, loaded, checked_cash(cash), interpreted or face.interpreted, venues,
                        checked_rate(cash_rate))
    fill_state(face, np.zeros(1, dtype_of(face)), values, market)
    return prepared


def codes_of(face: type[Strategy], values: Mapping[str, Any], tape: Tape) -> tuple[list[str], list[str]]:
    """Products and series that a strategy names. Raises :class:`UnknownName` for one that the tape has not."""
    wanted, series = ([values[f.name] for f in fields_of(face) if f.kind == kind] for kind in ("product", "index"))
    for code in wanted:
        if code not in tape.product_codes:
            refuse_continuous(code)
            raise UnknownName("product", code, tape.product_codes, where="this tape")
    for code in series:
        if code not in {i.code for i in tape.indices}:
            raise UnknownName("series", code, [i.code for i in tape.indices], where="this tape")
    return wanted, series


def check_windows(tape: Tape, products: Sequence[Product]) -> None:
    """Raises :class:`DataError` when a fixing window on the tape lacks a print that a product's rule must have.

    Days before the index's first print are no hole of the tape (it begins there): the engine refuses to settle on
    them at that moment, if the contract is held.
    """
    refusing = {p.code: p for p in products if p.fixes and p.text("missing_day") == "refuse"}
    holes = [hole for hole in unprinted_days(tape, {code: p.index for code, p in refusing.items()})
             if tape.contracts[hole.contract].product in refusing and not hole.before_prints]
    if not holes:
        return
    hole, contract = holes[0], tape.contracts[holes[0].contract]
    product = refusing[contract.product]
    came = "none" if hole.known_at is None else f"one first known {datetime_of(hole.known_at):%Y-%m-%d %H:%M}"
    more = f", and {len(holes) - 1} more such day{'s' if len(holes) > 2 else ''}" if len(holes) > 1 else ""
    by = product.terms["missing_day"].assumed_by
    other = (f"assume missing_day = previous or skip by a file of your own, --assume FILE in place of {by}" if by else
             f"leave the window out (--from, --to): {product.code} says missing_day itself, and --assume fills unknown terms only")
    raise DataError(
        f"{contract.code}: missing_day = refuse needs a print of {product.index} for each fixing day, known by the settlement at "
        f"{datetime_of(hole.settled_at):%Y-%m-%d %H:%M}: found {came} for {date_of(hole.day)}{more}; "
        f"list them with kilohour data check, complete the tape, or {other}")


def checked_cash(cash: float) -> int:
    """Starting cash in micros. Raises :class:`UsageError` unless it is a positive amount below a billion dollars."""
    if not 0 < cash <= 1e12:
        raise UsageError(f"cash must be above 0 and at most 1e12 USD, found {cash!r}")
    return micros(float(cash))


def checked_rate(rate: float) -> int:
    """Interest on cash a year in millionths. Raises :class:`UsageError` unless it is a multiple of 0.000001 from -1 to 1."""
    ppm = Fraction(str(rate)) * 1_000_000 if -1 <= rate <= 1 else Fraction(1, 2)
    if ppm.denominator != 1:
        raise UsageError(f"cash_rate must be a share a year from -1 to 1 with at most six decimals (0.0433 is 4.33 %), found {rate!r}")
    return int(ppm)


def parameter_values(face: type[Strategy], given: Mapping[str, Any]) -> dict[str, Any]:
    """Every parameter of a class with its default or the given value, checked for its kind.

    Raises :class:`UnknownName` with the nearest field, :class:`UsageError` for a value of the wrong type.
    """
    fields = {f.name: f for f in fields_of(face) if f.is_parameter}
    for name in given:
        if name not in fields:
            raise UnknownName("field", name, fields, where=face.__name__)
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if field.kind in ("product", "index"):
            code = given.get(name, field.default.code)
            if not isinstance(code, str):
                code = getattr(code, "code", code)
            if not isinstance(code, str):
                raise UsageError(f"{face.__name__}.{name} must be the code of a {field.kind}, found {code!r}")
            values[name] = code
        else:
            values[name] = checked(face, name, field.kind, given.get(name, field.default))
            if name in given and not math.isfinite(values[name]):
                raise UsageError(f"{face.__name__}.{name} must be finite, found {values[name]}")
    return values


def parse_parameter(face: type[Strategy], name: str, text: str) -> Any:
    """A parameter from the command line's text, by the field's kind.

    Raises :class:`UnknownName` or :class:`UsageError` naming field, rule and value.
    """
    fields = {f.name: f for f in fields_of(face) if f.is_parameter}
    if name not in fields:
        raise UnknownName("field", name, fields, where=face.__name__)
    kind = fields[name].kind
    if kind in ("product", "index"):
        return text
    if kind == "bool":
        if text.lower() not in ("true", "false"):
            raise UsageError(f"{face.__name__}.{name} must be true or false, found {text!r}")
        return text.lower() == "true"
    try:
        number = int(text) if kind == "int" else float(text)
    except ValueError:
        raise UsageError(f"{face.__name__}.{name} must be {'a whole number' if kind == 'int' else 'a number'}, found {text!r}") from None
    if number != number or number in (float("inf"), float("-inf")):
        raise UsageError(f"{face.__name__}.{name} must be finite, found {text!r}")
    return number


def fill_state(face: type[Strategy], state: np.ndarray[Any, Any], values: Mapping[str, Any], market: Market) -> None:
    """Writes parameters into a strategy's memory, codes as rows, and lets the strategy check them."""
    rows = dict(values)
    index_rows = {index.code: row for row, index in enumerate(market.tape.indices)}
    for field in fields_of(face):
        if field.kind == "product":
            rows[field.name] = market.product_row(values.get(field.name, field.default.code))
        elif field.kind == "index":
            rows[field.name] = index_rows[values.get(field.name, field.default.code)]
    memory: Any = structure_of(face).from_buffer(state)  # type: ignore[attr-defined]
    memory.__init__(**rows)
