# SPDX-License-Identifier: Apache-2.0
"""Codes, month letters and venue symbols: how a contract is named, and read back.

Our codes are ``VENUE:PRODUCT`` and ``VENUE:PRODUCT-YYYY-MM``; a perpetual's contract is ``VENUE:PRODUCT-PERP``.
A month is an integer YYYYMM. A venue's own symbol is described by a pattern with the fields

=========  ==========================================================
``{M}``    month letter of the futures industry, F (January) to Z
``{MON}``  three letters, JAN to DEC
``{MM}``   two digits, 01 to 12
``{YYYY}`` ``{YY}`` ``{Y}``   the year with four, two or one digit
=========  ==========================================================
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable

from kilohour.contracts.contract import PERPETUAL
from kilohour.errors import UsageError

MONTH_LETTERS = "FGHJKMNQUVXZ"
"""January to December."""
CONTINUOUS = "-CONTINUOUS"
"""How the code of a continuous series ends; no contract's does."""
MONTH_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_PRODUCT = re.compile(r"[A-Z][A-Z0-9]*:[A-Z0-9][A-Z0-9.]*(-[A-Z0-9.]+)*")
_MONTH = re.compile(r"(?P<product>.+)-(?P<year>\d{4})-(?P<month>\d{2})")
_FIELD = re.compile(r"\{(M|MON|MM|YYYY|YY|Y)\}")
_SHAPES = {"M": f"[{MONTH_LETTERS}]", "MON": "|".join(MONTH_NAMES), "MM": r"\d\d",
           "YYYY": r"\d{4}", "YY": r"\d\d", "Y": r"\d"}


