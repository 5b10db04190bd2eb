# SPDX-License-Identifier: Apache-2.0
"""The life of an order at a venue, merged from facts that come late, twice, out of order, or not at all.

::

    INTENT → SENT → (UNKNOWN) → LIVE → PARTIAL → FILLED | CANCELED | EXPIRED | REJECTED        DENIED before SENT

A state never goes back, but by proof: an order that was taken for absent and shows up again lives. Filled units only grow,
each trade counts once, and an order that is over still takes a late fill. An UNKNOWN order counts at its full size.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from kilohour.execution.port import Filled, LegFill, Place


class State(IntEnum):
    """States in their order; those from FILLED on are the end."""

    INTENT = 0
    SENT = 1
    UNKNOWN = 2
    LIVE = 3
    PARTIAL = 4
    FILLED = 5
    CANCELED = 6
    EXPIRED = 7
    REJECTED = 8
    DENIED = 9

    @property
    def is_over(self) -> bool:
        """True when nothing more is expected of the order."""
        return self >= _ENDED


_ENDED = int(State.FILLED)
"""Asked for thousands of times a timestamp: a member is looked up slowly."""
ENDS = {"filled": State.FILLED, "canceled": State.CANCELED, "expired": State.EXPIRED, "rejected": State.REJECTED}


@dataclass(slots=True)
class VenueOrder:
    """One order at the venue, for an order of the engine. ``number`` is the engine's."""

    number: int
    place: Place
    made_at: int
    """Clock of the runner, nanoseconds."""
    state: State = State.INTENT
    oid: str = ""
    was_live: bool = False
    """The venue has had it at work."""
    filled: int = 0
    """Units of which every leg is booked."""
    cumulative: int = 0
    """The largest count of filled units that the venue has told."""
    leg_lots: dict[str, int] = field(default_factory=dict)
    pending_cancel: bool = False
    cancel_at: int = 0
    cancel_step: int = 0
    refusals: int = 0
    """How often the venue has refused to cancel it."""
    is_refused: bool = False
    """The last cancel was refused."""
    is_kept: bool = False
    """The venue refused the last cancel, and was seen to have the order still: an instrument that is halted takes none."""
    looked_at: int = 0
    looks: int = 0
    ended_by: str = ""
    version: int = 0
    """Amendments of the engine's order that this one has, or with ``amends`` is asked to have."""
    amends: bool = False
    """The pending request gives it another size or price instead of cancelling it."""
    is_fixed: bool = False
    """The venue has refused to amend it: it is cancelled, and another takes its place."""
    engine_knows: bool = False
    """The engine was told that it is over."""

    @property
    def is_open(self) -> bool:
        """True when the venue has it or may have it."""
        return self.state < _ENDED

    @property
    def owes_fills(self) -> int:
        """Units that the venue says have traded and that are not booked yet."""
        return max(self.cumulative - self.filled, 0)

    @property
    def lots_at_risk(self) -> dict[str, int]:
        """Signed lots by contract that may still fill; an UNKNOWN order's whole rest."""
        left = self.place.units - self.filled if self.is_open else self.owes_fills
        return {code: ratio * left for code, ratio in self.place.legs}

    def cancel_sent(self, now: int, step: int) -> None:
        """A cancel is on its way, at the trader's clock and count of timestamps."""
        self.pending_cancel, self.is_refused, self.is_kept = True, False, False
        self.cancel_at, self.cancel_step = now, step

    def amend_sent(self, now: int, step: int, version: int, units: int) -> None:
        """Another size is on its way; until the answer the larger one counts."""
        self.cancel_sent(now, step)
        self.amends, self.version = True, version
        self.place = dataclasses.replace(self.place, units=max(units, self.place.units))

    def amended(self, oid: str, units: int) -> None:
        """It has the size now, under another number of the venue."""
        self.oid, self.place = oid, dataclasses.replace(self.place, units=units)
        if self.amends:  # a cancel that was sent since is still due
            self.pending_cancel, self.amends, self.cancel_at = False, False, 0
        if not self.state.is_over and self.filled >= units:
            self.state = State.FILLED

    def amend_refused(self) -> None:
        """It is cancelled instead, by our number: whether the venue's has changed is not known."""
        self.oid, self.pending_cancel, self.amends, self.is_fixed, self.cancel_at = "", False, False, True, 0

    def cancel_refused(self, now: int) -> None:
        """It is asked again after a while, unless the order turns out to be over."""
        self.cancel_at, self.refusals, self.is_refused = now, self.refusals + 1, True

    def sent(self) -> None:
        """It is on its way."""
        self._up_to(State.SENT)

    def unsure(self) -> None:
        """Whether the venue has it cannot be told; one that it was seen to have stays."""
        self._up_to(State.UNKNOWN)

    def acknowledged(self, oid: str) -> None:
        """The venue has it."""
        self.oid, self.was_live = self.oid or oid, True
        if self.state == State.REJECTED and self.ended_by == "absent":
            self.state, self.ended_by = State.LIVE, ""
        self._up_to(State.LIVE)

    def told_filled(self, units: int) -> None:
        """The venue's own count of filled units; it only grows."""
        self.cumulative = max(self.cumulative, units)

    def fill(self, legs: Sequence[LegFill]) -> None:
        """Lots of legs were booked; a unit has filled when every leg of it has."""
        for leg in legs:
            self.leg_lots[leg.contract] = self.leg_lots.get(leg.contract, 0) + leg.lots
        self.filled = min(abs(self.leg_lots.get(code, 0)) // abs(ratio) for code, ratio in self.place.legs)
        self.told_filled(self.filled)
        if self.state.is_over:
            return
        self._up_to(State.PARTIAL)
        if self.filled >= self.place.units:
            self.state = State.FILLED

    def end(self, state: State, why: str) -> None:
        """It is over; what ended it first stands."""
        if not self.state.is_over:
            self.state, self.ended_by = state, why
        self.pending_cancel = False

    @property
    def is_overfilled(self) -> bool:
        """More than was ordered: trading stops."""
        most = {code: abs(ratio) * self.place.units for code, ratio in self.place.legs}
        return self.cumulative > self.place.units or any(abs(lots) > most.get(code, 0) for code, lots in self.leg_lots.items())

    def _up_to(self, state: State) -> None:
        if not self.state.is_over:
            self.state = max(self.state, state)


class Trades:
    """Trades that were booked, by venue, contract, number and side: a message that comes again books nothing."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str, bool], int] = {}

    def new_legs(self, fact: Filled) -> list[LegFill]:
        """The legs of a fill that are not booked yet; they count as booked from now on."""
        fresh = [leg for leg in fact.legs if self._key(leg.contract, leg.trade, leg.lots) not in self._seen]
        for leg in fresh:
            self._seen[self._key(leg.contract, leg.trade, leg.lots)] = -1
        return fresh

    def knows(self, contract: str, trade: str, lots: int) -> bool:
        """True when the trade was booked."""
        return self._key(contract, trade, lots) in self._seen

    def note_fee(self, contract: str, trade: str, lots: int, fee: int) -> None:
        """What was booked as the trade's fee."""
        self._seen[self._key(contract, trade, lots)] = fee

    def fee_of(self, contract: str, trade: str, lots: int) -> int | None:
        """What was booked as the trade's fee, None for a trade that is not known."""
        return self._seen.get(self._key(contract, trade, lots))

    def __len__(self) -> int:
        return len(self._seen)

    def rows(self) -> list[list[Any]]:
        """Every trade with its fee, as plain values."""
        return [[*key, fee] for key, fee in self._seen.items()]

    def take_rows(self, rows: Sequence[Sequence[Any]]) -> None:
        """Knows the trades of :meth:`rows` and no others."""
        self._seen = {(contract, trade, buys): fee for contract, trade, buys, fee in rows}

    @staticmethod
    def _key(contract: str, trade: str, lots: int) -> tuple[str, str, bool]:
        return contract, trade, lots > 0
