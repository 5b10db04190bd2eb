# SPDX-License-Identifier: Apache-2.0
"""A roll as a table: one line a day, what trades, and where that leaves the machine and the lots.

======== =================================================================================================
``day``  the time of the bar
``lots`` what the strategy wants from that day on (``5`` of the old chip; ``3 new`` of the new one)
``does`` who trades: ``M N`` fills every order there, ``(M N)`` market orders only, ``M:3`` at most three lots;
         ``-M`` from now on orders in M are refused, ``+M`` taken again; ``gone M`` past its last trade, ``final M`` settled;
         ``vM=120`` volume, ``iM=50`` open interest, ``pM=2.40`` price of M from now on; ``no M``: no bar of M that day;
         ``slow`` and ``fast``: cancels wait for the next bar, or not; ``call`` cancels everything, as a margin call does
======== =================================================================================================

The rest of a line is what is expected after the machine has had its turn: phase, lots in M, N, P, Q.
M, N and P deliver in three months of one chip; their fixing windows begin on the days 130, 160 and 190. Q is the new chip's
contract of N's month.
"""

from __future__ import annotations

import re
from typing import Any

from kilohour.kernels import records as r
from kilohour.trading.roll import PHASES, Roll
from kilohour.units import NANOS_PER_DAY
from tests.trading.exchange import Exchange

NAMES = "MNPQ"
OLD, NEW = 0, 1
CONTRACTS = """
contract | product | listed | last | final | fixings
M        | X:GPU   | 0      | 150  | 152   | 130
N        | X:GPU   | 0      | 180  | 182   | 160
P        | X:GPU   | 0      | 210  | 212   | 190
Q        | X:NEW   | 0      | 180  | 182   | 160
"""
VOLUME = (100, 90, 80, 70)


def market_of_chips() -> Exchange:
    """M, N, P of the old chip and Q of the new one, all listed, each with a price."""
    exchange = Exchange(CONTRACTS)
    view = exchange.memory[0]
    for row, (month, window, last) in enumerate([(202607, 130, 150), (202608, 160, 180), (202609, 190, 210), (202608, 160, 180)]):
        view["delivery_month"][row] = month
        view["fixing_at"][row], view["last_trade_at"][row] = window * NANOS_PER_DAY, last * NANOS_PER_DAY
    exchange.at(100)
    exchange.chain(OLD, 0, 1, 2)
    exchange.chain(NEW, 3)
    for row in range(4):
        exchange.price(row, 2.50 - 0.10 * row, VOLUME[row])
    return exchange


class Rolled:
    """A machine, its exchange, and the transitions it has made."""

    def __init__(self, **parameters: Any) -> None:
        self.exchange = market_of_chips()
        self.roll: Any = Roll(**parameters)
        self.product, self.lots = OLD, 0
        self.transitions: set[tuple[str, str]] = set()

    def step(self) -> None:
        """The strategy's turn; a roll of one product that begins before its days do is ``early``."""
        before, near = PHASES[self.roll.phase], self.roll.near
        self.roll.hold(self.exchange.desk, self.product, self.lots)
        self.exchange.serve()
        after = PHASES[self.roll.phase]
        if after != before:
            self.transitions.add((before, after))
            if before == "holding" and self.roll.is_rolling() and after != "forced" and self.is_early(near):
                self.transitions.add((before, "early " + after))

    def is_early(self, near: int) -> bool:
        """True when days alone would not begin this roll."""
        view, day = self.exchange.memory[0], NANOS_PER_DAY
        ends = view["last_trade_at" if self.roll.to_last_trade else "fixing_at"][near]
        is_one_product = view["product_of"][near] == view["product_of"][self.roll.far]
        return bool(is_one_product and ends - view["now"] > self.roll.days * day)

    def positions(self) -> tuple[int, ...]:
        return tuple(self.exchange.position(row) for row in range(len(NAMES)))

    def do(self, text: str) -> None:
        """What happens in the market, as in a cell of ``does``."""
        words = re.findall(r"gone \w|final \w|no \w|[()]|[^\s()]+", text)
        self.show_bars(words)
        only_market = "(" in words
        trading: dict[int, int] = {}
        for word in words:
            if word in ("slow", "fast"):
                self.exchange.slow = word == "slow"
            elif word == "call":
                for order in list(self.exchange.orders):
                    self.exchange.end(order.ticket, r.MARGIN_CALL)
                self.exchange.orders = []
            elif word.startswith("gone"):
                self.leave(NAMES.index(word[-1]))
            elif word.startswith("final"):
                self.exchange.memory[0]["held"][NAMES.index(word[-1])] = 0
            elif word[0] in "+-":
                (self.exchange.refuses.add if word[0] == "-" else self.exchange.refuses.discard)(NAMES.index(word[1]))
            elif "=" not in word and word[:3] != "no " and word not in "()":
                name, _, most = word.partition(":")
                trading[NAMES.index(name)] = int(most or 10**6)
        self.trade(trading, only_market)

    def show_bars(self, words: list[str]) -> None:
        """Every contract has a bar, as the one before unless a word says otherwise, or says that there is none."""
        view = self.exchange.memory[0]
        for word in words:
            if "=" in word:
                name = {"v": "traded", "i": "open_interest", "p": "last"}[word[0]]
                view[name][NAMES.index(word[1])] = float(word[3:]) if name == "last" else int(word[3:])
        for row, name in enumerate(NAMES):
            if f"no {name}" not in words:
                view["seen_at"][row] = view["now"]

    def leave(self, row: int) -> None:
        """The last trade of a contract."""
        view = self.exchange.memory[0]
        product = int(view["product_of"][row])
        chain = view["chain"][product * r.CHAIN:][:int(view["chain_count"][product])]
        self.exchange.chain(product, *(int(c) for c in chain if c != row))
        for order in self.exchange.working(row):
            self.exchange.end(order.ticket, r.EXPIRED)
        self.exchange.orders = [order for order in self.exchange.orders if order not in self.exchange.working(row)]

    def trade(self, trading: dict[int, int], only_market: bool) -> None:
        """Orders fill, oldest first, in contracts that trade."""
        for order in list(self.exchange.orders):
            if order not in self.exchange.orders or (only_market and order.limit is not None):
                continue
            lots = min([order.size - order.filled, *(trading.get(row, 0) for row, _ in order.legs)])
            if lots > 0:
                for row, _ in order.legs:
                    trading[row] -= lots
                self.exchange.fill(order, lots, *(float(self.exchange.memory[0]["last"][row]) for row, _ in order.legs))
        self.exchange.deliver()


def played(script: str, **parameters: Any) -> tuple[Rolled, str]:
    """Plays the left columns of a script; returns the machine and the whole table as it came out."""
    lines = script.strip().splitlines()
    rolled, rows = Rolled(**parameters), [lines[0].strip()]
    width = len(lines[0].split("|")[2]) - 2
    for line in lines[1:]:
        day, lots, does = (cell.strip() for cell in line.split("|")[:3])
        rolled.exchange.at(float(day))
        rolled.exchange.fronts()
        if lots:
            rolled.lots, rolled.product = int(lots.split()[0]), NEW if "new" in lots else OLD
        rolled.do(does)
        rolled.step()
        held = " | ".join(f"{lots:>2}" for lots in rolled.positions())
        rows.append(f"{day:<5} | {lots:<5} | {does:<{width}} | {PHASES[rolled.roll.phase]:<13} | {held}".rstrip())
    return rolled, "\n".join(rows)
