# SPDX-License-Identifier: Apache-2.0
"""Runs of ``bt.Strategy`` classes on tapes written by hand. Import it only where backtrader is installed."""

from __future__ import annotations

import numpy as np

from kilohour.backtests.backtest import play
from kilohour.execution.bridge.relay import relay_of
from kilohour.faces.fields import dtype_of
from kilohour.faces.python_face import structure_of
from kilohour.session import Session
from tests.faces.small import CASH, market
from tests.oracle.tables import shown, table, tape_of

FOUR_DAYS = """
day | event | of | open | high | low  | close | volume
1   | bar   | A  | 2.00 | 2.05 | 1.95 | 2.02  | 1000
2   | bar   | A  | 2.10 | 2.20 | 2.00 | 2.15  | 1000
3   | bar   | A  | 2.30 | 2.35 | 2.25 | 2.31  | 1000
4   | bar   | A  | 2.40 | 2.45 | 2.35 | 2.42  | 1000
"""


def bars(text=FOUR_DAYS, contracts="contract\nA", **terms):
    """A market from two text tables and the oracle's free terms, changed by ``terms``."""
    return market(tape_of(contracts, text), **terms)


def bridged(original, of, *, feeds=(), cash=CASH, **values):
    """The session of a strategy that ran to the end of a market; its log is ``original.log``."""
    original.log = []
    face = relay_of(original)
    face.feeds = tuple(feeds)
    memory = np.zeros(1, dtype_of(face))
    structure_of(face).from_buffer(memory).__init__(**values)
    session = Session(of, face, memory, cash, interpreted=True)
    face.play(session, lambda: play(session))
    return session


def fills(session, *names):
    """Columns of the fills as text; time is in days, money in dollars."""
    class Row:
        def __init__(self, row):
            for name in names:
                setattr(self, name, int(row[name]))

    rows: list = [Row(row) for row in session.table("fills")]
    return shown(rows, *names)


__all__ = ["CASH", "FOUR_DAYS", "bars", "bridged", "fills", "table"]
