# SPDX-License-Identifier: Apache-2.0
"""Each strategy's statistics and a hash of its orders on one seed, as text that is reviewed as a diff.

Write them again with ``KILOHOUR_SNAPSHOTS=write``.
"""

import hashlib
import os
from pathlib import Path

import pytest

from tests.strategies.runs import LIVELY, STRATEGIES, market, orders_of, session_of

FOLDER = Path(__file__).with_name("snapshots")
COUNTS = ("orders", "refused", "fills", "lots_traded", "settlements", "margin_calls")
MONEY = ("fees_micros", "net_micros", "max_drawdown_micros", "margin_peak_micros")


def described(name, parameters):
    session, run = session_of(name, market(), **parameters)
    result = run.result
    lines = [f"{name} on {result['tape']}, {result['start'][:10]} to {result['end'][:10]}"]
    lines += [f"  {field:<20} {value}" for field, value in result["parameters"].items()]
    lines += [f"{key:<22} {result[key]:>16,}" for key in COUNTS]
    lines += [f"{key.removesuffix('_micros') + '_usd':<22} {result[key] / 1e6:>16,.2f}" for key in MONEY]
    lines += [f"{'sharpe':<22} {result['sharpe']:>16.6f}" if result["sharpe"] is not None else "sharpe undefined"]
    rows = "\n".join(" ".join(str(value) for value in row) for row in orders_of(run))
    lines += [f"orders sha256 {hashlib.sha256(rows.encode()).hexdigest()}",
              f"state sha256  {hashlib.sha256(session.state.tobytes()).hexdigest()[:16]}"]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", STRATEGIES)
def test_statistics_and_orders_are_those_of_the_snapshot(name):
    found = described(name, {}) + "\n" + described(name, LIVELY[name])
    file = FOLDER / f"{name}.txt"
    if os.environ.get("KILOHOUR_SNAPSHOTS") == "write":
        file.write_text(found, encoding="utf-8")
    assert found == file.read_text(encoding="utf-8"), "review the difference, then KILOHOUR_SNAPSHOTS=write"
