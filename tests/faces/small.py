# SPDX-License-Identifier: Apache-2.0
"""Small tapes and sessions for tests of strategies: contracts A, B, ... of product X:GPU, one bar a minute."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from kilohour.contracts.terms import EngineTerms
from kilohour.faces.fields import dtype_of
from kilohour.faces.python_face import structure_of
from kilohour.market import Market
from kilohour.session import Session
from kilohour.strategy import Strategy
from kilohour.tape import Tape, TapeBuilder
from kilohour.units import NANOS_PER_DAY
from tests.oracle.books import Terms
from tests.oracle.tables import PRODUCT, contracts_of

MINUTE = 60_000_000_000
START = 20_000 * NANOS_PER_DAY
CASH = 10**12


def tape_of_bars(count: int, contracts: int = 1, seed: int = 1, marks_every: int = 60) -> Tape:
    """Bars of every contract at each of ``count`` minutes, a mark each ``marks_every`` minutes, prices from 2 USD on."""
    rng = np.random.default_rng(seed)
    builder = TapeBuilder(source="small")
    codes = [chr(ord("A") + i) for i in range(contracts)]
    for contract in contracts_of("contract\n" + "\n".join(codes)):
        ref = builder.contract(contract)
        ts = START + (np.arange(count) + 1) * MINUTE
        close = 2_000_000 + 10_000 * np.cumsum(rng.integers(-3, 4, count))
        opened = close + 10_000 * rng.integers(-1, 2, count)
        high, low = np.maximum(opened, close) + 10_000, np.minimum(opened, close) - 10_000
        builder.bars(ref, ts, opened, high, low, close, rng.integers(1, 200, count))
        builder.marks(ref, ts[::marks_every], close[::marks_every])
    return builder.build()


def market(tape: Tape, **terms: Any) -> Market:
    """The tape with the oracle's free terms, changed by ``terms``."""
    return Market.of(tape, {PRODUCT: EngineTerms(**asdict(Terms(**terms)))}, {PRODUCT: None})


def session_of(face: type[Strategy], of: Market, *, interpreted: bool = False, quiet: bool = False, **values: Any) -> Session:
    """A session with fresh memory; ``values`` set fields."""
    memory = np.zeros(1, dtype_of(face))
    structure_of(face).from_buffer(memory).__init__(**values)  # type: ignore[attr-defined]
    return Session(of, face, memory, CASH, interpreted=interpreted, quiet=quiet)


def played(face: type[Strategy], of: Market, **options: Any) -> Session:
    """A session that ran to the end of its tape."""
    session = session_of(face, of, **options)
    session.run(len(of.tape))
    return session
