# SPDX-License-Identifier: Apache-2.0
"""The search for the least of a smooth surface that is known by its values only: from several starts, until it is at rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Surface = Callable[[Floats], float]

AT_REST = 0.01
"""A point from which the next step promises less than this is the bottom of its valley."""
ROUNDS, ROUGH_ROUNDS = 6, 1
"""Descents from one start at most; each begins with the curvature where the last one ended."""
TURNS = 60
"""Steps of a descent."""
TINY, LONGEST, DONE = 1e-4, 10.0, 1e-6
"""In coordinates that bend by one: the step of a difference, the longest step, the fall that is not worth another."""
REACH = 5.0
"""A valley that the rough surface shows so much higher than its lowest is not looked into."""
FLAT = 0.1
"""A coordinate along which the surface bends less tells nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Rest:
    """Where a search ended."""

    x: Floats
    value: float
    slope: Floats
    curvature: Floats

    @property
    def promised(self) -> float:
        """By how much Newton's next step would still lower the surface; a direction without curvature counts as of little."""
        bends, directions = np.linalg.eigh(self.curvature)
        return float(0.5 * ((self.slope @ directions) ** 2 / np.maximum(np.abs(bends), FLAT)).sum())

    def holds(self, x: Floats) -> bool:
        """Whether a point is in the same place, within a standard error where the surface is minus a log-likelihood."""
        bends, directions = np.linalg.eigh(self.curvature)
        return float((((x - self.x) @ directions) ** 2 * np.maximum(bends, 0.0)).sum()) < 1.0


def lowest(surface: Surface, rough: Surface, starts: Iterable[Floats]) -> list[Rest]:
    """The bottoms found, each in a place of its own, the lowest first.

    Every start goes down ``rough``, which is cheap and about a part of ``surface`` or the same; what comes near the lowest there
    goes down ``surface``. A coordinate of which ``rough`` tells nothing stays as the start had it, or a search might end on a plateau.
    """
    ends = [(start, settle(rough, start, ROUGH_ROUNDS)) for start in starts]
    ends.sort(key=lambda end: end[1].value)
    apart = _apart([rest for _, rest in ends if rest.value - ends[0][1].value < REACH])
    near = [(start, rest) for start, rest in ends if rest in apart]
    begun = [np.where(np.abs(np.diag(rest.curvature)) < FLAT, start, rest.x) for start, rest in near]
    return _apart(sorted((settle(surface, x, ROUNDS) for x in begun), key=lambda rest: rest.value))


def settle(surface: Surface, x: Floats, rounds: int) -> Rest:
    """Down from ``x`` until the next step promises next to nothing, or for so many rounds."""
    rest = _look(surface, x)
    for _ in range(rounds):
        rest = _look(surface, _descend(surface, rest, TURNS))
        if rest.promised < AT_REST:
            break
    return rest


def _apart(rests: Sequence[Rest]) -> list[Rest]:
    kept: list[Rest] = []
    for rest in rests:
        if not any(other.holds(rest.x) or rest.holds(other.x) for other in kept):
            kept.append(rest)
    return kept


def _descend(surface: Surface, rest: Rest, turns: int) -> Floats:
    """Down by BFGS in the coordinates in which the surface at ``rest`` bends the same in every direction."""
    bends, directions = np.linalg.eigh(rest.curvature)
    turn = directions / np.sqrt(np.maximum(np.abs(bends), 1e-3 * np.abs(bends).max() ** 0.5 + 1e-6))
    size = len(rest.x)

    def slope_at(x: Floats, value: float) -> Floats:
        return np.array([surface(x + TINY * turn[:, i]) - value for i in range(size)]) / TINY

    x, value, inverse = rest.x, rest.value, np.eye(size)
    slope = slope_at(x, value)
    for _ in range(turns):
        way = -inverse @ slope
        fall = float(way @ slope)
        if fall > -DONE:
            break
        length = min(1.0, LONGEST / float(np.abs(way).max()))
        while not (lower := surface(x + length * (turn @ way))) <= value + 1e-4 * length * fall:
            length *= 0.3
            if length < 1e-6:
                return x
        x, value = x + length * (turn @ way), lower
        before, slope = slope, slope_at(x, value)
        moved, bent = length * way, slope - before
        straight = float(moved @ bent)
        if straight > 0.0:
            part = np.eye(size) - np.outer(moved, bent) / straight
            inverse = part @ inverse @ part.T + np.outer(moved, moved) / straight
    return x


def _look(surface: Surface, x: Floats) -> Rest:
    """Value, gradient and Hessian at a point, by finite differences."""
    size, step = len(x), 1e-4 * np.maximum(1.0, np.abs(x))
    unit = np.diag(step)
    middle = surface(x)
    up = np.array([surface(x + unit[i]) for i in range(size)])
    down = np.array([surface(x - unit[i]) for i in range(size)])
    curvature = np.diag((up - 2.0 * middle + down) / step**2)
    for i in range(size):
        for j in range(i):
            both = surface(x + unit[i] + unit[j]) - up[i] - up[j] + 2.0 * middle - down[i] - down[j] + surface(x - unit[i] - unit[j])
            curvature[i, j] = curvature[j, i] = both / (2.0 * step[i] * step[j])
    return Rest(x, middle, (up - down) / (2.0 * step), curvature)
