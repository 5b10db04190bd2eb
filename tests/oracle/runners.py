# SPDX-License-Identifier: Apache-2.0
"""One case, played by the reference or by the engine, as the same rows: for tables that hold for both."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from kilohour.backtests.outputs import tables_of
from tests.oracle.cases import Case
from tests.oracle.compare import TABLES
from tests.oracle.explain import ended
from tests.oracle.play import scripted

RUNNERS = ["reference", "engine"]


def rows_by(runner: str, of: Case) -> Any:
    """``orders``, ``fills``, ``ledger``... as rows of the oracle's types."""
    if runner == "reference":
        return of.run()
    session = ended(scripted(of))
    assert session is not None
    tables = tables_of(session)
    return SimpleNamespace(**{
        name: [kind(*row) for row in zip(*(tables[name][column].to_pylist() for column in kind._fields), strict=True)]
        for name, kind in TABLES.items()})
