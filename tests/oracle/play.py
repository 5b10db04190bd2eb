# SPDX-License-Identifier: Apache-2.0
"""Plays a random case through the real engine, by the desk's public verbs alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

import kilohour
from kilohour.contracts.terms import EngineTerms
from kilohour.desk import Desk
from kilohour.faces.fields import dtype_of
from kilohour.fills import Fills
from kilohour.limits import RiskLimits
from kilohour.market import Market
from kilohour.session import Session
from kilohour.strategy import Strategy
from tests.oracle.books import FillRules
from tests.oracle.cases import Case
from tests.oracle.requests import PRICES, Action

OPTIONS = {"limit": ("until", "post_only", "reduce_only", "against"), "market": ("reduce_only", "against"),
           "at_settlement": ("against",), "stop": ("until", "reduce_only", "against")}
"""What stands behind the life in a verb's parameters; the verbs that are not here are as ``stop``."""
NO_TICKET = 10**9


class Scripted(Strategy):
    """Asks for what its script says at each time it is called."""

    interpreted = True
    script: Any = None

    def on_bar(self, desk: Desk) -> None:
        self.script.play(desk)

    def account(self, desk: Desk) -> tuple[float, float]:
        """Equity and cash: the engine works them out for strategies that name them."""
        return desk.equity(), desk.cash()


LIVES: dict[str, int] = {life: getattr(kilohour, life.upper()) for life in ("gtc", "day", "ioc", "fok", "gtd")}
"""A life's word to the desk's constant."""


class Script:
    """A case's actions as calls of the desk."""

    def __init__(self, case: Case) -> None:
        contracts, self.actions = case.tape.contracts, case.actions
        self.rows = {contract.code: row for row, contract in enumerate(contracts)}
        self.products = {code: row for row, code in enumerate(case.tape.product_codes)}
        self.watched = [row for row, contract in enumerate(contracts) if contract.product in case.watched]
        self.last_ticket = 0

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
        elif verb == "bracket":
            self.last_ticket = desk.bracket(rows[of[0]], of[1], *(price / 1e6 for price in of[2:])) + 2
        elif verb in PRICES:
            self.last_ticket = self.order(desk, verb, of)
        elif verb == "amend":
            desk.amend(self.ticket(of[0]), of[1], of[2] / 1e6)
        elif verb == "cancel":
            desk.cancel(self.ticket(of[0]))
        else:
            getattr(desk, verb)(self.ticket(of[0]), self.ticket(of[1]))

    def order(self, desk: Any, verb: str, of: list[Any]) -> int:
        options = dict(of.pop()) if isinstance(of[-1], Mapping) else {}
        if "against" in options:
            options["against"] = self.rows[options["against"]]
        prices = [price / 1e6 for price in of[2:-1]]
        ticket: int = getattr(desk, verb)(self.rows[of[0]], of[1], *prices, LIVES[of[-1]], **options)
        return ticket

    def ticket(self, named: int) -> int:
        return named if named > 0 else self.last_ticket + 1 + named


def market_of(case: Case, limits: RiskLimits | None = None) -> Market:
    """The case's tape with its terms."""
    terms = {code: EngineTerms(**asdict(its)) for code, its in case.terms.items()}
    return Market.of(case.tape, terms, {code: code.replace(":", "-") for code in case.tape.product_codes}, fills_of(case.rules), limits or case.limits)


def fills_of(rules: FillRules) -> Fills:
    """A case's assumptions about fills, as a run names them."""
    return Fills(model=rules.model, slippage_ticks=rules.slippage_ticks, slippage_percent=rules.slippage_ppm / 10_000,
                 latency_ms=rules.latency_ns / 1e6)


def scripted(case: Case, limits: RiskLimits | None = None) -> Session:
    """A session that is about to play the case's script."""
    state = np.zeros(1, dtype_of(Scripted))
    session = Session(market_of(case, limits), Scripted, state, case.cash_micros, interpreted=True)
    session._step_address()
    assert session.python is not None
    session.python.strategy.script = Script(case)
    return session


class Log:
    """Writes down what the Python face of a session's strategy asks of the desk, as actions for the oracle."""

    VERBS = ("target", "target_spread", "target_only", "flat", "close_outside", *PRICES, "bracket", "one_cancels_other",
             "triggers", "amend", "cancel")

    def __init__(self, session: Session) -> None:
        session._step_address()
        assert session.python is not None
        self.calls: list[tuple[int, str, tuple[Any, ...], dict[str, Any]]] = []
        self.is_inside = False
        self.codes = [contract.code for contract in session.market.tape.contracts]
        self.products = session.market.products
        desk = session.python.desk
        for verb in self.VERBS:
            setattr(desk, verb, self._logged(desk, verb))

    def _logged(self, desk: Any, verb: str) -> Any:
        ask = getattr(desk, verb)

        def logged(*of: Any, **by_name: Any) -> Any:
            # What one verb asks through another is asked once.
            if not self.is_inside:
                self.calls.append((desk.now, verb, of, by_name))
            outer, self.is_inside = self.is_inside, True
            try:
                return ask(*of, **by_name)
            finally:
                self.is_inside = outer

        return logged

    def actions(self) -> dict[int, list[Action]]:
        """The oracle's script."""
        actions: dict[int, list[Action]] = {}
        for ts, verb, of, by_name in self.calls:
            actions.setdefault(ts, []).append((verb, *self._spoken(verb, of, by_name)))
        return actions

    def _spoken(self, verb: str, of: tuple[Any, ...], by_name: dict[str, Any]) -> tuple[Any, ...]:
        """A call's arguments as an action names them."""
        if verb == "flat":
            return (self.products[of[0]],)
        if verb in ("cancel", "one_cancels_other", "triggers"):
            # No ticket is ever 0 or less for the desk; a negative one would count back here.
            return tuple(max(ticket, 0) or NO_TICKET for ticket in of)
        if verb == "amend":
            return (max(of[0], 0) or NO_TICKET, of[1], round(of[2] * 1e6))
        if verb == "bracket":
            return (self.codes[of[0]], of[1], *(round(price * 1e6) for price in of[2:]))
        if verb in PRICES:
            return self._order(verb, of, dict(by_name))
        named = 1 if verb == "target" else 2
        return (*(self.codes[row] for row in of[:named]), *of[named:])

    def _order(self, verb: str, of: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, ...]:
        count = 2 + PRICES[verb]
        options = dict(zip(("life", *OPTIONS.get(verb, OPTIONS["stop"])), of[count:], strict=False)) | options
        life = options.pop("life", LIVES["day" if verb == "at_settlement" else "gtc"])
        word = next(word for word, constant in LIVES.items() if constant == life)
        if options.get("against", -1) >= 0:
            options["against"] = self.codes[options["against"]]
        else:
            options.pop("against", None)
        return (self.codes[of[0]], of[1], *(round(price * 1e6) for price in of[2:count]), word, options)
