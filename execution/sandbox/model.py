# SPDX-License-Identifier: Apache-2.0
"""What the exchange speaks of, in its own words: commands, orders, fills, events. No dialect and no socket is known here.

Prices and money are integer micros, quantities whole lots, times nanoseconds UTC of the exchange's clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

LIVES = ("GTC", "DAY", "IOC", "FOK", "GTD")
"""The engine's constant of a life is its place, from 1."""
KINDS = ("market", "limit", "stop", "stop_limit", "trailing_stop", "market_if_touched", "at_settlement")
"""The same for kinds of order."""
WAITING = ("stop", "stop_limit", "trailing_stop", "market_if_touched")
"""Kinds that sleep until a trade reaches their level."""
TRIGGERED = "triggered"
"""The text of the event that says of such an order that its level was reached."""


class State(Enum):
    """Where an order stands."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    PARTIAL = "partial"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    REPLACED = "replaced"
    DONE_FOR_DAY = "done for day"

    @property
    def is_open(self) -> bool:
        """True while the order may still fill."""
        return self in (State.PENDING, State.ACCEPTED, State.PARTIAL)


class Session(Enum):
    """What an instrument lets one do."""

    PRE_OPEN = "pre-open"
    """Orders rest; an auction follows."""
    OPEN = "open"
    HALTED = "halted"
    """Nothing moves, not even a cancel."""
    SUSPENDED = "suspended"
    """As halted, under another name on the wire."""
    CLOSING = "closing auction"
    """Orders rest; an auction follows, and then the contract is closed."""
    CLOSED = "closed"
    """Cancels only."""
    FROZEN = "frozen"
    """Closed, and no cancels either."""
    EXPIRED = "expired"

    @property
    def takes_orders(self) -> bool:
        """True while orders come in."""
        return self in (Session.PRE_OPEN, Session.OPEN, Session.CLOSING)

    @property
    def takes_cancels(self) -> bool:
        """True while a user may cancel."""
        return self not in (Session.HALTED, Session.SUSPENDED, Session.FROZEN)


class Reason(Enum):
    """Why an order or a request was refused, or an order ended."""

    UNKNOWN_SYMBOL = "unknown symbol"
    NOT_LISTED = "the contract is not trading any more"
    CLOSED = "the session does not take orders now"
    NO_PRICE = "the contract has no price yet"
    QUANTITY = "the quantity must be a whole number of lots from 1 to 1000000"
    TICK = "the price is not on the tick"
    BAND = "the price is outside the price band"
    ORDER_TYPE = "the venue takes no such order"
    POST_ONLY = "post-only order would cross the book"
    REDUCE_ONLY = "the order would not reduce the position"
    CAPACITY = "too many open orders"
    POSITION_LIMIT = "the position limit would be exceeded"
    MARGIN = "insufficient margin"
    CREDIT = "the credit limit of the account would be exceeded"
    GROUP = "the order is tied to one that is not there"
    DUPLICATE = "the client order id is in use"
    NO_LIQUIDITY = "nothing to trade with"
    GONE = "the original order is done"
    SELF_TRADE = "the order would trade with one of the same account"
    USER = "cancelled by the user"
    DISCONNECT = "cancelled when the connection went"
    TIMER = "cancelled by the dead-man timer"
    LIQUIDATION = "cancelled by a margin call"
    VENUE = "ended by the venue"
    LAPSED = "its time in force is over"
    INJECTED = "injected by the control plane"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """The command to place an order. ``side`` is 1 to buy, -1 to sell; ``price`` None for kinds without one."""

    symbol: str
    side: int
    lots: int
    price: int | None = None
    kind: str = "limit"
    life: str = "GTC"
    until: int = 0
    trigger: int | None = None
    distance: int | None = None
    post_only: bool = False
    reduce_only: bool = False
    client_id: str = ""
    tag: str = ""
    group: int = 0
    """Orders of one account with the same number cancel one another, lot for lot."""
    parent: str = ""
    """Id of the order whose fills wake this one."""
    distance_ppm: int = 0
    """A trailing stop's distance as a share of the best price, which then goes before ``distance``."""
    touch: int | None = None
    """Beside a stop: a second level at which it wakes too, on the other side of the market, to take a profit."""
    touch_price: int | None = None
    """The limit that it then has; None to go at the market."""
    form: str = ""
    """What the dialect calls an order of a kind that waits."""


