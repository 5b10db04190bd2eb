# SPDX-License-Identifier: Apache-2.0
"""Rolled exposure: hold so many GPU-hours, long or short; let the roll machine carry them from month to month.

The idea, the parameters, when it loses and what rolling costs: docs/strategies/rolled-exposure.md.
"""

from __future__ import annotations

from kilohour import Product, Strategy, maths, product
from kilohour.desk import Desk
from kilohour.errors import UsageError
from kilohour.faces.fields import component
from kilohour.trading import Roll, WorkFactors, set_factors


class RolledExposure(Strategy):
    """Hold an exposure of ``hours`` of a chip (negative: short), and roll it; from ``move_on`` on hold it in a newer chip.

    The contract held, and how it is left, is the roll machine's business (:class:`~kilohour.trading.Roll`). From the day
    ``move_on`` (YYYYMMDD, 0: never) the exposure counts in the new chip's hours, one of which does ``factor`` hours of the
    old chip's work; what whole lots leave open is shown.
    """

    chip: Product = product("SIM:H100")
    hours: float = 36_500.0
    trigger: int = 0
    days: int = 14
    forced_days: int = 7
    stages: int = 1
    as_spread: bool = True
    at_market: bool = False
    into_settlement: bool = False
    patience: float = 1.5
    naked_most: int = 5
    new_chip: Product = product("SIM:B200")
    move_on: int = 0
    factor: float = 2.39
    roll: Roll = component(Roll, trigger="trigger", days="days", forced_days="forced_days", stages="stages", as_spread="as_spread",
                           at_market="at_market", into_settlement="into_settlement", patience="patience", naked_most="naked_most")
    work: WorkFactors = component(WorkFactors, capacity=4)

    def check(self) -> None:
        if not -1e9 <= self.hours <= 1e9 or self.hours == 0.0:
            raise UsageError(f"RolledExposure: hours must be from -1e9 to 1e9 and not 0, found {self.hours:g}")
        if self.move_on != 0:
            set_factors(self.work, [(self.move_on, self.factor)])

    def on_bar(self, desk: Desk) -> None:
        """Says which chip and how many lots; the machine does the rest."""
        if self.work.is_known(desk):
            self.hold(desk, self.new_chip, self.work.factor(desk))
        else:
            self.hold(desk, self.chip, 1.0)
        self.roll.show(desk)

    def hold(self, desk: Desk, chip: Product, factor: float) -> None:
        """Holds the nearest whole lots of a chip that do the work, once it has a month to hold."""
        lots = self.roll.lots
        if desk.count(chip, 0) >= 1:
            lots = maths.nearest(self.hours / (factor * desk.unit_count(desk.nth(chip, 1, 0))))
        self.roll.hold(desk, chip, lots)
        if self.roll.near >= 0:
            held = desk.position(self.roll.near) * desk.unit_count(self.roll.near)
            desk.record("month", float(desk.month(self.roll.near)))
            desk.record("hours_open", self.hours - held * factor)
