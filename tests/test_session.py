# SPDX-License-Identifier: Apache-2.0
"""A session: resumable in blocks of any size, buffers drained, one call a timestamp, capacities refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilohour import Strategy, state
from kilohour.contracts.contract import NEVER, Contract
from kilohour.errors import DataError, StrategyRaised, UsageError
from kilohour.faces.reach import reach_of
from kilohour.kernels import records as r
from kilohour.market import Market
from kilohour.tape import Index, Kind, TapeBuilder
from kilohour.units import NANOS_PER_DAY, micros
from tests.faces.small import CASH, MINUTE, START, market, played, session_of, tape_of_bars
from tests.oracle.books import SKIP

BOTH = pytest.mark.parametrize("interpreted", [False, True], ids=["compiled", "interpreted"])


class Busy(Strategy):
    seed: int = 1
    calls: int = state(0)
    worth: float = state(0.0)

    def on_bar(self, desk):
        self.calls += 1
        self.seed = (self.seed * 1103515245 + 12345) % 2147483648
        draw = self.seed // 65536
        desk.target(draw % desk.contract_count, draw % 7 - 3)
        if draw % 3 == 0:
            desk.limit(draw % desk.contract_count, 1 - draw % 2 * 2, desk.price(0), draw % 5 == 0)
        if draw % 11 == 0:
            desk.flat(0)
        desk.record("draw", float(draw))
        self.worth = desk.equity()


def memory(session):
    tables = {name: session.table(name).tobytes() for name in r.TABLES}
    return session.state.tobytes(), session.book.tobytes(), session.desk.tobytes(), tables


TAPE = market(tape_of_bars(400, contracts=3, marks_every=25), participation_ppm=100_000, fee_per_lot_micros=2_000_000)


def whole(interpreted):
    session = played(Busy, TAPE, interpreted=interpreted)
    session.close()
    return memory(session)


@BOTH
def test_rows_go_into_the_buffer_that_the_session_has_now(interpreted):
    """Accounts of a sandbox are given one that they share."""
    session = session_of(Busy, TAPE, interpreted=interpreted)
    session.run(400)
    session.flush()
    first, session.out = session.out, np.zeros(1, r.OUT)
    session.out["record_row"]["values"] = np.nan
    session.run(len(TAPE.tape))
    session.close()
    assert memory(session) == whole(interpreted)
    assert [int(first[name][0]) for name in r.TABLES] == [0] * len(r.TABLES)


@BOTH
@settings(max_examples=15, deadline=None, derandomize=True)
@given(stops=st.lists(st.integers(1, len(TAPE.tape)), max_size=40))
def test_blocks_of_any_size_give_the_same_bytes(interpreted, stops):
    session = session_of(Busy, TAPE, interpreted=interpreted)
    for stop in [*sorted(stops), len(TAPE.tape)]:
        session.run(stop)
        assert session.cursor >= stop
    session.close()
    assert memory(session) == whole(interpreted)


def test_one_event_at_a_time_gives_the_same_bytes():
    session = session_of(Busy, TAPE)
    while session.cursor < len(TAPE.tape):
        session.run(session.cursor + 1)
    session.close()
    assert memory(session) == whole(False)


def test_both_faces_give_the_same_bytes():
    assert whole(False) == whole(True)


def test_cpython_is_called_once_per_timestamp_with_bars():
    session = played(Busy, TAPE, interpreted=True)
    events = TAPE.tape.events
    times = len(np.unique(events["ts"][events["kind"] == Kind.BAR]))
    assert session.python is not None
    assert session.python.calls == session.state["calls"][0] == times == 400
    assert session.step is None
    assert played(Busy, TAPE).python is None


class Idles(Strategy):
    calls: int = state(0)
    total: float = state(0.0)

    def on_bar(self, desk):
        self.calls += 1
        self.total += desk.price(0) + 10.0 * desk.price(1) + 100.0 * desk.price(2)


@BOTH
def test_a_strategy_that_asks_for_nothing_is_called_once_a_timestamp_also_where_marks_follow_bars(interpreted):
    tape = tape_of_bars(40, contracts=3, marks_every=4)
    is_bar = tape.events["kind"] == Kind.BAR
    prices = tape.events["close"][is_bar] / 1e6 * 10.0 ** tape.events["ref"][is_bar]
    session = played(Idles, market(tape), interpreted=interpreted)
    assert int(session.state["calls"][0]) == 40
    assert int(session.book["bars"][0]) == 120
    assert session.state["total"][0] == pytest.approx(prices.sum(), rel=1e-12)


def test_running_past_the_end_is_refused():
    with pytest.raises(UsageError, match=f"until must be at most the tape's {len(TAPE.tape)} events, found {len(TAPE.tape) + 1}"):
        session_of(Busy, TAPE).run(len(TAPE.tape) + 1)


class Stumbles(Strategy):
    calls: int = state(0)

    def on_bar(self, desk):
        self.calls += 1
        if self.calls == 9:
            raise ValueError("the ninth bar")


def test_a_failure_in_a_later_block_is_looked_for_from_the_start_of_that_block():
    session = session_of(Stumbles, market(tape_of_bars(12)))
    for until in (3, 6):
        session.run(until)
    with pytest.raises(StrategyRaised, match="the ninth bar"):
        session.run(12)
    assert int(session.state["calls"][0]) == 9, "the rerun began at the block's first event"


class Orders(Strategy):
    def on_bar(self, desk):
        for i in range(60):
            desk.limit(0, 1, desk.price(0) - 0.01 * i - 1.0, True)


def test_a_full_buffer_is_drained_and_no_row_is_lost():
    of = market(tape_of_bars(900, marks_every=4))
    session = played(Orders, of)
    session.close()
    rows = session.table("orders")
    made = session.book["orders_made"][0]
    assert made == 900 * 60
    assert len(rows) > 3 * r.ROWS
    begun = rows[np.isin(rows["status"], (r.WORKING, r.REFUSED))]
    assert begun["order"].tolist() == list(range(1, made + 1))
    ended = rows[~np.isin(rows["status"], (r.WORKING, r.REFUSED))]
    assert len(np.unique(ended["order"])) == len(ended)
    assert len(begun) - len(ended) - (begun["status"] == r.REFUSED).sum() == session.book["orders_working"][0]


class Late(Strategy):
    calls: int = state(0)

    def on_bar(self, desk):
        self.calls += 1
        desk.record("a", float(self.calls))
        if self.calls > 20_000:
            desk.record("b", 1.0)


def test_a_column_named_late_is_absent_before():
    session = played(Late, market(tape_of_bars(20_010, marks_every=1000)))
    session.close()
    values = session.table("records")["values"]
    assert values.shape == (20_010, 2)
    assert values[:, 0].tolist() == list(range(1, 20_011))
    assert np.isnan(values[:20_000, 1]).all()
    assert (values[20_000:, 1] == 1.0).all()


class Seventeen(Strategy):
    def on_bar(self, desk):
        desk.record("a", 1.0)
        desk.record("b", 1.0)
        desk.record("c", 1.0)
        desk.record("d", 1.0)
        desk.record("e", 1.0)
        desk.record("f", 1.0)
        desk.record("g", 1.0)
        desk.record("h", 1.0)
        desk.record("i", 1.0)
        desk.record("j", 1.0)
        desk.record("k", 1.0)
        desk.record("l", 1.0)
        desk.record("m", 1.0)
        desk.record("n", 1.0)
        desk.record("o", 1.0)
        desk.record("p", 1.0)
        desk.record("q", 1.0)


@BOTH
def test_sixteen_names_are_recorded_and_no_more(interpreted):
    with pytest.raises(StrategyRaised, match="at most 16 names"):
        played(Seventeen, market(tape_of_bars(3)), interpreted=interpreted)


class Watches(Strategy):
    bars: int = state(0)
    events: int = state(0)

    def on_bar(self, desk):
        self.bars += 1

    def on_event(self, desk):
        self.events += 1


@BOTH
def test_on_event_runs_at_every_other_timestamp(interpreted):
    tape = tape_of_bars(50, marks_every=50)
    events = {name: column.copy() for name, column in tape.events.items()}
    events["ts"][events["kind"] == Kind.MARK] += 1
    order = np.argsort(events["ts"], kind="stable")
    of = market(replace(tape, events={name: column[order] for name, column in events.items()}))
    session = played(Watches, of, interpreted=interpreted)
    assert (session.state["bars"][0], session.state["events"][0]) == (50, 1)


def worth(desk):
    return desk.equity()


class Worth(Strategy):
    shown: float = state(0.0)

    def on_bar(self, desk):
        desk.target(0, 5)
        self.shown = worth(desk)
        desk.record("equity", self.shown)
        desk.record("cash", desk.cash())


@BOTH
def test_equity_is_right_at_every_bar(interpreted):
    """Cash and the open variation, worked out from the fills and closes in dollars."""
    of = market(tape_of_bars(120, marks_every=7), half_spread_micros=2_500, fee_per_lot_micros=1_000_000)
    session = played(Worth, of, interpreted=interpreted)
    session.close()
    fills, records = session.table("fills"), session.table("records")
    events = of.tape.events
    bars = events["kind"] == Kind.BAR
    for ts, (equity, _) in zip(records["ts"], records["values"], strict=True):
        close = events["close"][bars & (events["ts"] == ts)][0]
        before = fills[fills["ts"] <= ts]
        exact = CASH + sum((int(close) - int(f["price_micros"])) * 730 * int(f["lots"]) - int(f["fee_micros"]) for f in before)
        assert micros(equity) == exact
    assert len(fills)


class Hidden(Strategy):
    interpreted = True

    def on_bar(self, desk):
        getattr(desk, "equ" + "ity")()


def test_equity_that_nobody_names_is_not_kept_and_says_so():
    assert "equity" not in reach_of(Hidden).names
    assert "equity" in reach_of(Worth).names
    with pytest.raises(StrategyRaised, match=r"desk\.equity and desk\.cash must be called by name"):
        played(Hidden, market(tape_of_bars(3)), interpreted=True)


class Free(Strategy):
    interpreted = True
    history: list[float] = []

    def on_bar(self, desk):
        self.history.append(desk.price(0))
        self.notes = len(self.history)


def test_python_fields_live_as_long_as_the_run_and_no_longer():
    first, second = (played(Free, market(tape_of_bars(9)), interpreted=True) for _ in range(2))
    for session in (first, second):
        assert session.python is not None
        assert len(session.python.strategy.history) == 9
    assert Free.history == []


def many(contracts=1, products=1, indices=0):
    builder = TapeBuilder(source="many")
    ts = np.array([START])
    price = np.array([1_000_000])
    for i in range(contracts):
        product = f"X:P{i % products}"
        code = f"{product}-{i}"
        ref = builder.contract(Contract(code=code, product=product, symbol=code, month=203001, listed_at=0, last_trade_at=NEVER,
                                        settlement_at=NEVER, fixing_days=(), rule="by hand"))
        builder.bars(ref, ts, price, price, price, price, price)
    for i in range(indices):
        builder.index(Index(code=f"I{i}", unit="USD"))
    return builder.build()


@pytest.mark.parametrize("counts, words", [
    ({"contracts": 1025}, "a run holds at most 1024 contracts, the tape has 1025"),
    ({"contracts": 17, "products": 17}, "a run holds at most 16 products, the tape has 17"),
    ({"indices": 65}, "a run holds at most 64 indices, the tape has 65"),
])
def test_more_than_the_engine_holds_is_refused(counts, words):
    with pytest.raises(UsageError, match=words):
        Market.of(many(**counts), {}, {})


def test_the_largest_tape_is_held():
    tape = many(contracts=1024, products=16)
    terms = {code: next(iter(many_terms().values())) for code in tape.product_codes}
    session = played(Busy, Market.of(tape, terms, dict.fromkeys(tape.product_codes)))
    assert session.book["bars"][0] == 1024


def many_terms():
    from dataclasses import asdict

    from kilohour.contracts.terms import EngineTerms
    from tests.oracle.books import Terms

    return {"X:P0": EngineTerms(**asdict(Terms()))}


def test_a_chain_of_more_than_128_is_refused_with_its_product():
    tape = many(contracts=129)
    session = session_of(Busy, Market.of(tape, many_terms(), {"X:P0": None}))
    with pytest.raises(UsageError, match="X:P0: at most 128 contracts of one product can be listed at a time"):
        session.run(len(tape))


def test_a_missing_print_names_contract_and_day():
    day = START // NANOS_PER_DAY
    builder = TapeBuilder(source="gap")
    contract = Contract(code="X:P0-A", product="X:P0", symbol="A", month=203001, listed_at=0, last_trade_at=START + 2 * NANOS_PER_DAY,
                        settlement_at=START + 3 * NANOS_PER_DAY, fixing_days=(day + 1, day + 2), rule="by hand")
    ref = builder.contract(contract)
    index = builder.index(Index(code="I", unit="USD"))
    ts = START + NANOS_PER_DAY * np.arange(4)
    price = np.full(3, 1_000_000)
    builder.bars(ref, ts[:3], price, price, price, price, price)
    builder.prints(index, np.array([day + 1, day + 3]), ts[2:4] + 1, np.array([1_000_000, 1_000_000]))
    tape = builder.build()
    session = session_of(Buys, Market.of(tape, many_terms(), {"X:P0": "I"}))
    with pytest.raises(DataError, match=r"X:P0-A: .* needs a print of every fixing day, found none for 2024-10-06"):
        session.run(len(tape))


def test_no_other_series_settles_a_contract_whose_index_is_not_on_the_tape():
    """Under ``skip`` one print would do: there is none, and adoption is not it."""
    day = START // NANOS_PER_DAY
    builder = TapeBuilder(source="adoption only")
    ref = builder.contract(Contract(code="X:P0-A", product="X:P0", symbol="A", month=203001, listed_at=0,
                                    last_trade_at=START + 2 * NANOS_PER_DAY, settlement_at=START + 3 * NANOS_PER_DAY,
                                    fixing_days=(day + 1, day + 2), rule="by hand"))
    series = builder.index(Index(code="ADOPTION", unit="million weekly users"))
    ts, price = START + NANOS_PER_DAY * np.arange(4), np.full(3, 1_000_000)
    builder.bars(ref, ts[:3], price, price, price, price, price)
    builder.prints(series, np.array([day + 1, day + 3]), ts[2:] + 1, np.array([77_000_000, 78_000_000]))
    tape = builder.build()
    terms = {"X:P0": replace(many_terms()["X:P0"], missing_rule=SKIP)}
    session = session_of(Buys, Market.of(tape, terms, {"X:P0": "I"}))
    with pytest.raises(DataError, match="X:P0-A: .* found none for 2024-10-05"):
        session.run(len(tape))


class Buys(Strategy):
    def on_bar(self, desk):
        desk.target(0, 1)


def perturbed(tape, now, seed):
    rng = np.random.default_rng(seed)
    events = {name: column.copy() for name, column in tape.events.items()}
    later = events["ts"] > now
    shift = 10_000 * rng.integers(-5, 6, len(later))
    for name in ("open", "high", "low", "close"):
        priced = later & (events[name] != r.MISSING)
        events[name][priced] += shift[priced]
    return replace(tape, events=events)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(st.integers(0, 99), st.integers(0, 399), st.integers(0, 2**32 - 1))
def test_another_future_changes_no_decision_before_it(seed, minute, other):
    tape = tape_of_bars(400, contracts=2, seed=seed, marks_every=25)
    now = START + minute * MINUTE
    rows = []
    for future in (tape, perturbed(tape, now, other)):
        session = session_of(Busy, market(future))
        session.run(int(np.searchsorted(tape.events["ts"], now, side="right")))
        session.close()
        orders, records = session.table("orders"), session.table("records")
        rows.append((orders.tobytes(), records.tobytes(), session.state.tobytes()))
    assert rows[0] == rows[1]


def test_the_desk_holds_nothing_of_the_tape():
    """Its fields are numbers and fixed arrays: no field is an address, and none grows with the tape."""
    short, long = (market(tape_of_bars(count)) for count in (10, 4000))
    for name in r.DESK.names or ():
        before, after = short.desk[name], long.desk[name]
        assert before.dtype.kind in "if"
        assert np.array_equal(before, after, equal_nan=True), name
