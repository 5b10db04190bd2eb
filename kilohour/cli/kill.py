# SPDX-License-Identifier: Apache-2.0
"""``kilohour kill``: a process of its own with its own session at the venue; it needs nothing of the runner to work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kilohour.cli import options

EXAMPLES = """[bold]Examples[/bold]

[cyan]kilohour kill runs/calendar-spread-paper[/cyan]

[cyan]kilohour kill runs/calendar-spread-paper --process[/cyan]"""
RunFolder = Annotated[
    Path | None, typer.Argument(metavar="RUN", show_default="the newest under runs/", help="Folder of the run.")
]
Process = Annotated[bool, typer.Option("--process", help="Also end the runner's process at once (SIGKILL), for one that hangs.")]
AccountOrders = Annotated[
    bool, typer.Option("--account-orders", help="Of a dry run, which has none itself: cancel every order its account has at the venue.")
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="The sandbox's seed, from which its keys come.")]


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(epilog=EXAMPLES)(kill)


def kill(run: RunFolder = None, process: Process = False, account_orders: AccountOrders = False, seed: Seed = 7,
         json: options.Json = False) -> None:  # fmt: skip
    """Stop a run: tell its runner, cancel every order of its account at the venue, and see that none is left."""
    import asyncio
    import time

    from kilohour.backtests.kill import newest, stop_run
    from kilohour.cli.output import line, print_json

    folder = run if run is not None else newest(Path("runs"))
    told = asyncio.run(stop_run(folder, seed=seed, clock=time.time_ns, end_process=process, is_account_meant=account_orders))
    if json:
        print_json(told)
    elif told["open"] is None:
        line(f"{folder}: a dry run has no orders at the venue, so none was cancelled (--account-orders cancels those of its account); "
             f"the runner {told['runner']}")
    else:
        line(f"{folder}: {told['cancelled']} orders cancelled, {told['open']} open; the runner {told['runner']}")
    if told["open"]:
        raise typer.Exit(1)
