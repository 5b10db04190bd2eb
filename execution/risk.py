# SPDX-License-Identifier: Apache-2.0
"""Controls that only a live run can have, behind the gate it shares with the backtest: the feed's age, messages, the clock, states.

All of it is a function of what it is told, clock readings included, so a replay decides the same.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, fields
from enum import IntEnum
from pathlib import Path

from kilohour.errors import UsageError
from kilohour.kernels import records as r
from kilohour.limits import LIVE, check_number, read_limits, stated
from kilohour.units import NANOS_PER_DAY, NANOS_PER_SECOND, micros


class Trading(IntEnum):
    """What may be sent; a state only goes up by itself, and down by the operator."""

    ACTIVE = 0
    REDUCE_ONLY = 1
    HALTED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveLimits:
    """What :class:`kilohour.limits.RiskLimits` cannot ask, for it has no clock and no wire. 0 is off, but for waits and messages.

    Seconds of the runner's clock, money USD. Raises :class:`~kilohour.errors.UsageError` for what makes no sense.
    """

    messages_per_second: int = 10
    cancels_reserved: int = 3
    """Messages of a second that only cancels may use."""
    feed_age_seconds: float = 0.0
    """Without an event for so long, nothing new is sent."""
    loss_today: float = 0.0
    """Equity so far below the first of the clock's day (UTC), asked with every fill and fee and not only at bars: reduce only until
    the operator says otherwise."""
    cash_apart: float = 0.0
    """Cash that the account gained or lost without this run's doing, since the start or since the operator accepted it: beyond it reduce
    only. 0: told in the journal and on the screen, and nothing else."""
    step_seconds: float = 0.0
    """A step of the strategy that takes longer is taken for hung: a process of its own cancels everything (watchdog.py)."""
    answer_seconds: float = 2.0
    """Without an answer for so long an order is UNKNOWN."""
    look_seconds: float = 1.0
    """Between two questions for an UNKNOWN order; doubled each time, to a minute."""
    absence_seconds: float = 5.0
    """An order that the venue does not know so long after it was sent was never there."""
    cancel_seconds: float = 2.0
    """A cancel that was not answered for so long is asked about."""

    def __post_init__(self) -> None:
        for field in fields(self):
            check_number(field.name, getattr(self, field.name), whole=isinstance(field.default, int))
        if not 0 < self.cancels_reserved < self.messages_per_second:
            raise UsageError(f"limits: cancels_reserved must be from 1 to below messages_per_second {self.messages_per_second}, "
                             f"found {self.cancels_reserved}")

    @classmethod
    def load(cls, path: str | Path, base: LiveLimits | None = None) -> LiveLimits:
        """The table ``[live]`` of a file of limits over ``base``. Raises :class:`UsageError` with the file and the field."""
        found: LiveLimits = stated(base or cls(), read_limits(path).get(LIVE, {}), f"{path} [{LIVE}]")
        return found

    def nanos(self, name: str) -> int:
        """One of the times in nanoseconds."""
        seconds: float = getattr(self, name)
        return round(seconds * NANOS_PER_SECOND)


class Risk:
    """The run-time state of the controls."""

    def __init__(self, limits: LiveLimits) -> None:
        self.limits = limits
        self.trading = Trading.ACTIVE
        self.reason = ""
        self.day = -1
        self.day_start = 0
        self.feed_at: int | None = None
        self.is_linked = True
        self.is_reconciled = False
        self.sent_at: deque[int] = deque()
        """Clock readings of the messages of the last second."""

    def raise_to(self, state: Trading, why: str) -> bool:
        """Goes to a stricter state; True when it was not there before."""
        if state <= self.trading:
            return False
        self.trading, self.reason = state, why
        return True

    def release(self) -> None:
        """The operator lets it trade again; losses count from here."""
        self.trading, self.reason, self.day = Trading.ACTIVE, "", -1

    def saw_feed(self, now: int) -> None:
        """An event came."""
        self.feed_at = now

    def saw_equity(self, equity: int, now: int) -> str:
        """Micros and the clock; how the day's loss breaks the limit, empty when it does not."""
        if now // NANOS_PER_DAY != self.day:
            self.day, self.day_start = now // NANOS_PER_DAY, equity
        loss = self.day_start - equity
        return f"loss of {loss / 1e6:,.2f} USD today" if self.limits.loss_today and loss > micros(self.limits.loss_today) else ""

    def refusal(self, now: int, *, reduces: bool) -> tuple[int, str]:
        """The gate's code and the reason for which an order must not be sent, 0 when it may."""
        if self.trading == Trading.HALTED:
            return int(r.IS_HALTED), f"halted: {self.reason}"
        if self.trading == Trading.REDUCE_ONLY and not reduces:
            return int(r.REDUCING), f"reduce only: {self.reason}"
        return (int(r.FEED_AGE), "the feed is old") if self.is_feed_old(now) else (0, "")

    def may_wait(self) -> str:
        """Why an order has to wait, empty when it need not."""
        if not self.is_linked:
            return "the order stream is down"
        return "" if self.is_reconciled else "the account is not reconciled"

    def is_feed_old(self, now: int) -> bool:
        """True when no event came for longer than allowed."""
        most = self.limits.nanos("feed_age_seconds")
        return bool(most and self.feed_at is not None and now - self.feed_at > most)

    def has_room(self, now: int, *, cancel: bool) -> bool:
        """True when a message fits into this second; cancels may use what is reserved for them."""
        while self.sent_at and now - self.sent_at[0] >= NANOS_PER_SECOND:
            self.sent_at.popleft()
        most = self.limits.messages_per_second - (0 if cancel else self.limits.cancels_reserved)
        return len(self.sent_at) < most

    def sent(self, now: int) -> None:
        """A message went out."""
        self.sent_at.append(now)
