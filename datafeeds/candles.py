# SPDX-License-Identifier: Apache-2.0
"""Candles of one market from an exchange object in the manner of ccxt: page by page, slowed down, resumed, and checked for gaps.

``exchange`` is anything with ``fetch_ohlcv(symbol, timeframe, since, limit)`` that returns rows ``[opened in milliseconds, open, high, low,
close, volume]``, oldest first. Nothing here reads a clock: the end is given, and waiting is a function that is handed in.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any, Protocol

from kilohour.datafeeds.importing.intake import Paused
from kilohour.errors import DataError, UsageError
from kilohour.units import datetime_of

UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
RETRIES = 6
FIRST_WAIT_SECONDS = 1.0
NANOS_PER_MILLI = 1_000_000
TAIL_BYTES = 1 << 16
"""Far more than a line of a candle has."""

PRICE_MAX = 1e9
TIME_MAX = 2**62 // NANOS_PER_MILLI
UNTIMED = "time"
FIELDS = ("open", "high", "low", "close", "volume")
Wait = Callable[[float], None]
Passing = tuple[type[Exception], ...]

Candle = tuple[int, float, float, float, float, float | None]
"""Opened (milliseconds), open, high, low, close, volume."""
Odd = tuple[int, str, str, str]
"""A row that is no candle: opened (milliseconds; where that cannot be read, as the row before it), column, row as text, reason."""
Page = list[Candle | Odd]


class StillRefused(Paused):
    """An exchange did not answer after all waits: what is fetched so far is kept, and the import can go on later."""


class Exchange(Protocol):
    """What is asked of an exchange object."""

    def fetch_ohlcv(self, symbol: str, timeframe: str, since: int | None = None, limit: int | None = None) -> list[list[Any]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which candles: those that open at ``since`` or later and end by ``until``, milliseconds since 1970."""

    symbol: str
    timeframe: str
    since: int
    until: int
    limit: int = 500
    """Candles a page."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Candles that are missing between two others."""

    after: int
    """Opening of the last candle before, milliseconds."""
    count: int


def step_of(timeframe: str) -> int:
    """Milliseconds of a timeframe.

    >>> step_of("15m")
    900000

    Raises :class:`UsageError` for one that is not a whole number of seconds, minutes, hours, days or weeks.
    """
    number, unit = timeframe[:-1], timeframe[-1:]
    if unit not in UNITS or not number.isdigit() or int(number) < 1:
        raise UsageError(f"timeframe must be a number and s, m, h, d or w, as 1h, found {timeframe!r}")
    return int(number) * UNITS[unit] * 1_000


def pages(exchange: Exchange, wanted: Wanted, *, wait: Wait, passing: Passing = ()) -> Iterator[Page]:
    """Pages of candles, and of rows that are none with the reason, each beginning after the last; what both pages have comes once.

    An error of a kind in ``passing`` (a limit on requests, a lost connection) is waited out, twice as long each time, :data:`RETRIES`
    times; then :class:`StillRefused`. A candle that has not ended by ``until`` is left out.

    Raises :class:`DataError` for rows out of order.
    """
    step, since = step_of(wanted.timeframe), wanted.since
    while since + step <= wanted.until:
        rows = _asked(exchange, wanted, since, wait, passing)
        read = _read(wanted, rows, since)
        fresh = [row for row in read if since <= row[0] and row[0] + step <= wanted.until]
        if fresh:
            yield fresh
            timed = [row[0] for row in fresh if row[1] != UNTIMED]
            since = timed[-1] + step if timed else since + step * len(fresh)
            continue
        # An empty stretch: some exchanges then give nothing, others the next candles there are. Go on a page at a time.
        later = [row[0] for row in read if row[0] > since]
        since = min(later) if later else since + step * wanted.limit


