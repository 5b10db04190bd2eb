# SPDX-License-Identifier: Apache-2.0
"""A strategy whose bid follows the market five ticks below it: at each bar the last one is cancelled and another one sent."""

from __future__ import annotations

from kilohour import Product, Strategy, product, state


class Chases(Strategy):
    """Ten lots of the first month."""

    interpreted = True
    chip: Product = product("SIM:H100")
    ticket: int = state(0)

    def on_bar(self, desk):
        """Once a bar."""
        near = desk.nth(self.chip, 1)
        if self.ticket:
            desk.cancel(self.ticket)
        self.ticket = desk.limit(near, 10, desk.price(near) - 0.05)
