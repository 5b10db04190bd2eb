# SPDX-License-Identifier: Apache-2.0
"""Controls that a strategy cannot pass by, beyond the gate it shares with the backtest: states, rates, ages, losses.

All of it is a function of what it is told, clock readings included, so a replay decides the same.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import IntEnum

from kilohour.errors import UsageError
from kilohour.units import NANOS_PER_SECOND

NANOS_PER_MINUTE = 60 * NANOS_PER_SECOND


class Trading(IntEnum):
    """What may be sent; a state only goes up by itself, and down by the operator."""

    ACTIVE = 0
    REDUCE_ONLY = 1
    HALTED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of a run. 0 stands for none, except in rates. Money in micros, times in nanoseconds."""

    messages_per_second: int = 10
    cancels_reserved: int = 3
    """Messages of a second that only cancels may use."""
    feed_age_most: int = 0
    """Without an event for so long, nothing new is sent."""
    loss_day_most: int = 0
    """Below the day's first equity by so much: reduce only."""
    drawdown_most: int = 0
    """Below the run's highest equity by so much: halted."""
    open_orders_most: int = 200
    order_lots_most: int = 100_000
    collar_ppm: int = 100_000
    """How far from the last price a market order's limit lies, where the product has no band."""
    ack_wait: int = 2 * NANOS_PER_SECOND
    """Without an answer for so long an order is UNKNOWN."""
    look_wait: int = NANOS_PER_SECOND
    """Between two questions for an UNKNOWN order; doubled each time, to a minute."""
    absence_wait: int = 5 * NANOS_PER_SECOND
    """An order that the venue does not know so long after it was sent was never there."""
    cancel_wait: int = 2 * NANOS_PER_SECOND

    def __post_init__(self) -> None:
        if not 0 < self.cancels_reserved < self.messages_per_second:
            raise UsageError(f"cancels_reserved must be from 1 to below messages_per_second {self.messages_per_second}, "
                             f"found {self.cancels_reserved}")
        if not 0 < self.collar_ppm < 1_000_000:
            raise UsageError(f"collar_ppm must be between 0 and 1000000, found {self.collar_ppm}")


class Risk:
    """The run-time state of the controls."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.trading = Trading.ACTIVE
        self.reason = ""
        self.peak: int | None = None
        self.day = -1
        self.day_start = 0
        self.feed_at: int | None = None
        self.is_linked = True
        self.is_reconciled = False
        self._sent: deque[int] = deque()

    def raise_to(self, state: Trading, why: str) -> bool:
        """Goes to a stricter state; True when it was not there before."""
        if state <= self.trading:
            return False
        self.trading, self.reason = state, why
        return True

    def release(self) -> None:
        """The operator lets it trade again; losses count from here."""
        self.trading, self.reason, self.peak, self.day = Trading.ACTIVE, "", None, -1

    def saw_feed(self, now: int) -> None:
        """An event came."""
        self.feed_at = now

    def saw_equity(self, equity: int, day: int) -> tuple[Trading, str] | None:
        """A limit on losses that this equity breaks."""
        if day != self.day:
            self.day, self.day_start = day, equity
        self.peak = equity if self.peak is None else max(self.peak, equity)
        if self.limits.drawdown_most and self.peak - equity > self.limits.drawdown_most:
            return Trading.HALTED, f"drawdown of {(self.peak - equity) / 1e6:,.2f} USD"
        if self.limits.loss_day_most and self.day_start - equity > self.limits.loss_day_most:
            return Trading.REDUCE_ONLY, f"loss of {(self.day_start - equity) / 1e6:,.2f} USD today"
        return None

    def refusal(self, now: int, *, reduces: bool, lots: int, open_orders: int) -> str:
        """Why an order must not be sent, empty when it may."""
        limits = self.limits
        if self.trading == Trading.HALTED:
            return f"halted: {self.reason}"
        if self.trading == Trading.REDUCE_ONLY and not reduces:
            return f"reduce only: {self.reason}"
        if lots > limits.order_lots_most:
            return f"{lots} lots, at most {limits.order_lots_most}"
        if open_orders >= limits.open_orders_most:
            return f"{open_orders} orders are open already"
        if self.is_feed_old(now):
            return "the feed is old"
        return ""

    def may_wait(self) -> str:
        """Why an order has to wait, empty when it need not."""
        if not self.is_linked:
            return "the order stream is down"
        return "" if self.is_reconciled else "the account is not reconciled"

    def is_feed_old(self, now: int) -> bool:
        """True when no event came for longer than allowed."""
        return bool(self.limits.feed_age_most and self.feed_at is not None and now - self.feed_at > self.limits.feed_age_most)

    def has_room(self, now: int, *, cancel: bool) -> bool:
        """True when a message fits into this second; cancels may use what is reserved for them."""
        while self._sent and now - self._sent[0] >= NANOS_PER_SECOND:
            self._sent.popleft()
        most = self.limits.messages_per_second - (0 if cancel else self.limits.cancels_reserved)
        return len(self._sent) < most

    def sent(self, now: int) -> None:
        """A message went out."""
        self._sent.append(now)
