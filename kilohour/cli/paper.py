# SPDX-License-Identifier: Apache-2.0
"""``kilohour paper``: a strategy on the sandbox exchange, over sockets, with a status screen; it ends by itself."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kilohour.cli import options
from kilohour.cli.backtest import Assignments

if TYPE_CHECKING:
    from kilohour.backtests.run import Run

EXAMPLES = """[bold]Examples[/bold]

[cyan]kilohour paper calendar-spread --from 2026-01-02 --to 2026-06-30[/cyan]

[cyan]kilohour paper ./my_idea.py:MyIdea --replay tapes/mine --speed 3600[/cyan]

[cyan]kilohour paper calendar-spread --url http://127.0.0.1:8765 --account trader --out runs/paper[/cyan]"""
_PANEL = "Paper"
STEP_SECONDS = 30.0
"""A strategy that thinks longer is taken for hung."""

VenueName = Annotated[str, typer.Option("--venue", metavar="NAME", rich_help_panel=_PANEL, help="The exchange: sandbox.")]
Replay = Annotated[
    Path | None,
    typer.Option("--replay", metavar="TAPE", rich_help_panel="Data", show_default=False, help="A tape folder that the sandbox replays."),
]
Url = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", rich_help_panel=_PANEL, show_default="a sandbox of its own", help="A sandbox that runs already."),
]
AccountName = Annotated[str, typer.Option("--account", metavar="ID", rich_help_panel=_PANEL, help="Account at the sandbox.")]
Speed = Annotated[
    str,
    typer.Option(
        "--speed",
        metavar="N|max|lockstep",
        rich_help_panel=_PANEL,
        help="Seconds of the market in a second, as fast as it goes, or the exchange waits for the strategy at each timestamp.",
    ),
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", rich_help_panel=_PANEL, help="The sandbox's seed, from which its keys come.")]
Accept = Annotated[
    bool,
    typer.Option("--accept-positions", rich_help_panel=_PANEL, help="Trade from the positions the account has, if it has other ones."),
]
Quiet = Annotated[bool, typer.Option("--quiet", rich_help_panel=_PANEL, help="Without the status screen.")]


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(epilog=EXAMPLES)(paper)


def paper(
    name: options.Name,
    venue: VenueName = "sandbox",
    replay: Replay = None,
    market: options.Market = None,
    url: Url = None,
    account: AccountName = "trader",
    speed: Speed = "lockstep",
    seed: Seed = 7,
    assignments: Assignments = None,
    first: options.First = None,
    last: options.Last = None,
    cash: options.Cash = options.CASH_USD,
    assume: options.Assume = None,
    contracts: options.Contracts = None,
    limits: options.Limits = None,
    interpreted: options.Interpreted = False,
    accept: Accept = False,
    quiet: Quiet = False,
    out: options.Out = None,
    json: options.Json = False,
) -> None:
    """Run a strategy on the sandbox exchange and write the report of what happened there."""
    from dataclasses import replace

    from kilohour.backtests.paper import FAST
    from kilohour.backtests.resolve import strategy_class
    from kilohour.cli.assignments import limits_of, live_limits_of, parameters_of
    from kilohour.cli.output import line, only_json, print_json, show
    from kilohour.cli.places import folder_for
    from kilohour.errors import UnknownName, UsageError

    if venue != "sandbox":
        raise UnknownName("venue", venue, ["sandbox"], where="kilohour paper (real venues: kilohour live)")
    if url is not None and (replay is not None or market is not None):
        raise UsageError("give --url or a market of your own (--replay, --market), not both")
    with only_json(json):
        parameters = parameters_of(strategy_class(name), assignments or [])
        shown = name if ".py" not in name else strategy_class(name).__name__
        with folder_for(out, f"{shown}-paper") as folder:
            _check_folder(folder)
            asked: dict[str, Any] = {
                "strategy": name, "account": account, "folder": folder, "parameters": parameters, "cash": cash,
                "assume": tuple(assume or ()), "contracts": None if contracts is None else str(contracts),
                "interpreted": interpreted, "accept_positions": accept, "risk": limits_of(limits),
                "limits": live_limits_of(limits, replace(FAST, step_seconds=STEP_SECONDS)),
            }  # fmt: skip
            tape = None if url is not None else _tape(replay, market, contracts, first, last)
            run = _go(asked, tape, url, speed, seed, None if quiet or json else folder)
    if json:
        print_json({**run.result, "live": run.manifest["live"]})
        return
    from kilohour.reports.summary import result_table

    show(result_table({**run.result, "report": None}))
    line(f"journal: {run.manifest['live']['records']} records, {run.manifest['live']['orders_sent']} orders sent; "
         f"kilohour journal replay {folder}")
    line(f"report: {run.result['report']}")


def _check_folder(folder: Path) -> None:
    """A journal that was ended is a run; one that was not goes on."""
    from kilohour.backtests.run import MANIFEST, check_target
    from kilohour.errors import UsageError
    from kilohour.execution.journal import FILE

    if (folder / FILE).exists():
        if (folder / MANIFEST).exists():
            raise UsageError(f"{folder}: a finished run is there; give another folder with --out")
        return
    if folder.exists():
        check_target(folder)


def _tape(replay: Path | None, market: str | None, contracts: Path | None, first: str | None, last: str | None) -> Any:
    from kilohour.backtests.backtest import between
    from kilohour.cli.source import tape_of
    from kilohour.tape import Tape

    found = tape_of(replay, market, contracts)
    return between(Tape.load(found) if isinstance(found, Path) else found, first, last)


def _go(asked: dict[str, Any], tape: Any, url: str | None, speed: str, seed: int, watched: Path | None) -> Run:
    import asyncio
    import contextlib
    import time

    from kilohour.backtests.live import run_of_journal, write_live
    from kilohour.backtests.paper import Paper, local_url, only_wanted, paper, sandbox, sandbox_keys
    from kilohour.cli.sandbox import _speed
    from kilohour.cli.screen import Screen
    from kilohour.errors import KilohourError, StrategyRaised
    from kilohour.execution.loopback import only_loopback

    pace, interrupted = _speed(speed), Interrupted(word_of(asked["folder"]))

    async def run() -> Any:
        async with contextlib.AsyncExitStack() as stack:
            if tape is not None:
                part = only_wanted(tape, asked)
                own = sandbox(part, clock=time.time_ns, cash=asked["cash"], account=asked["account"], speed=pace, seed=seed,
                              assume=asked["assume"])
                base, keys, _ = await stack.enter_async_context(own)
            else:
                base, keys = local_url(url or ""), sandbox_keys(seed, asked["account"])
            return await paper(Paper(url=base, keys=keys, clock=time.time_ns, is_lockstep=pace == "lockstep",
                                     word=interrupted.word, **asked))

    screen = Screen(watched) if watched is not None else contextlib.nullcontext()
    with only_loopback(), screen, interrupted:
        runner = asyncio.run(run())
    if runner.fault:
        raise KilohourError(f"{runner.fault}: every order was cancelled, the journal ends there")
    if runner.trader.risk.reason.startswith("StrategyRaised"):
        raise StrategyRaised(runner.trader.risk.reason.removeprefix("StrategyRaised: "))
    run_ = run_of_journal(asked["folder"], asked["folder"].name)
    write_live(run_, asked["folder"])
    return run_


class Interrupted:
    """While entered, the first Ctrl-C ends the run as the end of its feed would: open orders cancelled, report written; a second one
    ends the process."""

    def __init__(self, word: Callable[[], str | None]) -> None:
        self._word = word
        self._is_asked = False
        self._before: Any = None

    def __enter__(self) -> Interrupted:
        self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _ask(self, *_: object) -> None:
        self._is_asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def word(self) -> str | None:
        """``finish`` once after Ctrl-C, else the operator's word."""
        if self._is_asked:
            self._is_asked = False
            return "finish"
        return self._word()


def word_of(folder: Path) -> Callable[[], str | None]:
    """The operator's word from the file ``word`` of a run's folder, once; ``kilohour kill`` writes it."""

    def read() -> str | None:
        path = folder / "word"
        try:
            said = path.read_text(encoding="utf-8").strip()
            path.unlink()
        except OSError:
            return None
        return said or None

    return read
