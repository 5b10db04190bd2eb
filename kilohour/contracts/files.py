# SPDX-License-Identifier: Apache-2.0
"""Reads products from TOML. A file of products has up to four tables::

    [sources]               # short names for addresses, used in a term as source = "@filing"
    filing = "https://... [C]"

    [[calendar]]            # a library calendar with dated exceptions, if a term needs one
    name = "NYMEX-BUSINESS"
    base = "XNYS"
    exceptions = [{ days = ["2012-10-29"], open = true, reason = "..." }]

    [common.terms]          # terms that every product of the file shares
    lot = { value = 730, source = "@filing" }

    [[product]]
    code = "NYMEX:GPU1"
    name = "Silicon Data H100 Rental Index Futures"
    [product.terms]         # its own terms; they go before the common ones
    chip = { value = "H100", source = "@filing" }

Every term is a table of ``value`` and ``source``; a value nobody has published is written ``"unknown"``.
"""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from kilohour.contracts.calendars import CalendarRule, DatedException
from kilohour.contracts.product import Product, read_term
from kilohour.contracts.specs import SPECS
from kilohour.contracts.terms import Term
from kilohour.errors import UsageError


def read_toml(path: Path) -> tuple[dict[str, Any], bytes]:
    """The tables of a TOML file, decimals exact, and its bytes. Raises :class:`UsageError` naming the file."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        return tomllib.loads(raw.decode(), parse_float=Decimal), raw
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: is not TOML ({error})") from None


def read_products(path: Path, *, trusted: bool = False) -> list[Product]:
    """The products of a file. ``trusted`` leaves out the check of its form (the shipped files: a test makes it).

    Raises :class:`UsageError` with file, product, term, rule and value found.
    """
    tables, _ = read_toml(path)
    if not trusted:
        from kilohour.contracts.validation import check_products

        check_products(path.name, tables)
    where = f"{path.name}: "
    sources: Mapping[str, str] = tables.get("sources", {})
    common: Mapping[str, Any] = tables.get("common", {}).get("terms", {})
    calendars = tuple(_calendar(where, table) for table in tables.get("calendar", ()))
    products: list[Product] = []
    for table in tables["product"]:
        code, given = table["code"], {**common, **table.get("terms", {})}
        terms = {name: _term(where, code, name, given[name], sources) for name in SPECS if name in given}
        terms |= {name: _term(where, code, name, given[name], sources) for name in given if name not in SPECS}
        try:
            products.append(Product(code, table["name"], terms, calendars))
        except UsageError as error:
            raise UsageError(f"{where}{error}") from None
    return products


def _term(where: str, code: str, name: str, table: Mapping[str, Any], sources: Mapping[str, str]) -> Term:
    return read_term(code, name, table["value"], source_of(where, code, name, table["source"], sources), where=where)


def source_of(where: str, code: str, name: str, source: str, sources: Mapping[str, str]) -> str:
    """A source with its short name ``@filing`` written out. Raises :class:`UsageError` for a short name that is not there."""
    if not source.startswith("@"):
        return source
    key, space, words = source[1:].partition(" ")
    if key not in sources:
        raise UsageError(f"{where}{code}: term {name!r}: source @{key} is not in [sources] "
                         f"(known: {', '.join(sources) or 'none'})")
    return sources[key] + space + words


def _calendar(where: str, table: Mapping[str, Any]) -> CalendarRule:
    exceptions = []
    for entry in table.get("exceptions", ()):
        for day in entry["days"]:
            try:
                date = dt.date.fromisoformat(str(day))
            except ValueError:
                raise UsageError(f"{where}calendar {table['name']}: a day must be a date like 2012-10-29, "
                                 f"found {day!r}") from None
            exceptions.append(DatedException(date, entry["open"], entry["reason"]))
    return CalendarRule(table["name"], table["base"], tuple(exceptions))
