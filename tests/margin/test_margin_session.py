# SPDX-License-Identifier: Apache-2.0
"""Scenario margin in whole runs: what each row of equity asks, both faces, any cut, and a call whose code cannot be compiled."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np

from kilohour.backtests.outputs import tables_of
from kilohour.contracts.terms import EngineTerms
from kilohour.errors import DataError
from kilohour.faces.fields import dtype_of
from kilohour.faces.python_face import structure_of
from kilohour.kernels import late_margin
from kilohour.kernels.records import TABLES
from kilohour.market import Market
from kilohour.session import Session
from kilohour.units import MICROS, NANOS_PER_DAY
from tests.margin.margin_books import Line, table_of
from tests.margin.margin_reference import requirement
from tests.oracle.play import market_of
from tests.oracle.prober import Prober
from tests.oracle.scripts import Case, case

TABLE = table_of([(1, 0.8), (0.5, 0), (0.3, -0.2), (0.6, 0.6)], days=(6,), calendar=(600_000, 900_000), across=850_000,
                 spreads=(("TEST:BETA", 2, 1, 500_000),))
SEEDS = range(25)


def terms_of(of: Case) -> dict[str, EngineTerms]:
    """The case's terms with scenarios; maintenance is three quarters of initial margin."""
    return {code: replace(EngineTerms(**asdict(its)), margin_initial_ppm=20_000, margin_maintenance_ppm=15_000,
                          margin_initial_floor_micros=4 * MICROS, margin_maintenance_floor_micros=3 * MICROS,
                          margin_table=TABLE if code == "TEST:ALPHA" else replace(TABLE, spread_credits=()))
            for code, its in of.terms.items()}


def session_of(of: Case, seed: int, *, interpreted: bool = False) -> Session:
    market = Market.of(of.tape, terms_of(of), {code: code.replace(":", "-") for code in of.tape.product_codes})
    state = np.zeros(1, dtype_of(Prober))
    structure_of(Prober).from_buffer(state).__init__(seed=seed)  # type: ignore[attr-defined]
    return Session(market, Prober, state, of.cash_micros, interpreted=interpreted)


def played(session: Session, step: int | None = None) -> Session | None:
    end = len(session.market.tape)
    try:
        while session.cursor < end:
            session.run(min(session.cursor + (step or end), end))
    except DataError:
        return None
    session.close()
    return session


def test_every_row_of_equity_asks_what_exact_fractions_ask():
    rows = offset = 0
    for seed in SEEDS:
        of = case(seed, months=6, requests=60)
        session = played(session_of(of, seed))
        if session is None:
            continue
        tables, terms = tables_of(session), terms_of(of)
        contracts = {contract.code: contract for contract in of.tape.contracts}
        held: dict[int, list[Line]] = {}
        for row in tables["positions"].to_pylist():
            its = contracts[row["contract"]]
            days = None if its.is_perpetual else (its.last_trade_at - row["ts"]) // NANOS_PER_DAY
            held.setdefault(row["ts"], []).append(Line(product=its.product, days=days, price=row["mark_micros"], lots=row["lots"]))
        order = {code: place for place, code in enumerate(of.tape.product_codes)}
        for row in tables["equity"].to_pylist():
            lines = sorted(held.get(row["ts"], []), key=lambda line: order[line.product])
            asked = requirement(lines, [line.lots for line in lines], terms)
            assert (row["margin_initial_micros"], row["margin_maintenance_micros"]) == asked, f"seed {seed}"
            rows += 1
            offset += len({line.lots > 0 for line in lines}) == 2
    assert rows > 300
    assert offset > 50


def test_both_faces_and_any_cut_leave_the_same_bytes():
    calls = 0
    for seed in SEEDS:
        of = case(seed, months=6, requests=60)
        whole = played(session_of(of, seed))
        for other in (session_of(of, seed, interpreted=True), session_of(of, seed)):
            again = played(other, step=None if other.interpreted else 1)
            assert (whole is None) == (again is None)
            if whole is not None and again is not None:
                for name in ("state", "book", "desk"):
                    assert getattr(whole, name).tobytes() == getattr(again, name).tobytes(), f"seed {seed}: {name}"
                assert all(whole.table(name).tobytes() == again.table(name).tobytes() for name in TABLES), f"seed {seed}"
        calls += int(whole.book["margin_calls"][0]) if whole is not None else 0
    assert calls > 0


def test_the_ledger_adds_up_through_liquidations():
    for seed in SEEDS:
        session = played(session_of(case(seed, months=6, requests=60), seed))
        if session is not None:
            booked = sum(tables_of(session)["ledger"]["micros"].to_pylist())
            assert session.cash_micros + booked == session.book["equity"][0] == session.book["cash"][0]


def test_what_stops_the_first_margin_call_stops_the_run(monkeypatch):
    """The code of a margin call is compiled when it is needed; Ctrl-C meanwhile must not be swallowed."""
    def interrupted():
        raise KeyboardInterrupt

    interrupted.cache_info = late_margin.margin_address.cache_info
    monkeypatch.setattr(late_margin, "margin_address", interrupted)
    monkeypatch.setattr(late_margin.LateMargin, "address", property(lambda late: late_margin.address_of(late)))
    stopped = 0
    for seed in SEEDS:
        of = case(seed)
        state = np.zeros(1, dtype_of(Prober))
        structure_of(Prober).from_buffer(state).__init__(seed=seed)  # type: ignore[attr-defined]
        session = Session(market_of(of), Prober, state, of.cash_micros)
        try:
            played(session)
        except KeyboardInterrupt:
            stopped += 1
        assert session.book["margin_calls"][0] == 0
    assert stopped > 0
