# SPDX-License-Identifier: Apache-2.0
"""A product: its terms with their sources, and the contracts that follow from them."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from kilohour.contracts import codes
from kilohour.contracts.contract import Contract
from kilohour.contracts.margin import check_margin
from kilohour.contracts.specs import SPECS, WITHOUT_PRINTS, Spec, Value
from kilohour.contracts.terms import UNKNOWN, Term, Unknown, parse_term, plain
from kilohour.errors import UnknownName, UnknownTerm, UsageError

if TYPE_CHECKING:
    from kilohour.contracts.calendars import BusinessDays, CalendarRule

_NEEDED_TO_FIX = ("index", "settlement_rounding", "missing_day", "restatement")
_MONTH_NAME = re.compile(r"(\d{4})-?(\d{2})")


@dataclass(frozen=True, slots=True)
class Product:
    """A line of contracts on one underlying at one venue. Immutable; :meth:`replace` makes a changed copy."""

    code: str
    """``VENUE:PRODUCT``."""
    name: str
    terms: Mapping[str, Term]
    calendars: tuple[CalendarRule, ...] = ()
    """Calendars with dated exceptions that the terms name; other names are the library's."""

    def __post_init__(self) -> None:
        if not codes.is_product_code(self.code):
            raise UsageError(f"a product code must read VENUE:PRODUCT in capitals, found {self.code!r}")
        for name in self.terms:
            if name not in SPECS:
                raise UnknownName("term", name, SPECS, where=self.code)
        missing = [name for name in self._required() if name not in self.terms]
        if missing:
            raise UsageError(f"{self.code}: term {missing[0]!r} is missing; "
                             "write \"unknown\" when nobody has published it")
        self._check_together()

    def _check_together(self) -> None:
        if (self.get("last_trade") == "never") != self.is_perpetual:
            raise UsageError(f"{self.code}: last_trade must be 'never' for a perpetual and only there, "
                             f"found {self.get('last_trade')!r} with listed_months {self.get('listed_months')!r}")
        for least, most in (("margin_maintenance_ppm", "margin_initial_ppm"),
                            ("margin_maintenance_floor", "margin_initial_floor")):
            low, high = self.get(least), self.get(most)
            if isinstance(low, int | Fraction) and isinstance(high, int | Fraction) and low > high:
                raise UsageError(f"{self.code}: {least} must not be above {most} ({high}), found {low}")
        check_margin(self)

    def _required(self) -> Iterator[str]:
        yield from (name for name, spec in SPECS.items() if spec.required)
        if self.is_perpetual:
            return
        yield from ("calendar_fixing", "settlement", "settlement_known")
        if self.get("settlement") not in WITHOUT_PRINTS:
            yield from _NEEDED_TO_FIX
        if self.get("delivery") == "physical":
            yield "held_into_delivery"

    # Terms

    def term(self, name: str) -> Value:
        """The value of a term.

        Raises :class:`UnknownTerm` when nobody has published it and no assumption fills it, :class:`UnknownName` when
        there is no such term, :class:`UsageError` when it does not apply to the product.
        """
        if name not in SPECS:
            raise UnknownName("term", name, SPECS, where=self.code)
        term = self.terms.get(name)
        if term is None:
            raise UsageError(f"{self.code}: term {name!r} does not apply to this product")
        if isinstance(term.value, Unknown):
            raise self._unknown(name, term)
        return term.value

    def get(self, name: str) -> Value | None:
        """The value of a term; None when it is unknown or does not apply."""
        term = self.terms.get(name)
        return None if term is None or isinstance(term.value, Unknown) else term.value

    def ratio(self, name: str) -> Fraction:
        """A term that is an exact ratio."""
        value = self.term(name)
        assert isinstance(value, Fraction), f"{name} is not a ratio"
        return value

    def whole(self, name: str) -> int:
        """A term that is a whole number."""
        value = self.term(name)
        assert isinstance(value, int), f"{name} is not a whole number"
        return value

    def text(self, name: str) -> str:
        """A term in words."""
        value = self.term(name)
        assert isinstance(value, str), f"{name} is not text"
        return value

    def is_known(self, name: str) -> bool:
        """False for a term that nobody has published and no assumption fills; True also where it does not apply."""
        return name not in self.terms or self.terms[name].is_known

    @property
    def unknown_terms(self) -> tuple[str, ...]:
        """Names of the terms nobody has published and no assumption fills."""
        return tuple(name for name, term in self.terms.items() if term.value is UNKNOWN)

    @property
    def assumed_terms(self) -> dict[str, Term]:
        """The terms an assumptions file filled, for the manifest and the report."""
        return {name: term for name, term in self.terms.items() if term.assumed_by is not None}

    def _unknown(self, name: str, term: Term) -> UnknownTerm:
        from kilohour.contracts.assumed import shipped_that_fill

        fills = shipped_that_fill(self.code, name)
        way = (f"fill it with the assumptions {' or '.join(fills)} (--assume {fills[0]})" if fills
               else "no shipped assumptions fill it: write your own file and pass it with --assume FILE")
        return UnknownTerm(f"{self.code}: term {name!r} is unknown ({term.source}); {way}")

    @property
    def venue(self) -> str:
        """What stands before the colon of the code."""
        return self.code.partition(":")[0]

    @property
    def chip(self) -> str | None:
        """``H100``; None for an energy product."""
        return self._words("chip")

    @property
    def index(self) -> str | None:
        """Code of the index it settles on; None when there is none or it is unknown."""
        return self._words("index")

    @property
    def region(self) -> str | None:
        """Where the hours are sold."""
        return self._words("region")

    @property
    def unit(self) -> str:
        """``GPU-hour``, ``barrel``, ``MMBtu``."""
        return self.text("unit")

    @property
    def currency(self) -> str:
        """Currency of price and settlement."""
        return self.text("currency")

    @property
    def status(self) -> str:
        """``ours``, ``listed``, ``pending``, ``announced``, ``historical`` or ``delisted``."""
        return self.text("status")

    @property
    def calendar_trading(self) -> str:
        """Name of the calendar of sessions."""
        return self.text("calendar_trading")

    @property
    def calendar_fixing(self) -> str:
        """Name of the calendar of business days."""
        return self.text("calendar_fixing")

    @property
    def is_perpetual(self) -> bool:
        """True when it has one contract without a delivery month."""
        return self.get("listed_months") == "perpetual"

    @property
    def fixes(self) -> bool:
        """True when prints of an index settle it, by the product's rule."""
        return not self.is_perpetual and self.text("settlement") not in WITHOUT_PRINTS

    def _words(self, name: str) -> str | None:
        value = self.get(name)
        return None if value is None else str(value)

    # Days and contracts

    def trading_days(self) -> BusinessDays:
        """Days with a session."""
        from kilohour.contracts.schedule import calendar

        return calendar(self, "calendar_trading")

    def business_days(self) -> BusinessDays:
        """Days that fix, and that last-trade rules count."""
        from kilohour.contracts.schedule import calendar

        return calendar(self, "calendar_fixing")

    def close_at(self, day: int) -> int:
        """Time of the daily bar and mark of a day (days since 1970), nanoseconds UTC."""
        from kilohour.contracts.days import clock

        return clock(self.text("trading_close"), day)

    def last_trade_day(self, month: int) -> int:
        """Last trading day of a delivery month, days since 1970."""
        from kilohour.contracts import schedule

        return schedule.last_trade_day(self, month)

    def fixing_days(self, month: int) -> tuple[int, ...]:
        """Value dates whose prints settle a delivery month, days since 1970; none when the venue states the price."""
        from kilohour.contracts import schedule

        return schedule.fixing_days(self, month)

    def contract(self, month: int) -> Contract:
        """The contract of a delivery month YYYYMM (0 for a perpetual) with its days worked out.

        Raises :class:`UsageError` for a month that is not listed and :class:`UnknownTerm` when a rule is unknown.
        """
        from kilohour.contracts import schedule

        return schedule.contract(self, month)

    def contracts(self, first: dt.date, last: dt.date) -> list[Contract]:
        """Contracts that can be traded at some time from ``first`` to ``last``, in order of delivery.

        A contract is listed on the first session after the last trade of the one that makes room for it.
        """
        from kilohour.contracts import schedule

        return schedule.contracts(self, first, last)

    def contract_named(self, name: str, *, near: int | None = None) -> Contract:
        """The contract a file calls ``name``: our code, the venue's symbol, or a month as 2026-12 or 202612.

        ``near`` is the year that settles a symbol with a short year. A product that lists ``any`` month also takes any
        other name, as a contract that never expires. Raises :class:`UsageError` when the name fits none.
        """
        month = self.month_named(name, near=near)
        if month is not None:
            return self.contract(month)
        if self.get("listed_months") == "any":
            from kilohour.contracts.schedule import undated

            return undated(self, f"{self.code}-{name}", name)
        example = codes.symbol_of(self.text("symbol"), 202612)
        raise UsageError(f"{self.code}: a contract must be named by its code, by a symbol like {example} "
                         f"or by its month, found {name!r}")

    def month_named(self, name: str, *, near: int | None = None) -> int | None:
        """The month that a code, a symbol or a month in digits names; None when it is none of them."""
        product, month = codes.split_code(name)
        if product == self.code and month is not None:
            return month
        digits = _MONTH_NAME.fullmatch(name)
        if digits is not None:
            return codes.check_month(int(digits[1]) * 100 + int(digits[2]))
        return codes.month_of_symbol(self.text("symbol"), name, near=near)

    # Copies

    def replace(self, *, source: str = "our own", name: str | None = None, **values: object) -> Product:
        """A copy with other values for some terms, each given as in a TOML file.

        >>> Product.simple("MY:GPU", lot=730, tick="0.01").replace(half_spread_ticks=2).ratio("half_spread_ticks")
        Fraction(2, 1)
        """
        terms = dict(self.terms)
        for term_name, raw in values.items():
            terms[term_name] = read_term(self.code, term_name, _exact(raw), source)
        return dataclasses.replace(self, name=name or self.name, terms=terms)

    @classmethod
    def simple(cls, code: str, *, lot: object, tick: object, currency: str = "USD", unit: str = "GPU-hour",
               name: str | None = None, **values: object) -> Product:
        """A complete product for prices of one's own; any other term can be given by name.

        Unless told otherwise it lists any month and any contract name, ends on the last day of a named month, is
        settled at the price the data states, costs 1 basis point of notional and one tick (half a spread) a trade,
        takes at most 10 % of a bar's volume, and asks margin of 20 % (initial) and 15 % (maintenance).

        >>> Product.simple("MY:GPU", lot=730, tick="0.01").contract_named("front").code
        'MY:GPU-front'
        """
        named = {"currency": currency, "unit": unit, "lot": lot, "tick": tick, **values}
        given: dict[str, object] = {**_SIMPLE, **{key: _exact(value) for key, value in named.items()}}
        if "symbol" not in values:
            given["symbol"] = code.partition(":")[2] + "-{YYYY}-{MM}"
        source = "our own: Product.simple"
        terms = {key: read_term(code, key, given[key], source) for key in SPECS if key in given}
        for key in given:
            if key not in SPECS:
                raise UnknownName("term", key, SPECS, where=code)
        return cls(code, name or code, terms)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; :meth:`from_dict` reads them back."""
        return {"code": self.code, "name": self.name,
                "terms": {name: {"value": plain(term.value), "source": term.source, "assumed_by": term.assumed_by}
                          for name, term in self.terms.items()},
                "calendars": [rule.to_dict() for rule in self.calendars]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Product:
        """The product that :meth:`to_dict` wrote. Raises :class:`UsageError` when a term breaks its rule."""
        from kilohour.contracts.calendars import CalendarRule

        code = data["code"]
        terms = {}
        for name, term in data["terms"].items():
            stated = read_term(code, name, term["value"], term["source"])
            terms[name] = dataclasses.replace(stated, assumed_by=term["assumed_by"])
        return cls(code, data["name"], terms, tuple(CalendarRule.from_dict(rule) for rule in data["calendars"]))


_SIMPLE: Mapping[str, object] = {
    "status": "ours", "listed_months": "any", "calendar_trading": "24/7", "calendar_fixing": "24/7",
    "trading_close": "23:59 UTC", "last_trade": "last_day_of_month", "settlement": "stated",
    "settlement_known": "0 business days, 23:59 UTC", "delivery": "cash",
    "fee_per_lot": 0, "fee_ppm": 100, "fee_settlement_per_lot": 0,
    "margin_initial_ppm": 200_000, "margin_maintenance_ppm": 150_000,
    "margin_initial_floor": 0, "margin_maintenance_floor": 0,
    "half_spread_ticks": 1, "participation_ppm": 100_000, "days_per_year": 252,
}


def read_term(product: str, name: str, raw: object, source: str, *, where: str = "", specs: Mapping[str, Spec] = SPECS) -> Term:
    """A term from its raw value. Raises :class:`UnknownName` and :class:`UsageError`, which begin with ``where``."""
    if name not in specs:
        raise UnknownName("term", name, specs, where=f"{where}{product}")
    try:
        return Term(parse_term(name, raw, specs), source)
    except ValueError as error:
        raise UsageError(f"{where}{product}: term {name!r} {error}") from None


def _exact(value: object) -> object:
    # A float from Python code: 0.01 means one hundredth, as it is written.
    return str(value) if isinstance(value, float) else value
