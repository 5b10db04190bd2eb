# SPDX-License-Identifier: Apache-2.0
"""Strategies that every engine can express: a cross of two means, a spread by its z-score, the carry of four curves."""

from __future__ import annotations

from kilohour import Product, Strategy, indicator, product, state
from kilohour.desk import Desk
from kilohour.indicators import RollingMean, RollingZ


class Cross(Strategy):
    """Long while the fast mean is above the slow one, short while it is below."""

    product: Product = product("BENCH:A")
    fast: int = 50
    slow: int = 200
    lots: int = 1
    near: RollingMean = indicator(RollingMean, "fast")
    far: RollingMean = indicator(RollingMean, "slow")

    def on_bar(self, desk: Desk) -> None:
        contract = desk.nth(self.product, 1)
        price = desk.price(contract)
        fast, slow = self.near.update(price), self.far.update(price)
        if fast > slow:
            desk.target(contract, self.lots)
        elif fast < slow:
            desk.target(contract, -self.lots)


class Spread(Strategy):
    """Sells the gap between two contracts when it is rich for its window, buys it when it is cheap."""

    product: Product = product("BENCH:A")
    near: int = 1
    far: int = 4
    window: int = 60
    entry: float = 2.0
    exit: float = 0.5
    lots: int = 1
    gap: RollingZ = indicator(RollingZ, "window")
    held: int = state(0)

    def on_bar(self, desk: Desk) -> None:
        near, far = desk.nth(self.product, self.near), desk.nth(self.product, self.far)
        z = self.gap.update(desk.price(near) - desk.price(far))
        if z > self.entry:
            self.held = -self.lots
        elif z < -self.entry:
            self.held = self.lots
        elif abs(z) < self.exit:
            self.held = 0
        desk.target_spread(near, far, self.held)


class Resting(Strategy):
    """A limit order below and a stop order above the market at work in two contracts all the time, renewed every hour."""

    product: Product = product("BENCH:A")
    near: int = 1
    far: int = 4
    every: int = 60
    away: float = 0.05
    lots: int = 1
    age: int = state(0)
    limit: int = state(0)
    stop: int = state(0)
    far_limit: int = state(0)
    far_stop: int = state(0)

    def on_bar(self, desk: Desk) -> None:
        if self.age % self.every == 0:
            near, far = desk.nth(self.product, self.near), desk.nth(self.product, self.far)
            desk.cancel(self.limit)
            desk.cancel(self.stop)
            desk.cancel(self.far_limit)
            desk.cancel(self.far_stop)
            self.limit = self.rest(desk, near)
            self.stop = self.guard(desk, near)
            self.far_limit = self.rest(desk, far)
            self.far_stop = self.guard(desk, far)
        self.age += 1

    def rest(self, desk: Desk, contract: int) -> int:
        side = -1 if desk.position(contract) > 0 else 1
        return desk.limit(contract, side * self.lots, desk.price(contract) - side * self.away)

    def guard(self, desk: Desk, contract: int) -> int:
        side = -1 if desk.position(contract) > 0 else 1
        return desk.stop(contract, side * self.lots, desk.price(contract) + side * self.away)


class Carry(Strategy):
    """Long the front of each of four curves in backwardation, short in contango."""

    a: Product = product("BENCH:A")
    b: Product = product("BENCH:B")
    c: Product = product("BENCH:C")
    d: Product = product("BENCH:D")
    lots: int = 1

    def on_bar(self, desk: Desk) -> None:
        self.hold(desk, self.a)
        self.hold(desk, self.b)
        self.hold(desk, self.c)
        self.hold(desk, self.d)

    def hold(self, desk: Desk, curve: Product) -> None:
        near, far = desk.nth(curve, 1), desk.nth(curve, 2)
        desk.target(near, self.lots if desk.price(near) > desk.price(far) else -self.lots)


class Turns(Strategy):
    """One order on every bar: in and out of the front month, by turns."""

    chip: Product = product("SIM:H100")
    held: int = state(0)

    def on_bar(self, desk: Desk) -> None:
        self.held = 1 - self.held
        desk.target(desk.nth(self.chip, 2), self.held)
