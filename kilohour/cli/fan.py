# SPDX-License-Identifier: Apache-2.0
"""``kilohour backtest --scenario ... --paths N``: the distribution of a strategy over many markets of one scenario."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kilohour.errors import UsageError


def check_options(scenario: str | None, paths: int | None, cores: int | None, *, tape: Path | None, first: str | None, last: str | None,
                  feeds: Sequence[str] | None) -> None:
    """Raises :class:`UsageError` for options that do not go together."""
    if scenario is None:
        for name, value in (("--paths", paths), ("--cores", cores)):
            if value is not None:
                raise UsageError(f"{name} goes with --scenario, found {name} {value} without one; kilohour scenarios lists them")
        return
    if tape is not None:
        raise UsageError(f"a scenario is of the embedded market: give --tape or --scenario, not both, found --tape {tape}")
    if paths is None:
        if cores is not None:
            raise UsageError(f"--cores goes with --paths, found --cores {cores} without it")
        return
    for name, given in (("--from", first), ("--to", last), ("--feed", next(iter(feeds or ()), None))):
        if given is not None:
            raise UsageError(f"{name} does not go with --paths (the scenario's [market] has first and last), found {name} {given}")


def run_fan(name: str, scenario: str, market: str | None, paths: int, cores: int | None, assignments: list[str], out: Path | None,
            json: bool, **rest: Any) -> None:
    """Runs the fan, writes its folder and prints the result."""
    from kilohour.backtests.fan.fan import check_target
    from kilohour.backtests.fan.fan import scenario as run_scenario
    from kilohour.backtests.resolve import strategy_class
    from kilohour.cli.assignments import parameters_of
    from kilohour.cli.output import Waiting, line, only_json, print_json, show
    from kilohour.cli.places import folder_for
    from kilohour.cli.source import seed_of

    with only_json(json):
        if out is not None:
            check_target(out)
        face = strategy_class(name)
        parameters = parameters_of(face, assignments)
        shown = name if ".py" not in name else face.__name__
        with folder_for(out, f"{shown}-scenario") as folder, Waiting(f"{paths} paths of {scenario}") as waiting:
            found = run_scenario(name, scenario, paths=paths, first_seed=seed_of(market), cores=cores, out=folder, progress=waiting, **rest,
                                 **parameters)  # fmt: skip
    if json:
        print_json(found.result)
        return
    show(_table(found.result))
    line(f"report: {found.result['report']}")


def _table(result: Mapping[str, Any]) -> Any:
    from kilohour.cli.output import grid

    def usd(value: float | None) -> str:
        return "n/a" if value is None else f"{'−' if value < 0 else ''}${abs(value):,.0f}"

    def spread(values: Mapping[str, float | None]) -> str:
        return ", ".join(f"{usd(value)} ({level} %)" for level, value in values.items())

    chance = result["chance"]
    rows = [
        ("Scenario", result["scenario"]),
        ("Paths", f"{result['paths']:,}, seeds {result['first_seed']} to {result['last_seed']}"),
        ("Net profit", spread(result["net_usd"])),
        ("Largest drawdown", spread(result["max_drawdown_usd"])),
        ("Chance of a profit", f"{100 * chance['profit']:.1f} %"),
        ("Chance of a margin call", f"{100 * chance['margin_call']:.1f} %"),
        ("Chance of losing half", f"{100 * chance['half_lost']:.1f} %; of ruin {100 * chance['ruin']:.1f} %"),
        *((f"{word.capitalize()} path", f"seed {result[word]['seed']}: {usd(result[word]['net_usd'])}")
          for word in ("worst", "median", "best")),
        ("Time", f"{result['seconds']['run']:.3g} s on {result['cores']} core{'s' if result['cores'] > 1 else ''}"),
    ]
    return grid(str(result["strategy"]), ("What", "Value"), rows)
