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
from kilohour.contracts.contract import NEVER, PERPETUAL, Contract
from kilohour.contracts.terms import SPECS, UNKNOWN, Term, Unknown, Value, parse_term, plain
from kilohour.errors import UnknownName, UnknownTerm, UsageError
from kilohour.units import day_of, nanos_of

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
            raise UsageError(f"{self.code}: term {missing[0]!r} is missing; write \"unknown\" when nobody has published it")

    def _required(self) -> Iterator[str]:
        yield from (name for name, spec in SPECS.items() if spec.required)
        if self.is_perpetual:
            return
        yield from ("settlement", "settlement_known")
        if self.get("settlement") != "stated":
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

    @property
    def unknown_terms(self) -> tuple[str, ...]:
        """Names of the terms nobody has published and no assumption fills."""
        return tuple(name for name, term in self.terms.items() if term.value is UNKNOWN)

    @property
    def assumed_terms(self) -> dict[str, Term]:
        """The terms an assumptions file filled, for the manifest and the report."""
        return {name: term for name, term in self.terms.items() if term.assumed_by is not None}

    def _unknown(self, name: str, term: Term) -> UnknownTerm:
        from kilohour.contracts.assumptions import shipped_that_fill

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
        return not self.is_perpetual and self.text("settlement") != "stated"

    def _words(self, name: str) -> str | None:
        value = self.get(name)
        return None if value is None else str(value)

    # Days

    def trading_days(self) -> BusinessDays:
        """Days with a session."""
        return self._calendar(self.calendar_trading)

    def business_days(self) -> BusinessDays:
        """Days that fix, and that last-trade rules count."""
        return self._calendar(self.calendar_fixing)

    def _calendar(self, name: str) -> BusinessDays:
        from kilohour.contracts.calendars import CalendarRule, business_days

        own = [rule for rule in self.calendars if rule.name == name]
        return business_days(own[0] if own else CalendarRule(name, name))

    def close_at(self, day: int) -> int:
        """Time of the daily bar and mark of a day, nanoseconds UTC."""
        from kilohour.contracts.days import clock

        return clock(self.text("trading_close"), day)

    def last_trade_day(self, month: int) -> int:
        """Last trading day of a delivery month, days since 1970."""
        from kilohour.contracts.days import LAST_TRADE_RULES

        self._check_month(month)
        return LAST_TRADE_RULES[self.text("last_trade")](self.business_days(), month)

    def fixing_days(self, month: int) -> tuple[int, ...]:
        """Value dates whose prints settle a delivery month, days since 1970; none when the venue states the price."""
        from kilohour.contracts.days import fixing_days

        return fixing_days(self.text("settlement"), self.business_days(), month, self.last_trade_day(month))

    def _check_month(self, month: int) -> None:
        from kilohour.contracts.days import listed_sequence, months_from

        if self.is_perpetual:
            raise UsageError(f"{self.code} is perpetual: it has no delivery month, found {month}")
        codes.check_month(month)
        first = self.get("first_month")
        if isinstance(first, int) and month < first:
            raise UsageError(f"{self.code}: the first delivery month is {first}, found {month}")
        listed = self.text("listed_months")
        if listed != "any":
            months, _ = listed_sequence(listed)
            if month % 100 not in months:
                raise UsageError(f"{self.code} lists {listed}: {month} is none of them, the next is "
                                 f"{next(months_from(months, month))}")

    # Contracts

    def contract(self, month: int) -> Contract:
        """The contract of a delivery month YYYYMM (0 for a perpetual) with its days worked out.

        Raises :class:`UsageError` for a month that is not listed and :class:`UnknownTerm` when a rule is unknown.
        """
        if month == PERPETUAL and self.is_perpetual:
            return self._undated(codes.contract_code(self.code, PERPETUAL), self.text("symbol"), self._first_listed())
        from kilohour.contracts.days import clock, settlement_time

        last_trade = self.last_trade_day(month)
        fixing = self.fixing_days(month)
        close = self.text("last_trade_time" if "last_trade_time" in self.terms else "trading_close")
        days = self.business_days()
        settlement, known = self.text("settlement"), self.text("settlement_known")
        return Contract(
            code=codes.contract_code(self.code, month), product=self.code,
            symbol=codes.symbol_of(self.text("symbol"), month), month=month,
            listed_at=self._listed_at(month), last_trade_at=clock(close, last_trade),
            settlement_at=settlement_time(known, days, fixing[-1] if fixing else last_trade),
            fixing_days=fixing,
            rule=f"last trade {self.text('last_trade')}, {close}; settlement {settlement}, known {known}; "
                 f"calendar {days.name} ({days.version})",
        )

    def contracts(self, first: dt.date, last: dt.date) -> list[Contract]:
        """Contracts that can be traded at some time from ``first`` to ``last``, in order of delivery."""
        from kilohour.contracts.days import listed_sequence, months_from

        if last < first:
            raise UsageError(f"the last day must not be before the first, found {first} to {last}")
        if self.is_perpetual:
            return [self.contract(PERPETUAL)]
        listed = self.text("listed_months")
        if listed == "any":
            raise UsageError(f"{self.code} lists any month: name the contracts, there is no rule to list them by")
        start, found = self.get("first_month"), []
        begin = codes.month_of(first)
        # A contract that delivers in month m trades until m at the latest, so earlier months cannot matter.
        for month in months_from(listed_sequence(listed)[0], max(begin, start) if isinstance(start, int) else begin):
            if self._listed_at(month) >= nanos_of(last + dt.timedelta(days=1)):
                return found
            contract = self.contract(month)
            if contract.last_trade_at >= nanos_of(first):
                found.append(contract)
        raise AssertionError("months_from has no end")

    def contract_named(self, name: str, *, near: int | None = None) -> Contract:
        """The contract a file calls ``name``: our code, the venue's symbol, or a month as 2026-12 or 202612.

        ``near`` is the year that settles a symbol with a short year. A product that lists ``any`` month also takes any
        other name, as a contract that never expires. Raises :class:`UsageError` when the name fits none.
        """
        month = self.month_named(name, near=near)
        if month is not None:
            return self.contract(month)
        if self.get("listed_months") == "any":
            return self._undated(f"{self.code}-{name}", name, 0)
        example = self.text("symbol")
        raise UsageError(f"{self.code}: a contract must be named by its code, by a symbol like {example} or by its month, "
                         f"found {name!r}")

    def month_named(self, name: str, *, near: int | None = None) -> int | None:
        """The month that a code, a symbol or a month in digits names; None when it is none of them."""
        product, month = codes.split_code(name)
        if product == self.code and month is not None:
            return month
        digits = _MONTH_NAME.fullmatch(name)
        if digits is not None:
            return codes.check_month(int(digits[1]) * 100 + int(digits[2]))
        return codes.month_of_symbol(self.text("symbol"), name, near=near)

    def _undated(self, code: str, symbol: str, listed_at: int) -> Contract:
        return Contract(code=code, product=self.code, symbol=symbol, month=PERPETUAL, listed_at=listed_at, last_trade_at=NEVER,
                        settlement_at=NEVER, fixing_days=(), rule="never expires")

    def _first_listed(self) -> int:
        if "first_listed" not in self.terms:
            return 0
        first = self.term("first_listed")
        assert isinstance(first, dt.date)
        return nanos_of(first)

    def _listed_at(self, month: int) -> int:
        """Midnight UTC of the first session after the last trade of the contract that makes room for this one."""
        from kilohour.contracts.days import LAST_TRADE_RULES, listed_sequence, step_back

        listed = self.text("listed_months")
        if listed == "any":
            return self._first_listed()
        before = step_back(*_swap(listed_sequence(listed), month))
        ended = LAST_TRADE_RULES[self.text("last_trade")](self.business_days(), before)
        opened = self.trading_days().after(ended)
        return max(self._first_listed(), opened * 86_400_000_000_000)

    # Copies

    def replace(self, *, source: str = "our own", name: str | None = None, **values: object) -> Product:
        """A copy with other values for some terms, each given as in a TOML file.

        >>> Product.simple("MY:GPU", lot=730, tick="0.01").replace(half_spread_ticks=2).ratio("half_spread_ticks")
        Fraction(2, 1)
        """
        terms = dict(self.terms)
        for term_name, raw in values.items():
            terms[term_name] = read_term(self.code, term_name, raw, source)
        return dataclasses.replace(self, name=name or self.name, terms=terms)

    @classmethod
    def simple(cls, code: str, *, lot: object, tick: object, currency: str = "USD", unit: str = "GPU-hour",
               name: str | None = None, **values: object) -> Product:
        """A complete product for prices of one's own; any other term can be given by name.

        Unless told otherwise it lists any month and any contract name, ends on the last day of a named month, is settled
        at the price the data states, and costs 1 basis point of notional and half a spread of one tick a trade, at most
        10 % of a bar's volume, with margin of 20 % and 15 %.

        >>> Product.simple("MY:GPU", lot=730, tick="0.01").contract_named("front").code
        'MY:GPU-front'
        """
        given: dict[str, object] = {**_SIMPLE, "currency": currency, "unit": unit, "lot": _exact(lot), "tick": _exact(tick)}
        given |= {key: _exact(value) for key, value in values.items()}
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
        terms = {name: dataclasses.replace(read_term(code, name, term["value"], term["source"]), assumed_by=term["assumed_by"])
                 for name, term in data["terms"].items()}
        return cls(code, data["name"], terms, tuple(CalendarRule.from_dict(rule) for rule in data["calendars"]))


