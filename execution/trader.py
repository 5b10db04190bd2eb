# SPDX-License-Identifier: Apache-2.0
"""The deciding part of a live run, without I/O: inputs in, commands and records out. The same inputs give the same outputs.

An input is a timestamp of the feed, a fact of the venue, a word of the operator, or the passing of time. Each carries the
clock reading of the driver. What the engine wants to have working and what the venue has are compared after each one, and
the difference is sent: intents are recorded before the driver sends them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from kilohour.errors import KilohourError, StrategyRaised
from kilohour.execution import booking, planning, reconciling
from kilohour.execution.orders import State, Trades, VenueOrder
from kilohour.execution.port import (
    Account,
    Amend,
    Cancel,
    CancelAll,
    Command,
    Ended,
    Fact,
    Filled,
    Legs,
    Linked,
    LookUp,
    LookUpFills,
    Native,
    Place,
    to_json,
)
from kilohour.execution.risk import LiveLimits, Risk, Trading
from kilohour.kernels import records as r
from kilohour.live import Event, LiveSession, Working, contract_rows

_TOLD = ("order", "contract", "lots", "kind", "limit_micros", "status", "code", "ts")
"""Columns of the engine's table of orders that the journal holds."""
CID_COUNTER = 1 << 32
"""Numbers of one run; the upper half of a cid names the run."""


@dataclass(slots=True)
class Progress:
    """How far an order of the engine is: signed lots filled by contract, whole units counted."""

    legs: tuple[tuple[str, int], ...]
    lots: dict[str, int] = field(default_factory=dict)
    counted: int = 0
    tried_at: int = -1
    """Step in which an immediate order was last sent for it: one that met the market and found nothing waits for the next."""
    tries: int = 0
    """How often in that step: one that was cancelled before it met the market goes out again."""
    version: int = 0
    """How often the engine's order was amended."""
    is_alone: bool = False
    """The venue does not tie it to its parent, for that was over when it came: it is sent as its parent fills."""


