# SPDX-License-Identifier: Apache-2.0
"""Fill models behind one protocol: a native function ``meet(what, book, desk, terms, order, out)``, compiled when a run first needs it.

It is called for every timestamp with working orders: with the place of each order, oldest first, when the bars of the timestamp are
there (phase 1 of docs/engine.md); with MEET_MARKS after its marks; with MEET_QUOTES, where the model looks at quotes, when all its
events are there. It enters fills and ends orders, and answers nothing. What a model assumes: docs/fills.md. Market and limit orders
without flags and ties meet bars in matching.py, inside the engine.
"""

from __future__ import annotations

from kilohour.kernels.records import FILL_AT_OPEN


def looks_at_quotes(model: int) -> bool:
    """True for the models that fill against what is displayed."""
    return model > FILL_AT_OPEN


def model_address(model: int, with_scenarios: bool = False) -> int:
    """Address of the function of a model, by its number (its place in FILL_MODELS)."""
    if looks_at_quotes(model):
        from kilohour.kernels.quote_service import quote_address

        return quote_address(with_scenarios)
    from kilohour.kernels.meeting_service import meeting_address

    return meeting_address(with_scenarios)
