# SPDX-License-Identifier: Apache-2.0
"""The shipped strategies' books, row by row, against the exact-fraction oracle: the review of their snapshots.

The strategy runs in CPython while its calls of the desk are written down; the oracle plays them on the same tape.
"""

import pytest

from kilohour.backtests.outputs import tables_of
from kilohour.backtests.prepare import prepare
from kilohour.contracts import engine_terms
from tests.oracle import reference
from tests.oracle.books import Result
from tests.oracle.compare import differences
from tests.oracle.play import Log
from tests.strategies.runs import LIVELY, STRATEGIES, market


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_row_of_four_years_is_the_oracles(name):
    prepared = prepare(STRATEGIES[name], market(), parameters=LIVELY[name], interpreted=True)
    session = prepared.session()
    log = Log(session)
    session.run(len(prepared.market.tape))
    session.close()
    tables = tables_of(session)
    terms = {product.code: engine_terms(product) for product in prepared.products}
    indices = {product.code: product.index or "" for product in prepared.products}
    result: Result = reference.run(prepared.market.tape, terms, log.actions(), prepared.cash_micros, set(terms), indices)
    assert len(result.fills) > 30
    assert differences(result, tables) == []
