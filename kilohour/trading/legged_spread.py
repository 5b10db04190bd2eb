# SPDX-License-Identifier: Apache-2.0
"""Two legs that no exchange matches: the less liquid one is worked, the other hedges each fill.

States, limits and costs in words and tables: docs/rolls-and-spreads.md.
"""

from __future__ import annotations

from math import nan

from kilohour import maths
from kilohour.desk import Desk
from kilohour.errors import UsageError
from kilohour.faces.face import Face
from kilohour.faces.fields import state
from kilohour.kernels.records import MARGIN_CALL
from kilohour.trading.tickets import TICKETS_LEFT, is_alive, on_tick

IDLE, BUILDING, UNWINDING, WITHDRAWING = 0, 1, 2, 3


class LeggedSpread(Face):
    """Buys one contract against another in whole lots, without ever being naked by more than ``naked_most`` lots of the hedge.

    The leg that trades less, as seen when it starts, is worked (the other one where a single lot of it would need more hedge
    than ``naked_most``): with a limit order pegged to its last price (or to ``price``,
    a limit on the spread), or ``at_market``. Every fill is hedged at the market in the other leg. What may be worked at one
    time is what could stay unhedged within ``naked_most`` if all of it filled and no hedge did.

    A leg is broken when its hedge fills nothing for ``patience`` days. With ``unwind`` what was not hedged is closed again; without,
    no more is worked and the hedge is taken at any price. Either way ``broken`` counts it, and ``broken_cost`` adds up what
    it cost in dollars before fees: the way in and out of a leg that was unwound, or what a late hedge cost more than the price
    seen when the leg was filled. What is not done after ``give_up`` days (0: never) is given up.

    Start it when it is not busy, then call :meth:`work` in every ``on_bar``. The two contracts' orders must be its own.
    """

    naked_most: int = 5
    patience: float = 1.0
    at_market: bool = False
    unwind: bool = True
    give_up: float = 0.0
    phase: int = state(IDLE)
    stopping: bool = state(False)
    first_is_worked: bool = state(True)
    worked: int = state(-1)
    hedge: int = state(-1)
    side: int = state(1)
    """+1 when the worked leg is bought; the hedge is on the other side."""
    size: int = state(0)
    hedge_size: int = state(0)
    price: float = state(0.0)
    value_ratio: float = state(1.0)
    started: int = state(0)
    done: int = state(0)
    """Lots of the worked leg filled, less what was unwound."""
    hedged: int = state(0)
    worked_ticket: int = state(0)
    worked_seen: int = state(0)
    worked_spent: float = state(0.0)
    worked_lots: int = state(0)
    worked_price: float = state(0.0)
    hedge_ticket: int = state(0)
    hedge_seen: int = state(0)
    hedge_spent: float = state(0.0)
    is_back: bool = state(False)
    """True while the tickets close what stood already."""
    uneven_at: int = state(-1)
    is_broken: bool = state(False)
    open_lots: int = state(0)
    open_value: float = state(0.0)
    hedge_lots: int = state(0)
    hedge_value: float = state(0.0)
    back_lots: int = state(0)
    back_value: float = state(0.0)
    late_lots: int = state(0)
    late_value: float = state(0.0)
    reference: float = state(0.0)
    broken: int = state(0)
    broken_cost: float = state(0.0)

    def check(self) -> None:
        if not 1 <= self.naked_most <= 1_000_000:
            raise UsageError(f"LeggedSpread.naked_most must be from 1 to 1000000 lots of the hedge, found {self.naked_most}")
        if not 0.0 <= self.patience <= 365.0:
            raise UsageError(f"LeggedSpread.patience must be from 0 to 365 days, found {self.patience:g}")
        if not 0.0 <= self.give_up <= 3650.0:
            raise UsageError(f"LeggedSpread.give_up must be from 0 (never) to 3650 days, found {self.give_up:g}")

    def start(self, desk: Desk, first: int, first_lots: int, second: int, second_lots: int, price: float = nan) -> None:
        """Begins to trade ``first_lots`` against ``second_lots`` (the other sign; 0: no hedge).

        ``price``: pay no more (take no less, when ``first_lots`` is negative) than this for first − r · second per unit of the
        first, r being units of the second per unit of the first; NaN pegs the worked order to its leg's last price.
        Raises ValueError while busy, and for lots of the same sign.
        """
        if self.phase != IDLE:
            raise ValueError("legged spread: the last one is still being worked; ask is_busy first")
        if first == second or first_lots == 0 or (first_lots > 0 and second_lots > 0) or (first_lots < 0 and second_lots < 0):
            raise ValueError("legged spread: it takes two contracts, with lots of opposite signs")
        self.first_is_worked = second_lots == 0 or is_thinner(desk, first, second)
        if abs(second_lots) > self.naked_most * abs(first_lots):
            self.first_is_worked = False
        elif abs(first_lots) > self.naked_most * abs(second_lots):
            self.first_is_worked = True
        if self.first_is_worked:
            self.worked, self.size, self.hedge, self.hedge_size = first, abs(first_lots), second, abs(second_lots)
        else:
            self.worked, self.size, self.hedge, self.hedge_size = second, abs(second_lots), first, abs(first_lots)
        self.side = 1 if (first_lots > 0) == bool(self.first_is_worked) else -1
        self.value_ratio = abs(float(second_lots) * desk.unit_count(second)) / abs(float(first_lots) * desk.unit_count(first))
        self.price, self.started = price, desk.now
        self.phase, self.done, self.hedged = BUILDING, 0, 0
        self.stopping, self.is_broken = False, False
        self.forget()

    def forget(self) -> None:
        """Begins to count anew what it cost to become uneven."""
        self.uneven_at = -1
        self.open_lots, self.open_value, self.hedge_lots, self.hedge_value = 0, 0.0, 0, 0.0
        self.back_lots, self.back_value, self.late_lots, self.late_value = 0, 0.0, 0, 0.0

    def is_busy(self) -> bool:
        """True until everything that was started is done, given up or unwound."""
        return self.phase != IDLE

    def stop(self) -> None:
        """Works no more; what has filled is still hedged."""
        self.stopping = True

    def withdraw(self) -> None:
        """Cancels everything and hedges no more: what stands then, stands. For who takes over at the market."""
        if self.phase != IDLE:
            self.phase = WITHDRAWING

    def first_done(self) -> int:
        """Lots of the first contract that stand, without sign."""
        return self.done if self.first_is_worked else self.hedged

    def second_done(self) -> int:
        """Lots of the second contract that stand, without sign."""
        return self.hedged if self.first_is_worked else self.done

    def hedge_for(self, lots: int) -> int:
        """Lots of hedge, to the nearest (halves up), that ``lots`` of the worked leg need."""
        return (2 * lots * self.hedge_size + self.size) // (2 * self.size)

    def hedged_by(self, lots: int) -> int:
        """The most lots of the worked leg that need no more than ``lots`` of hedge."""
        if self.hedge_size == 0:
            return self.size
        return min(self.size, (2 * self.size * (lots + 1) - self.size - 1) // (2 * self.hedge_size))

    def naked(self) -> int:
        """Lots of hedge that are missing (negative: too many)."""
        if self.phase == IDLE:
            return 0
        return self.hedge_for(self.done) - self.hedged

    def work(self, desk: Desk) -> bool:
        """Hedges what has filled and works the rest, once a bar; True while busy."""
        if self.phase == IDLE:
            return False
        self.read_worked(desk)
        self.read_hedge(desk)
        if self.phase == BUILDING:
            self.watch(desk)
        if self.phase == BUILDING:
            self.build(desk)
        elif self.phase == UNWINDING:
            self.mend(desk)
        else:
            self.cancel(desk)
            if self.worked_ticket == 0 and self.hedge_ticket == 0:
                self.is_back, self.is_broken, self.phase = False, False, IDLE
        return self.phase != IDLE

    def cancel(self, desk: Desk) -> None:
        """Asks for the end of what still works."""
        if self.worked_ticket > 0:
            desk.cancel(self.worked_ticket)
        if self.hedge_ticket > 0:
            desk.cancel(self.hedge_ticket)

    def read_worked(self, desk: Desk) -> None:
        """Takes in what the worked leg's order has filled since the last look."""
        if self.worked_ticket == 0:
            return
        lots, spent = desk.filled(self.worked_ticket) - self.worked_seen, desk.spent(self.worked_ticket) - self.worked_spent
        self.worked_seen += lots
        self.worked_spent += spent
        if self.is_back:
            self.done -= lots
            self.back_lots += lots
            self.back_value += spent
        else:
            self.done += lots
            self.open_lots += lots
            self.open_value += spent
        if not is_alive(desk, self.worked_ticket):
            if desk.status(self.worked_ticket) == MARGIN_CALL:
                self.stopping = True
            self.worked_ticket = 0
        elif desk.ticket_count - self.worked_ticket > TICKETS_LEFT:
            desk.cancel(self.worked_ticket)

    def read_hedge(self, desk: Desk) -> None:
        """Takes in what the hedge has filled since the last look."""
        if self.hedge_ticket == 0:
            return
        lots, spent = desk.filled(self.hedge_ticket) - self.hedge_seen, desk.spent(self.hedge_ticket) - self.hedge_spent
        self.hedge_seen += lots
        self.hedge_spent += spent
        self.hedged += -lots if self.is_back else lots
        if lots > 0:
            self.uneven_at = desk.now  # what still fills is not broken
        if self.is_back or (self.is_broken and not self.unwind):
            self.late_lots += lots
            self.late_value += spent
        else:
            self.hedge_lots += lots
            self.hedge_value += spent
        if not is_alive(desk, self.hedge_ticket):
            self.hedge_ticket = 0
        elif desk.ticket_count - self.hedge_ticket > TICKETS_LEFT:
            desk.cancel(self.hedge_ticket)

    def watch(self, desk: Desk) -> None:
        """Finds a leg that has waited too long for its hedge."""
        if self.naked() == 0:
            if self.is_broken:
                self.broken_cost += self.late_cost(desk)
                self.is_broken, self.stopping = False, True
            self.forget()
        elif self.uneven_at < 0:
            self.uneven_at, self.reference = desk.now, desk.price(self.hedge)
        elif maths.is_nan(self.reference):
            self.reference = desk.price(self.hedge)
        elif not self.is_broken and desk.now - self.uneven_at > self.patience * 86_400e9:
            self.is_broken = True
            self.broken += 1
            if self.unwind:
                self.phase = UNWINDING

    def build(self, desk: Desk) -> None:
        """Hedges first, then works as much as may become naked."""
        naked = self.naked()
        if naked > 0 and self.hedge_ticket == 0:
            self.order_hedge(desk, -self.side * naked)
        if self.stopping or self.is_broken:
            if self.worked_ticket > 0:
                desk.cancel(self.worked_ticket)
        elif self.worked_ticket > 0:
            self.peg(desk)
        else:
            self.order_worked(desk, self.hedged_by(self.hedged + self.naked_most) - self.done)
        if self.give_up > 0.0 and desk.now - self.started > self.give_up * 86_400e9:
            self.stopping = True
        is_over = self.stopping or self.done == self.size
        if is_over and naked == 0 and self.worked_ticket == 0 and self.hedge_ticket == 0:
            self.phase = IDLE

    def order_worked(self, desk: Desk, lots: int) -> None:
        """Works ``lots`` more; a limit waits until there is a price to peg it to."""
        lots = min(lots, self.size - self.done)
        price = 0.0 if self.at_market else self.limit_price(desk)
        if lots <= 0 or maths.is_nan(price):
            return
        if self.at_market:
            self.worked_ticket = desk.market(self.worked, self.side * lots)
        else:
            self.worked_ticket = desk.limit(self.worked, self.side * lots, price)
        self.worked_lots, self.worked_price, self.worked_seen, self.worked_spent, self.is_back = lots, price, 0, 0.0, False

    def order_hedge(self, desk: Desk, lots: int) -> None:
        """Trades in the hedge at the market."""
        self.hedge_ticket = desk.market(self.hedge, lots)
        self.hedge_seen, self.hedge_spent = 0, 0.0

    def peg(self, desk: Desk) -> None:
        """Moves the working limit order to its price of now."""
        price = self.worked_price if self.at_market else self.limit_price(desk)
        if not maths.is_nan(price) and price != self.worked_price:
            desk.amend(self.worked_ticket, self.side * self.worked_lots, price)
            self.worked_price = price

    def limit_price(self, desk: Desk) -> float:
        """The worked leg's limit, on its tick and never beyond what was asked for; NaN when a price is missing."""
        wanted = desk.price(self.worked)
        if not maths.is_nan(self.price):
            if self.first_is_worked:
                wanted = self.price + self.value_ratio * desk.price(self.hedge)
            else:
                wanted = (desk.price(self.hedge) - self.price) / self.value_ratio
        if maths.is_nan(wanted):
            return nan
        return on_tick(wanted, desk.tick_size[self.worked], self.side > 0)

    def mend(self, desk: Desk) -> None:
        """Closes the part of each leg that the other does not cover: first nothing may work, then the one, then the other."""
        if not self.is_back and (self.worked_ticket > 0 or self.hedge_ticket > 0):
            self.cancel(desk)
            return
        if self.worked_ticket > 0 or self.hedge_ticket > 0:
            return
        self.is_back = True
        excess = self.done - min(self.done, self.hedged_by(self.hedged))
        if excess > 0:
            self.worked_ticket = desk.market(self.worked, -self.side * excess)
            self.worked_seen, self.worked_spent = 0, 0.0
        elif self.naked() < 0:
            self.order_hedge(desk, -self.side * self.naked())
        else:
            self.broken_cost += self.unwound_cost(desk)
            self.is_back, self.is_broken, self.phase = False, False, IDLE

    def unwound_cost(self, desk: Desk) -> float:
        """Dollars that the way in and out of what was unwound cost, at the average price since the legs last stood even."""
        cost = 0.0
        if self.back_lots > 0:
            went_in = self.open_value * self.back_lots / self.open_lots
            cost += (went_in + self.back_value) * desk.unit_count(self.worked)
        if self.late_lots > 0:
            went_in = self.hedge_value * self.late_lots / self.hedge_lots
            cost += (went_in + self.late_value) * desk.unit_count(self.hedge)
        return cost

    def late_cost(self, desk: Desk) -> float:
        """Dollars that a late hedge cost more than the price seen when its leg was filled."""
        if self.late_lots == 0:
            return 0.0
        return (self.late_value + self.side * self.late_lots * self.reference) * desk.unit_count(self.hedge)

    def show(self, desk: Desk) -> None:
        """Records what the report's table of broken legs is made of."""
        desk.record("legs_broken", float(self.broken))
        desk.record("broken_cost", self.broken_cost)
        desk.record("naked_lots", float(self.naked()))


def is_thinner(desk: Desk, first: int, second: int) -> bool:
    """True when the first trades less, by the last bars seen; by open interest where a volume is not known."""
    a, b = desk.volume(first), desk.volume(second)
    if a < 0 or b < 0:
        a, b = desk.interest(first), desk.interest(second)
    return a <= b