def gaps_of(opened: Sequence[int], step: int) -> list[Gap]:
    """The holes between candles that opened at these times."""
    return [Gap(before, (after - before) // step - 1) for before, after in itertools.pairwise(opened) if after - before != step]


class Held:
    """Rows on the disk while an import goes on: a line each, appended page by page, so that it can go on after an interruption.

    Candles of another market, or from another beginning, are thrown away.
    """

    def __init__(self, file: Path, wanted: Wanted, exchange: str) -> None:
        self.file = file
        key = [exchange, wanted.symbol, wanted.timeframe, wanted.since]
        _mend(file)
        with file.open("a+", encoding="utf-8") as lines:
            lines.seek(0)
            first = lines.readline()
            if not first or json.loads(first) != key:
                lines.truncate(0)
                lines.write(json.dumps(key) + "\n")

    def add(self, page: Page) -> None:
        """Keeps a page."""
        lines = json.dumps(page)[1:-1].replace("], [", "]\n[")  # one call for all: a candle's own is mostly overhead
        if lines.count("\n") + 1 != len(page):  # a row that is no candle may hold anything
            lines = "\n".join(map(json.dumps, page))
        with self.file.open("a", encoding="utf-8") as file:
            file.write(lines + "\n")

    def pages(self, count: int) -> Iterator[Page]:
        """What is held, ``count`` rows at a time."""
        with self.file.open(encoding="utf-8") as file:
            file.readline()
            while lines := list(itertools.islice(file, count)):
                yield [tuple(candle) for candle in json.loads(f"[{','.join(lines)}]")]


def _mend(file: Path) -> None:
    """Cuts off a line that was torn by a crash."""
    file.touch()
    with file.open("r+b") as bytes_:
        size = bytes_.seek(0, 2)
        start = max(size - TAIL_BYTES, 0)
        bytes_.seek(start)
        bytes_.truncate(start + bytes_.read().rfind(b"\n") + 1)


def _asked(exchange: Exchange, wanted: Wanted, since: int, wait: Wait, passing: Passing) -> list[list[Any]]:
    pause = FIRST_WAIT_SECONDS
    for attempt in range(RETRIES + 1):
        try:
            return exchange.fetch_ohlcv(wanted.symbol, wanted.timeframe, since, wanted.limit)
        except passing as error:
            if attempt == RETRIES:
                said = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:120]}"
                raise StillRefused(f"{wanted.symbol}: the exchange still refused after {RETRIES} waits: {said}") from None
            wait(pause)
            pause *= 2
    raise AssertionError("the loop returns or raises")


def _read(wanted: Wanted, rows: Sequence[Any], since: int) -> Page:
    found: Page = []
    last = None
    for row in rows:
        cells = [row] if isinstance(row, str) or not hasattr(row, "__getitem__") else list(row)
        opened = int(cells[0]) if cells and _is_number(cells[0]) and abs(cells[0]) < TIME_MAX else None
        if opened is None:
            found.append((since if last is None else last, UNTIMED, _text(row), "not a time in milliseconds"))
            continue
        if last is not None and opened < last:
            raise DataError(f"{wanted.symbol}: candles must come in order, found {shown(opened)} after {shown(last)}")
        last = opened
        odd = _odd(cells)
        found.append((opened, odd[0], _text(row), odd[1]) if odd else _candle(opened, cells))
    return found


def _candle(opened: int, cells: Sequence[Any]) -> Candle:
    first, high, low, close = (float(value) for value in cells[1:5])
    return opened, first, high, low, close, None if len(cells) < 6 or cells[5] is None else float(cells[5])


def _odd(cells: Sequence[Any]) -> tuple[str, str] | None:
    """The column and the reason for which cells are no candle."""
    if len(cells) < 5:
        return "candle", "not time, open, high, low, close and volume"
    for name, value in zip(FIELDS, cells[1:6], strict=False):
        if value is None:
            if name != "volume":
                return name, "empty"
        elif not _is_number(value):
            return name, "not a number"
        elif name != "volume" and not abs(value) < PRICE_MAX:
            infinite = isinstance(value, float) and not math.isfinite(value)
            return name, "not finite" if infinite else f"not under {PRICE_MAX:.0e} dollars"
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, Real)


def _text(row: Any) -> str:
    return str(list(row) if isinstance(row, tuple) else row)[:120]


def shown(millis: int) -> str:
    """A time in words."""
    return f"{datetime_of(millis * NANOS_PER_MILLI):%Y-%m-%d %H:%M}"
