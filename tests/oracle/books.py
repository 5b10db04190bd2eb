# SPDX-License-Identifier: Apache-2.0
"""The oracle's nouns: terms, books and the rows it writes, in exact fractions of a micro.

Row types carry the column names of the run folder, so that :mod:`tests.oracle.compare` can lay the engine's
tables beside them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple, Protocol

from kilohour.units import MISSING

MILLION = 10**6


class TermsLike(Protocol):
    """What the oracle reads of a product's terms; the field names of ``kilohour.contracts.terms.EngineTerms``."""

    @property
    def lot_num(self) -> int: ...
    @property
    def lot_den(self) -> int: ...
    @property
    def tick_micros(self) -> int: ...
    @property
    def spread_tick_micros(self) -> int | None: ...
    @property
    def rounding_micros(self) -> int: ...
    @property
    def fee_per_lot_micros(self) -> int: ...
    @property
    def fee_ppm(self) -> int: ...
    @property
    def fee_settlement_micros(self) -> int: ...
    @property
    def margin_initial_ppm(self) -> int: ...
    @property
    def margin_maintenance_ppm(self) -> int: ...
    @property
    def margin_initial_floor_micros(self) -> int: ...
    @property
    def margin_maintenance_floor_micros(self) -> int: ...
    @property
    def half_spread_micros(self) -> int: ...
    @property
    def participation_ppm(self) -> int: ...
    @property
    def missing_rule(self) -> int: ...
    @property
    def restatement_latest(self) -> int: ...
    @property
    def fee_maker_per_lot_micros(self) -> int | None: ...
    @property
    def fee_maker_ppm(self) -> int | None: ...
    @property
    def fee_clearing_micros(self) -> int: ...
    @property
    def weighted(self) -> int: ...
    @property
    def settles_at_mark(self) -> int: ...
    @property
    def funding_cap(self) -> int: ...
    @property
    def funding_damper(self) -> int: ...
    @property
    def funding_interest(self) -> int: ...
    @property
    def funding_divisor(self) -> int: ...
    @property
    def margin_grace_marks(self) -> int: ...
    @property
    def band_ppm(self) -> int: ...
    @property
    def band_queues(self) -> int: ...
    @property
    def price_minimum(self) -> int: ...
    @property
    def order_in_halt(self) -> int: ...
    @property
    def cancel_in_halt(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Terms for tests: free of charge, unlimited and unmargined until a test says otherwise."""

    lot_num: int = 730
    lot_den: int = 1
    tick_micros: int = 10_000
    spread_tick_micros: int | None = None
    rounding_micros: int = 1
    fee_per_lot_micros: int = 0
    fee_ppm: int = 0
    fee_settlement_micros: int = 0
    margin_initial_ppm: int = 0
    margin_maintenance_ppm: int = 0
    margin_initial_floor_micros: int = 0
    margin_maintenance_floor_micros: int = 0
    half_spread_micros: int = 0
    participation_ppm: int = MILLION
    missing_rule: int = 0
    restatement_latest: int = 1
    fee_maker_per_lot_micros: int | None = None
    fee_maker_ppm: int | None = None
    fee_clearing_micros: int = 0
    weighted: int = 0
    settles_at_mark: int = 0
    funding_cap: int = 0
    funding_damper: int = 0
    funding_interest: int = 0
    funding_divisor: int = 0
    margin_grace_marks: int = 0
    band_ppm: int = 0
    band_queues: int = 0
    price_minimum: int = MISSING
    order_in_halt: int = 1
    cancel_in_halt: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class FillRules:
    """What a run assumes of its fills."""

    model: str = "path"
    """``path`` or ``open``."""
    slippage_ticks: int = 0
    slippage_ppm: int = 0
    latency_ns: int = 0


REFUSE, PREVIOUS, SKIP = 0, 1, 2
Exact = Fraction | int
"""Money and prices are never floats here; whole numbers stay ints, for a Fraction of them takes twenty times as long."""


def nearest(over: int, under: int) -> int:
    """The integer nearest to ``over / under``, ties to even."""
    below, rest = divmod(over, under)
    if 2 * rest == under:
        return below + below % 2
    return below + (2 * rest > under)


def half_even(value: Exact) -> int:
    """The nearest integer, ties to even."""
    return value.numerator if value.denominator == 1 else nearest(value.numerator, value.denominator)


@dataclass(slots=True)
class Book:
    """One contract: what is held, what it cost since the last mark, and what the tape has said of it."""

    position: int = 0
    open_value: Exact = 0
    """Sum of lots x price x lot size not yet margined, in micros."""
    residue: Exact = 0
    """What rounding to whole micros has kept back."""
    value_price: int | None = None
    is_open: bool = False
    """True from a fill until the first mark that finds no position."""
    marked: tuple[int, int, int, int, int] | None = None
    """The last official mark: when it happened and was seen, its price, the lots it margined, the cash it moved."""
    settled: tuple[int, int, int, Exact] | None = None
    """The final settlement of held lots: price, lots, cash moved, what rounding kept back."""
    bar_at: int = -1
    had_bar: bool = False
    is_listed: bool = False
    is_past_last_trade: bool = False
    session: str = "open"
    last_price: int = 0
    """Close of the last bar."""
    room: int | None = None
    """Lots of the last bar's volume that one may take; None when it is unknown."""
    valued: tuple[tuple[int, int | None, Exact, Exact], int] = ((0, None, 0, 0), 0)
    """Position, price, open value and residue when its part of equity was last worked out, and that part."""


class LedgerRow(NamedTuple):
    """An amount of cash; never zero."""

    ts: int
    contract: str
    kind: str
    micros: int


class FillRow(NamedTuple):
    """One leg of one fill; ``lots`` signed."""

    ts: int
    order: int
    contract: str
    lots: int
    price_micros: int
    fee_micros: int
    position_after: int
    half_spread_micros: int
    """What taking liquidity cost against the price at the place; nothing where a limit had waited for its price."""
    liquidity: str = "taker"


class OrderRow(NamedTuple):
    """One leg of an order as it ended; ``lots`` and ``filled_lots`` signed."""

    order: int
    ts: int
    contract: str
    lots: int
    kind: str
    limit_micros: int
    tif: str
    origin: str
    status: str
    code: str
    filled_lots: int
    flags: str = ""


class EquityRow(NamedTuple):
    """The account after the margin phase of a group with a mark."""

    ts: int
    equity_micros: int
    cash_micros: int
    margin_initial_micros: int
    margin_maintenance_micros: int


class PositionRow(NamedTuple):
    """A held contract after the margin phase of a group with a mark."""

    ts: int
    contract: str
    lots: int
    mark_micros: int
    """The price at which equity values it."""


class SettlementRow(NamedTuple):
    """A position that met its final price; ``fixings`` is N, 0 when the venue stated the price."""

    ts: int
    contract: str
    lots: int
    price_micros: int
    fixings: int
    prints_sum_micros: int
    missing: int
    weight: int = 0
    """Sum of the weights of the prints; N when none counts."""
    revision: int = 0
    """0 for the final settlement, 1 and more for the venue's corrections of it."""


@dataclass(slots=True)
class Result:
    """Everything a run booked."""

    cash_start: int
    cash_end: int = 0
    """After the end of the run's last marks; equals the equity then."""
    equity_end: int = 0
    """Equity before the end of the run's last marks."""
    ledger: list[LedgerRow] = field(default_factory=list)
    fills: list[FillRow] = field(default_factory=list)
    orders: list[OrderRow] = field(default_factory=list)
    equity: list[EquityRow] = field(default_factory=list)
    positions: list[PositionRow] = field(default_factory=list)
    settlements: list[SettlementRow] = field(default_factory=list)
    final_positions: dict[str, int] = field(default_factory=dict)
    calls: list[int] = field(default_factory=list)
    """Times at which the strategy was called."""
    margin_calls: int = 0
    legged: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    """How often what the page speaks of has happened, for statistics of the scripts."""
