# SPDX-License-Identifier: Apache-2.0
"""The base of every strategy: typed fields (parameters, then state) and one method, ``on_bar``."""

from __future__ import annotations

from typing import Any, ClassVar

from kilohour.desk import Desk
from kilohour.errors import UsageError
from kilohour.faces.face import Face


class Strategy(Face):
    """A strategy has no clock, no broker, no logger and no lifecycle: it sees a desk.

    ``on_bar(desk)`` runs once per timestamp that has a bar of its products. A strategy may also have
    ``on_event(desk)``, which then runs at every other timestamp of the tape (prints, marks, listings).
    Fields with a plain default are parameters; ``state(...)`` marks the others; indicators are declared with
    ``indicator(...)``. Set ``interpreted = True`` to run in CPython: pandas, models, anything.
    """

    interpreted: ClassVar[bool] = False

    def on_bar(self, desk: Desk) -> Any:  # noqa: ARG002
        """What to do now. Prices are floats; orders are whole lots."""
        raise UsageError(f"{type(self).__name__} has no on_bar(self, desk)")
