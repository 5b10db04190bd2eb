# SPDX-License-Identifier: Apache-2.0
"""Sources of data, by the name that ``kilohour data import NAME`` takes: ours and those of installed plug-ins."""

from __future__ import annotations

import functools
import importlib
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from kilohour.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from kilohour.datafeeds.feed import Feed

GROUP = "kilohour.feeds"
"""Entry points of feeds; ours stand there too."""

BUILT_IN = {
    "my-file": "kilohour.datafeeds.sources.my_file:FEED",
    "energy-strip": "kilohour.datafeeds.sources.energy_strip:FEED",
    "energy-positions": "kilohour.datafeeds.sources.energy_positions:FEED",
    "wti-cash": "kilohour.datafeeds.sources.wti_cash:FEED",
    "gpu-prices": "kilohour.datafeeds.sources.gpu_price_tape:FEED",
    "price-statistics": "kilohour.datafeeds.sources.price_statistics:FEED",
    "recorded": "kilohour.datafeeds.sources.recorded:FEED",
    "ccxt": "kilohour.datafeeds.sources.ccxt_candles:FEED",
    "databento": "kilohour.datafeeds.sources.databento_files:FEED",
    "aws-cli": "kilohour.datafeeds.sources.aws_cli:FEED",
    "aws-spot": "kilohour.datafeeds.sources.aws_spot:FEED",
    "google-prices": "kilohour.datafeeds.sources.google_prices:FEED",
    "google-gpu-only": "kilohour.datafeeds.sources.google_gpu_only:FEED",
    "hyperscaler-lists": "kilohour.datafeeds.sources.hyperscaler_lists:FEED",
    "cloud-tables": "kilohour.datafeeds.sources.cloud_tables:FEED",
    "neocloud-offers": "kilohour.datafeeds.sources.neocloud_offers:FEED",
    "neocloud-market": "kilohour.datafeeds.sources.neocloud_market:FEED",
    "marketplace-asks": "kilohour.datafeeds.sources.marketplace_asks:FEED",
    "token-prices": "kilohour.datafeeds.sources.token_prices:FEED",
    "openrouter-prices": "kilohour.datafeeds.sources.openrouter_prices:FEED",
    "openrouter-index": "kilohour.datafeeds.sources.openrouter_index:FEED",
    "openrouter-revenue": "kilohour.datafeeds.sources.openrouter_revenue:FEED",
    "adoption-series": "kilohour.datafeeds.sources.adoption_series:FEED",
    "chip-facts": "kilohour.datafeeds.sources.chip_facts:FEED",
}
"""Feed by name, as ``module:attribute``. They are read late, and need no installation of their own."""


def source_names() -> tuple[str, ...]:
    """Names of our feeds and of installed plug-ins."""
    return tuple(sorted({*BUILT_IN, *(point.name for point in _plug_ins())}))


def source(name: str) -> Feed:
    """The feed of a name. Raises :class:`UnknownName` with the nearest, :class:`UsageError` for a plug-in that is broken."""
    from kilohour.datafeeds.feed import Feed

    plug_ins = _plug_ins()
    if name in BUILT_IN:
        return cast("Feed", _loaded(BUILT_IN[name]))
    for point in plug_ins:
        if point.name == name:
            try:
                found = point.load()
            except Exception as error:
                raise UsageError(f"the feed {name!r} ({point.value}) failed while it was read: {type(error).__name__}: {error}") from error
            if not isinstance(found, Feed):
                raise UsageError(f"the feed {name!r} ({point.value}) must be a kilohour.datafeeds.feed.Feed, found {type(found).__name__}")
            return found
    raise UnknownName("source", name, source_names(), where="kilohour data sources")


def _plug_ins() -> Any:
    from importlib.metadata import entry_points

    found = []
    for point in _points(entry_points, tuple((place, _changed(place)) for place in sys.path)):
        if point.name not in BUILT_IN:
            found.append(point)
        elif point.value != BUILT_IN[point.name]:
            raise UsageError(f"the feed {point.name!r} is one of kilohour's own: {point.value} needs another name")
    return found


@functools.lru_cache(maxsize=1)
def _points(find: Callable[..., Any], _path: tuple[tuple[str, int], ...]) -> tuple[Any, ...]:
    """Entry points of feeds, read again only when the path or a folder of it changed: eighty packages take hundredths of a second."""
    return tuple(find(group=GROUP))


def _changed(place: str) -> int:
    try:
        return os.stat(place or ".").st_mtime_ns
    except OSError:
        return 0


def _loaded(place: str) -> Any:
    module, attribute = place.split(":")
    return getattr(importlib.import_module(module), attribute)
