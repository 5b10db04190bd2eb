# SPDX-License-Identifier: Apache-2.0
"""Faults on order: what the control plane injects into replies and streams, in turn or at random from a seed.

A rule reads ``{"do": "lose_reply", "on": "place", "count": 1}``. ``on`` is what it waits for (``place cancel replace read
any`` for requests, ``private public`` for messages of streams); ``skip`` so many go by first; ``count`` so many are hit, -1
for all; ``p`` is the share that is hit; ``account`` limits it to one. The verbs are :data:`REQUEST_VERBS` and
:data:`STREAM_VERBS`; what acts at once (:data:`ACTIONS`) is the server's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kilohour.errors import UnknownName, UsageError

REQUEST_VERBS = {
    "lose_reply": "the request takes effect, the connection is cut before the reply",
    "drop_request": "the connection is cut before the request takes effect",
    "delay_reply": "the reply comes `ms` later",
    "reject": "refused with `code` before it is matched",
    "too_many": "refused as over the rate limit: 429 and its like in each dialect",
    "malformed": "the reply is a page of HTML, cut short",
    "late_order": "the order is accepted and cannot be read for `ms`",
}
STREAM_VERBS = {
    "drop": "the message is not sent",
    "duplicate": "the message is sent twice",
    "delay": "the message comes `ms` later",
    "reorder": "the message changes places with the next one",
}
ACTIONS = {
    "disconnect": "closes the sockets of `channel` (orders, market, feed, all)",
    "half_open": "sockets of `channel` stay open and send nothing any more",
    "skew": "the venue's clock is `seconds` off",
    "halt": "halts `symbol`",
    "suspend": "halts `symbol` too, in the state of that name",
    "closing_auction": "orders in `symbol` rest; `close` then ends it: what crosses trades at one price",
    "resume": "ends the halt of `symbol`",
    "close": "closes `symbol`: cancels only",
    "freeze": "closes `symbol` and takes no cancels either",
    "expire": "expires `symbol`: open orders end, positions settle",
    "expire_tokens": "ends every bearer token",
    "restart": "closes every socket and forgets tokens; with `state` = wipe also orders and books, which is the default keep's opposite",
    "liquidate": "closes the positions of `account` at the market, by orders of the venue's own",
    "credit": "the credit limit of `account` is `limit` dollars of notional; without a limit there is none",
    "correct_settlement": "the last mark or the final price of `symbol` was `price`",
    "clear": "forgets every rule",
}
CHANNELS = ("orders", "market", "feed", "all")
REQUESTS = ("place", "cancel", "replace", "read", "any")
STREAMS = ("private", "public")
RULES_MOST = 1_000


@dataclass(slots=True)
class Rule:
    """One fault that waits for its turn."""

    do: str
    on: str
    count: int = 1
    skip: int = 0
    p: float = 1.0
    ms: int = 0
    code: str = ""
    account: str = ""
    hits: int = 0


class Chaos:
    """The rules in force. Randomness comes from the seed alone."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.rules: list[Rule] = []
        self.random = np.random.default_rng(seed)
        self.hits: dict[str, int] = {}

    def add(self, given: Mapping[str, Any]) -> Rule:
        """A rule from JSON or TOML. Raises :class:`UsageError` or :class:`UnknownName` naming key, rule and value."""
        do = given.get("do")
        if not isinstance(do, str) or do not in {**REQUEST_VERBS, **STREAM_VERBS}:
            raise UnknownName("fault", str(do), [*REQUEST_VERBS, *STREAM_VERBS, *ACTIONS], where="the control plane")
        places = REQUESTS if do in REQUEST_VERBS else STREAMS
        rule = Rule(do, str(given.get("on", "any" if do in REQUEST_VERBS else "private")))
        if rule.on not in places:
            raise UsageError(f"{do}: on must be one of {', '.join(places)}, found {rule.on!r}")
        for name, least, most in (("count", -1, 10**6), ("skip", 0, 10**6), ("ms", 0, 600_000)):
            value = given.get(name, getattr(rule, name))
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise UsageError(f"{do}: {name} must be a whole number from {least} to {most}, found {value!r}")
            setattr(rule, name, value)
        p = given.get("p", 1.0)
        if isinstance(p, bool) or not isinstance(p, int | float) or not 0 <= p <= 1:
            raise UsageError(f"{do}: p must be between 0 and 1, found {p!r}")
        rule.p, rule.code, rule.account = float(p), str(given.get("code", "")), str(given.get("account", ""))
        unknown = sorted(set(given) - {"do", "on", "count", "skip", "ms", "p", "code", "account"})
        if unknown:
            raise UnknownName("key", unknown[0], ["do", "on", "count", "skip", "ms", "p", "code", "account"], where=f"the fault {do}")
        if len(self.rules) >= RULES_MOST:
            raise UsageError(f"the control plane keeps at most {RULES_MOST} rules")
        self.rules.append(rule)
        return rule

    def request(self, what: str, account: str = "") -> Rule | None:
        """The rule that hits a request, if one does."""
        return self._hit(REQUEST_VERBS, (what, "any"), account)

    def stream(self, channel: str, account: str = "") -> Rule | None:
        """The rule that hits a message of a stream, if one does."""
        return self._hit(STREAM_VERBS, (channel,), account) if self.rules else None

    def _hit(self, verbs: Mapping[str, str], places: tuple[str, ...], account: str) -> Rule | None:
        for rule in self.rules:
            if rule.do not in verbs or rule.on not in places or rule.account not in ("", account) or rule.count == 0:
                continue
            if rule.skip > 0:
                rule.skip -= 1
                continue
            if rule.p < 1.0 and self.random.random() >= rule.p:
                continue
            rule.count -= rule.count > 0
            rule.hits += 1
            self.hits[rule.do] = self.hits.get(rule.do, 0) + 1
            if rule.count == 0:
                self.rules.remove(rule)
            return rule
        return None

    def clear(self) -> None:
        """Forgets every rule; the random numbers go on."""
        self.rules.clear()
