# SPDX-License-Identifier: Apache-2.0
"""The limits of a risk desk, asked of every order behind the venue's own rules. Rules: docs/engine.md, "Risk limits"."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from kilohour.errors import UnknownName, UsageError
from kilohour.kernels.words import TRADING_STATES

RATE_MOST = 1024
"""Orders or fills that the engine remembers for a rate."""
AMOUNT_MOST = 1e12
Limits = TypeVar("Limits", bound=Any)
LIVE = "live"
"""The table of a file of limits that only a live run reads (:class:`kilohour.execution.risk.LiveLimits`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskLimits:
    """Everything is off at zero. Lots are of one contract, units the product's (GPU-hours), money USD, losses from equity.

    >>> RiskLimits(order_lots=50, loss_daily=25_000).in_force()
    {'order_lots': 50, 'loss_daily': 25000}

    Raises :class:`~kilohour.errors.UsageError` for what makes no sense.
    """

    order_lots: int = 0
    order_notional: float = 0.0
    collar_percent: float = 0.0
    """How far a limit may lie beyond the market (dearer to buy, cheaper to sell), in per cent of the later of last price and mark."""
    collar_ticks: int = 0
    """The same in ticks; of two collars the nearer holds."""
    position_lots: int = 0
    product_gross: float = 0.0
    product_net: float = 0.0
    open_orders: int = 0
    open_notional: float = 0.0
    orders_per_second: int = 0
    orders_per_minute: int = 0
    duplicate_ms: float = 0.0
    """The same order again within this time is refused."""
    fills_most: int = 0
    """More fills than that within ``fills_within_ms`` halt trading."""
    fills_within_ms: float = 0.0
    self_match: bool = False
    """Refuse an order that could trade with one of one's own."""
    last_trade_days: float = 0.0
    """Days before a contract's last trade in which its positions may only be reduced."""
    loss_daily: float = 0.0
    """A loss since the end of the day before from which on positions may only be reduced, until the next day."""
    loss_drawdown: float = 0.0
    """The same for a fall from the highest equity, for good."""
    flat_daily: float = 0.0
    """A loss since the end of the day before at which everything is closed and trading is halted."""
    flat_drawdown: float = 0.0
    restricted: tuple[str, ...] = ()
    """Codes of contracts and products in which positions may only be reduced."""
    state: str = "active"
    """What the run begins in: ``active``, ``reduce_only`` or ``halted``."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name not in ("self_match", "restricted", "state"):
                check_number(field.name, value, whole=isinstance(field.default, int))
        if not isinstance(self.self_match, bool):
            raise UsageError(f"limits: self_match must be true or false, found {self.self_match!r}")
        if self.state not in TRADING_STATES:
            raise UnknownName("trading state", self.state, TRADING_STATES)
        codes: Any = self.restricted
        if not isinstance(codes, list | tuple) or not all(isinstance(code, str) for code in codes):
            raise UsageError(f"limits: restricted must be a list of codes, found {codes!r}")
        object.__setattr__(self, "restricted", tuple(codes))
        for name in ("orders_per_second", "orders_per_minute", "fills_most"):
            if getattr(self, name) > RATE_MOST:
                raise UsageError(f"limits: {name} must be at most {RATE_MOST}, found {getattr(self, name)}")
        if bool(self.fills_most) != bool(self.fills_within_ms):
            raise UsageError("limits: fills_most and fills_within_ms must be given together, found one of them")

    @classmethod
    def load(cls, path: str | Path, base: RiskLimits | None = None) -> RiskLimits:
        """Limits from a TOML file of the fields' names, over ``base``; its table ``[live]`` is for live runs alone.

        Raises :class:`UsageError` with the file and the field.
        """
        given = read_limits(path)
        given.pop(LIVE, None)
        return stated(base or cls(), given, str(path))

    def in_force(self) -> dict[str, Any]:
        """The limits that are not off, by name."""
        found = {field.name: getattr(self, field.name) for field in fields(self) if getattr(self, field.name) != field.default}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}

    def check_codes(self, products: Sequence[str], contracts: Sequence[str]) -> None:
        """Raises :class:`UnknownName` for a restricted code that the run does not have."""
        for code in self.restricted:
            if code not in products and code not in contracts:
                raise UnknownName("restricted contract or product", code, [*products, *contracts], where="this run")

    def sentence(self) -> str:
        """What a report says of it."""
        said = ", ".join(f"{name} {', '.join(value) if isinstance(value, list) else str(value).lower()}"
                         for name, value in self.in_force().items())
        return f"Risk limits of the run: {said}." if said else "The run has no risk limits of its own."


def read_limits(path: str | Path) -> dict[str, Any]:
    """A file of limits as it is written. Raises :class:`UsageError`."""
    path = Path(path)
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: is not TOML ({error})") from None
    if not isinstance(given.get(LIVE, {}), dict):
        raise UsageError(f"{path}: {LIVE} must be a table, found {given[LIVE]!r}")
    return given


def stated(base: Limits, given: Mapping[str, Any], where: str) -> Limits:
    """A class of limits with what a file states. Raises :class:`UnknownName`, :class:`UsageError` naming the file."""
    names = [field.name for field in fields(base)]
    for name in given:
        if name not in names:
            raise UnknownName("limit", name, names, where=where)
    try:
        return replace(base, **given)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None


def check_number(name: str, value: Any, *, whole: bool) -> None:
    """Raises :class:`UsageError` unless it is a number that is not negative, and whole where lots and counts are."""
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or not 0 <= value <= AMOUNT_MOST:
        kind = "a whole number" if whole else "a number"
        raise UsageError(f"limits: {name} must be {kind} between 0 and {AMOUNT_MOST:g}, found {value!r}")
