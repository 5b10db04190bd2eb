# SPDX-License-Identifier: Apache-2.0
"""``kilohour record``: market data of a venue into a recording, which ``kilohour data`` reads as a tape."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kilohour.cli import options

if TYPE_CHECKING:
    from kilohour.tape import Tape

EXAMPLES = """[bold]Examples[/bold]

[cyan]kilohour record --venue sandbox --url http://127.0.0.1:8765 --out recordings/sandbox --for 60[/cyan]

[cyan]kilohour record --venue ax-sandbox --account me --product AX:NVDA-H100 --out recordings/ax[/cyan]

[cyan]kilohour record --venue ccxt:gate --product GATE:H100 --bars 5m --out recordings/gate[/cyan]"""

VenueName = Annotated[str, typer.Option("--venue", metavar="NAME", help="sandbox, ax, ax-sandbox or ccxt:NAME.")]
Url = Annotated[str | None, typer.Option("--url", metavar="URL", show_default=False, help="Host; needed for a sandbox.")]
AccountName = Annotated[str, typer.Option("--account", metavar="ID", help="Whose keys open the market data of a real venue.")]
Products = Annotated[
    list[str] | None,
    typer.Option("--product", metavar="CODE", show_default="all of a sandbox", help="Record these products; may be repeated."),
]
Width = Annotated[str, typer.Option("--bars", metavar="WIDTH", help="Width of the bars of a real venue.")]
Seconds = Annotated[float | None, typer.Option("--for", metavar="SECONDS", show_default="until Ctrl-C", help="End after so long.")]
Folder = Annotated[
    Path, typer.Option("--out", metavar="DIR", show_default=False, help="Folder of the recording; one that is there goes on.")
]


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(epilog=EXAMPLES)(record)


def record(
    venue: VenueName,
    out: Folder,
    url: Url = None,
    account: AccountName = "",
    product: Products = None,
    width: Width = "1m",
    contracts: options.Contracts = None,
    seconds: Seconds = None,
    json: options.Json = False,
) -> None:
    """Record a venue's market data, event by event, safe against a crash."""
    import asyncio
    import time

    from kilohour.cli.output import line, print_json
    from kilohour.datafeeds.recording import Recording
    from kilohour.errors import UsageError

    if seconds is not None and not seconds > 0:
        raise UsageError(f"for must be above 0 seconds, found {seconds:g}")

    async def go() -> tuple[int, int]:
        from kilohour.backtests.recorded import Asked, feed_of_venue

        asked = Asked(venue=venue, clock=time.time_ns, url=url, account=account, products=tuple(product or ()), width=width,
                      contracts=contracts)
        feed: Any
        feed, tape, close = await feed_of_venue(asked)
        with Recording.open(out, source=f"recorded from {venue}", days_per_year=tape.days_per_year) as kept:
            counts = [0, 0]
            if venue == "sandbox":  # which tells all of its past to whoever connects
                feed.skip_until = kept.last_at
            try:
                async with asyncio.timeout(seconds):
                    await _write(feed, tape, kept, counts)
            except TimeoutError:
                pass
            finally:
                await close()
        return counts[0], counts[1]

    timestamps, events = asyncio.run(go())
    if json:
        print_json({"recording": str(out), "timestamps": timestamps, "events": events})
    else:
        line(f"{out}: {events} events at {timestamps} timestamps")


async def _write(feed: Any, tape: Tape, kept: Any, counts: list[int]) -> None:
    from kilohour.tape.schema import Kind
    from kilohour.units import MISSING

    async for moment in feed.moments():
        for event in moment.events:
            kind = Kind(event.kind)
            ref = kept.index(tape.indices[event.ref]) if kind is Kind.PRINT else kept.contract(tape.contracts[event.ref])
            values = {name: getattr(event, name) for name in ("open", "high", "low", "close", "volume") if getattr(event, name) != MISSING}
            kept.append(kind, ref, event.ts, event.ts_event, **values)
        kept.flush()
        counts[0] += 1
        counts[1] += len(moment.events)
