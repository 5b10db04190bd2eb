# SPDX-License-Identifier: Apache-2.0
"""Law 4: changing the future changes no past decision."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.strategies.runs import LIVELY, STRATEGIES, market, perturbed, session_of


@cache
def as_it_was(name):
    """The session and the run on the market itself; to be read."""
    return session_of(name, market(), **LIVELY[name])


@pytest.mark.parametrize("name", STRATEGIES)
@settings(max_examples=5, deadline=None, derandomize=True)
@given(share=st.floats(0.3, 0.95), seed=st.integers(0, 2**32 - 1))
def test_a_changed_future_changes_no_past_order_fill_or_record(name, share, seed):
    tape = market()
    then = int(tape.events["ts"][int(share * len(tape))])
    session, run = as_it_was(name)
    changed, other = session_of(name, perturbed(tape, then, seed), **LIVELY[name])
    logs = [made.table("orders") for made in (session, changed)]  # a row an event: the run's table shows an order as last amended
    first, second = (log[log["ts"] <= then].tolist() for log in logs)
    assert first == second
    for table in ("fills", "records", "ledger"):
        rows, others = (r.tables[table].to_pandas() for r in (run, other))
        last = rows.ts.max()
        known = rows[rows.ts <= then].drop(columns="purpose", errors="ignore")
        same = others[others.ts <= then].drop(columns="purpose", errors="ignore")
        assert known.equals(same), table
        assert last > then
    assert not run.tables["fills"].equals(other.tables["fills"]), "the perturbation must reach the run"


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_perturbed_tape_differs_only_after_its_time(name):
    tape = market()
    then = int(tape.events["ts"][len(tape) // 2])
    other = perturbed(tape, then, 1)
    changed = (tape.events["close"] != other.events["close"]) | (tape.events["volume"] != other.events["volume"])
    assert changed.any()
    assert tape.events["ts"][changed].min() > then
