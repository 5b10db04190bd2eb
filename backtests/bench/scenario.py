# SPDX-License-Identifier: Apache-2.0
"""A fan: markets made and played, path by path, on every core."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from functools import partial

from kilohour.backtests.bench.timing import PROCESSORS, Row, Sizes, median_seconds, nothing, pin, processors
from kilohour.backtests.fan.fan import scenario
from kilohour.datafeeds.embedded.scenario import Scenario


def fan(sizes: Sizes) -> Iterator[Row]:
    """Calendar spread over the paths of the shipped AI winter, five years daily; the engine is compiled before."""
    words = Scenario.load("ai-winter")
    if sizes.paths < 10:
        market = {**words.market, "first": dt.date(2028, 1, 3), "last": dt.date(2028, 6, 30)}
        words = words.model_copy(update={"market": market})
    cores = len(PROCESSORS)
    pin(processors(cores))
    scenario("calendar-spread", words, paths=1, cores=1)
    run = partial(scenario, "calendar-spread", words, paths=sizes.paths, cores=cores)
    seconds = median_seconds(lambda _: run(), nothing, min(2, sizes.repeats))
    pin(processors(1))
    yield Row("scenario", f"{sizes.paths} paths, calendar-spread, five years daily", "s", seconds, False, 60.0,
              note=f"on {cores} core{'s' if cores > 1 else ''}, making the markets included")
