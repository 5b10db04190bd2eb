# SPDX-License-Identifier: Apache-2.0
"""Law 4: changing the future changes no past decision."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilohour.backtests.outputs import tables_of
from tests.strategies.runs import LIVELY, STRATEGIES, finished, market, perturbed


def decided(name, tape):
    """Every event of an order and three tables. A row of the log is an event: the run's table shows an order as last amended."""
    prepared, session = finished(name, tape, **LIVELY[name])
    tables = tables_of(session, prepared.venues)
    return session.table("orders"), {table: tables[table].to_pandas() for table in ("fills", "records", "ledger")}


@cache
def as_it_was(name):
    """On the market itself; to be read."""
    return decided(name, market())


@pytest.mark.parametrize("name", STRATEGIES)
@settings(max_examples=5, deadline=None, derandomize=True)
@given(share=st.floats(0.3, 0.95), seed=st.integers(0, 2**32 - 1))
def test_a_changed_future_changes_no_past_order_fill_or_record(name, share, seed):
    tape = market()
    then = int(tape.events["ts"][int(share * len(tape))])
    (log, tables), (changed, others) = as_it_was(name), decided(name, perturbed(tape, then, seed))
    assert log[log["ts"] <= then].tolist() == changed[changed["ts"] <= then].tolist()
    for table, rows in tables.items():
        known, same = (of[of.ts <= then].drop(columns="purpose", errors="ignore") for of in (rows, others[table]))
        assert known.equals(same), table
        assert rows.ts.max() > then
    assert not tables["fills"].equals(others["fills"]), "the perturbation must reach the run"


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_perturbed_tape_differs_only_after_its_time(name):
    tape = market()
    then = int(tape.events["ts"][len(tape) // 2])
    other = perturbed(tape, then, 1)
    changed = (tape.events["close"] != other.events["close"]) | (tape.events["volume"] != other.events["volume"])
    assert changed.any()
    assert tape.events["ts"][changed].min() > then
