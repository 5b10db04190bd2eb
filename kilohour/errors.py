# SPDX-License-Identifier: Apache-2.0
"""Every error that kilohour raises on purpose, in one tree.

::

    KilohourError
    ├── UsageError          a parameter, name or range the caller gave           exit code 2
    │   ├── UnknownName     no such strategy, field, contract, column, term ...
    │   └── UnknownTerm     a contract term nobody published and no assumption fills
    ├── DataError           a tape, file or price that must not be traded on      exit code 2
    ├── StrategyError       the user's strategy failed                            exit code 2
    │   ├── CannotCompile   the strategy uses what a compiled run cannot express
    │   └── StrategyRaised  the strategy raised while it ran; carries the user's traceback
    └── EngineError         kilohour itself is wrong: please report               exit code 70

A message names the parameter, the rule and the value found, then the nearest valid choice.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class KilohourError(Exception):
    """Base of every deliberate error."""

    exit_code = 2


class UsageError(KilohourError):
    """A parameter the caller gave breaks a rule."""


class UnknownName(UsageError):
    """A name that is not in the list it is looked up in.

    >>> raise UnknownName("field", "windw", ["window", "entry"])
    Traceback (most recent call last):
    kilohour.errors.UnknownName: unknown field 'windw'; did you mean 'window'? (known: entry, window)
    """

    def __init__(self, what: str, name: str, known: Iterable[str], *, where: str = "") -> None:
        choices = sorted({str(k) for k in known})
        near = difflib.get_close_matches(name, choices, n=1, cutoff=0.5)
        if not near:
            folded = {c.casefold(): c for c in choices}
            near = [folded[m] for m in difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.5)]
        hint = f"; did you mean {near[0]!r}?" if near else ""
        shown = ", ".join(choices[:12]) + (f", and {len(choices) - 12} more" if len(choices) > 12 else "")
        place = f" in {where}" if where else ""
        super().__init__(f"unknown {what} {name!r}{place}{hint} (known: {shown or 'none'})")
        self.name = name
        self.nearest = near[0] if near else None


class UnknownTerm(UsageError):
    """A term of a product that no source states and no assumptions file fills."""


class DataError(KilohourError):
    """Data that must not be traded on: corrupt data is worse than none."""


class StrategyError(KilohourError):
    """The user's strategy cannot run or failed while running."""


class CannotCompile(StrategyError):
    """The strategy uses something that its compiled and its Python face would not agree on."""


class StrategyRaised(StrategyError):
    """The strategy raised; the message holds the traceback, cut to the user's lines."""


class EngineError(KilohourError):
    """A broken promise inside kilohour."""

    exit_code = 70