def check_month(month: int) -> int:
    """The month itself. Raises :class:`UsageError` when it is not YYYYMM.

    >>> check_month(202612)
    202612
    """
    if not (1900 <= month // 100 <= 2999 and 1 <= month % 100 <= 12):
        raise UsageError(f"a delivery month must be YYYYMM with a month of 01 to 12, found {month}")
    return month


def add_months(month: int, count: int) -> int:
    """The month ``count`` months later.

    >>> add_months(202611, 3), add_months(202601, -1)
    (202702, 202512)
    """
    years, index = divmod(month // 100 * 12 + month % 100 - 1 + count, 12)
    return years * 100 + index + 1


def month_of(date: dt.date) -> int:
    """YYYYMM of a date."""
    return date.year * 100 + date.month


def month_letter(month: int) -> str:
    """The futures industry's letter for the month.

    >>> month_letter(202612), month_letter(202701)
    ('Z', 'F')
    """
    return MONTH_LETTERS[check_month(month) % 100 - 1]


def is_product_code(code: str) -> bool:
    """True for ``VENUE:PRODUCT`` in capitals, digits, dots and single hyphens.

    >>> is_product_code("AX:NVDA-H100"), is_product_code("H100")
    (True, False)
    """
    return _PRODUCT.fullmatch(code) is not None and _MONTH.fullmatch(code) is None and not code.endswith(CONTINUOUS)


def continuous_code(product: str) -> str:
    """The code of a product's continuous series.

    >>> continuous_code("SIM:H100")
    'SIM:H100-CONTINUOUS'
    """
    return product + CONTINUOUS


def refuse_continuous(code: str, contracts: Iterable[str] = ()) -> None:
    """Raises :class:`UsageError` for the code of a continuous series, naming what can be traded instead.

    >>> refuse_continuous("SIM:H100-CONTINUOUS")
    Traceback (most recent call last):
    kilohour.errors.UsageError: SIM:H100-CONTINUOUS is a continuous series, for indicators and plots; what trades is the \
product SIM:H100 and its contracts, SIM:H100-YYYY-MM
    """
    if not code.endswith(CONTINUOUS):
        return
    product = code.removesuffix(CONTINUOUS)
    known = [contract for contract in contracts if contract.startswith(f"{product}-")]
    shown = ", ".join(known[:3]) + (f" and {len(known) - 3} more" if len(known) > 3 else "") if known else f"{product}-YYYY-MM"
    raise UsageError(f"{code} is a continuous series, for indicators and plots; what trades is the product {product} and its "
                     f"contracts, {shown}")


def contract_code(product: str, month: int) -> str:
    """The code of a product's contract.

    >>> contract_code("NYMEX:GPU1", 202612), contract_code("GATE:H100", PERPETUAL)
    ('NYMEX:GPU1-2026-12', 'GATE:H100-PERP')
    """
    if month == PERPETUAL:
        return f"{product}-PERP"
    check_month(month)
    return f"{product}-{month // 100:04d}-{month % 100:02d}"


def split_code(code: str) -> tuple[str, int | None]:
    """Product code and month of a contract code; month 0 for ``-PERP``, None for a bare product code.

    >>> split_code("AX:NVDA-H100-2026-12"), split_code("GATE:H100-PERP"), split_code("SIM:H100")
    (('AX:NVDA-H100', 202612), ('GATE:H100', 0), ('SIM:H100', None))
    """
    refuse_continuous(code)
    if code.endswith("-PERP"):
        return code.removesuffix("-PERP"), PERPETUAL
    match = _MONTH.fullmatch(code)
    if match is None:
        return code, None
    return match["product"], check_month(int(match["year"]) * 100 + int(match["month"]))


def symbol_of(pattern: str, month: int) -> str:
    """The venue's own spelling of a contract.

    >>> symbol_of("GPU1{M}{Y}", 202612), symbol_of("NVDA-H100-{YYYY}-{MON}", 202612)
    ('GPU1Z6', 'NVDA-H100-2026-DEC')
    """
    if month == PERPETUAL:
        return pattern
    year, number = divmod(month, 100)
    parts = {"M": MONTH_LETTERS[number - 1], "MON": MONTH_NAMES[number - 1], "MM": f"{number:02d}",
             "YYYY": f"{year:04d}", "YY": f"{year % 100:02d}", "Y": f"{year % 10}"}
    return _FIELD.sub(lambda field: parts[field[1]], pattern)


def month_of_symbol(pattern: str, symbol: str, *, near: int | None = None) -> int | None:
    """The month a venue's symbol names, or None when the symbol does not fit the pattern.

    ``near`` is the year that a one- or two-digit year is closest to (ties go to the later year).
    Raises :class:`UsageError` when the symbol has a short year and ``near`` is not given.

    >>> month_of_symbol("CL{M}{Y}", "CLK0", near=2020), month_of_symbol("CL{M}{Y}", "NGK0", near=2020)
    (202005, None)
    """
    shape, end = "", 0
    for field in _FIELD.finditer(pattern):
        shape += re.escape(pattern[end:field.start()]) + f"(?P<{field[1]}>{_SHAPES[field[1]]})"
        end = field.end()
    match = re.fullmatch(shape + re.escape(pattern[end:]), symbol)
    if match is None:
        return None
    found = match.groupdict()
    if not found:
        return PERPETUAL
    number = (MONTH_LETTERS.index(found["M"]) + 1 if "M" in found else
              MONTH_NAMES.index(found["MON"]) + 1 if "MON" in found else int(found["MM"]))
    return check_month(_year(symbol, found, near) * 100 + number)


def _year(symbol: str, found: dict[str, str], near: int | None) -> int:
    if "YYYY" in found:
        return int(found["YYYY"])
    digits = found.get("YY") or found["Y"]
    span = 10 ** len(digits)
    if near is None:
        raise UsageError(f"symbol {symbol!r} names one contract in every {span} years: say near which year "
                         "(near=2026), or write the code VENUE:PRODUCT-YYYY-MM")
    return max((year for year in range(near - span, near + span + 1) if year % span == int(digits)),
               key=lambda year: (-abs(year - near), year))
