# SPDX-License-Identifier: Apache-2.0
"""``kilohour journal``: what a live run was told and what it decided; whether the record is whole; the run once more."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kilohour.cli import options

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", show_default=False, help="Folder of a paper or live run.")]
Kind = Annotated[str | None, typer.Option("--kind", metavar="NAME", show_default=False, help="Only records of this kind: intent, fill ...")]
Last = Annotated[int, typer.Option("--last", metavar="N", help="So many of the last records; 0 for all.")]

app = typer.Typer(no_args_is_help=True, help="Show, verify or replay the journal of a paper or live run.",
                  epilog="Example: [cyan]kilohour journal verify runs/calendar-spread-paper[/cyan]")


def add_to(root: typer.Typer) -> None:
    """Adds the commands."""
    root.add_typer(app, name="journal")


@app.command(epilog="Example: [cyan]kilohour journal show runs/calendar-spread-paper --kind fill[/cyan]")
def show(run: RunFolder, kind: Kind = None, last: Last = 40, json: options.Json = False) -> None:
    """Print records: number, time, kind, body."""
    from kilohour.cli.output import line, print_json
    from kilohour.execution.journal import canonical, read
    from kilohour.units import datetime_of

    records = [record for record in read(run) if kind in (None, record.kind)]
    for record in records[-last:] if last else records:
        if json:
            print_json({"seq": record.seq, "at": record.at, "kind": record.kind, "hash": record.hash.hex(), "body": record.body})
        else:
            line(f"{record.seq:6} {datetime_of(record.at):%H:%M:%S.%f} {record.kind:8} {canonical(record.body)[:200]}")


@app.command(epilog="Example: [cyan]kilohour journal verify runs/calendar-spread-paper[/cyan]")
def verify(run: RunFolder, json: options.Json = False) -> None:
    """Check every number and hash, and those of the snapshots; nothing may be missing, changed or cut out."""
    from collections import Counter

    from kilohour.cli.output import line, print_json
    from kilohour.execution.journal import read, snapshots

    records = read(run)
    kept = [snapshot.seq for snapshot in snapshots(run) if snapshot.packed is not None and snapshot.data()]
    counts = dict(sorted(Counter(record.kind for record in records).items()))
    ended = bool(records) and records[-1].kind == "end"
    if json:
        print_json({"records": len(records), "kinds": counts, "hash": records[-1].hash.hex() if records else "", "ended": ended,
                    "snapshots": kept})
        return
    line(f"{len(records)} records, whole: {', '.join(f'{count} {kind}' for kind, count in counts.items())}")
    if kept:
        line(f"snapshots that a restart may begin at: {', '.join(map(str, kept))} (journal replay proves them)")
    line(f"last hash {records[-1].hash.hex() if records else 'none'}; the run {'was ended' if ended else 'was cut off'}")


@app.command(epilog="Example: [cyan]kilohour journal replay runs/calendar-spread-paper[/cyan]")
def replay(run: RunFolder, json: options.Json = False) -> None:
    """Run the strategy once more on what the journal holds, and compare every decision and hash. Code 1 when they differ."""
    from kilohour.backtests.live import replayed
    from kilohour.cli.output import Waiting, line, only_json, print_json
    from kilohour.execution.journal import read
    from kilohour.execution.replay import unproven

    with only_json(json), Waiting("replay"):
        trader, apart = replayed(run)
        other = unproven(trader, read(run))
    if json:
        print_json({"equal": apart is None, "difference": None if apart is None else str(apart), "orders": trader.made,
                    "fingerprint": trader.fingerprint(), "snapshots_not_compared": other})
    elif apart is None:
        line(f"equal: {trader.steps} timestamps, {trader.made} orders, {len(trader.trades)} trades, fingerprint {trader.fingerprint()}")
    else:
        line(f"different: {apart}")
    if other and not json:
        line(f"snapshots of another version, not compared: {', '.join(map(str, other))}")
    if apart is not None:
        raise typer.Exit(1)
