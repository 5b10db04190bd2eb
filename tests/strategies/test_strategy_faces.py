# SPDX-License-Identifier: Apache-2.0
"""Law 5: compiled equals interpreted, and the interpreted run really runs Python."""

import pytest

from kilohour.units import NANOS_PER_DAY
from tests.strategies.runs import LIVELY, STRATEGIES, market, session_of


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("lively", [False, True], ids=["defaults", "lively"])
def test_compiled_equals_interpreted_in_every_table_and_in_the_state_bytes(name, lively):
    parameters = LIVELY[name] if lively else {}
    compiled, run = session_of(name, market(), **parameters)
    interpreted, twin = session_of(name, market(), interpreted=True, **parameters)
    for table in ("orders", "fills", "ledger", "equity", "positions", "settlements"):
        assert run.tables[table].equals(twin.tables[table]), table
    for column in run.tables["records"].column_names:
        ours, theirs = (r.tables["records"][column].to_numpy().tobytes() for r in (run, twin))
        assert ours == theirs, column
    assert compiled.state.tobytes() == interpreted.state.tobytes()
    assert not lively or len(run.tables["fills"]) > 100


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_interpreted_run_calls_python_once_a_timestamp_with_a_bar(name, monkeypatch):
    calls = []
    plain = STRATEGIES[name].on_bar

    def counted(self, desk):
        calls.append(desk.now)
        return plain(self, desk)

    monkeypatch.setattr(STRATEGIES[name], "on_bar", counted)
    interpreted, _ = session_of(name, market(), interpreted=True)
    events = interpreted.market.tape.events
    assert calls == sorted(set(events["ts"][events["kind"] == 1].tolist()))
    assert interpreted.python is not None
    assert interpreted.python.calls == len(calls) > 700
    assert len({ts // NANOS_PER_DAY for ts in calls}) == len(calls)
