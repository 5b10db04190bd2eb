# SPDX-License-Identifier: Apache-2.0
"""``kilohour scenarios``: the scenarios that come with kilohour, and what a file says."""

from __future__ import annotations

from typing import Annotated

import typer

from kilohour.cli import options

Named = Annotated[str | None, typer.Argument(metavar="NAME|FILE", show_default=False, help="One scenario, checked and shown whole.")]


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(epilog="Example: [cyan]kilohour scenarios ai-winter[/cyan]")(scenarios)


def scenarios(name: Named = None, json: options.Json = False) -> None:
    """List the shipped scenarios, or check and show one."""
    from kilohour.cli.output import grid, line, print_json, show
    from kilohour.datafeeds.embedded.scenario import Scenario, path_of, shipped_scenarios

    if name is None:
        found = {one: Scenario.load(one) for one in shipped_scenarios()}
        if json:
            print_json({"scenarios": [{"file": file, **words.to_dict()} for file, words in found.items()]})
        else:
            rows = [(file, f"{words.name}. {' '.join(words.about.split())}") for file, words in found.items()]
            show(grid("", ("Scenario", "What happens"), rows))
        return
    words = Scenario.load(name)
    if json:
        print_json(words.to_dict())
        return
    line(path_of(name).read_text(encoding="utf-8").rstrip())
