# SPDX-License-Identifier: Apache-2.0
"""What a run assumes about how orders fill, beyond the costs that are terms of the product. Rules: docs/engine.md, "Orders"."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from kilohour.errors import UnknownName, UsageError
from kilohour.kernels.records import FILL_MODELS

NANOS_PER_MILLISECOND = 1_000_000
LATENCY_MOST_MS = 2_592_000_000
STALE_MOST_S = 2_592_000

WAYS = {
    "path": "Within a bar a price goes from the open to the nearer extreme, to the other one and to the close",
    "open": "Orders fill at a bar's open or not in it",
    "quote": "Orders fill at the best bid and ask, never more than is displayed there and not at a quote older than {stale} s; "
             "a resting limit order waits for what was displayed at its price before it",
    "book": "Orders walk the recorded levels, never more than is displayed there and not when they are older than {stale} s; "
            "a resting limit order waits for what was displayed at its price before it",
}


@dataclass(frozen=True, slots=True)
class Fills:
    """``model``: ``path`` walks the way of a price in each bar, ``open`` fills at opens only (for tapes of settlements), ``quote``
    fills at the best bid and ask, ``book`` walks the recorded levels; docs/fills.md has what each assumes.

    ``slippage_ticks`` and ``slippage_percent`` are paid by whoever takes liquidity, beside half the spread where there are no
    quotes; ``latency_ms`` is the time before an order can fill; a quote that is older than ``stale_after_s`` fills nothing.
    Raises :class:`~kilohour.errors.UsageError` for what makes no sense.

    >>> Fills(slippage_percent=0.01).slippage_ppm
    100
    """

    model: str = "path"
    slippage_ticks: float = 0.0
    slippage_percent: float = 0.0
    latency_ms: float = 0.0
    stale_after_s: float = 60.0

    def __post_init__(self) -> None:
        if self.model not in FILL_MODELS:
            raise UnknownName("fill model", self.model, FILL_MODELS)
        for name, most in (("slippage_ticks", 1e6), ("slippage_percent", 100.0), ("latency_ms", LATENCY_MOST_MS),
                           ("stale_after_s", STALE_MOST_S)):
            value = getattr(self, name)
            if not 0 <= value <= most:
                raise UsageError(f"{name} must be between 0 and {most:g}, found {value!r}")
        if Fraction(str(self.slippage_percent)) * 10_000 % 1:
            raise UsageError(f"slippage_percent must be a multiple of 0.0001, found {self.slippage_percent!r}")

    @property
    def model_number(self) -> int:
        """The engine's number of the model."""
        return FILL_MODELS.index(self.model)

    @property
    def slippage_ppm(self) -> int:
        """Slippage in millionths of the price."""
        return int(Fraction(str(self.slippage_percent)) * 10_000)

    @property
    def latency_ns(self) -> int:
        """Latency in nanoseconds."""
        return round(self.latency_ms * NANOS_PER_MILLISECOND)

    @property
    def needs_quotes(self) -> bool:
        """True for the models that fill against what is displayed."""
        return self.model in ("quote", "book")

    @property
    def stale_after_ns(self) -> int:
        """How old a quote may be, nanoseconds."""
        return round(self.stale_after_s * 1_000 * NANOS_PER_MILLISECOND)

    def slippage_micros(self, tick_micros: int) -> int:
        """Slippage per unit in micros. Raises :class:`~kilohour.errors.UsageError` unless it is a whole number of them."""
        exact = Fraction(str(self.slippage_ticks)) * tick_micros
        if exact.denominator != 1:
            raise UsageError(f"slippage_ticks times the tick must be a whole number of micros, found {self.slippage_ticks!r} ticks")
        return int(exact)

    def sentence(self) -> str:
        """What a report says of it."""
        way = WAYS[self.model].format(stale=f"{self.stale_after_s:g}")
        paid = [f"{paid:g} {unit}" for paid, unit in ((self.slippage_ticks, "ticks"), (self.slippage_percent, "%")) if paid]
        wait = f"; an order waits {self.latency_ms:g} ms before it can fill" if self.latency_ms else ""
        beside = "beside the displayed spread" if self.needs_quotes else "beside half the spread"
        return f"{way}; who takes liquidity pays {' and '.join(paid) or 'no'} slippage {beside}{wait}."
