# SPDX-License-Identifier: Apache-2.0
"""Law 7: a backtest refuses what the venue refuses, with the venue's word for the first thing it does not take, and nothing else."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest

import kilohour as kh
from kilohour import DAY, FOK, GTC, GTD, IOC
from kilohour.contracts.venue import FLAGS, KINDS, LIVES
from kilohour.strategy import Strategy
from tests.backtests.tapes import sim_tape

TAPE = sim_tape(days=3)
NEAR, FAR, LOTS, LOW, HIGH, GAP = 0, 1, 1, 1.0, 3.0, 0.5
LATER = 86_400_000_000_000
LIMITS = [(("limit", name), lambda desk, life=life: desk.limit(NEAR, LOTS, LOW, life, desk.now + LATER if life == GTD else 0))
          for name, life in (("gtc", GTC), ("day", DAY), ("ioc", IOC), ("fok", FOK), ("gtd", GTD))]
ORDERS: list[tuple[tuple[str, ...], Any]] = [
    *LIMITS,
    (("market", "gtc"), lambda desk: desk.market(NEAR, LOTS)),
    (("stop", "gtc"), lambda desk: desk.stop(NEAR, LOTS, HIGH)),
    (("stop", "day"), lambda desk: desk.stop(NEAR, LOTS, HIGH, DAY)),
    (("stop_limit", "gtc"), lambda desk: desk.stop_limit(NEAR, LOTS, HIGH, HIGH)),
    (("trailing_stop", "gtc"), lambda desk: desk.trailing_stop(NEAR, LOTS, GAP)),
    (("market_if_touched", "gtc"), lambda desk: desk.if_touched(NEAR, LOTS, LOW)),
    (("at_settlement", "day"), lambda desk: desk.at_settlement(NEAR, LOTS)),
    (("limit", "gtc", "post_only"), lambda desk: desk.limit(NEAR, LOTS, LOW, post_only=True)),
    (("limit", "day", "reduce_only"), lambda desk: desk.limit(NEAR, LOTS, LOW, DAY, reduce_only=True)),
    (("limit", "gtc", "calendar"), lambda desk: desk.limit(NEAR, LOTS, -LOW, against=FAR)),
    (("market", "gtc", "calendar"), lambda desk: desk.market(NEAR, LOTS, against=FAR)),
]
"""What an order asks of a venue, in the order in which a refusal names it, and the verb."""
DRAWN = (*KINDS, *LIVES, *FLAGS, "calendar")


class AsksAll(Strategy):
    """Every order once, at the first bar."""

    interpreted: ClassVar[bool] = True
    has_asked: bool = kh.state(False)

    def on_bar(self, desk: Any) -> None:
        if not self.has_asked:
            self.has_asked = True
            for _, ask in ORDERS:
                ask(desk)


def table(path: Any, refused: set[str]) -> Any:
    path.write_text('like = "sandbox"\ntitle = "A venue drawn by lot"\n[features]\n' + "".join(
        f'{name} = {{ value = "refused", code = "no_{name}", source = "a test" }}\n' for name in DRAWN if name in refused))
    return path


def test_every_kind_life_and_flag_is_asked_for():
    assert {name for features, _ in ORDERS for name in features} == set(DRAWN)


@pytest.mark.parametrize("seed", range(25))
def test_a_backtest_refuses_what_the_venue_refuses(seed, tmp_path):
    drawn = np.random.default_rng(seed).random(len(DRAWN))
    refused = {name for name, share in zip(DRAWN, drawn, strict=True) if share < seed % 5 / 5}
    run = kh.backtest(AsksAll, TAPE, venue=table(tmp_path / "drawn.toml", refused))
    first = run.orders.groupby("order").first()
    told = [code if status == "refused" and code.startswith("no_") else "" for status, code in zip(first.status, first.code, strict=True)]
    assert told == [next((f"no_{name}" for name in features if name in refused), "") for features, _ in ORDERS], sorted(refused)
