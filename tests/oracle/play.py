# SPDX-License-Identifier: Apache-2.0
"""Plays a random case through the real engine, by the desk's public verbs alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from kilohour.contracts.terms import EngineTerms
from kilohour.desk import Desk
from kilohour.faces.fields import dtype_of
from kilohour.kernels.records import DAY, GTC
from kilohour.session import Market, Session
from kilohour.strategy import Strategy
from tests.oracle.books import Result
from tests.oracle.reference import Action
from tests.oracle.scripts import Case


class Scripted(Strategy):
    """Asks for what its script says at each time it is called."""

    interpreted = True
    script: Any = None

    def on_bar(self, desk: Desk) -> None:
        self.script.play(desk)

    def account(self, desk: Desk) -> tuple[float, float]:
        """Equity and cash: the engine works them out for strategies that name them."""
        return desk.equity(), desk.cash()


class Script:
    """A case's actions as calls of the desk.

    The oracle cancels by the number of an order, the desk by ticket: ``numbers`` lists the numbers of the orders
    that limit and market requests became, so that the n-th of them has ticket n.
    """

    def __init__(self, case: Case, numbers: Sequence[int]) -> None:
        contracts, self.actions = case.tape.contracts, case.actions
        self.rows = {contract.code: row for row, contract in enumerate(contracts)}
        self.products = {code: row for row, code in enumerate(case.tape.product_codes)}
        self.watched = [row for row, contract in enumerate(contracts) if contract.product in case.watched]
        self.tickets = {number: at + 1 for at, number in enumerate(numbers)}

    def play(self, desk: Any) -> None:
        if any(desk.seen_at[row] == desk.now for row in self.watched):
            for action in self.actions.get(desk.now, ()):
                self.ask(desk, action)

    def ask(self, desk: Any, action: Action) -> None:
        verb, *of = action
        rows = self.rows
        if verb == "target":
            desk.target(rows[of[0]], of[1])
        elif verb in ("target_spread", "target_only"):
            getattr(desk, verb)(rows[of[0]], rows[of[1]], of[2])
        elif verb == "flat":
            desk.flat(self.products[of[0]])
        elif verb == "limit":
            desk.limit(rows[of[0]], of[1], of[2] / 1e6, DAY if of[3] == "day" else GTC)
        elif verb == "market":
            desk.market(rows[of[0]], of[1], DAY if of[2] == "day" else GTC)
        elif of[0] in self.tickets:
            desk.cancel(self.tickets[of[0]])


def market_of(case: Case) -> Market:
    """The case's tape with its terms."""
    terms = {code: EngineTerms(**asdict(its)) for code, its in case.terms.items()}
    return Market.of(case.tape, terms, {code: code.replace(":", "-") for code in case.tape.product_codes})


def scripted(case: Case, numbers: Sequence[int]) -> Session:
    """A session that is about to play the case's script."""
    state = np.zeros(1, dtype_of(Scripted))
    session = Session(market_of(case), Scripted, state, case.cash_micros, interpreted=True)
    session._step_address()
    assert session.python is not None
    session.python.strategy.script = Script(case, numbers)
    return session


def numbers_of(result: Result) -> list[int]:
    """Numbers of the orders that limit and market requests became, in order."""
    return [row.order for row in result.orders if row.origin == "order"]


class Log:
    """Writes down what the Python face of a session's strategy asks of the desk, as actions for the oracle."""

    VERBS = ("target", "target_spread", "target_only", "flat", "close_outside", "limit", "market", "cancel")

    def __init__(self, session: Session) -> None:
        session._step_address()
        assert session.python is not None
        self.calls: list[tuple[int, str, tuple[Any, ...]]] = []
        self.codes = [contract.code for contract in session.market.tape.contracts]
        self.products = session.market.products
        desk = session.python.desk
        for verb in self.VERBS:
            setattr(desk, verb, self._logged(desk, verb))

    def _logged(self, desk: Any, verb: str) -> Any:
        ask = getattr(desk, verb)

        def logged(*of: Any) -> Any:
            self.calls.append((desk.now, verb, of))
            return ask(*of)

        return logged

    def actions(self, orders: Any) -> dict[int, list[Action]]:
        """The oracle's script. ``orders``: the run's table, which knows the number of each ticket's order."""
        rows = zip(orders["order"].to_pylist(), orders["origin"].to_pylist(), strict=True)
        numbers = [number for number, origin in rows if origin == "order"]
        actions: dict[int, list[Action]] = {}
        for ts, verb, of in self.calls:
            if verb == "cancel":
                arguments: tuple[Any, ...] = (numbers[of[0] - 1] if 0 < of[0] <= len(numbers) else 0,)
            elif verb == "flat":
                arguments = (self.products[of[0]],)
            elif verb == "limit":
                arguments = (self.codes[of[0]], of[1], round(of[2] * 1e6), "day" if of[3:] == (DAY,) else "gtc")
            elif verb == "market":
                arguments = (self.codes[of[0]], of[1], "day" if of[2:] == (DAY,) else "gtc")
            else:
                named = 1 if verb == "target" else 2
                arguments = (*(self.codes[row] for row in of[:named]), *of[named:])
            actions.setdefault(ts, []).append((verb, *arguments))
        return actions
