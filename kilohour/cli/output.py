# SPDX-License-Identifier: Apache-2.0
"""What commands print: JSON for machines, tables for people, a bar for those who wait."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.progress import Progress, TaskID

PATIENCE_SECONDS = 1.0
"""A command shows a bar when it takes longer."""


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON object on one line of standard output. Raises ValueError for NaN and infinity, which JSON lacks."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")


def line(text: str) -> None:
    """A line of standard output, never wrapped: paths stay whole."""
    sys.stdout.write(text + "\n")


def show(renderable: RenderableType) -> None:
    """A table or text of rich on standard output."""
    from rich.console import Console

    Console(file=sys.stdout, highlight=False).print(renderable)


def grid(title: str, headings: Sequence[str], rows: Sequence[Sequence[object]], *, right: Sequence[str] = ()) -> RenderableType:
    """A plain table; columns named in ``right`` hold numbers. Text is shown as it is, without markup."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title) if title else None, title_justify="left", box=box.SIMPLE_HEAD)
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(f"{cell:,}" if isinstance(cell, int) else str(cell)) for cell in row))
    return table


@contextlib.contextmanager
def only_json(wanted: bool) -> Iterator[None]:
    """While it lasts, what a strategy prints goes to standard error: standard output is for one object."""
    if not wanted:
        yield
        return
    with contextlib.redirect_stdout(sys.stderr):
        yield


class Waiting:
    """A progress bar on standard error, for a terminal, once a command has taken :data:`PATIENCE_SECONDS`.

    Called with (done, total) it moves; until then it shows that something is going on.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self.done, self.total = 0, 0
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._ended = False
        self._lock = threading.Lock()
        self._timer = threading.Timer(PATIENCE_SECONDS, self._begin)
        self._timer.daemon = True

    def __enter__(self) -> Waiting:
        if sys.stderr.isatty():
            self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            self._ended = True
            if self._bar is not None:
                self._bar.stop()

    def __call__(self, done: int, total: int) -> None:
        with self._lock:
            self.done, self.total = done, total
            if self._bar is not None and self._task is not None:
                self._bar.update(self._task, completed=done, total=total)

    def _begin(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
        )
        with self._lock:
            if not self._ended:
                self._bar = Progress(*columns, console=Console(file=sys.stderr), transient=True)
                self._task = self._bar.add_task(self.what, total=self.total or None, completed=self.done)
                self._bar.start()
