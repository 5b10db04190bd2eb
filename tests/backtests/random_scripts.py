# SPDX-License-Identifier: Apache-2.0
"""Random markets and a strategy that asks for random things, for the referee: seeds in, the same run in any engine out."""

from __future__ import annotations

import numpy as np

from kilohour import Strategy, maths, state
from kilohour.backtests.prepare import Prepared
from kilohour.market import Market
from kilohour.tape import TapeBuilder
from kilohour.units import MISSING
from tests.faces.small import CASH, MINUTE, START
from tests.faces.small import market as market_of
from tests.oracle.tables import contracts_of

TICK = 10_000


class Script(Strategy):
    """Targets, spreads, market, limit and stop orders, cancels, off-tick prices, drawn from a linear congruence."""

    seed: int = 1
    ticket: int = state(0)
    calls: int = state(0)

    def draw(self, count: int) -> int:
        """A number below ``count``."""
        self.seed = (self.seed * 1103515245 + 12345) % 2147483648
        return self.seed // 65536 % count

    def on_bar(self, desk):
        """Up to three requests."""
        self.calls += 1
        for _ in range(self.draw(4)):
            contract = self.draw(desk.contract_count)
            other = (contract + 1) % desk.contract_count
            what = self.draw(10)
            if what <= 1:
                desk.target(contract, self.draw(9) - 4)
            elif what == 2 and other != contract:
                desk.target_spread(contract, other, self.draw(5) - 2)
            elif what == 3:
                desk.flat(0)
            elif what == 4:
                desk.cancel(self.ticket)
            elif what == 5:
                desk.market(contract, self.draw(5) - 2, 1 + self.draw(2))
            elif desk.seen_at[contract] >= 0:
                ticks = maths.nearest(desk.price(contract) * 100.0) + self.draw(7) - 3
                price = ticks / 100.0 + (0.005 if self.draw(12) == 0 else 0.0)
                life = 1 + self.draw(3) // 2
                if what == 6:
                    self.ticket = desk.stop(contract, self.draw(7) - 3, price, life)
                else:
                    self.ticket = desk.limit(contract, self.draw(7) - 3, price, life)
            if self.ticket > 0 and desk.is_working(self.ticket) and self.draw(9) == 0:
                desk.cancel(self.ticket)


class EventScript(Script):
    """The same, also between bars."""

    def on_event(self, desk):
        """As at a bar."""
        self.on_bar(desk)


def random_market(seed: int) -> Market:
    """One to three contracts; bars at minutes of their own, some without volume; marks off the closes; two kinds of fee."""
    rng = np.random.default_rng(seed)
    builder = TapeBuilder(source=f"random market {seed}")
    for contract in contracts_of("contract\n" + "\n".join("ABC"[: int(rng.integers(1, 4))])):
        ref = builder.contract(contract)
        count = int(rng.integers(15, 45))
        bars = np.flatnonzero(rng.random(count) < rng.choice([1.0, 0.7]))
        bars = bars if len(bars) else np.array([0])
        ts = START + (bars + 1) * MINUTE
        close = 2_000_000 + TICK * np.cumsum(rng.integers(-3, 4, count))[bars]
        opened = close + TICK * rng.integers(-2, 3, len(bars))
        high = np.maximum(opened, close) + TICK * rng.integers(0, 3, len(bars))
        low = np.minimum(opened, close) - TICK * rng.integers(0, 3, len(bars))
        volume = rng.choice([0, 1, 500, MISSING], len(bars))
        builder.bars(ref, ts, opened, high, low, close, volume)
        marks = np.flatnonzero(rng.random(count) < 0.2)
        at = START + (marks + 1) * MINUTE + int(rng.choice([0, MINUTE // 2]))
        builder.marks(ref, at, 2_000_000 + TICK * rng.integers(-30, 31, len(marks)))
    return market_of(builder.build(), half_spread_micros=5_000, fee_per_lot_micros=int(rng.choice([0, 1_500_000])),
                     fee_ppm=int(rng.choice([0, 100, 333])))


def random_run(seed: int) -> Prepared:
    """A script on a market, interpreted: both classes take longer to compile; every third one also acts between bars."""
    return Prepared(EventScript if seed % 3 == 0 else Script, {"seed": seed * 7919 + 1}, random_market(seed), (), (), CASH, True, {})
