# SPDX-License-Identifier: Apache-2.0
"""Memory that is kept before a block: what goes on from it leaves the bytes that it left the first time."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kilohour import Ring, Strategy, state
from kilohour.kernels import records as r
from kilohour.rewind import used_words
from tests.faces.small import market, session_of, tape_of_bars
from tests.test_session import TAPE, Busy, memory


def what_counts(session):
    """The memory without orders that are over, and without legs that an order does not have."""
    rows, working = session.book["order"][0], int(session.book["orders_working"][0])
    rows.view(np.uint8)[working * r.ORDER.itemsize :] = 0
    for name in ("contract", "ratio"):
        rows[name][np.arange(r.LEGS) >= rows["legs"][:, None]] = 0
    return memory(session)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 400), min_size=3, max_size=3).map(sorted))
def test_what_goes_on_from_kept_memory_leaves_the_same_bytes(stops):
    kept_at, until, end = stops
    session = session_of(Busy, TAPE)
    session.run(kept_at)
    session.flush()
    tables = {name: list(rows) for name, rows in session.tables.items()}
    kept = session.keep()
    session.move(until)
    session.flush()
    first = what_counts(session)
    session.move(end)
    session.flush()
    kept.put_back()
    session.tables = tables
    session.move(until)
    session.flush()
    assert what_counts(session) == first


def test_no_number_changes_that_is_not_kept():
    session = session_of(Busy, TAPE)
    records = {"desk": session.desk, "book": session.book}
    unused = {name: np.ones(record.nbytes // 8, bool) for name, record in records.items()}
    for name, record in records.items():
        unused[name][used_words(record.dtype, len(TAPE.tape.contracts))] = False
    first, rows = session.book.dtype.fields["order"][1] // 8, r.ORDERS * r.ORDER.itemsize // 8
    assert unused["book"][first : first + rows].all(), "orders are kept by how many there are"
    unused["book"][first : first + rows] = False
    before = {name: record.view(np.int64)[unused[name]].tobytes() for name, record in records.items()}
    session.run(len(TAPE.tape.events["ts"]))
    assert before == {name: record.view(np.int64)[unused[name]].tobytes() for name, record in records.items()}
    assert sum(map(len, before.values())) > 300_000, "of half a megabyte"


class Long(Strategy):
    """A list of its own."""

    seen: Ring
    calls: int = state(0)

    def on_bar(self, desk):
        self.seen[500 + self.calls] = desk.price(0)
        self.calls += 1


def test_the_strategys_own_memory_and_the_quotes_are_kept_whole():
    session = session_of(Long, market(tape_of_bars(12)))
    session.run(6)
    was = session.state.tobytes()
    session.keep_quotes()
    session.quotes["bid"][0][-1] = 7
    kept = session.keep()
    session.move(12)
    session.quotes["bid"][0][-1] = 0
    kept.put_back()
    assert session.state.tobytes() == was
    assert int(session.quotes["bid"][0][-1]) == 7
