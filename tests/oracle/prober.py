# SPDX-License-Identifier: Apache-2.0
"""Strategies that do everything a desk allows, by a pure function of prices: for the compiled and the Python face."""

from __future__ import annotations

from kilohour import maths
from kilohour.desk import Desk
from kilohour.faces.fields import state
from kilohour.kernels.records import DAY, GTC
from kilohour.strategy import Strategy


class Prober(Strategy):
    """Draws verbs, contracts and lots from a congruential sequence that prices disturb, and reads every reader."""

    seed: int = 1
    calls: int = state(0)
    ticket: int = state(0)
    sum_seen: float = state(0.0)

    def draw(self, sides: int) -> int:
        self.seed = (self.seed * 1103515245 + 12345) % 2147483648
        return self.seed // 65536 % sides

    def on_bar(self, desk: Desk) -> None:
        self.calls += 1
        for contract in range(desk.contract_count):
            self.see_contract(desk, contract)
        for product in range(desk.product_count):
            self.see_product(desk, product)
        self.sum_seen += desk.equity() + desk.cash() - desk.margin()
        for _ in range(self.draw(4)):
            self.ask(desk)
        if self.calls > 3:
            desk.record("seen", self.sum_seen)
        if self.draw(3) == 0:
            desk.record("draw", float(self.seed))

    def see_contract(self, desk: Desk, contract: int) -> None:
        price = desk.price(contract)
        if price == price:
            self.seed = (self.seed + abs(maths.nearest(price * 1e6)) + desk.volume(contract)) % 2147483648
            self.sum_seen += price + desk.unit_count(contract) * desk.position(contract) + desk.working(contract)
        if desk.mark(contract) == desk.mark(contract):
            self.sum_seen += desk.mark(contract) * desk.fixed_share(contract)
        if desk.has_volatility(contract):
            self.sum_seen += desk.volatility(contract) + desk.lots_for_volatility(contract, 1000.0)
        self.sum_seen += desk.open_delta(contract)
        if desk.fixed_share(contract) > 0.0:
            self.sum_seen += desk.fixed_mean(contract)
        if desk.is_listed(contract):
            self.sum_seen += desk.month(contract) + desk.days_to_fixing(contract) - desk.days_to_last_trade(contract)

    def see_product(self, desk: Desk, product: int) -> None:
        if desk.rolled(product):
            self.seed += 1
        if desk.count(product) > 1:
            self.sum_seen += desk.months_between(desk.nth(product, 1), desk.nth(product, 2))
        if desk.has_value(product) and desk.is_new(product):
            self.sum_seen += desk.value(product) + desk.value_day(product)

    def ask(self, desk: Desk) -> None:
        self.ask_plainly(desk)

    def ask_plainly(self, desk: Desk) -> None:
        near, far = self.draw(desk.contract_count), self.draw(desk.contract_count)
        lots, verb = self.draw(13) - 6, self.draw(12)
        if near != far and verb < 4:
            if verb < 2:
                desk.target_spread(near, far, lots)
            else:
                desk.target_only(near, far, lots)
        elif verb < 6:
            desk.target(near, lots)
        elif verb == 6:
            desk.flat(self.draw(desk.product_count))
        elif verb < 9:
            price = desk.price(near)
            if price == price:
                self.ticket = desk.limit(near, lots, price + (self.draw(9) - 4) * 0.01, DAY if self.draw(2) == 0 else GTC)
        elif verb < 11:
            self.ticket = desk.market(near, lots, DAY if self.draw(2) == 0 else GTC)
        else:
            desk.cancel(self.ticket - self.draw(3))


class ProberOfEvents(Prober):
    """Also runs at the timestamps without a bar."""

    events: int = state(0)

    def on_event(self, desk: Desk) -> None:
        self.events += 1
        for index in range(desk.index_count):
            if desk.is_new(index):
                self.sum_seen += desk.value(index)
        if self.draw(3) == 0:
            self.ask(desk)
