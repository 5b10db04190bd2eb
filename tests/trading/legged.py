# SPDX-License-Identifier: Apache-2.0
"""A strategy that does nothing but trade spreads leg by leg, for both faces and the engine."""

from __future__ import annotations

from kilohour import Product, Strategy, component, product, state
from kilohour.desk import Desk
from kilohour.trading import LeggedSpread


class Legger(Strategy):
    """Buys the first contract against the fourth, sells it again, and so on."""

    chip: Product = product("SIM:H100")
    lots: int = 20
    naked_most: int = 4
    patience: float = 3.0
    unwind: bool = True
    spread: LeggedSpread = component(LeggedSpread, naked_most="naked_most", patience="patience", unwind="unwind", give_up=20.0)
    near: int = state(-1)
    far: int = state(-1)
    worst: int = state(0)

    def on_bar(self, desk: Desk) -> None:
        if not self.spread.is_busy():
            if self.near < 0 or desk.days_to_fixing(self.near) < 40:
                if self.near >= 0 and (desk.position(self.near) != 0 or desk.position(self.far) != 0):
                    desk.target(self.near, 0)
                    desk.target(self.far, 0)
                    return
                if desk.count(self.chip, 90) < 4:
                    return
                self.near, self.far = desk.nth(self.chip, 1, 90), desk.nth(self.chip, 4, 90)
            side = -1 if desk.position(self.near) > 0 else 1
            self.spread.start(desk, self.near, side * self.lots, self.far, -side * self.lots)
        self.spread.work(desk)
        self.worst = max(self.worst, abs(self.spread.naked()))
        self.spread.show(desk)
