# SPDX-License-Identifier: Apache-2.0
"""Plays three text tables through the oracle and the real engine; they must book the same rows."""

from __future__ import annotations

from typing import Any

from kilohour.backtests.outputs import tables_of
from kilohour.session import Session
from tests.oracle.books import Result, Terms
from tests.oracle.cases import Case
from tests.oracle.compare import differences
from tests.oracle.play import scripted
from tests.oracle.tables import actions_of, micros_of, tape_of


def both(contracts: str, events: str, requests: str = "day | request", *, cash: str = "1000000",
         terms: Terms | dict[str, Terms] | None = None) -> tuple[Result, Session]:
    """What both booked, and the engine's session after its end."""
    tape = tape_of(contracts, events)
    by_product = terms if isinstance(terms, dict) else dict.fromkeys(tape.product_codes, terms or Terms())
    case = Case(tape=tape, terms=by_product, actions=actions_of(requests), cash_micros=micros_of(cash),
                watched=set(tape.product_codes))
    expected = case.run()
    session = scripted(case)
    session.run(len(tape))
    session.close()
    tables: dict[str, Any] = tables_of(session)
    assert differences(expected, tables) == []
    assert session.cash_micros + sum(tables["ledger"]["micros"].to_pylist()) == session.book[0]["cash"] == expected.cash_end
    return expected, session
