# SPDX-License-Identifier: Apache-2.0
"""Components that trade for a strategy: a field of it, driven from its ``on_bar``, with nothing but the desk's own verbs."""

from kilohour.trading.legged_spread import LeggedSpread

__all__ = ["LeggedSpread"]