class Trader:
    """One run's decisions. ``prefix`` (32 bits) makes its order numbers its own; ``can_spread``: the venue takes several legs.
    ``extension``: ``replay`` or ``book`` for a sandbox, which takes more than limit orders (docs/sandbox.md)."""

    def __init__(self, session: LiveSession, limits: LiveLimits, *, prefix: int, can_spread: bool, compares_cash: bool = False,
                 extension: str = "") -> None:  # fmt: skip
        self.session, self.limits, self.prefix, self.can_spread = session, limits, prefix, can_spread
        self.extension = extension
        self.compares_cash = compares_cash
        self.risk = Risk(limits)
        self.gate_state = session.trading_state
        self.orders: dict[int, VenueOrder] = {}
        self._working: dict[int, VenueOrder] = {}
        """Those of them that are open or may be again."""
        self._owing: dict[int, VenueOrder] = {}
        """Those whose fills are not all booked, open or over."""
        self._of_number: dict[int, list[VenueOrder]] = {}
        """All of them by the engine's number, oldest first."""
        self._by_oid: dict[str, VenueOrder] = {}
        """By each number that the venue has called them by."""
        self.progress: dict[int, Progress] = {}
        self.trades = Trades()
        self.codes = [contract.code for contract in session.market.tape.contracts]
        self.rows = contract_rows(session.market)
        self.made = 0
        self.steps = 0
        self.filled_at = 0
        """The venue's time of the last fill that it told, nanoseconds."""
        self.foreign_fills = 0
        self.foreign: dict[str, None] = {}
        """The venue's numbers of orders that are not this run's."""
        self.accepted: dict[str, int] = {}
        """Lots that the account is expected to hold in what this run does not trade, by the venue's name: accepted by the operator, or
        traded there by others since."""
        self.cash_apart: int | None = None
        """How much more cash the account had than the run when they were compared last; None before."""
        self.cash_accepted: int | None = None
        """What it was at the start, or when the operator accepted the account."""
        self.mismatches = 0
        self.stop_all = False
        """The run is over: what is open is cancelled, nothing is sent."""
        self.last_account: Account | None = None
        self.is_dry = False
        self.opens: dict[int, int] = {}
        """Open of the bar at the timestamp that is being taken, by contract row: the price a fill's cost is told against."""
        self.records: list[tuple[str, dict[str, Any]]] = []
        self.commands: list[Command] = []

    # --- inputs ---------------------------------------------------------------------------------------------------------

    def take_feed(self, events: Sequence[Event], now: int, at_marks: Sequence[Fact] = ()) -> list[Command]:
        """The events of one timestamp; ``at_marks``: facts of orders at settlement, which fill behind its variation."""
        self.risk.saw_feed(now)
        self.steps += 1
        try:
            self.session.see(events, (lambda: self._take_all(at_marks, now)) if at_marks else None)
        except KilohourError as error:
            if isinstance(error, StrategyRaised):
                self.session.silence()
            first, *more = str(error).splitlines()
            self.raise_to(Trading.HALTED, ": ".join([type(error).__name__, first, *(line.strip() for line in more[-1:])]))
        planning.note_triggers(self, events)
        self._review_orders()
        self._note_books(events)
        self._note_gate()
        self._review_losses(now)
        for order in self.open_orders():  # a market that moves on may have opened again, whatever the clock says
            if order.is_kept and self.steps - order.cancel_step >= 1 << min(order.refusals, 6):
                order.pending_cancel = False
        return self._planned(now)

    def take_group(self, facts: Sequence[Fact], events: Sequence[Event], now: int) -> list[Command]:
        """Facts of the timestamp that comes, then its events: phase 1 of docs/engine.md before the others."""
        late = [fact for fact in facts if self._is_at_settlement(fact)]
        if facts:
            self.opens = {event.ref: event.open for event in events if event.kind == r.BAR}
        self._take_all([fact for fact in facts if fact not in late] if late else facts, now)
        self.opens = {}
        return self.take_feed(events, now, late)

    def take_fact(self, fact: Fact, now: int) -> list[Command]:
        """One fact by itself."""
        self._take(fact, now)
        self._review_losses(now)
        return self._planned(now)

    def take_time(self, now: int) -> list[Command]:
        """Time passed: what is due is done."""
        for order in self.open_orders():
            age = now - order.made_at
            if order.state == State.SENT and age >= self.limits.nanos("answer_seconds"):
                order.unsure()
                self.record("order", cid=order.place.cid, state=order.state.name, why="no answer")
            if order.state == State.UNKNOWN and now >= self._look_due(order):
                order.looked_at, order.looks = now, order.looks + 1
                self.ask(LookUp(cid=order.place.cid))
            elif order.pending_cancel and now >= self._cancel_due(order):
                if order.amends:
                    order.amend_refused()
                order.pending_cancel = False
                self.ask(LookUp(cid=order.place.cid))
        if self._owing:
            self.ask(LookUpFills())
        return self._planned(now)

    def take_word(self, word: str, now: int) -> list[Command]:
        """The operator: ``kill``, ``halt``, ``reduce``, ``resume``, ``accept`` (the venue's positions). The driver: ``recover`` after
        a crash, ``stop`` at the end."""
        if word in ("kill", "halt"):
            self.raise_to(Trading.HALTED, f"operator: {word}")
            self.ask(CancelAll())
        elif word == "recover":
            self._recover(now)
        elif word == "accept" and self.last_account is not None:
            reconciling.adopt(self, self.last_account)
        elif word == "stop":
            self.stop_all = True
        elif word == "reduce":
            self.raise_to(Trading.REDUCE_ONLY, "operator: reduce")
        elif word == "resume":
            self.risk.release()
            self.session.release()
            self.gate_state = self.session.trading_state
            self.record("risk", state=self.risk.trading.name, why="operator: resume")
        return self._planned(now)

    def is_due(self, now: int) -> bool:
        """True when :meth:`take_time` would do something."""
        for order in self.open_orders():
            if order.state == State.SENT and now - order.made_at >= self.limits.nanos("answer_seconds"):
                return True
            if order.state == State.UNKNOWN and now >= self._look_due(order):
                return True
            if order.pending_cancel and now >= self._cancel_due(order):
                return True
        return bool(self._owing)

    # --- what others read -----------------------------------------------------------------------------------------------

    def open_orders(self) -> list[VenueOrder]:
        """Orders that the venue has or may have, oldest first."""
        # a run of a day has thousands of orders that are over; one that was thought absent may yet turn up
        found, gone = list[VenueOrder](), list[int]()
        for cid, order in self._working.items():
            if order.is_open:
                found.append(order)
            elif order.state != State.REJECTED:
                gone.append(cid)
        for cid in gone:
            del self._working[cid]
        return found

    def unfinished(self) -> list[VenueOrder]:
        """Orders that the venue has or may have, and those that are over and whose fills are not all booked."""
        return [*self.open_orders(), *(order for order in self._owing.values() if order.owes_fills and not order.is_open)]

    def open_of(self, number: int) -> Iterator[VenueOrder]:
        """Those of :meth:`open_orders` that are of one order of the engine."""
        return (order for order in self._of_number.get(number, ()) if order.is_open and order.place.cid in self._working)

    def has_unfinished(self, number: int) -> bool:
        """True while one of :meth:`unfinished` is of this order of the engine."""
        return any((order.is_open and order.place.cid in self._working) or (order.owes_fills and order.place.cid in self._owing)
                   for order in self._of_number.get(number, ()))

    def know(self, order: VenueOrder) -> None:
        """Takes up an order as a snapshot has it."""
        self._note(order)
        self.note_owing(order)

    def _note(self, order: VenueOrder) -> None:
        self.orders[order.place.cid] = self._working[order.place.cid] = order
        self._of_number.setdefault(order.number, []).append(order)

    def note_owing(self, order: VenueOrder) -> None:
        """After each fact of an order: how the venue calls it, and whether it counts more fills of it than are booked."""
        if order.oid:
            self._by_oid.setdefault(order.oid, order)
        if order.owes_fills:
            self._owing[order.place.cid] = order
        else:
            self._owing.pop(order.place.cid, None)

    @property
    def foreign_orders(self) -> int:
        """How many orders of others were seen, each once however often it is shown."""
        return len(self.foreign)

    def unknown(self) -> list[VenueOrder]:
        """Orders of which it cannot be told whether the venue has them."""
        return [order for order in self.open_orders() if order.state == State.UNKNOWN]

    def positions(self) -> dict[str, int]:
        """Lots held by contract code."""
        held = self.session.book["position"][0][: len(self.codes)]
        return {self.codes[row]: int(held[row]) for row in held.nonzero()[0]}

    def cash(self) -> int:
        """Cash in micros."""
        return int(self.session.book["cash"][0])

    def state_bytes(self) -> bytes:
        """The strategy's memory."""
        return bytes(self.session.state.tobytes())

    def fingerprint(self) -> str:
        """A hash of the strategy's memory and the books: equal runs have equal ones."""
        digest = hashlib.blake2b(digest_size=16)
        digest.update(self.state_bytes())
        digest.update(repr((sorted(self.positions().items()), self.cash(), self.risk.trading.name)).encode())
        return digest.hexdigest()

    # --- outputs --------------------------------------------------------------------------------------------------------

    def record(self, kind: str, /, **body: Any) -> None:
        """Something was decided."""
        self.records.append((kind, body))

    def drain(self) -> list[tuple[str, dict[str, Any]]]:
        """The records since the last call."""
        found, self.records = self.records, []
        return found

    def order_of(self, cid: int, oid: str) -> VenueOrder | None:
        """The order of our number, or of the venue's where ours is missing."""
        if cid in self.orders:
            return self.orders[cid]
        found = self._by_oid.get(oid)
        return found if found is not None and found.oid == oid else None

    def progress_of(self, wanted: Working) -> Progress:
        """How far an order of the engine is, from now on if nobody has asked yet."""
        if wanted.number not in self.progress:
            self.progress[wanted.number] = Progress(
                tuple((self.codes[c], ratio) for c, ratio in zip(wanted.contracts, wanted.ratios, strict=True)))
        return self.progress[wanted.number]

    def make(self, number: int, legs: Legs, units: int, limit: int, life: str, post_only: bool, now: int,
             native: Native | None = None) -> VenueOrder:  # fmt: skip
        """An intent, recorded and sent."""
        self.made += 1
        place = Place(cid=self.prefix * CID_COUNTER + self.made, legs=legs, units=units, limit=limit, life=life, post_only=post_only,
                      native=native)
        order = VenueOrder(number, place, now, version=self.progress[number].version)
        self._note(order)
        self.record("intent", number=number, **to_json(place))
        self.risk.sent(now)
        order.sent()
        self.commands.append(place)
        return order

    def cancel(self, order: VenueOrder, now: int) -> None:
        """Asks the venue to cancel."""
        order.cancel_sent(now, self.steps)
        self.risk.sent(now)
        self.ask(Cancel(cid=order.place.cid, oid=order.oid))

    def amend(self, order: VenueOrder, units: int, price: int, now: int) -> None:
        """Asks the venue to give it the size and price that the engine's order has now."""
        order.amend_sent(now, self.steps, self.progress[order.number].version, units)
        self.risk.sent(now)
        self.ask(Amend(cid=order.place.cid, units=units, price=price))

    def halt(self, why: str) -> None:
        """Trading stops; what is open is cancelled."""
        self.raise_to(Trading.HALTED, why)

    def ask(self, command: Command) -> None:
        """A command to the venue, recorded."""
        self.record("command", **to_json(command))
        self.commands.append(command)

    def _take_all(self, facts: Sequence[Fact], now: int) -> None:
        for fact in facts:
            self._take(fact, now)

    def _is_at_settlement(self, fact: Fact) -> bool:
        order = self.order_of(getattr(fact, "cid", 0), getattr(fact, "oid", "")) if isinstance(fact, Filled | Ended) else None
        return order is not None and order.place.native is not None and order.place.native.kind == "at_settlement"

    def _take(self, fact: Fact, now: int) -> None:
        if isinstance(fact, Linked):
            if not (fact.is_up and self.risk.is_linked):  # an account that was shown while the line was down is of before
                self.risk.is_reconciled = False
            self.risk.is_linked = fact.is_up
            if not fact.is_up:
                for order in self.open_orders():
                    if order.state == State.SENT:
                        order.unsure()
        elif isinstance(fact, Account):
            self.last_account = fact
            reconciling.compare(self, fact, now)
        else:
            booking.enter(self, fact, now)

    def _planned(self, now: int) -> list[Command]:
        planning.plan(self, now)
        commands, self.commands = self.commands, []
        return commands

    def _recover(self, now: int) -> None:
        """After a crash: what was on its way is UNKNOWN, the account is to be compared, and immediate orders may go out again.

        How long this was after the crash no clock tells, so an order's age counts from here: absence is proven later, never sooner."""
        for order in self.open_orders():
            if order.amends:
                order.amend_refused()
            order.pending_cancel = False
            order.made_at, order.looked_at, order.looks = now, 0, 0
            if order.state in (State.INTENT, State.SENT):
                order.unsure()
                self.record("order", cid=order.place.cid, state=order.state.name, why="the runner was restarted")
        self.risk.is_linked = self.risk.is_reconciled = False
        for progress in self.progress.values():
            progress.tried_at = -1

    def _note_books(self, events: Sequence[Event]) -> None:
        if r.MARK in [event.kind for event in events]:
            book = self.session.book[0]
            self.record("books", ts=self.session.now, positions=self.positions(), cash=self.cash(), equity=self.session.equity_micros,
                        initial=int(book["initial"]), maintenance=int(book["maintenance"]))

    def _review_orders(self) -> None:
        rows = self.session.fresh()
        if not len(rows):
            return
        listed = list(zip(*(rows[name].tolist() for name in _TOLD), strict=True))
        for number in {order for order, *_, status, _, _ in listed if status == r.WORKING} & self.progress.keys():
            self.progress[number].version += 1  # an order that was sent before works anew: it was amended
        for order, contract, lots, kind, limit, status, code, ts in listed:
            self.record("engine", order=order, contract=self.codes[contract], lots=lots, kind=kind, limit=limit, status=status, code=code,
                        ts=ts)

    def _note_gate(self) -> None:
        """The gate's own state, which losses and fills change by :class:`~kilohour.limits.RiskLimits` and a new day changes back."""
        state = self.session.trading_state
        if state != self.gate_state:
            self.gate_state = state
            self.record("risk", state=Trading(max(state, self.risk.trading)).name, why="limits of the run" if state else "a new day")

    def _review_losses(self, now: int) -> None:
        if self.limits.loss_today:
            why = self.risk.saw_equity(self.session.equity_micros, now)
            if why:
                self.raise_to(Trading.REDUCE_ONLY, why)

    def raise_to(self, state: Trading, why: str) -> None:
        """Goes to a stricter state, recorded."""
        if self.risk.raise_to(state, why):
            self.record("risk", state=state.name, why=why)

    def _cancel_due(self, order: VenueOrder) -> int:
        wait = self.limits.nanos("cancel_seconds")
        return order.cancel_at + min(wait << min(order.refusals, 6), max(wait, 60 * 1_000_000_000))

    def _look_due(self, order: VenueOrder) -> int:
        wait = min(self.limits.nanos("look_seconds") << min(order.looks, 6), 60 * 1_000_000_000)
        return order.looked_at + (wait if order.looks else 0)
