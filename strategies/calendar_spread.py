# SPDX-License-Identifier: Apache-2.0
"""Calendar spread: fade a rich or cheap front of the curve, near against far, in whole lots."""

from __future__ import annotations

from kilohour import Product, Strategy, indicator, product, state
from kilohour.desk import Desk
from kilohour.errors import UsageError
from kilohour.indicators import RollingZ


class CalendarSpread(Strategy):
    """Fade a rich or cheap front of the curve, near against far of one product, in whole lots.

    The gap between the two prices is measured in daily volatilities of the near contract, and compared with its own
    last ``window`` days. A gap ``entry`` deviations rich is sold, one as cheap bought, and the spread is closed when the
    gap is within ``exit`` of its mean. The pair is counted from the first month that will not be fixing within
    ``roll_days``; when it moves on, the remembered gaps are shifted so that the two pairs meet, and the position goes to
    the new pair in one order of four legs.
    """

    product: Product = product("SIM:H100")
    near: int = 1
    far: int = 4
    window: int = 60
    entry: float = 2.0
    exit: float = 0.5
    lots: int = 10
    roll_days: int = 5
    gap: RollingZ = indicator(RollingZ, "window")
    pair_near: int = state(-1)
    pair_far: int = state(-1)
    held: int = state(0)

    def check(self) -> None:
        if not 1 <= self.near < self.far:
            raise UsageError(f"CalendarSpread: near must be at least 1 and below far, found near {self.near}, far {self.far}")
        if not 0.0 <= self.exit < self.entry:
            raise UsageError(f"CalendarSpread: exit must be at least 0 and below entry, found exit {self.exit}, entry {self.entry}")
        if self.lots < 1 or self.roll_days < 0:
            raise UsageError(f"CalendarSpread: lots must be at least 1 and roll_days at least 0, found {self.lots} and {self.roll_days}")

    def on_bar(self, desk: Desk) -> None:
        """One look at the pair; see the class."""
        if desk.count(self.product, self.roll_days) < self.far:
            return
        near, far = desk.nth(self.product, self.near, self.roll_days), desk.nth(self.product, self.far, self.roll_days)
        if desk.price(near) != desk.price(near) or desk.price(far) != desk.price(far) or not desk.has_volatility(near):
            return
        scale = desk.volatility(near)
        if scale <= 0.0:
            return
        gap = (desk.price(near) - desk.price(far)) / scale
        if near != self.pair_near or far != self.pair_far:
            if self.pair_near >= 0:
                before = (desk.price(self.pair_near) - desk.price(self.pair_far)) / scale
                self.gap.rebase(gap - before)
            self.pair_near, self.pair_far = near, far
        z = self.gap.update(gap)
        desk.record("gap", gap)
        desk.record("z", z)
        if z > self.entry:
            self.held = -self.lots
        elif z < -self.entry:
            self.held = self.lots
        elif abs(z) < self.exit:
            self.held = 0
        desk.target_only(near, far, self.held)
