# SPDX-License-Identifier: Apache-2.0
"""A venue as the runner sees it: a port of few methods. What it answers are facts, which come through one queue.

A command returns when it was sent, never with an answer. A fact that cannot be told for certain is :class:`Unsure`, never a
rejection. Everything here is plain data that the journal holds as JSON: codes of contracts, integer micros, whole lots.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from kilohour.errors import DataError

MARGIN_CALLED = "LIQUIDATION"
"""Why a venue ended an order whose account it has called."""
Legs = tuple[tuple[str, int], ...]
"""Contract code and signed ratio of each leg."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Native:
    """What an order is where the venue knows more than limits: its own kind, levels and ties (docs/sandbox.md, "Ours beside AX")."""

    kind: str
    """``market limit stop stop_limit trailing_stop market_if_touched at_settlement``."""
    until: int = 0
    """Nanoseconds UTC of a ``gtd`` order."""
    trigger: int | None = None
    distance: int | None = None
    """Micros, as the trigger; of several legs on the sum of ratio times price."""
    reduce_only: bool = False
    group: int = 0
    """Orders of one number cancel one another, lot for lot."""
    parent: str = ""
    """The venue's number of the order whose fills wake this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Send this order. ``cid`` is made once for an intent and never again."""

    cid: int
    legs: Legs
    units: int
    limit: int
    """Micros; of several legs on the sum of ratio times price, and the order buys."""
    life: str
    """``gtc``, ``day`` or ``ioc``; at the sandbox ``fok`` too, and ``gtd`` of a native order."""
    post_only: bool = False
    native: Native | None = None
    """None: a plain limit order."""

    @property
    def lots(self) -> dict[str, int]:
        """Signed lots of each contract when all of it fills."""
        return {code: ratio * self.units for code, ratio in self.legs}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Cancel an order; ``oid`` is empty when the venue's number is not known."""

    cid: int
    oid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Amend:
    """Give an order another size, with what has filled, and another price: its limit, else its trigger or distance (micros)."""

    cid: int
    units: int
    price: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUp:
    """Ask what became of an order, by our number."""

    cid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUpFills:
    """Ask for the fills since the last one known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAll:
    """Cancel every order of the account that the venue knows."""


Command = Place | Cancel | Amend | LookUp | LookUpFills | CancelAll


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """The venue has the order and works on it."""

    cid: int
    oid: str
    ts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Triggered:
    """The price that the order waited for was met: from now on it is a limit order, or one at the market."""

    cid: int
    oid: str
    ts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """The venue said, for certain, that it does not have the order."""

    cid: int
    reason: str
    ts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsure:
    """It cannot be told whether the venue has the order."""

    cid: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LegFill:
    """One leg's part of a fill. ``fee`` is None where the venue has not said it yet."""

    contract: str
    trade: str
    lots: int
    price: int
    fee: int | None = None
    cost: int | None = None
    """What taking cost against the price without it, micros; None where the venue does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What traded of an order: one leg or several. ``cid`` 0: not an order of this run. ``cumulative``: the venue's own count of
    the order's filled units, None where it does not say."""

    cid: int
    oid: str
    legs: tuple[LegFill, ...]
    cumulative: int | None
    is_maker: bool
    ts: int
    is_liquidation: bool = False
    """An order of the venue's own, that closes what a margin call wants closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The order works no longer. ``filled``: the venue's own count of units, None where it does not say."""

    cid: int
    oid: str
    state: str
    """``filled``, ``canceled``, ``expired`` or ``rejected``."""
    filled: int | None
    reason: str
    """The venue's own words, or :data:`MARGIN_CALLED`."""
    ts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the venue knows of an order when asked; ``state`` as in :class:`Ended`, or ``live``."""

    cid: int
    oid: str
    state: str
    filled: int
    ts: int
    is_triggered: bool = False
    """Its price was met, of an order that waited for one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """The venue knows no order of this number, now."""

    cid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRefused:
    """The venue does not cancel: too late, or not yet."""

    cid: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Amended:
    """The order has another size now, and another number at the venue."""

    cid: int
    oid: str
    units: int
    ts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AmendRefused:
    """The venue does not amend it, or it cannot be told whether it did."""

    cid: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """A private stream came up or went down."""

    is_up: bool
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The account as the venue has it. ``cash`` None where it keeps none that compares with ours."""

    positions: Mapping[str, int]
    cash: int | None
    open_orders: tuple[Found, ...]
    ts: int


Fact = (Acknowledged | Triggered | Rejected | Unsure | Filled | Ended | Found | Absent | CancelRefused | Amended | AmendRefused | Linked
        | Account)

_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in (
    Acknowledged, Triggered, Rejected, Unsure, Filled, Ended, Found, Absent, CancelRefused, Amended, AmendRefused, Linked, Account, Place,
    Cancel, Amend, LookUp, LookUpFills, CancelAll)}

_LEAVES = frozenset({int, str, bool, type(None)})


def to_json(thing: Fact | Command) -> dict[str, Any]:
    """A fact or command as the journal holds it."""
    body = {"what": type(thing).__name__, **_plain(thing)}
    if body.get("native", "") is None:  # journals from before it replay
        del body["native"]
    return body


def _plain(thing: Any) -> Any:
    """What ``dataclasses.asdict`` gives, without its deep copies: an intent is written down on the way to its order."""
    kind = type(thing)
    if kind in _LEAVES:
        return thing
    if kind is tuple:
        return [_plain(one) for one in thing]
    names = getattr(kind, "__slots__", None)
    return thing if names is None else {name: _plain(getattr(thing, name)) for name in names}


def from_json(body: Mapping[str, Any]) -> Any:
    """The fact or command back. Raises :class:`DataError` for another kind."""
    kind = _KINDS.get(str(body.get("what")))
    if kind is None:
        raise DataError(f"a fact must be one of {', '.join(_KINDS)}, found {body.get('what')!r}")
    values = {name: value for name, value in body.items() if name != "what"}
    if kind is Filled:
        values["legs"] = tuple(LegFill(**leg) for leg in values["legs"])
    elif kind is Place:
        values["legs"] = tuple((code, ratio) for code, ratio in values["legs"])
        values["native"] = Native(**values["native"]) if values.get("native") else None
    elif kind is Account:
        values["open_orders"] = tuple(Found(**found) for found in values["open_orders"])
    return kind(**values)


class Inbox(Protocol):
    """Where facts go: the runner's queue."""

    def __call__(self, fact: Fact) -> None: ...


class Venue(Protocol):
    """What an adapter offers. Every method may raise ``ConnectionError`` before anything was sent, and only then."""

    @property
    def name(self) -> str:
        """How messages call it."""

    @property
    def expresses(self) -> Mapping[str, frozenset[int]]:
        """The engine's constants that it can say on the wire: ``kinds``, ``lives``, ``flags``, ``spreads``."""

    async def open(self, inbox: Inbox) -> None:
        """Connects, and tells the inbox from now on."""

    async def do(self, command: Command) -> None:
        """Sends one command; what comes of it comes as facts."""

    async def account(self) -> Account:
        """Positions, cash and open orders now."""

    async def close(self) -> None:
        """Disconnects; orders stay as the venue has them."""
