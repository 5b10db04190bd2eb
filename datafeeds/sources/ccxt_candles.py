# SPDX-License-Identifier: Apache-2.0
"""Candles of a perpetual from any exchange that ccxt knows, as a tape. Needs the extra ``live``."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kilohour.datafeeds.candles import Exchange, Page, Wanted, pages, shown, step_of
from kilohour.datafeeds.feed import Feed
from kilohour.datafeeds.importing.feeds import OPTIONS, REJECTED_MAX, columns, share_of
from kilohour.datafeeds.reading import Progress
from kilohour.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from kilohour.contracts import Product

VOLUMES = ("unknown", "contracts")
GAPS = ("keep", "refuse")


def run(
    inputs: Sequence[Path], out: Path, *, exchange: str, symbol: str, product: str, since: str, until: str, timeframe: str = "1h",
    limit: str | int = 500, volume: str = "unknown", gaps: str = "keep", assume: str = "", rejected_max: str = REJECTED_MAX,
    progress: Progress | None = None,
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
    how: dict[str, Any] = {"volume": volume, "gaps": gaps, "assume": named, "rejected_max": rejected_max}
    return fetch(its, exchange, wanted, out, product=product, passing=passing, progress=progress, **how)


def fetch(
    exchange: Exchange, name: str, wanted: Wanted, out: Path, *, product: str, volume: str = "unknown", gaps: str = "keep",
    assume: Sequence[str] = (), rejected_max: str = REJECTED_MAX, wait: Callable[[float], None] = time.sleep,
    passing: tuple[type[Exception], ...] = (), progress: Progress | None = None,
) -> list[str]:  # fmt: skip
    """The same with an exchange object of the caller's, whatever class it has.

    ``volume``: ``contracts`` when the exchange counts whole lots, else unknown, and fills are not limited by it. ``gaps``: ``refuse`` ends
    the import at a hole, ``keep`` notes how many candles are missing: on a thin market no candle means no trade. A candle that is put aside
    is missing too.
    """
    from kilohour.datafeeds.importing.candle_import import Market, import_candles
    from kilohour.tape.store import check_replaceable

    for what, value, known in (("volume", volume, VOLUMES), ("gaps", gaps, GAPS)):
        if value not in known:
            raise UnknownName(f"{what} rule", value, known)
    check_replaceable(out)
    terms = _perpetual(product, assume)
    step = step_of(wanted.timeframe)
    clock = getattr(exchange, "milliseconds", None)  # ccxt's; the candle that is forming now looks like any other
    if clock is not None and wanted.until > clock():
        raise UsageError(f"until must not lie in the future, for the last candle would not have ended: found {shown(wanted.until)}, "
                         f"and it is {shown(clock())}")  # fmt: skip
    if wanted.until - wanted.since < step:
        raise UsageError(f"from {shown(wanted.since)} to {shown(wanted.until)} there is no whole candle of {wanted.timeframe}")
    market = Market(
        exchange=name, product=terms, assume=tuple(assume), counts_lots=volume == "contracts", refuses_gaps=gaps == "refuse"
    )

    def asked(its: Wanted) -> Iterator[Page]:
        return pages(exchange, its, wait=wait, passing=passing)

    return import_candles(asked, market, wanted, out, rejected_max=share_of(rejected_max), progress=progress).told()


def _perpetual(code: str, assume: Sequence[str]) -> Product:
    """The product, looked up before anything is fetched."""
    from kilohour.contracts import Assumptions, Registry

    product = Registry.shipped().assuming(*map(Assumptions.load, assume)).product(code)
    if not product.is_perpetual:
        raise UsageError(f"product must be a perpetual, found {code}, which has delivery months")
    return product


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
        **OPTIONS,
    },
    needs=("exchange", "symbol", "product", "since", "until"),
    inputs="none",
    run=run,
)
