# SPDX-License-Identifier: Apache-2.0
"""The rows that a session has written since somebody last looked, in the order in which things happened."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kilohour.kernels import records as r
from kilohour.session import Session

FILL, ORDER, SETTLEMENT = 0, 1, 2
"""Within one timestamp: fills come first, then what ends or begins, then final settlements (docs/engine.md)."""


class Rows:
    """A reader of a running session's tables ``fills``, ``orders`` and ``settlements``."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._part = dict.fromkeys(("fills", "orders", "settlements"), 0)
        self._row = dict(self._part)

    def fresh(self) -> list[tuple[int, Any]]:
        """What is new since the last call: pairs of table and row."""
        found = [(int(row["ts"]), table, row) for table, name in ((FILL, "fills"), (ORDER, "orders"), (SETTLEMENT, "settlements"))
                 for row in self._new(name)]
        found.sort(key=lambda item: item[:2])
        return [(table, row) for _, table, row in found]

    def _new(self, name: str) -> Iterator[Any]:
        """The session moves full buffers into its list of parts, and starts them again."""
        parts, start = self.session.tables[name], self._row[name]
        for part in parts[self._part[name] :]:
            yield from part[start:]
            start = 0
        self._part[name] = len(parts)
        used = int(self.session.out[name][0])
        rows = self.session.out[r.TABLES[name][0]][0]
        yield from rows[start:used].copy()
        self._row[name] = used
