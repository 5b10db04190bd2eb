# SPDX-License-Identifier: Apache-2.0
"""All accounts and the house sum to zero; accounts that mirror one another leave the counterparties with nothing."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

import kilohour as kh
from kilohour.backtests.house import PARTIES, house, statement
from kilohour.backtests.outputs import LEDGER_KINDS, tables_of
from kilohour.errors import DataError
from kilohour.units import MISSING
from tests.backtests.tapes import sim_tape
from tests.oracle.play import scripted
from tests.oracle.scripts import case


def booked(of):
    """Rows of the engine's ledger and the change of its cash; None where a missing print stops the run."""
    session = scripted(of)
    try:
        session.run(len(of.tape))
    except DataError:
        return None
    session.close()
    ledger = tables_of(session)["ledger"].to_pydict()
    return list(zip(ledger["kind"], ledger["micros"], strict=True)), int(session.book[0]["cash"]) - session.cash_micros


def accounts(seed, shares):
    """One case as several accounts: each trades its share of the same market orders, at the same prices."""
    of = case(seed, products=2, months=3, requests=25, plain=True)
    free = {code: replace(its, half_spread_micros=0, participation_ppm=10**6, margin_initial_ppm=0, margin_maintenance_ppm=0,
                          margin_initial_floor_micros=0, margin_maintenance_floor_micros=0) for code, its in of.terms.items()}
    events = {name: column.copy() for name, column in of.tape.events.items()}
    events["volume"][events["kind"] == 1] = MISSING  # every account fills in full
    asked = [(ts, ask) for ts, asks in of.actions.items() for ask in asks if ask[0] in ("market", "limit", "target")]
    books = {}
    for name, share in shares.items():
        actions: dict[int, list[Any]] = {}
        for ts, ask in asked:
            actions.setdefault(ts, []).append(("market", ask[1], ask[2] % 7 * share, "gtc"))
        books[name] = booked(replace(of, tape=replace(of.tape, events=events), terms=free, actions=actions, cash_micros=10**15))
    return free, books


def test_every_kind_of_row_has_somebody_on_its_other_side():
    assert set(PARTIES) == set(LEDGER_KINDS.values())


def test_accounts_and_house_sum_to_zero_and_mirrored_accounts_pay_each_other():
    kinds: Counter[str] = Counter()
    for seed in range(40):
        _, books = accounts(seed, {"long": 1, "short": -1})
        if None in books.values():
            continue
        found = statement(books)
        assert found.total == 0
        assert found.parties["counterparties"] == 0, f"seed {seed}"
        assert min(found.parties["exchange"], found.parties["clearing"]) >= 0
        kinds.update(kind for kind, _ in books["long"][0])
    assert set(kinds) >= set(PARTIES) - {"unsettled", "interest"}


def test_of_three_accounts_only_rounding_stays_with_the_counterparties():
    for seed in range(40):
        terms, books = accounts(seed, {"long": 1, "longer": 2, "short": -3})
        if None in books.values():
            continue
        found = statement(books)
        assert found.total == 0
        whole = all(its.lot_den == 1 for its in terms.values())
        rows = [(kind, micros) for rows, _ in books.values() for kind, micros in rows if PARTIES[kind] == "counterparties"]
        rounded = [row for row in rows if not whole or row[0] == "funding"]  # whole hours round in no variation, only in funding
        assert abs(found.parties["counterparties"]) <= len(rounded) / 2, f"seed {seed}"


def test_runs_of_one_tape_have_a_house():
    tape = sim_tape(60)
    runs = {str(window): kh.backtest("calendar-spread", tape, far=2, window=window, entry=1.0) for window in (10, 15)}
    found = house(runs)
    assert found.total == 0
    assert found.accounts == {name: run.result["net_micros"] for name, run in runs.items()}
    assert found.parties["exchange"] == sum(run.result["fees_micros"] for run in runs.values()) > 0


@pytest.mark.parametrize(("rows", "changed", "rule"), [
    ([("fee", -5)], -4, "account a: its ledger must add up to its change in cash, -4 micros, found -5"),
    ([("gift", 5)], 5, "account a: a ledger row must be one of variation, .*, found 'gift'"),
])
def test_a_ledger_that_does_not_add_up_has_no_statement(rows, changed, rule):
    with pytest.raises(DataError, match=rule):
        statement({"a": (rows, changed)})
