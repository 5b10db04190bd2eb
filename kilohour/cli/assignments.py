# SPDX-License-Identifier: Apache-2.0
"""``--set field=value``: the text of the command line as values of the strategy's fields."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from kilohour.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from kilohour.execution.risk import LiveLimits
    from kilohour.fills import Fills
    from kilohour.limits import RiskLimits
    from kilohour.strategy import Strategy

VALUES_MAX = 1_000_000
TAKEN = frozenset(
    {
        "strategy",
        "tape",
        "grid",
        "out_of_sample",
        "cores",
        "cash",
        "start",
        "end",
        "assume",
        "contracts",
        "fills",
        "cash_rate",
        "limits",
        "interpreted",
        "venue",
        "feeds",
        "out",
        "progress",
    }
)
"""Arguments of :func:`kilohour.backtest` and :func:`kilohour.sweep`, which no field can be told apart from."""


def split_assignments(texts: Sequence[str]) -> dict[str, str]:
    """Field name to its text. Raises :class:`UsageError` without an equals sign or for a field that is set twice."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise UsageError(f"--set must read field=value, found {text!r}")
        if name in found:
            raise UsageError(f"--set gives field {name!r} twice, found {found[name]!r} and {value!r}")
        found[name] = value
    return found


def _refuse_taken(names: Iterable[str]) -> None:
    for name in names:
        if name in TAKEN:
            raise UsageError(f"--set {name}: a field must not be named like an argument ({', '.join(sorted(TAKEN))}), rename it")


def parameters_of(face: type[Strategy], texts: Sequence[str]) -> dict[str, Any]:
    """One value a field. Raises :class:`~kilohour.errors.UnknownName` or :class:`UsageError`."""
    from kilohour.backtests.prepare import parse_parameter

    found = {name: parse_parameter(face, name, text) for name, text in split_assignments(texts).items()}
    _refuse_taken(found)
    return found


def grid_of(face: type[Strategy], texts: Sequence[str]) -> tuple[dict[str, list[Any]], dict[str, Any]]:
    """For a sweep: the fields with several values, and those with one.

    A value is a list ``1,1.5,2``, a range ``start:stop:step`` with its stop (numbers only), or several of them.
    """
    several: dict[str, list[Any]] = {}
    single: dict[str, Any] = {}
    for name, text in split_assignments(texts).items():
        values = values_of(face, name, text)
        if len(values) > 1:
            several[name] = values
        else:
            single[name] = values[0]
    _refuse_taken([*several, *single])
    return several, single


def values_of(face: type[Strategy], name: str, text: str) -> list[Any]:
    """The values of one field of a sweep, each once, in the order given."""
    from kilohour.backtests.prepare import parse_parameter
    from kilohour.faces.fields import fields_of

    kind = next((f.kind for f in fields_of(face) if f.name == name and f.is_parameter), "")
    words: list[str] = []
    for part in text.split(","):
        words += _range(f"{face.__name__}.{name}", part) if ":" in part and kind in ("int", "float") else [part]
    return list(dict.fromkeys(parse_parameter(face, name, word) for word in words))


def _range(field: str, text: str) -> list[str]:
    """``20:120:10`` as twenty, thirty ... a hundred and twenty, in decimal arithmetic: 0.1 steps stay 0.1 steps."""
    try:
        start, stop, step = (Decimal(word) for word in text.split(":"))
    except (InvalidOperation, ValueError):
        raise UsageError(f"{field}: a range must read start:stop:step, found {text!r}") from None
    if not (start.is_finite() and stop.is_finite() and step.is_finite()):
        raise UsageError(f"{field}: a range must be of finite numbers, found {text!r}")
    if step == 0 or (stop - start) / step < 0:
        raise UsageError(f"{field}: the step of a range must lead from start to stop, found {text!r}")
    count = int((stop - start) / step) + 1
    if count > VALUES_MAX:
        raise UsageError(f"{field}: a range must have at most {VALUES_MAX:,} values, found {text!r} with {count:,}")
    return [f"{(start + step * i).normalize():f}" for i in range(count)]


def fills_of(assignments: list[str]) -> Fills:
    """``--fills`` words as a :class:`~kilohour.fills.Fills`.

    Raises :class:`~kilohour.errors.UnknownName` or :class:`~kilohour.errors.UsageError`.
    """
    import dataclasses

    from kilohour.fills import Fills

    names = [field.name for field in dataclasses.fields(Fills)]
    values: dict[str, Any] = {}
    for assignment in assignments:
        name, sign, text = assignment.partition("=")
        if name not in names:
            raise UnknownName("fills", name, names, where="--fills")
        try:
            values[name] = text if name == "model" else float(text)
        except ValueError:
            sign = ""
        if not sign or not text:
            raise UsageError(f"--fills {name} must be given a {'name' if name == 'model' else 'number'}, found {assignment!r}")
    return Fills(**values)


def limits_of(path: Path | None, base: RiskLimits | None = None) -> RiskLimits | None:
    """The limits of ``--limits`` over ``base``, if it is given. Raises :class:`~kilohour.errors.UsageError`."""
    from kilohour.limits import RiskLimits

    return None if path is None else RiskLimits.load(path, base)


def live_limits_of(path: Path | None, base: LiveLimits) -> LiveLimits:
    """The table ``[live]`` of ``--limits`` over ``base``. Raises :class:`~kilohour.errors.UsageError`."""
    from kilohour.execution.risk import LiveLimits

    return base if path is None else LiveLimits.load(path, base)


def rate_of(text: str) -> float | str:
    """``--cash-rate``: a number, or the code of a series."""
    try:
        return float(text)
    except ValueError:
        return text
