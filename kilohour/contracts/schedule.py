# SPDX-License-Identifier: Apache-2.0
"""Which contracts a product lists, and the days of each, from its terms."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from kilohour.contracts import codes
from kilohour.contracts.calendars import BusinessDays, CalendarRule, business_days
from kilohour.contracts.contract import NEVER, PERPETUAL, Contract
from kilohour.contracts.days import (
    LAST_TRADE_RULES,
    clock,
    fixing_days_of,
    last_day,
    listed_sequence,
    months_from,
    settlement_time,
    step_back,
)
from kilohour.contracts.specs import WITHOUT_PRINTS
from kilohour.errors import UsageError
from kilohour.units import NANOS_PER_DAY, nanos_of

if TYPE_CHECKING:
    from kilohour.contracts.product import Product


def calendar(product: Product, term: str) -> BusinessDays:
    """The calendar that a product's term names: its own by that name, else the library's."""
    name = product.text(term)
    own = [rule for rule in product.calendars if rule.name == name]
    return business_days(own[0] if own else CalendarRule(name, name))


def last_trade_day(product: Product, month: int) -> int:
    """Last trading day of a delivery month that is listed, days since 1970."""
    check_listed(product, month)
    return _last_trade_day(product, month)


def _last_trade_day(product: Product, month: int) -> int:
    rule = product.text("last_trade")
    if rule == "last_day_of_month":
        return last_day(month)
    return LAST_TRADE_RULES[rule](calendar(product, "calendar_fixing"), month)


def fixing_days(product: Product, month: int) -> tuple[int, ...]:
    """Value dates whose prints settle a delivery month, days since 1970; none when the venue states the price."""
    rule, last_trade = product.text("settlement"), last_trade_day(product, month)
    if rule in WITHOUT_PRINTS:
        return ()
    return fixing_days_of(rule, calendar(product, "calendar_fixing"), month, last_trade)


def check_listed(product: Product, month: int) -> None:
    """Raises :class:`UsageError` for a month that the product does not list."""
    if product.is_perpetual:
        raise UsageError(f"{product.code} is perpetual: it has no delivery month, found {month}")
    codes.check_month(month)
    first = product.get("first_month")
    if isinstance(first, int) and month < first:
        raise UsageError(f"{product.code}: the first delivery month is {first}, found {month}")
    listed = product.get("listed_months")
    if isinstance(listed, str) and listed != "any":
        months, _ = listed_sequence(listed)
        if month % 100 not in months:
            nearest = next(months_from(months, month))
            raise UsageError(f"{product.code} lists {listed}: {month} is none of them, the next is {nearest}")


def contract(product: Product, month: int) -> Contract:
    """The contract of a listed month, or of a perpetual, with its days."""
    if month == PERPETUAL and product.is_perpetual:
        return undated(product, codes.contract_code(product.code, PERPETUAL), product.text("symbol"))
    last_trade, fixing = last_trade_day(product, month), fixing_days(product, month)
    settlement, known = product.text("settlement"), product.text("settlement_known")
    close = product.text("last_trade_time" if "last_trade_time" in product.terms else "trading_close")
    days = calendar(product, "calendar_fixing")
    listed = product.get("listed_months") or "unknown"
    return Contract(
        code=codes.contract_code(product.code, month), product=product.code,
        symbol=codes.symbol_of(product.text("symbol"), month), month=month,
        listed_at=_listed_at(product, month), last_trade_at=clock(close, last_trade),
        settlement_at=settlement_time(known, days, fixing[-1] if fixing else last_trade),
        fixing_days=fixing,
        rule=f"listed {listed}; last trade {product.text('last_trade')}, {close}; "
             f"settlement {settlement}, known {known}; calendar {days.name} ({days.version})",
    )


def contracts(product: Product, first: dt.date, last: dt.date) -> list[Contract]:
    """Contracts that can be traded at some time from ``first`` to ``last``, in order of delivery."""
    if last < first:
        raise UsageError(f"the last day must not be before the first, found {first} to {last}")
    if product.is_perpetual:
        return [contract(product, PERPETUAL)]
    listed = product.text("listed_months")
    if listed == "any":
        raise UsageError(f"{product.code} lists any month: name the contracts, there is no rule to list them by")
    # A contract trades until the end of its delivery month at the latest, so earlier months cannot matter.
    start, found = product.get("first_month"), []
    begin = max(codes.month_of(first), start) if isinstance(start, int) else codes.month_of(first)
    for month in months_from(listed_sequence(listed)[0], begin):
        if _listed_at(product, month) >= nanos_of(last + dt.timedelta(days=1)):
            break
        candidate = contract(product, month)
        if candidate.last_trade_at >= nanos_of(first):
            found.append(candidate)
    return found


def undated(product: Product, code: str, symbol: str) -> Contract:
    """A contract that never expires."""
    return Contract(code=code, product=product.code, symbol=symbol, month=PERPETUAL, listed_at=_first_listed(product),
                    last_trade_at=NEVER, settlement_at=NEVER, fixing_days=(), rule="never expires")


def _first_listed(product: Product) -> int:
    if "first_listed" not in product.terms:
        return 0
    first = product.term("first_listed")
    assert isinstance(first, dt.date)
    return nanos_of(first)


def _listed_at(product: Product, month: int) -> int:
    """Midnight UTC of the first session after the last trade of the contract that makes room for this one; 0, from the
    first price on, when the product lists any month or nobody has published its rule."""
    listed = product.get("listed_months")
    if not isinstance(listed, str) or listed == "any":
        return _first_listed(product)
    months, count = listed_sequence(listed)
    ended = _last_trade_day(product, step_back(months, month, count))
    return max(_first_listed(product), calendar(product, "calendar_trading").after(ended) * NANOS_PER_DAY)
