# SPDX-License-Identifier: Apache-2.0
"""The same session, fed one timestamp at a time: orders that pass the gate are handed out, and what the venue did is booked.

Nothing here knows a clock, a socket or a venue. A fill of the timestamp that comes is booked before its events: phase 1 of
docs/engine.md, in which a backtest matches orders itself.
"""

from __future__ import annotations

import ctypes
import dataclasses
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from kilohour.errors import DataError, StrategyRaised, UnknownName
from kilohour.kernels import records as r
from kilohour.kernels.late_margin import NATIVE
from kilohour.kernels.records import Array
from kilohour.market import Market
from kilohour.session import Session, copied
from kilohour.tape.schema import COLUMNS, Kind
from kilohour.tape.tape import Tape
from kilohour.units import MISSING, NANOS_PER_DAY, divide_half_even

GROUP_MOST = 65_536
"""Events of one timestamp."""
DAYS_AROUND = 800
"""Value dates that prints may lie before the first, and after the last fixing day known at the start."""


class Event(NamedTuple):
    """One row of a tape, in the tape's own columns; ``ref`` is a row of the market's contracts or indices."""

    ts: int
    ts_event: int
    kind: int
    ref: int
    open: int
    high: int
    low: int
    close: int
    volume: int


_KIND_AND_REF: Callable[[Any], Any] = itemgetter(2, 3)
_OF_AN_ORDER: Callable[[Any], tuple[Any, ...]] = itemgetter(*map((r.ORDER.names or ()).index, (
    "number", "kind", "life", "flags", "origin", "limit", "trigger", "distance", "until", "parent", "group", "size", "units", "filled",
    "legs")))
_LISTS = r.ORDER_AT["contract"], r.ORDER_AT["ratio"]


@dataclass(frozen=True, slots=True)
class Working:
    """An order that passed the gate, as the engine has it now."""

    number: int
    kind: int
    life: int
    flags: int
    origin: int
    limit: int
    trigger: int
    distance: int
    until: int
    parent: int
    group: int
    size: int
    """Units of the whole order; what filled of another of its group is off it."""
    units: int
    """What may fill now; 0 while a parent has not filled."""
    filled: int
    contracts: tuple[int, ...]
    ratios: tuple[int, ...]

    @property
    def units_left(self) -> int:
        """Units that may still fill."""
        return self.units - self.filled


def empty_tape(tape: Tape) -> Tape:
    """The tape's contracts and indices without an event: what is known of a market before it opens."""
    return dataclasses.replace(tape, events={name: np.zeros(0, dtype) for name, dtype in COLUMNS.items()}, sha256="")


