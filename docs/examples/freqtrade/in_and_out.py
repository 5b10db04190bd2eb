# SPDX-License-Identifier: Apache-2.0
"""A strategy for freqtrade that is in the market half of the time: it buys in minutes whose number is even and sells in the others.

It shows that freqtrade opens, closes and finds positions on the sandbox (docs/sandbox-clients.md), and nothing about markets.
"""

from __future__ import annotations

from freqtrade.strategy import IStrategy
from pandas import DataFrame


class InAndOut(IStrategy):
    """Buys after an even minute, sells after an odd one."""

    timeframe = "1m"
    startup_candle_count = 5
    process_only_new_candles = True
    can_short = False
    minimal_roi = {"0": 10.0}
    stoploss = -0.5

    def populate_indicators(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        """None is needed."""
        return dataframe

    def populate_entry_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        """Buys when the last closed candle began in an even minute."""
        dataframe.loc[dataframe["date"].dt.minute % 2 == 0, "enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        """Sells when it began in an odd one."""
        dataframe.loc[dataframe["date"].dt.minute % 2 == 1, "exit_long"] = 1
        return dataframe
