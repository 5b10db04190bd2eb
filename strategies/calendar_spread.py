# SPDX-License-Identifier: Apache-2.0
"""Calendar spread: fade a rich or cheap front of the curve, near against far, in whole lots.

The idea, the formula, when it loses and what the embedded market says of it: docs/strategies/calendar-spread.md.
"""

from __future__ import annotations

from kilohour import Product, Strategy, indicator, maths, product, state
from kilohour.desk import Desk
from kilohour.errors import UsageError
from kilohour.indicators import RollingZ


class CalendarSpread(Strategy):
    """Fade a rich or cheap front of the curve, near against far of one product, in whole lots.

    The gap near − far, in daily volatilities of the curve, is compared with its own last ``window`` days. A gap
    ``entry`` deviations above their mean is sold and one as far below bought, if the way back to the mean is worth at
    least ``ticks``; the spread is closed once the gap is back within ``exit`` of the mean. The pair is counted from the
    first month that does not begin to fix within ``roll_days``. When it moves on, the remembered gaps are shifted so that
    the two pairs meet, and the lots go over in one order of four legs; what a thin market has not taken after half of the
    ``roll_days`` is closed leg by leg.
    """

    product: Product = product("SIM:H100")
    near: int = 1
    far: int = 4
    window: int = 60
    entry: float = 2.0
    exit: float = 0.5
    ticks: float = 7.0
    lots: int = 10
    roll_days: int = 10
    gap: RollingZ = indicator(RollingZ, "window")
    pair_near: int = state(-1)
    pair_far: int = state(-1)
    left_near: int = state(-1)
    left_far: int = state(-1)
    held: int = state(0)

    def check(self) -> None:
        if not 1 <= self.near < self.far:
            raise UsageError(f"CalendarSpread: near must be at least 1 and below far, found near {self.near}, far {self.far}")
        if not 0.0 <= self.exit < self.entry:
            raise UsageError(f"CalendarSpread: exit must be at least 0 and below entry, found exit {self.exit:g}, entry {self.entry:g}")
        if not 0.0 <= self.ticks <= 1e9:
            raise UsageError(f"CalendarSpread: ticks must be at least 0 and at most 1e9, found {self.ticks:g}")
        if not 1 <= self.lots <= 1_000_000:
            raise UsageError(f"CalendarSpread: lots must be from 1 to 1000000, found {self.lots}")
        if not 0 <= self.roll_days <= 365:
            raise UsageError(f"CalendarSpread: roll_days must be from 0 to 365, found {self.roll_days}")

    def on_bar(self, desk: Desk) -> None:
        """Forms the pair, judges its gap, and brings the lots to the pair and nowhere else."""
        if desk.count(self.product, self.roll_days) < self.far:
            desk.flat(self.product)
            return
        near = desk.nth(self.product, self.near, self.roll_days)
        far = desk.nth(self.product, self.far, self.roll_days)
        if maths.is_nan(desk.price(near)) or maths.is_nan(desk.price(far)):
            desk.flat(self.product)
            return
        scale = self.scale(desk, near, far)
        if scale > 0.0:
            self.judge(desk, near, far, scale)
        if self.is_late(desk):
            desk.target_spread(near, far, self.held)
            self.leave(desk, self.left_near)
            self.leave(desk, self.left_far)
        else:
            desk.target_only(near, far, self.held)

    def judge(self, desk: Desk, near: int, far: int, scale: float) -> None:
        """Sets the lots to hold, long the near contract when positive."""
        gap = (desk.price(near) - desk.price(far)) / scale
        if near != self.pair_near or far != self.pair_far:
            if self.pair_near >= 0:
                self.gap.rebase(gap - (desk.price(self.pair_near) - desk.price(self.pair_far)) / scale)
                self.left_near, self.left_far = self.pair_near, self.pair_far
            self.pair_near, self.pair_far = near, far
        z = self.gap.update(gap)
        is_worth = abs(gap - self.gap.mean()) * scale >= self.ticks * desk.tick_size[near]
        if z > self.entry and is_worth:
            self.held = -self.lots
        elif z < -self.entry and is_worth:
            self.held = self.lots
        elif (self.held < 0 and z < self.exit) or (self.held > 0 and z > -self.exit):
            self.held = 0
        desk.record("gap", gap)
        desk.record("z", z)
        desk.record("near_month", float(desk.month(near)))
        desk.record("far_month", float(desk.month(far)))

    def is_late(self, desk: Desk) -> bool:
        """True when lots stand in the pair left behind and half of the ``roll_days`` are gone."""
        left = self.left_near
        return left >= 0 and desk.position(left) != 0 and desk.days_to_fixing(left) < 0.5 * self.roll_days

    def leave(self, desk: Desk, contract: int) -> None:
        """Closes a contract of the pair left behind by itself."""
        if desk.is_listed(contract) and contract != self.pair_near and contract != self.pair_far:
            desk.target(contract, 0)

    def scale(self, desk: Desk, near: int, far: int) -> float:
        """Daily volatility of the curve: the root mean square of its two ends', dollars; 0 before both are known."""
        if not (desk.has_volatility(near) and desk.has_volatility(far)):
            return 0.0
        a, b = desk.volatility(near), desk.volatility(far)
        return maths.sqrt(0.5 * (a * a + b * b))
