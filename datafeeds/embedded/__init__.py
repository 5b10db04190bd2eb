# SPDX-License-Identifier: Apache-2.0
"""A seeded generator of a whole compute market: synthetic, calibrated, and without a built-in winner."""

from kilohour.datafeeds.embedded.config import Chip, Launch, MarketConfig
from kilohour.datafeeds.embedded.market import EmbeddedMarket
from kilohour.datafeeds.embedded.paths import Paths

__all__ = ["Chip", "EmbeddedMarket", "Launch", "MarketConfig", "Paths"]
