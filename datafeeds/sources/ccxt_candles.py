# SPDX-License-Identifier: Apache-2.0
"""Candles of a perpetual from any exchange that ccxt knows, as a tape. Needs the extra ``live``."""

from __future__ import annotations

import datetime as dt
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kilohour.datafeeds.candles import NANOS_PER_MILLI, Candle, Exchange, Gap, Held, StillRefused, Wanted, gaps_of, pages, step_of
from kilohour.datafeeds.feed import Feed
from kilohour.datafeeds.importing.feeds import columns
from kilohour.datafeeds.reading import Progress, count_of
from kilohour.errors import DataError, KilohourError, UnknownName, UsageError
from kilohour.units import datetime_of

if TYPE_CHECKING:
    from kilohour.tape import Tape

VOLUMES = ("unknown", "contracts")
GAPS = ("keep", "refuse")


def run(
    inputs: Sequence[Path], out: Path, *, exchange: str, symbol: str, product: str, since: str, until: str, timeframe: str = "1h",
    limit: str | int = 500, volume: str = "unknown", gaps: str = "keep", assume: str = "", progress: Progress | None = None,
) -> Iterable[str]:  # fmt: skip
    """Fetches from the exchange named, and makes a tape; an interrupted import goes on where it stopped."""
    assert not inputs, "the command line gives none"
    library = _library()
    if exchange not in library.exchanges:
        raise UnknownName("exchange", exchange, library.exchanges, where="ccxt")
    its = getattr(library, exchange)({"enableRateLimit": True})
    wanted = Wanted(
        symbol=symbol, timeframe=timeframe, since=_millis("since", since), until=_millis("until", until), limit=_whole("limit", limit)
    )
    passing = (library.NetworkError,)
    named = [name for name in assume.split(",") if name]
    return fetch(its, exchange, wanted, out, product=product, volume=volume, gaps=gaps, assume=named, passing=passing, progress=progress)


def fetch(
    exchange: Exchange, name: str, wanted: Wanted, out: Path, *, product: str, volume: str = "unknown", gaps: str = "keep",
    assume: Sequence[str] = (), wait: Callable[[float], None] = time.sleep, passing: tuple[type[Exception], ...] = (),
    progress: Progress | None = None,
) -> list[str]:  # fmt: skip
    """The same with an exchange object of the caller's, whatever class it has.

    ``volume``: ``contracts`` when the exchange counts whole lots, else unknown, and fills are not limited by it. ``gaps``: ``refuse`` ends
    the import at a hole, ``keep`` notes how many candles are missing: on a thin market no candle means no trade.
    """
    from kilohour.tape.store import check_replaceable

    for what, value, known in (("volume", volume, VOLUMES), ("gaps", gaps, GAPS)):
        if value not in known:
            raise UnknownName(f"{what} rule", value, known)
    check_replaceable(out)
    step = step_of(wanted.timeframe)
    if wanted.until - wanted.since < step:
        raise UsageError(f"from {wanted.since} to {wanted.until} there is no whole candle of {wanted.timeframe}")
    work = out.parent / f".{out.name}.import"
    work.mkdir(parents=True, exist_ok=True)
    try:
        candles = _fetched(exchange, name, wanted, Held(work / "candles.jsonl", wanted, name), wait, passing, progress)
        holes = gaps_of(candles, step)
        if holes and gaps == "refuse":
            raise DataError(f"{wanted.symbol}: {_told(holes[0])}; gaps=keep takes it as it is")
        tape = tape_of(
            candles, step, product=product, source=f"{name} {wanted.symbol} {wanted.timeframe}", volume=volume, assume=assume, holes=holes
        )
        tape = tape.save(out)
    except StillRefused:
        raise
    except KilohourError:
        shutil.rmtree(work, ignore_errors=True)
        raise
    shutil.rmtree(work)
    return [f"{tape.source}: {tape.bars:,} bars", *(f"  - {note}" for note in tape.notes), f"tape: {out}"]


