# SPDX-License-Identifier: Apache-2.0
"""Names of order kinds, lives and flags, for tables and pages; importing them costs nothing."""

from __future__ import annotations

KINDS = ("market", "limit", "stop", "stop_limit", "trailing_stop", "market_if_touched", "at_settlement")
"""Kinds of order; the engine's constant is the place, from 1. The same for lives."""
LIVES = ("gtc", "day", "ioc", "fok", "gtd")
FLAGS = ("post_only", "reduce_only")
"""Flags of an order: 1 and 2, bits that may be set together."""
SESSIONS = ("open", "pre_open", "no_cancel", "halted", "closed")
"""Session states of a contract; the engine's constant is the place, from 0. Only an open one matches orders."""
TRADING_STATES = ("active", "reduce_only", "halted")
"""What a risk limit lets an account do; the engine's constant is the place, from 0."""