def print_days(tape: Tape, around: int) -> tuple[int, int]:
    """First value date and count of days that prints of a live market may have; ``around`` is a time in nanoseconds."""
    days = [day for contract in tape.contracts for day in contract.fixing_days] or [around // NANOS_PER_DAY]
    first, last = min(*days, around // NANOS_PER_DAY) - DAYS_AROUND, max(*days, around // NANOS_PER_DAY) + DAYS_AROUND
    return first, last - first + 1


class Inflow:
    """The columns of one timestamp, in memory that is used again for the next."""

    def __init__(self, capacity: int = 256) -> None:
        self.columns = {name: np.zeros(capacity, dtype) for name, dtype in COLUMNS.items()}
        assert tuple(self.columns) == Event._fields
        self._views: dict[int, dict[str, Array]] = {}
        """By how many events there are."""

    def of(self, events: Sequence[Event]) -> dict[str, Array]:
        """The events as columns, sorted as a tape sorts them. Read-only, as a tape's: the engine is compiled for those."""
        if len(events) > len(self.columns["ts"]):
            self.columns = {name: np.zeros(2 * len(events), dtype) for name, dtype in COLUMNS.items()}
            self._views.clear()
        count = len(events)
        if count not in self._views:
            self._views[count] = {name: column[:count] for name, column in self.columns.items()}
            for view in self._views[count].values():
                view.flags.writeable = False
        rows = sorted(events, key=_KIND_AND_REF)
        for column, values in zip(self.columns.values(), zip(*rows, strict=True), strict=count > 0):
            struct.pack_into(f"{count}{column.dtype.char}", column.data, 0, *values)  # numpy takes four times as long over so few
        return self._views[count]


@dataclass(repr=False)
class LiveSession(Session):
    """A session without a tape: :meth:`see` moves it over one timestamp, the ``book_`` methods enter what a venue says."""

    events_seen: int = field(init=False, default=0)
    _last: int = field(init=False, default=0)
    _told: int = field(init=False, default=0)
    _finals: frozenset[int] = field(init=False, default=frozenset())
    _is_silent: bool = field(init=False, default=False)
    _entry: MarksEntry | None = field(init=False, default=None)
    _at_work: list[Working] | None = field(init=False, default=None)
    """What :meth:`working` found, until something moves."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.inflow = Inflow()
        self.book["latency"], self.book["may_correct"] = r.AT_VENUE, 1
        self._order_words = self.book["order"][0].view(np.int64).reshape(r.ORDERS, -1)

    def see(self, events: Sequence[Event], at_marks: Callable[[], None] | None = None) -> None:
        """Moves over the events of one timestamp, later than all before; what it leads to is in :meth:`working` and :meth:`fresh`.
        ``at_marks`` books what traded at this timestamp's marks: behind their variation, before the strategy's call.

        Raises what :meth:`Session.run` raises, :class:`DataError` for a timestamp that is not later or does not fit the market, and,
        behind all the rest of it, for a second final settlement, which is booked nowhere.
        """
        if not events:
            return
        self._check(events)
        again = [event for event in events if event.kind == Kind.FINAL and event.volume <= 0 and self._is_settled(event.ref)]
        events = [event for event in events if event not in again] if again else events
        self.events = self.inflow.of(events)
        self.book["cursor"], self._at_work = 0, None
        try:
            if at_marks is None:
                self.run(len(events))
            else:
                self._run_with(at_marks, len(events))
        except StrategyRaised:  # an order half made when the desk refused it is none
            self.desk["request_count"] = self.desk["basket_count"] = 0
            raise
        finally:
            self._at_work = None
        self.events_seen += len(events)
        if again:
            code = self.market.tape.contracts[again[0].ref].code
            raise DataError(f"a contract is settled once, found 2 final settlements of {code} without a revision number")

    def _is_settled(self, ref: int) -> bool:
        """Whether the contract had its final settlement before; from now on it has."""
        was, self._finals = ref in self._finals, self._finals | {ref}
        return was

    def _run_with(self, at_marks: Callable[[], None], until: int) -> None:
        own = self._meeting_address()
        self._entry = MarksEntry(self, own, at_marks)
        self.meeting_address = self._entry.address
        try:
            self.run(until)
        finally:
            self.meeting_address = own
            self._entry.finish()

    def silence(self) -> None:
        """The strategy is not called any more; what it had at work stays, and the books go on."""
        self.step, self.wants_events, self._is_silent = None, 0, True
        self._python_step().silence()

    def image(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """All that decides what comes next, between two timestamps: plain values, and memory in which addresses are zero."""
        self._drain()
        untold, book = self.tables["orders"][self._told :], copied(self.book)
        book["risk"], book["quotes"] = np.zeros((), r.RISK), 0
        plain = {"events_seen": self.events_seen, "last": self._last, "has_rare": self.market.has_rare, "is_silent": self._is_silent,
                 "finals": sorted(self._finals)}
        return plain, {**self._parts(), "book": book, "untold": np.concatenate(untold) if untold else np.zeros(0, r.OUT_ORDERS)}

    def _parts(self) -> dict[str, Array]:
        """Memory that a run changes, by name; an order half made leaves its legs in ``scratch``, for the next one to be made over."""
        parts = {name: getattr(self, name) for name in ("state", "desk", "book", "latest", "first", "scratch", "guard", "quotes")}
        return {name: part for name, part in parts.items() if part is not None}

    def take_image(self, plain: Mapping[str, Any], parts: Mapping[str, bytes]) -> None:
        """Goes on from an image of a session of the same run."""
        self._at_work = None
        if "quotes" in parts and self.quotes is None:
            self.keep_quotes()
        address = self.book["quotes"].copy()
        for name, part in self._parts().items():
            part.view(np.uint8).reshape(-1)[...] = np.frombuffer(parts[name], np.uint8)
        self.book["quotes"] = address
        self.events_seen, self._last, self._finals = plain["events_seen"], plain["last"], frozenset(plain["finals"])
        if plain["is_silent"]:
            self.silence()
        self.market = dataclasses.replace(self.market, has_rare=plain["has_rare"])
        untold = np.frombuffer(parts["untold"], r.OUT_ORDERS)
        self.tables["orders"], self._told = [untold] if len(untold) else [], 0

    def fresh(self) -> Array:
        """Rows of the table of orders since the last call: what was accepted, refused or ended, oldest first."""
        self._drain()
        parts = self.tables["orders"][self._told :]
        self._told += len(parts)
        return parts[0] if len(parts) == 1 else np.concatenate(parts) if parts else np.zeros(0, r.OUT_ORDERS)

    def working(self) -> list[Working]:
        """The orders that passed the gate and are not done, oldest first; the list is the session's own."""
        if self._at_work is None:
            self._at_work = []
            for row in self._order_words[: int(self.book["orders_working"][0])].tolist():
                *values, legs = _OF_AN_ORDER(row)
                self._at_work.append(Working(*values, *(tuple(row[first : first + legs]) for first in _LISTS)))
        return self._at_work

    def book_fill(self, number: int, contract: int, lots: int, price: int, ts: int, *, fee: int = MISSING, maker: bool = False,
                  reference: int | None = None) -> None:
        """One leg's fill of order ``number``, 0 for one that is not ours, -1 for one by which the venue
        liquidates; ``fee`` by the product's terms unless given."""
        from kilohour.kernels.venue_facts import FILL_LEG

        self._check_contract(contract)
        self._fact(FILL_LEG, ts, number, contract, lots, price, fee, int(maker), price if reference is None else reference)

    def count_units(self, number: int, units: int, ts: int) -> None:
        """Units of an order whose every leg has filled; the order ends when none is left."""
        from kilohour.kernels.venue_facts import COUNT_UNITS

        self._fact(COUNT_UNITS, ts, number, lots=units)

    def end(self, number: int, status: int, ts: int) -> None:
        """An order is over."""
        from kilohour.kernels.venue_facts import END_ORDER

        self._fact(END_ORDER, ts, number, lots=int(status))

    def refuse(self, number: int, code: int, ts: int) -> None:
        """The venue refused an order that our gate had let through."""
        from kilohour.kernels.venue_facts import REFUSE_ORDER

        self._fact(REFUSE_ORDER, ts, number, lots=int(code))

    def correct_fee(self, contract: int, more: int, ts: int) -> None:
        """The venue charged ``more`` micros than was booked."""
        from kilohour.kernels.venue_facts import CORRECT_FEE

        self._check_contract(contract)
        self._fact(CORRECT_FEE, ts, 0, contract, fee=more)

    def warm_up(self) -> None:
        """Compiles what a live run needs, or loads it from the cache."""
        from kilohour.kernels.venue_facts import book_fact

        super().warm_up()
        if not book_fact.signatures:
            from kilohour.session import _empty_book

            book_fact(self.desk, _empty_book(0, True), self.market.terms, self.out, self.scratch, 0, 0, 0, 0, 0, 0, 0, 0, 0)

    def close(self) -> None:
        """Ends the run as a backtest ends."""
        self.book["cursor"] = self.events_seen
        super().close()

    def position(self, contract: int) -> int:
        """Lots held."""
        return int(self.book["position"][0][contract])

    @property
    def seen_until(self) -> int:
        """Time of the last timestamp that was seen, 0 before the first."""
        return self._last

    def value_price(self, contract: int) -> int:
        """The later of last price and mark, micros."""
        return int(self.book["value_price"][0][contract])

    @property
    def fees(self) -> int:
        """Fees paid so far, micros."""
        return int(self.book["fees"][0])

    @property
    def equity_micros(self) -> int:
        """Cash and what every open contract would pay at its value price now."""
        book, total = self.book[0], int(self.book["cash"][0])
        for contract in book["open_contract"][: int(book["open_count"])].tolist():
            term = self.market.terms[contract]
            worth = int(book["position"][contract]) * int(book["value_price"][contract]) * int(term["lot_num"])
            total += divide_half_even(worth - int(book["open_value"][contract]) + int(book["residue"][contract]), int(term["lot_den"]))
        return total

    @property
    def trading_state(self) -> int:
        """The gate's state by the run's limits (docs/engine.md, "Risk limits"): 0 active, 1 reduce only, 2 halted."""
        return 0 if self.guard is None else int(self.guard["state"][0])

    def release(self) -> None:
        """The operator lets the gate trade again; losses and fills count from here."""
        if self.guard is not None:
            for name in ("state", "floor", "flattens"):
                self.guard[name] = 0
            for name in ("day_equity", "last_equity", "peak"):
                self.guard[name] = self.equity_micros
            self.guard["fills"] = self.book["fills"]
            self.guard["fill_at"] = MISSING // 2

    def trigger_of(self, number: int) -> int:
        """The trigger of a working order, micros."""
        return int(self._order(number)["trigger"])

    def set_trigger(self, number: int, price: int) -> None:
        """Moves the level of a trailing stop that waits here."""
        self._order(number)["trigger"] = price

    def trigger(self, number: int) -> None:
        """The price that a working order waited for was met: from here on it is checked, amended and told as in a backtest."""
        self._at_work = None
        rows = self.book["order"][0][: int(self.book["orders_working"][0])]
        waiting = (rows["number"] == number) & np.isin(rows["kind"], (r.STOP, r.STOP_LIMIT, r.TRAILING_STOP, r.MARKET_IF_TOUCHED))
        rows["kind"][waiting] = np.where(rows["kind"][waiting] == r.STOP_LIMIT, r.LIMIT, r.MARKET)

    def _order(self, number: int) -> Any:
        self._at_work = None
        rows = self.book["order"][0][: int(self.book["orders_working"][0])]
        at = np.flatnonzero(rows["number"] == number)
        if not len(at):
            raise UnknownName("order", str(number), [str(one) for one in rows["number"].tolist()], where="the working orders")
        return self.book["order"][0][int(at[0])]

    @property
    def now(self) -> int:
        """Time of the last event or fact."""
        return int(self.desk["now"][0])

    def _fact(self, what: int, ts: int, number: int, contract: int = 0, lots: int = 0, price: int = 0, fee: int = 0, maker: int = 0,
              reference: int = 0) -> None:
        from kilohour.kernels.venue_facts import book_fact

        self._keep_room()
        self._at_work = None
        fact = what, ts, number, contract, lots, price, fee, maker, reference
        if self._entry is not None:
            self._entry.facts.append(fact)
        book_fact(self.desk, self.book, self.market.terms, self.out, self.scratch, *fact)

    def _keep_room(self) -> None:
        if self._row_counts().max() > r.ROWS - 4 * r.ORDERS * r.LEGS:
            self._drain()

    def _check(self, events: Sequence[Event]) -> None:
        now, market = events[0].ts, self.market
        times, _, kinds, refs, *_ = zip(*events, strict=True)
        if times.count(now) < len(events) or len(events) > GROUP_MOST:
            raise DataError(f"events must come one timestamp at a time, at most {GROUP_MOST} of them, found {len(events)}")
        if self.events_seen and now <= self._last:
            raise DataError(f"a timestamp must be later than the one before, {self._last}, found {now}")
        self._last = now
        if kinds.count(r.BAR) == len(kinds):
            self._check_contract(min(refs))
            self._check_contract(max(refs))
            return
        for event in events:
            if event.kind == r.BAR:
                self._check_contract(event.ref)
            elif event.kind == Kind.PRINT:
                if not 0 <= event.ref < len(market.tape.indices):
                    raise DataError(f"a print must be of an index of this market, found row {event.ref}")
                day = event.ts_event // NANOS_PER_DAY - market.first_day
                if not 0 <= day < market.day_count:
                    raise DataError(f"a print's value date must be within {market.day_count} days from day {market.first_day}, found {day}")
            else:
                self._check_contract(event.ref)
                if event.kind == Kind.QUOTE and self.quotes is None:
                    self.keep_quotes()
                is_rare = event.kind in (Kind.FUNDING, Kind.QUOTE) or (event.volume > 0 and event.kind in (Kind.MARK, Kind.FINAL))
                if is_rare and not self.market.has_rare:
                    self.market = dataclasses.replace(self.market, has_rare=True)

    def _check_contract(self, ref: int) -> None:
        if not 0 <= ref < len(self.market.tape.contracts):
            raise UnknownName("contract row", str(ref), [str(len(self.market.tape.contracts) - 1)], where="this market")

    def _others(self) -> list[Array]:
        """Prints are entered again as they were, so the stores need no copy."""
        return [self.state]


class MarksEntry:
    """The way into CPython at which a timestamp's marks meet orders: there, once, :attr:`book` enters what traded at them.

    When the engine goes over the timestamp again, for a traceback, the same facts are entered once more.
    """

    def __init__(self, session: LiveSession, own: int, book: Callable[[], None]) -> None:
        self.session, self.own, self.book = session, own, book
        self.facts: list[tuple[int, ...]] = []
        self.error: BaseException | None = None
        self._is_booked = False
        self._callback = NATIVE(self._meet)

    @property
    def address(self) -> int:
        """What the engine calls instead of the part that meets orders."""
        return ctypes.cast(self._callback, ctypes.c_void_p).value or 0

    def _meet(self, *arguments: Any) -> int:
        try:
            if arguments[2] == r.MEET_MARKS:
                self._enter()
            return int(NATIVE(self.own)(*arguments)) if self.own else 0
        except BaseException as error:
            self.error = error
            return 1

    def _enter(self) -> None:
        from kilohour.kernels.venue_facts import book_fact

        if self._is_booked:
            session = self.session
            for fact in self.facts:
                book_fact(session.desk, session.book, session.market.terms, session.out, session.scratch, *fact)
            return
        self._is_booked = True
        self.book()

    def finish(self) -> None:
        """Enters the facts where no mark came, and raises what stopped a call: ctypes would swallow it."""
        if not self._is_booked:
            self._enter()
        self.session._entry = None
        if self.error is not None:
            raise self.error


def contract_rows(market: Market) -> dict[str, int]:
    """Row of each contract by code."""
    return {contract.code: row for row, contract in enumerate(market.tape.contracts)}