def tape_of(
    candles: Sequence[Candle], step: int, *, product: str, source: str, volume: str, assume: Sequence[str], holes: Sequence[Gap]
) -> Tape:
    """Candles as bars of the product's perpetual, each seen when it ends."""
    import dataclasses

    import pandas as pd

    from kilohour.contracts.codes import contract_code
    from kilohour.contracts.contract import PERPETUAL
    from kilohour.tape import Tape

    frame = pd.DataFrame(candles, columns=["opened", "open", "high", "low", "close", "volume"])
    frame["time"] = pd.to_datetime(frame.pop("opened") + step, unit="ms", utc=True)
    frame["contract"] = contract_code(product, PERPETUAL)
    if volume == "unknown":
        frame["volume"] = float("nan")
    else:
        frame["volume"] = frame["volume"].astype("float64").fillna(0.0)
    tape = Tape.from_bars(frame, product=product, assume=assume)
    notes = [*tape.notes, *_notes(holes)]
    return dataclasses.replace(tape, source=source, notes=tuple(notes), sha256="")


def _fetched(
    exchange: Exchange, name: str, wanted: Wanted, held: Held, wait: Callable[[float], None], passing: tuple[type[Exception], ...],
    progress: Progress | None,
) -> list[Candle]:  # fmt: skip
    import dataclasses

    step = step_of(wanted.timeframe)
    since = held.candles[-1][0] + step if held.candles else wanted.since
    for page in pages(exchange, dataclasses.replace(wanted, since=since), wait=wait, passing=passing):
        held.add(page)
        if progress is not None:
            progress(page[-1][0] + step - wanted.since, wanted.until - wanted.since)
    if not held.candles:
        raise DataError(f"{name}: must have candles of {wanted.symbol} in the range, found none")
    return held.candles


def _notes(holes: Sequence[Gap]) -> Iterator[str]:
    if holes:
        worst = max(holes, key=lambda one: one.count)
        missing = sum(one.count for one in holes)
        yield f"{count_of(missing, 'candle')} missing in {count_of(len(holes), 'gap')}, the longest: {_told(worst)}; nothing was filled in"


def _told(gap: Gap) -> str:
    return f"{count_of(gap.count, 'candle')} missing after {datetime_of(gap.after * NANOS_PER_MILLI):%Y-%m-%d %H:%M}"


def _library() -> Any:
    try:
        import ccxt
    except ImportError:
        raise UsageError("the source ccxt needs the extra live: pip install 'kilohour[live]'") from None
    return ccxt


def _millis(name: str, text: str) -> int:
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{name} must be a day or a time like 2026-01-31 or 2026-01-31T12:00Z, found {text!r}") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return int((moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) / dt.timedelta(milliseconds=1))


def _whole(name: str, value: str | int) -> int:
    if not str(value).isdigit() or not 1 <= int(value) <= 5_000:
        raise UsageError(f"{name} must be a whole number from 1 to 5000, found {value!r}")
    return int(value)


FEED = Feed(
    name="ccxt",
    about="candles of a perpetual from any exchange that ccxt knows, page by page, resumable, checked for gaps",
    gives="tape",
    columns=columns(
        ("time", "milliseconds since 1970", "when the candle opens; the bar is seen when it ends"),
        ("open, high, low, close", "USD per GPU-hour", "or the market's currency"),
        ("volume", "contracts", "as the exchange counts, or unknown"),
    ),
    time="a bar is seen when its candle ends; until is included only when the candle has ended by then",
    licence="the exchange's terms for its market data",
    options={
        "exchange": "ccxt's id, as gate",
        "symbol": "ccxt's symbol, as H100/USDT:USDT",
        "product": "code of the perpetual product in the registry, as GATE:H100",
        "since": "first day or time, UTC",
        "until": "end, UTC: a day or a time",
        "timeframe": "as 1m, 1h, 1d; 1h unless given",
        "limit": "candles a page, 500 unless given",
        "volume": "unknown (fills are not limited) or contracts",
        "gaps": "keep (and note them) or refuse",
        "assume": "assumptions for unknown terms, by name",
    },
    needs=("exchange", "symbol", "product", "since", "until"),
    inputs="none",
    run=run,
)
