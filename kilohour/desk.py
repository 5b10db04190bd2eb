# SPDX-License-Identifier: Apache-2.0
"""The desk: all that a strategy sees and all that it can ask for.

It holds the present, copied in by the engine, and no tape: reading ahead is impossible, not forbidden. Contracts,
products and series are small numbers (rows); prices are floats in the product's currency per unit, positions whole
lots, times nanoseconds UTC. A row out of range, or a question without an answer, raises.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from typing import Any, cast

import numpy as np

from kilohour import maths
from kilohour.desk_orders import DeskOrders
from kilohour.kernels.records import CHAIN, DESK, REQUEST_TARGET

NANOS_PER_DAY = 86_400_000_000_000
_COLUMN_NAMES: dict[int, str] = {}


@cache
def column_key(name: str) -> int:
    """The number under which a recorded column travels: 62 bits of a hash of its name."""
    key = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little") >> 2
    _COLUMN_NAMES[key] = name
    return key


def column_name(key: int) -> str:
    """The name behind a key, for every name this process has seen."""
    return _COLUMN_NAMES[key]


def know_columns(functions: Iterable[Any]) -> None:
    """Makes the names that functions may record known: code that comes from the cache never names them to this process."""
    for function in functions:
        code = function.__code__
        for value in (*code.co_consts, *(function.__globals__.get(name) for name in code.co_names)):
            if isinstance(value, str):
                column_key(value)


class Desk(DeskOrders):
    """The present, and the verbs. ``contract``, ``product`` and ``index`` arguments are rows."""

    _kilohour_dtype = DESK

    # -- contracts of a product -------------------------------------------------------------------------------

    def nth(self, product: Any, n: int, days: int = 0) -> int:
        """The n-th contract (1 = nearest) of those whose fixing window begins more than ``days`` calendar days from now.

        Raises ValueError when fewer are listed; ask :meth:`count` first.
        """
        if product < 0 or product >= self.product_count:
            raise ValueError("desk.nth: no such product in this run")
        at = self.front_at[product]  # the front is kept up to date: without days there is nothing to skip
        if days > 0:
            at = self._after(product, at, days)
        if n < 1 or at + n > self.chain_count[product]:
            raise ValueError("desk.nth: fewer contracts are listed than n; ask desk.count first")
        return self.chain[product * CHAIN + at + n - 1]

    def count(self, product: Any, days: int = 0) -> int:
        """How many contracts :meth:`nth` can count."""
        if product < 0 or product >= self.product_count:
            raise ValueError("desk.count: no such product in this run")
        at = self.front_at[product]
        if days > 0:
            at = self._after(product, at, days)
        return self.chain_count[product] - at

    def rolled(self, product: Any) -> bool:
        """True when another contract became the first unfixed one since the strategy last ran."""
        if product < 0 or product >= self.product_count:
            raise ValueError("desk.rolled: no such product in this run")
        return self.front_changed[product] != 0

    def has_later(self, contract: int, places: int = 1) -> bool:
        """True when :meth:`later` has an answer."""
        return self._place(contract) + places < self.chain_count[self.product_of[contract]]

    def later(self, contract: int, places: int = 1) -> int:
        """The listed contract of the same product that delivers ``places`` contracts after this one.

        Raises ValueError when none is listed so far out; ask :meth:`has_later` first.
        """
        if places < 1 or not self.has_later(contract, places):
            raise ValueError("desk.later: no contract is listed so many places later; ask desk.has_later first")
        return self.chain[self.product_of[contract] * CHAIN + self._place(contract) + places]

    def is_listed(self, contract: int) -> bool:
        """True while the contract can be traded."""
        return self.listed[self._row(contract)] != 0

    def is_open(self, contract: int) -> bool:
        """True while orders in the contract are matched: its session is neither halted nor before its opening, nor closed."""
        return self.session[self._row(contract)] == 0

    def month(self, contract: int) -> int:
        """Delivery month as YYYYMM, 0 for a perpetual."""
        return self.delivery_month[self._row(contract)]

    def months_between(self, near: int, far: int) -> int:
        """Calendar months from one delivery month to another."""
        a, b = self.month(near), self.month(far)
        return (b // 100 - a // 100) * 12 + b % 100 - a % 100

    def days_to_fixing(self, contract: int) -> float:
        """Days until the fixing window begins; negative inside it."""
        return (self.fixing_at[self._row(contract)] - self.now) / 86400e9

    def days_to_last_trade(self, contract: int) -> float:
        """Days until the last trade."""
        return (self.last_trade_at[self._row(contract)] - self.now) / 86400e9

    def date(self) -> int:
        """Today in UTC as YYYYMMDD.

        Source: Reingold and Dershowitz, Calendrical Calculations, chapter 2: a year that begins in March has its leap day
        at its end, so months are runs of 153 days in five.
        """
        days = self.now // NANOS_PER_DAY + 719_468
        century_days = days - days // 146_097 * 146_097
        year = (century_days - century_days // 1460 + century_days // 36_524 - century_days // 146_096) // 365
        day_of_year = century_days - (365 * year + year // 4 - year // 100)
        month = (5 * day_of_year + 2) // 153
        day = day_of_year - (153 * month + 2) // 5 + 1
        year += days // 146_097 * 400 + (1 if month > 9 else 0)
        return (year * 100 + (month + 3 if month < 10 else month - 9)) * 100 + day

    # -- prices -----------------------------------------------------------------------------------------------

    def price(self, contract: int) -> float:
        """Last traded price, NaN before the first bar."""
        if not 0 <= contract < self.contract_count:
            raise ValueError("desk: no such contract in this run")
        return self.last[contract]

    def mark(self, contract: int) -> float:
        """Last official settlement price, NaN before the first."""
        return self.official[self._row(contract)]

    def bid(self, contract: int) -> float:
        """Best displayed bid; NaN when there is none or it is stale (docs/fills.md)."""
        return self.bid_price[contract] if self.bid_size(contract) > 0 else maths.nan

    def ask(self, contract: int) -> float:
        """Best displayed ask; NaN when there is none or it is stale."""
        return self.ask_price[contract] if self.ask_size(contract) > 0 else maths.nan

    def bid_size(self, contract: int) -> int:
        """Lots displayed at the best bid, less what this account has taken of them; 0 when there are none or they are stale."""
        return self.bid_lots[contract] if self._is_quoted(contract) else 0

    def ask_size(self, contract: int) -> int:
        """Lots displayed at the best ask, less what this account has taken of them; 0 when there are none or they are stale."""
        return self.ask_lots[contract] if self._is_quoted(contract) else 0

    def age(self, contract: int) -> int:
        """Nanoseconds since the last bar. Raises before the first."""
        if self.seen_at[self._row(contract)] < 0:
            raise ValueError("desk.age: the contract has no bar yet; desk.price is NaN until then")
        return self.now - self.seen_at[contract]

    def volume(self, contract: int) -> int:
        """Lots traded in the last bar seen; -1 when it was not published or no bar came yet."""
        return max(self.traded[self._row(contract)], -1)

    def interest(self, contract: int) -> int:
        """Open interest in lots as last published, 0 before."""
        return self.open_interest[self._row(contract)]

    def has_volatility(self, contract: int) -> bool:
        """True once the contract has had two marks that differ in time."""
        variance = self.variance[self._row(contract)]
        return variance == variance

    def volatility(self, contract: int) -> float:
        """Daily volatility of the contract's marks, currency per unit (docs/engine.md, "Desk"). Raises before two marks."""
        if not self.has_volatility(contract):
            raise ValueError("desk.volatility: the contract has fewer than two marks; ask desk.has_volatility first")
        return maths.sqrt(self.variance[contract])

    def unit_count(self, contract: int) -> float:
        """Units in one lot, e.g. 730 GPU-hours."""
        return self.units_per_lot[self._row(contract)]

    # -- fixing -----------------------------------------------------------------------------------------------

    def fixed_share(self, contract: int) -> float:
        """Share of the fixing window whose prints are known, 0 to 1."""
        if self.fixing_count[self._row(contract)] == 0:
            return 0.0
        return float(self.fixed_count[contract]) / float(self.fixing_count[contract])

    def fixed_mean(self, contract: int) -> float:
        """Mean of the prints known so far in the fixing window. Raises before the first."""
        if self.fixed_count[self._row(contract)] == 0:
            raise ValueError("desk.fixed_mean: no print of the window is known; ask desk.fixed_share first")
        return self.fixed_sum[contract] / float(self.fixed_count[contract])

    def open_delta(self, contract: int) -> float:
        """Units still exposed to the price: units per lot × lots held × the share of the window that is not fixed yet."""
        share = 1.0 - self.fixed_share(contract)
        return self.units_per_lot[contract] * float(self.held[contract]) * share

    # -- published series -------------------------------------------------------------------------------------

    def has_value(self, index: Any) -> bool:
        """True once the series has a print."""
        return self.index_known_at[self._series(index)] > 0

    def value(self, index: Any) -> float:
        """The print of the latest value date, as known now. Raises before the first."""
        if not self.has_value(index):
            raise ValueError("desk.value: the series has no print yet; ask desk.has_value first")
        return self.index_value[index]

    def value_day(self, index: Any) -> int:
        """Value date of :meth:`value`, days since 1970. Raises before the first."""
        if not self.has_value(index):
            raise ValueError("desk.value_day: the series has no print yet; ask desk.has_value first")
        return self.index_value_day[index]

    def is_new(self, index: Any) -> bool:
        """True when a print of the series came since the strategy last ran."""
        return self.index_fresh[self._series(index)] != 0

    # -- account ----------------------------------------------------------------------------------------------

    def position(self, contract: int) -> int:
        """Lots held, short negative."""
        if not 0 <= contract < self.contract_count:
            raise ValueError("desk: no such contract in this run")
        return self.held[contract]

    def working(self, contract: int) -> int:
        """Lots in working orders, sells negative."""
        return self.on_target[self._row(contract)] + self.on_order[contract]

    def equity(self) -> float:
        """Cash and open variation, in the account's currency."""
        self._check_tracked()
        return float(self.equity_micros) / 1e6

    def cash(self) -> float:
        """Cash in the account."""
        self._check_tracked()
        return float(self.cash_micros) / 1e6

    def margin(self) -> float:
        """Initial margin of the positions as of the last mark."""
        return float(self.initial_micros) / 1e6

    # -- sizes ------------------------------------------------------------------------------------------------

    def lots_for_dollars(self, contract: int, amount: float) -> int:
        """Whole lots whose notional is at most ``amount``; the sign of the amount is kept."""
        notional = abs(self.last[self._row(contract)]) * self.units_per_lot[contract]
        if not notional > 0.0:
            raise ValueError("desk.lots_for_dollars: the contract's notional must be positive")
        return maths.truncate(amount / notional)

    def lots_for_volatility(self, contract: int, amount_per_day: float) -> int:
        """Whole lots whose daily volatility is at most ``amount_per_day``."""
        risk = self.volatility(contract) * self.units_per_lot[contract]
        if not risk > 0.0:
            return 0
        return maths.truncate(amount_per_day / risk)

    def lots_for_percent(self, contract: int, amount: float) -> int:
        """Whole lots that gain at most ``amount`` when the price moves by one per cent."""
        return self.lots_for_dollars(contract, amount * 100.0)

    # -- level 1: targets -------------------------------------------------------------------------------------

    def target(self, contract: int, lots: int) -> None:
        """Brings the position in one contract to ``lots``, over as many bars as it takes."""
        if self._is_off(contract, lots):
            self._name(contract, lots)
            self.basket_count += 1

    def target_spread(self, near: int, far: int, lots: int) -> None:
        """Brings ``near`` to ``lots`` and ``far`` to ``-lots``; the legs fill together. Raises when they are the same."""
        if near == far:
            raise ValueError("desk.target_spread: near and far must be two contracts")
        if self._is_off(near, lots) or self._is_off(far, -lots):
            self._name(near, lots)
            self._name(far, -lots)
            self.basket_count += 1

    def target_only(self, near: int, far: int, lots: int) -> None:
        """:meth:`target_spread`, which also closes every other contract of the two products."""
        if near == far:
            raise ValueError("desk.target_only: near and far must be two contracts")
        off = self._is_off(near, lots) or self._is_off(far, -lots)
        first, second = self.product_of[near], self.product_of[far]
        off = off or self._holds_other(first, near, far)
        if second != first:
            off = off or self._holds_other(second, near, far)
        if not off:
            return
        self._name(near, lots)
        self._name(far, -lots)
        self._close_other(first, near, far)
        if second != first:
            self._close_other(second, near, far)
        self.basket_count += 1

    def flat(self, product: Any) -> None:
        """Closes every listed contract of the product; legs that stand against each other close together."""
        if product < 0 or product >= self.product_count:
            raise ValueError("desk.flat: no such product in this run")
        if self._holds_other(product, -1, -1):
            self._close_other(product, -1, -1)
            self.basket_count += 1

    def close_outside(self, first: int, last: int) -> None:
        """Closes, one by one, every listed contract of a product that delivers before ``first`` or after ``last``.

        For a strip: what left it is closed, whatever its place. Raises ValueError unless both are of one product.
        """
        product = self.product_of[self._row(first)]
        if self.product_of[self._row(last)] != product:
            raise ValueError("desk.close_outside: first and last must be of one product")
        for at in range(product * CHAIN, product * CHAIN + self.chain_count[product]):
            other = self.chain[at]
            outside = self.delivery_month[other] < self.delivery_month[first] or self.delivery_month[other] > self.delivery_month[last]
            if outside and self._is_open(other):
                self._name(other, 0)
                self.basket_count += 1

    # -- the report -------------------------------------------------------------------------------------------

    def record(self, name: str, value: float) -> None:
        """Puts a named value into the run's records; at most 16 names. Compiled, the name must be a constant."""
        self._put(column_key(name), value)

    def _put(self, key: int, value: float) -> None:
        if self.column_limit == 0:
            return
        at = 0
        while at < self.column_count and self.column_key[at] != key:
            at += 1
        if at == self.column_count:
            if at == self.column_limit:
                raise ValueError("desk.record: at most 16 names")
            self.column_key[at] = key
            self.column_count += 1
        self.column_value[at] = value

    def _check_tracked(self) -> None:
        if self.tracks_equity == 0:
            raise ValueError("desk.equity and desk.cash must be called by name in the strategy's own methods or helpers")

    # -- helpers ----------------------------------------------------------------------------------------------

    def _after(self, product: Any, at: int, days: int) -> int:
        """The first place from ``at`` on whose fixing window begins more than ``days`` days from now."""
        then = self.now + days * NANOS_PER_DAY
        while at < self.chain_count[product] and self.fixing_at[self.chain[product * CHAIN + at]] <= then:
            at += 1
        return at

    def _place(self, contract: int) -> int:
        """Where a contract stands in its product's chain; one that left it stands just before those that deliver later."""
        product = self.product_of[self._row(contract)]
        start, count = product * CHAIN, self.chain_count[product]
        at = 0
        while at < count and self.chain[start + at] != contract:
            at += 1
        if at < count:
            return at
        at = 0
        while at < count and self.delivery_month[self.chain[start + at]] <= self.delivery_month[contract]:
            at += 1
        return at - 1

    def _series(self, index: Any) -> Any:
        if index < 0 or index >= self.index_count:
            raise ValueError("desk: no such series in this run")
        return index

    def _is_quoted(self, contract: int) -> bool:
        return self.quoted_at[self._row(contract)] >= 0 and self.now - self.quoted_at[contract] <= self.quote_life

    def _is_off(self, contract: int, lots: int) -> bool:
        # After an earlier request of this call what is working may be replaced: the gate decides in its turn.
        if not 0 <= contract < self.contract_count:
            raise ValueError("desk: no such contract in this run")
        return self.held[contract] + self.on_target[contract] != lots or self.request_count > 0

    def _is_open(self, contract: int) -> bool:
        if self.held[contract] != 0 or self.on_target[contract] != 0:
            return True
        for at in range(self.request_count):
            if self.request_kind[at] == REQUEST_TARGET and self.request_contract[at] == contract:
                return True
        return False

    def _holds_other(self, product: int, near: int, far: int) -> bool:
        for at in range(product * CHAIN, product * CHAIN + self.chain_count[product]):
            other = self.chain[at]
            if other != near and other != far and self._is_open(other):
                return True
        return False

    def _close_other(self, product: int, near: int, far: int) -> None:
        for at in range(product * CHAIN, product * CHAIN + self.chain_count[product]):
            other = self.chain[at]
            if other != near and other != far and self._is_open(other):
                self._name(other, 0)

    def _name(self, contract: int, lots: int) -> None:
        at = self._next_request(contract)
        self.request_kind[at] = REQUEST_TARGET
        self.request_contract[at] = contract
        self.request_lots[at] = lots
        self.request_basket[at] = self.basket_count


@cache
def _recorder(name: str) -> Any:
    """``record`` with its name already a number: what the compiled face calls."""
    key = np.int64(column_key(name))  # a plain constant would have _put compiled again for each name

    def record(self: Any, _name: str, value: float) -> None:
        self._put(key, value)

    return record


def register_desk() -> None:
    """Makes the desk's methods callable from compiled strategies."""
    from kilohour.faces.lowering import literal_method, register

    register(Desk)
    names = cast("tuple[str, ...]", DESK.names)
    literal_method(names[0], "record", _recorder)
