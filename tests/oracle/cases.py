# SPDX-License-Identifier: Apache-2.0
"""What the oracle and the engine are both given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kilohour.limits import RiskLimits
from kilohour.tape import Tape
from tests.oracle import reference
from tests.oracle.books import FillRules, Result, Terms

USUAL = FillRules()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What :func:`tests.oracle.reference.run` takes, to be given to the engine too."""

    tape: Tape
    terms: Mapping[str, Terms]
    actions: Mapping[int, list[reference.Action]]
    cash_micros: int
    watched: set[str]
    rules: FillRules = USUAL
    limits: RiskLimits | None = None

    def run(self) -> Result:
        """The oracle's answer."""
        return reference.run(self.tape, self.terms, self.actions, self.cash_micros, self.watched, rules=self.rules,
                             limits=self.limits)
