# SPDX-License-Identifier: Apache-2.0
"""A measured run as a page: the table of docs/speed.md, with the machine and the date that the caller states."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kilohour.backtests.bench.timing import NONE_OF_IT, Peer, Row

BEGIN, END = "<!-- measured -->", "<!-- /measured -->"


def page_of(found: Mapping[str, Any], date: str) -> str:
    """Machine, versions and every row as Markdown."""
    machine = found["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items() if version)
    load = ", ".join(f"{value:g}" for value in machine["load_average"])
    lines = [f"{date}; {machine['processor']}, {machine['cores']} cores, load average {load}; Python {machine['python']}; {versions}.", "",
             "| work | ours | bar | goal | peers |", "|---|---:|---:|---:|---|"]
    lines += [_line(Row(**{**row, "peers": [Peer(**peer) for peer in row["peers"]]})) for row in found["rows"]]
    return "\n".join(lines)


def into(text: str, table: str) -> str:
    """A page with the part between its two marks replaced. Raises ValueError when it has no marks."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page must have the marks {BEGIN} and {END}")
    return f"{head}{BEGIN}\n{table}\n{END}{tail}"


def number(value: float) -> str:
    """Three digits, or whole."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def told(row: Row) -> Iterable[str]:
    """Each peer with its figure and how many times better ours is; those that cannot do the work are left out."""
    for peer in row.peers:
        if peer.value:
            yield f"{peer.name} {number(peer.value)} ({row.ratio(peer.value):.2g}x)" + (f", {peer.note}" if peer.note else "")
        elif peer.note != NONE_OF_IT:
            yield f"{peer.name}: {peer.note}"


def _line(row: Row) -> str:
    bar, goal = (number(aim) if aim is not None else "" for aim in (row.bar, row.goal))
    return f"| {row.work} | {number(row.ours)} {row.unit} | {bar} | {goal} | {'; '.join(told(row))} |"