@dataclass(slots=True, kw_only=True)
class Order:
    """One order at the exchange and how it stands. ``id`` is the venue's, never used twice."""

    id: str
    account: str
    symbol: str
    side: int
    lots: int
    price: int | None
    kind: str
    life: str
    post_only: bool = False
    reduce_only: bool = False
    client_id: str = ""
    tag: str = ""
    state: State = State.PENDING
    filled: int = 0
    paid: int = 0
    """Σ lots · price of its fills."""
    fee: int = 0
    created: int = 0
    updated: int = 0
    number: int = 0
    """The matching engine's own number."""
    replaces: str = ""
    until: int = 0
    trigger: int | None = None
    """Where a sleeping order wakes, or did: for a trailing stop as it follows the market."""
    last_fill: Fill | None = None
    condition: NewOrder | None = None
    """The command of an order of a kind that waits; such an order is of another kind once it is awake."""
    woke_at: int = 0
    woke_event: int = 0
    """When it woke, and number of the first event that it then has; 0 while it sleeps."""

    @property
    def is_asleep(self) -> bool:
        """True for an order that waits for a price, or ended waiting."""
        return self.condition is not None and not self.woke_at

    @property
    def left(self) -> int:
        """Lots that may still fill."""
        return self.lots - self.filled

    @property
    def average(self) -> float:
        """Average price of its fills in micros, 0 without any."""
        return self.paid / self.filled if self.filled else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution of one account. ``lots`` is positive, ``side`` says which way; ``fee`` was paid in cash, micros."""

    id: str
    order: str
    account: str
    symbol: str
    side: int
    lots: int
    price: int
    fee: int
    is_taker: bool
    ts: int
    client_id: str = ""
    cost: int | None = None
    """What taking cost against the price without it, micros; None where a book has no such price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEvent:
    """Something happened to an order: ``kind`` names the state it reached, or ``cancel rejected``."""

    seq: int
    ts: int
    kind: str
    order: Order
    filled: int
    state: State
    fill: Fill | None = None
    reason: Reason | None = None
    text: str = ""
    replacement: Order | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """A public trade; ``side`` is the taker's."""

    id: str
    symbol: str
    side: int
    lots: int
    price: int
    ts: int


@dataclass(slots=True)
class Changes:
    """What happened since the exchange was last asked: private events in order, public trades, and whose book or ticker moved."""

    events: list[OrderEvent] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    books: dict[str, None] = field(default_factory=dict)
    woken: list[Order] = field(default_factory=list)
    """Orders that a price woke."""
    accounts: dict[str, None] = field(default_factory=dict)
    """Accounts whose cash or positions moved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A position: signed lots, what was paid for them since the last mark (micros · lot numerator), and the price it is valued at."""

    symbol: str
    lots: int
    open_value: int
    average: float
    """Average entry price in micros, which the exchange keeps for show; the ledger does not need it."""
    value_price: int
    unrealized: int
    realized: int
    opened: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """An account now, in micros."""

    account: str
    cash: int
    equity: int
    initial: int
    maintenance: int
    fees: int
    holdings: tuple[Holding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One movement of cash that is not a fill's price: variation, fee, funding, settlement ..."""

    id: str
    ts: int
    account: str
    symbol: str
    kind: str
    micros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Funding:
    """One funding of a perpetual: its rate in hundred-millionths, and the mark and the index it was worked out from, micros."""

    ts: int
    rate: int
    mark: int
    index: int


@dataclass(slots=True)
class Ticker:
    """The public numbers of an instrument, micros and lots; None where there is none yet."""

    last: int | None = None
    last_lots: int = 0
    last_at: int = 0
    open: int | None = None
    high: int | None = None
    low: int | None = None
    volume: int = 0
    interest: int = 0
    mark: int | None = None
    index: int | None = None
    index_at: int = 0
    """Value date of the index's print, nanoseconds UTC: a restatement of an older one is not shown."""
    settled: int | None = None
    settled_at: int = 0
    day: int = -1
