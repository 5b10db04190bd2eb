# SPDX-License-Identifier: Apache-2.0
"""The page of the sandbox names every row of both dialects that a server was seen to show, and what is not there."""

from __future__ import annotations

import re
from pathlib import Path

from kilohour.execution.sandbox.chaos import ACTIONS, REQUEST_VERBS, STREAM_VERBS
from tests.execution.sandbox import test_checklist_ax as ax
from tests.execution.sandbox import test_checklist_okx as okx

PAGE = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")
WORDS = {word for code in re.findall(r"`([^`\n]+)`", PAGE) for word in code.split()}


def test_every_row_of_ax_is_on_the_page() -> None:
    for names in (ax.ORDER_STATES, ax.SESSIONS, ax.REJECTS, ax.ORDER_REQUESTS, ax.ORDER_EVENTS, ax.MARKET_EVENTS, ax.WIDTHS):
        assert set(names) <= WORDS
    assert {word for request in ax.MARKET_REQUESTS for word in request.split()} - {"false"} <= WORDS
    for path in (*ax.READS, *ax.WRITES):
        assert re.search(rf"\b{path.rsplit('/', 1)[1]}\b", PAGE), path
    assert "never `PENDING`" in PAGE
    assert set(ax.NOT_SHOWN) == {"state PENDING"}


def test_every_row_of_okx_is_on_the_page() -> None:
    assert {*okx.READS, *okx.WRITES, *okx.CHANNELS, *okx.PRIVATE_CHANNELS, *okx.OPS} <= WORDS
    for missing in ("amend-algos", "sprd", "iceberg", "twap"):
        assert missing in PAGE[PAGE.index("Refused, never dropped") :], missing


def test_every_fault_is_on_the_page() -> None:
    assert {*REQUEST_VERBS, *STREAM_VERBS, *ACTIONS} <= WORDS
