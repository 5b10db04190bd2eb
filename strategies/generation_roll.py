# SPDX-License-Identifier: Apache-2.0
"""Generation roll: hold an amount of work, and move it to the new chip when its forwards are the cheaper work.

The idea, the formula, when it loses and what the embedded market says of it: docs/strategies/generation-roll.md.
"""

from __future__ import annotations

from typing import Any

from kilohour import Product, Strategy, maths, product, state
from kilohour.desk import Desk
from kilohour.errors import UsageError


class GenerationRoll(Strategy):
    """Carry an exposure in effective compute, and move it between two generations of chips.

    Each of the next ``months`` unfixed months holds ``exposure`` GPU-hours of the old chip's work, in whole lots. An hour
    of the new chip does ``factor`` hours of it, somewhere from ``factor_low`` to ``factor_high``, known from the day
    ``known_from`` on. The exposure moves when the other chip's strip is cheaper per unit of work by ``edge`` over the whole
    range of the factor, ``patience`` bars in a row, and its open interest has room for it. The chip that is bought leads;
    the other is sold only as far as the purchase has been filled.
    """

    old: Product = product("SIM:H100")
    new: Product = product("SIM:B200")
    exposure: float = 36_500.0
    months: int = 6
    factor_low: float = 2.25
    factor: float = 2.39
    factor_high: float = 2.53
    known_from: int = 20250204
    edge: float = 0.02
    patience: int = 5
    interest_share: float = 0.05
    roll_days: int = 5
    on_new: bool = state(False)
    waited: int = state(0)

    def check(self) -> None:
        if not 0.0 < self.factor_low <= self.factor <= self.factor_high:
            raise UsageError("GenerationRoll: factor must be above 0 and from factor_low to factor_high, "
                             f"found {self.factor_low:g}, {self.factor:g}, {self.factor_high:g}")
        if not self.factor_high <= 1000.0:
            raise UsageError(f"GenerationRoll: factor_high must be at most 1000, found {self.factor_high:g}")
        if not 1900_00_00 < self.known_from < 2200_00_00:
            raise UsageError(f"GenerationRoll: known_from must be a day as YYYYMMDD, found {self.known_from}")
        if not (self.exposure > 0.0 and self.exposure <= 1e9):
            raise UsageError(f"GenerationRoll: exposure must be above 0 and at most 1e9 GPU-hours a month, found {self.exposure:g}")
        if not 1 <= self.months <= 20:
            raise UsageError(f"GenerationRoll: months must be from 1 to 20, found {self.months}")
        if not 0.0 <= self.edge < 1.0:
            raise UsageError(f"GenerationRoll: edge must be at least 0 and below 1, found {self.edge:g}")
        if not 0.0 <= self.interest_share <= 1.0:
            raise UsageError(f"GenerationRoll: interest_share must be from 0 to 1, found {self.interest_share:g}")
        if self.patience < 1:
            raise UsageError(f"GenerationRoll: patience must be at least 1, found {self.patience}")
        if not 0 <= self.roll_days <= 365:
            raise UsageError(f"GenerationRoll: roll_days must be from 0 to 365, found {self.roll_days}")
        rows: Any = (self.old, self.new)
        if rows[0] == rows[1] and rows[0] >= 0:
            raise UsageError("GenerationRoll: new must be another product than old, found the same")

    def on_bar(self, desk: Desk) -> None:
        """Compares the two strips, then holds the one and empties the other."""
        if self.has_strip(desk, self.new) and self.has_strip(desk, self.old):
            self.compare(desk)
        if self.on_new:
            self.hold(desk, self.new, self.factor, self.old, 1.0)
        else:
            self.hold(desk, self.old, 1.0, self.new, self.factor)
        self.show(desk)

    def has_strip(self, desk: Desk, chip: Product) -> bool:
        """True when all months of a strip are listed and have a price above zero."""
        if desk.count(chip, self.roll_days) < self.months:
            return False
        for n in range(1, self.months + 1):
            if not desk.price(desk.nth(chip, n, self.roll_days)) > 0.0:
                return False
        return True

    def compare(self, desk: Desk) -> None:
        """Changes sides when the other strip's work is cheaper at every factor of the range, for long enough."""
        old, new = 0.0, 0.0
        for n in range(1, self.months + 1):
            a, b = desk.nth(self.old, n, self.roll_days), desk.nth(self.new, n, self.roll_days)
            if desk.month(a) != desk.month(b):
                raise ValueError("generation-roll: old and new must list the same delivery months")
            old += desk.price(a)
            new += desk.price(b)
        ratio = new / old
        desk.record("ratio", ratio)
        self.waited = self.waited + 1 if self.is_cheaper(desk, ratio) else 0
        if self.waited >= self.patience and self.is_liquid(desk):
            self.on_new = not self.on_new
            self.waited = 0

    def is_cheaper(self, desk: Desk, ratio: float) -> bool:
        """True when the chip that is not held does the work for less, whatever the factor is within its range."""
        if desk.date() < self.known_from:
            return False
        if self.on_new:
            return ratio > self.factor_high * (1.0 + self.edge)
        return ratio < self.factor_low * (1.0 - self.edge)

    def is_liquid(self, desk: Desk) -> bool:
        """True when every month of the other strip has the open interest, as last published, for our lots."""
        chip, work = (self.old, 1.0) if self.on_new else (self.new, self.factor)
        for n in range(1, self.months + 1):
            contract = desk.nth(chip, n, self.roll_days)
            room = self.interest_share * float(desk.interest(contract))
            if self.interest_share > 0.0 and float(self.lots(desk, contract, work)) > room:
                return False
        return True

    def lots(self, desk: Desk, contract: int, work: float) -> int:
        """Whole lots of one month nearest to the exposure."""
        return maths.nearest(self.exposure / (work * desk.unit_count(contract)))

    def hold(self, desk: Desk, chip: Product, work: float, other: Product, other_work: float) -> None:
        """Brings a chip's strip to its lots, and the other's down as far as that has been filled."""
        if not self.has_strip(desk, chip):
            desk.flat(chip)
            desk.flat(other)
            return
        paired = desk.count(other, self.roll_days) >= self.months
        for n in range(1, self.months + 1):
            contract = desk.nth(chip, n, self.roll_days)
            wanted = self.lots(desk, contract, work)
            desk.target(contract, wanted)
            if paired:
                follower, kept = desk.nth(other, n, self.roll_days), 0
                if desk.position(contract) < wanted:
                    missing = self.exposure - desk.position(contract) * work * desk.unit_count(contract)
                    kept = max(0, maths.nearest(missing / (other_work * desk.unit_count(follower))))
                if kept < desk.position(follower):
                    desk.target(follower, kept)
        desk.close_outside(desk.nth(chip, 1, self.roll_days), desk.nth(chip, self.months, self.roll_days))
        if paired:
            desk.close_outside(desk.nth(other, 1, self.roll_days), desk.nth(other, self.months, self.roll_days))

    def show(self, desk: Desk) -> None:
        """Records the work that whole lots leave open, at the factor and at both ends of its range."""
        old, new = self.held_hours(desk, self.old), self.held_hours(desk, self.new)
        desk.record("on_new", 1.0 if self.on_new else 0.0)
        desk.record("residual", self.exposure * self.months - old - new * self.factor)
        desk.record("residual_if_low", self.exposure * self.months - old - new * self.factor_low)
        desk.record("residual_if_high", self.exposure * self.months - old - new * self.factor_high)

    def held_hours(self, desk: Desk, chip: Product) -> float:
        """GPU-hours held in a chip's strip."""
        hours = 0.0
        for n in range(1, min(self.months, desk.count(chip, self.roll_days)) + 1):
            contract = desk.nth(chip, n, self.roll_days)
            hours += desk.position(contract) * desk.unit_count(contract)
        return hours
