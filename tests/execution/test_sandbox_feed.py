# SPDX-License-Identifier: Apache-2.0
"""Row 22: what the sandbox's feed is told and what it shows, over a line that loses, doubles and swaps messages; no socket."""

from __future__ import annotations

import asyncio

import pytest

from kilohour.errors import DataError
from kilohour.execution.ax import sandbox_feed
from kilohour.execution.ax.sandbox_feed import SandboxFeed
from kilohour.execution.runner import Moment
from tests.backtests.tapes import sim_tape

TAPE = sim_tape(days=2)
CODE = TAPE.contracts[0].code
MESSAGES: list[dict] = [{"seq": seq, "ts": ts, "events": [[ts, "bar", CODE, *[price * 10**6] * 4, 5]] * count}
            for seq, ts, price, count in ((1, 100, 1, 1), (2, 200, 2, 2), (4, 300, 3, 1), (5, 400, 4, 1))]
"""Four timestamps, the second with two events."""
END: dict = {"end": True, "seq": 5}


class Told:
    """A line that says ``first``, and over each line that is opened behind it what the exchange has from the event that is asked for on."""

    def __init__(self, feed: SandboxFeed, first: list[dict], *, again: bool = True) -> None:
        self.feed, self.said, self.again, self.opened = feed, list(first), again, 1

    async def hear(self) -> dict:
        return self.said.pop(0)

    async def drop(self) -> None:
        self.opened += 1
        self.said = [one for one in [*MESSAGES, END] if one["seq"] > self.feed._seq] if self.again else [MESSAGES[-1], END]


def shown(first: list[dict], *, kind: str = "replay", again: bool = True) -> tuple[list[int], int]:
    """The closes of the moments that a runner sees, in dollars, and how often the line was opened."""
    async def go() -> tuple[list[int], int]:
        feed = SandboxFeed("http://127.0.0.1:1", is_lockstep=False, account="a")
        feed.hello = {"kind": kind}
        feed.trade(TAPE)
        line = Told(feed, first, again=again)
        feed._events_line = line  # type: ignore[assignment]
        moments: list[Moment] = [moment async for moment in feed.moments()]
        return [event.close // 10**6 for moment in moments for event in moment.events], line.opened

    return asyncio.run(asyncio.wait_for(go(), 120))


ONE, TWO, THREE, FOUR = MESSAGES


@pytest.mark.parametrize(("first", "opened"), [
    ([ONE, TWO, THREE, FOUR, END], 1),
    ([ONE, THREE, FOUR, END], 2),                # one was lost
    ([ONE, TWO, FOUR, END], 2),
    ([TWO, THREE, FOUR, END], 2),                # the first of all
    ([ONE, TWO, THREE, END], 2),                 # the last of all, and the end came
    ([ONE, THREE, TWO, FOUR, END], 2),           # two changed places
    ([ONE, ONE, TWO, TWO, ONE, THREE, FOUR, FOUR, END], 1),
])  # fmt: skip
def test_each_event_is_shown_once_and_in_its_order_whatever_the_line_does(first, opened):
    assert shown(first) == ([1, 2, 2, 3, 4], opened)


def test_an_event_that_stays_missing_ends_the_feed(monkeypatch):
    monkeypatch.setattr(sandbox_feed, "RETRIES", (0.0, 0.0))
    with pytest.raises(DataError, match="the feed's event 2 is missing, found 5"):
        shown([ONE, FOUR, END], again=False)
