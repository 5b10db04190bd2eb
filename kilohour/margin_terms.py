# SPDX-License-Identifier: Apache-2.0
"""From the products' margin terms to the rows that the engine reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kilohour.contracts.margin import MarginTable
from kilohour.contracts.terms import EngineTerms
from kilohour.kernels import records as r
from kilohour.kernels.records import Array
from kilohour.tape.tape import Tape


def margin_terms_of(tape: Tape, rows: Array, terms: Mapping[str, EngineTerms]) -> Array:
    """The engine's terms of each contract, ``rows``, with grace, scenario arrays and credits."""
    out = np.zeros(len(rows), r.MARGIN_TERMS)
    for name in r.TERMS.names or ():
        out[name] = rows[name]
    products = {code: row for row, code in enumerate(tape.product_codes)}
    for row, contract in zip(out, tape.contracts, strict=False):
        term = terms[contract.product]
        row["margin_grace"] = term.margin_grace_marks
        if term.margin_table is not None:
            _fill(row, term.margin_table, products)
    return out


def _fill(row: Any, table: MarginTable, products: Mapping[str, int]) -> None:
    tiers = len(table.calendar_credits)
    row["maintenance_share"], row["tier_credit"] = table.maintenance_share_ppm, table.tier_credit_ppm
    row["scenarios"], row["tiers"], row["pairs"] = len(table.scenarios), tiers, len(table.spread_credits)
    row["tier_days"][: tiers - 1] = table.tier_days
    row["calendar_credit"][:tiers] = table.calendar_credits
    row["move"].reshape(r.TIERS, r.SCENARIOS)[:tiers, : len(table.scenarios)] = np.array(table.scenarios).T
    for at, (product, own, other, ppm) in enumerate(table.spread_credits):
        row["pair_product"][at], row["pair_credit"][at] = products.get(product, -1), ppm
        row["pair_own"][at], row["pair_other"][at] = own, other