_SIMPLE: Mapping[str, object] = {
    "status": "ours", "listed_months": "any", "calendar_trading": "24/7", "calendar_fixing": "24/7",
    "trading_close": "23:59 UTC", "last_trade": "last_day_of_month", "settlement": "stated",
    "settlement_known": "0 business days, 23:59 UTC", "delivery": "cash",
    "fee_per_lot": 0, "fee_ppm": 100, "fee_settlement_per_lot": 0,
    "margin_initial_ppm": 200_000, "margin_maintenance_ppm": 150_000, "margin_initial_floor": 0, "margin_maintenance_floor": 0,
    "half_spread_ticks": 1, "participation_ppm": 100_000, "days_per_year": 252,
}


def read_term(product: str, name: str, raw: object, source: str, *, where: str = "") -> Term:
    """A term from its raw value. Raises :class:`UnknownName` and :class:`UsageError`, which begin with ``where``."""
    if name not in SPECS:
        raise UnknownName("term", name, SPECS, where=f"{where}{product}")
    try:
        return Term(parse_term(name, raw), source)
    except ValueError as error:
        raise UsageError(f"{where}{product}: term {name!r} {error}") from None


def _exact(value: object) -> object:
    # A float from Python code: 0.01 means one hundredth, as it is written.
    return str(value) if isinstance(value, float) else value


def _swap(sequence: tuple[tuple[int, ...], int], month: int) -> tuple[tuple[int, ...], int, int]:
    return sequence[0], month, sequence[1]
