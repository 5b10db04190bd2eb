# SPDX-License-Identifier: Apache-2.0
"""Components that trade for a strategy: a field of it, driven from its ``on_bar``, with nothing but the desk's own verbs."""

from kilohour.trading.legged_spread import LeggedSpread
from kilohour.trading.roll import BY_COST, BY_DAYS, BY_INTEREST, BY_VOLUME, Roll
from kilohour.trading.work_factors import WorkFactors, set_factors

__all__ = ["BY_COST", "BY_DAYS", "BY_INTEREST", "BY_VOLUME", "LeggedSpread", "Roll", "WorkFactors", "set_factors"]
