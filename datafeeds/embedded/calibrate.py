# SPDX-License-Identifier: Apache-2.0
"""Fits parameters of the embedded market to statistics: simulated moments over fixed seeds, least squares in units of their tolerance.

The same seeds at every step (common random numbers) make each statistic a smooth function of the parameters (McFadden 1989).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kilohour.contracts import Registry
from kilohour.datafeeds.embedded.config import MarketConfig
from kilohour.datafeeds.embedded.paths import Paths, simulate
from kilohour.datafeeds.embedded.plan import Plan, make_plan
from kilohour.datafeeds.embedded.schedule import Schedule, make_schedule
from kilohour.datafeeds.embedded.targets import Target, Targets
from kilohour.errors import UnknownName, UsageError

Floats = npt.NDArray[np.float64]
Progress = Callable[[int, int], None]

MONTH = 21
CURVE = ("forward", "term")
"""Statistics of a day's curve."""
LEVELS = (5, 25, 50, 75, 95)
CHECK_SEED = 1000
"""First seed of the check, which the fit never saw."""
SEEDS = 100
"""Of the fit, from 0: a price two years ahead differs by a quarter from seed to seed, so its mean over them is good to 2.5 %."""
DIGITS, ROUNDING = 4, 0.01
"""Most digits that a fitted parameter is written with; fewer, where that costs no more than this share of the squared misses."""
STEPS = 40
"""Most steps of a search; the published targets take four, a series with jumps some twenty."""
NEAR_BOUND = 0.1
"""Of its first value: a parameter so near its bound stands at it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The outcome. Statistics are in the order of ``targets.target``."""

    targets: Targets
    config: MarketConfig
    before: tuple[float, ...]
    """Of the base market, on the seeds of the fit."""
    after: tuple[float, ...]
    """Of the fitted market, on the seeds of the fit."""
    checked: tuple[float, ...]
    """Of the fitted market, on as many seeds that the fit did not see."""
    parameters: dict[str, tuple[float, float]]
    """Name to value before and after."""
    seeds: int
    days: list[str]
    quantiles: dict[str, Floats]
    """By product: levels × days, spot prices of the fitted market on the seeds of the check; NaN before its release."""

    @property
    def misses(self) -> tuple[Target, ...]:
        """Targets that the fitted market misses by more than their tolerance, on the seeds of the fit."""
        pairs = zip(self.targets.target, self.after, strict=True)
        return tuple(one for one, value in pairs if not abs(value - one.value) <= one.tolerance)

    @property
    def at_bound(self) -> tuple[str, ...]:
        """Parameters that the fit pushed to an end of what the market allows: the targets ask for more than they can give."""
        found = []
        for name, (before, after) in self.parameters.items():
            low, high = _limits(self.config, name)
            if min(after - low, high - after) <= NEAR_BOUND * max(abs(before), 1e-2):
                found.append(name)
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """What ``kilohour data calibrate --json`` prints."""
        rows = zip(self.targets.target, self.before, self.after, self.checked, strict=True)
        return {"seeds": self.seeds, "parameters": {name: {"before": a, "after": b} for name, (a, b) in self.parameters.items()},
                "targets": [{"target": one.name, "value": one.value, "tolerance": one.tolerance, "before": before, "after": after,
                             "checked": checked, "source": one.source} for one, before, after, checked in rows],
                "missed": [one.name for one in self.misses], "at_bound": list(self.at_bound)}  # fmt: skip


def calibrate(targets: Targets, *, seeds: int = SEEDS, start: MarketConfig | None = None, registry: Registry | None = None,
              progress: Progress | None = None) -> Calibration:  # fmt: skip
    """Moves ``targets.parameters`` until the statistics are as near as they come, and looks again on other seeds.

    ``start``: a market to begin with in place of the calibration's own. One that meets every target already is left as it is.
    Raises :class:`UnknownName` for a parameter, product or statistic the market lacks, :class:`UsageError` for a number of seeds.
    """
    if not 2 <= seeds <= CHECK_SEED:
        raise UsageError(f"seeds must be from 2 to {CHECK_SEED}, found {seeds}")
    base = _started(targets) if start is None else start
    short = base if targets.fit.until is None else dataclasses.replace(base, last=targets.fit.until)
    _check(targets, short)
    schedule = make_schedule(short, registry or Registry.shipped())
    names, most = targets.parameters, STEPS * (len(targets.parameters) + 1)
    wanted, tolerance = np.array([(one.value, one.tolerance) for one in targets.target]).T

    @functools.cache
    def told(config: MarketConfig) -> tuple[float, ...]:
        if progress is not None:
            progress(min(told.cache_info().misses, most), most)
        return _told(config, schedule, targets, range(seeds))

    def miss(at: Floats) -> Floats:
        return np.asarray((np.array(told(_moved(short, names, at))) - wanted) / tolerance)

    first = np.array([read_parameter(short, name) for name in names])
    found = _fitted(miss, first, np.array([_limits(short, name) for name in names]).T)
    moved, again = _moved(short, names, found), range(CHECK_SEED, CHECK_SEED + seeds)
    spots: list[Floats] = []
    return Calibration(
        targets=targets, config=_moved(base, names, found), before=told(short), after=told(moved),
        checked=_told(moved, schedule, targets, again, spots), seeds=seeds,
        parameters={name: (float(a), float(b)) for name, a, b in zip(names, first, found, strict=True)},
        days=[str(dt.date(1970, 1, 1) + dt.timedelta(days=int(day))) for day in schedule.days[: schedule.span]],
        quantiles={line.product.code: _quantiles([spot[:, c] for spot in spots], line.release) for c, line in enumerate(schedule.lines)},
    )


def _started(targets: Targets) -> MarketConfig:
    """The base market with the parameters where the calibration lets them begin."""
    base, start = MarketConfig.from_dict(targets.market), targets.fit.start
    for name in start:
        read_parameter(base, name)
    return _moved(base, tuple(start), np.array(list(start.values())))


def _fitted(miss: Callable[[Floats], Floats], start: Floats, limits: Floats) -> Floats:
    """Least squares from a start that misses a target, in the fewest digits that miss no more of them and fit as well."""
    from scipy.optimize import least_squares

    if (np.abs(miss(start)) <= 1.0).all():
        return start
    scale = np.maximum(np.abs(start), 0.01)
    found = least_squares(miss, start, bounds=limits, x_scale=scale, diff_step=0.02, max_nfev=STEPS, xtol=1e-4, ftol=1e-4)
    met = np.abs(found.fun) <= 1.0
    for digits in range(2, DIGITS):
        short = np.clip([float(f"{value:.{digits}g}") for value in found.x], *limits)
        off = miss(short)
        if (np.abs(off[met]) <= 1.0).all() and off @ off <= (1.0 + ROUNDING) * (found.fun @ found.fun):
            return np.asarray(short)
    return np.clip([float(f"{value:.{DIGITS}g}") for value in found.x], *limits)


def _quantiles(spots: Sequence[Floats], release: int) -> Floats:
    """Levels × days; NaN before the chip's release."""
    found = np.quantile(np.array(spots), np.array(LEVELS) / 100.0, axis=0)
    found[:, :release] = np.nan
    return np.asarray(found)


def _told(config: MarketConfig, schedule: Schedule, targets: Targets, seeds: range,
          spots: list[Floats] | None = None) -> tuple[float, ...]:
    return tuple(float(value) for value in statistics(config, schedule, targets.target, seeds, spots))


def statistics(config: MarketConfig, schedule: Schedule, targets: Sequence[Target], seeds: range,
               spots: list[Floats] | None = None) -> Floats:
    """The value of each target's statistic: its mean over seeds. ``spots`` takes the spot prices of each."""
    days = [schedule.row_of(one.on) for one in targets if one.statistic in CURVE and one.on is not None]
    plan = _priced(make_plan(config, schedule), min(days, default=0), max(days, default=0))
    curves = {one.product for one in targets if one.statistic in CURVE}
    each = []
    for seed in seeds:
        paths = simulate(seed, plan, curves)
        each.append([_statistic(one, paths) for one in targets])
        if spots is not None:
            spots.append(paths.spot[: schedule.span])
    return np.asarray(np.mean(np.array(each), axis=0))


def _priced(plan: Plan, first: int, last: int) -> Plan:
    """The same plan with contracts on the rows from first to last alone: fair values of other days are most of the work."""
    lines = []
    for line in plan.schedule.lines:
        alive = np.flatnonzero((line.first <= last) & (line.last >= first))
        lines.append(dataclasses.replace(
            line, contracts=tuple(line.contracts[k] for k in alive), first=np.maximum(line.first[alive], first),
            last=np.minimum(line.last[alive], last), fix_from=line.fix_from[alive], fix_to=line.fix_to[alive]))
    return dataclasses.replace(plan, schedule=dataclasses.replace(plan.schedule, lines=tuple(lines)))


def _statistic(target: Target, paths: Paths) -> float:
    if target.statistic == "markdown":
        return float(np.mean(1.0 - np.exp(-paths.markdown)))
    c = [chip.product for chip in paths.config.chips].index(target.product)
    if target.statistic in ("volatility", "kurtosis"):
        changes = _changes(paths, c)
        if target.statistic == "volatility":
            return float(changes.std(ddof=1) * np.sqrt(252.0))
        return float(np.mean((changes - changes.mean()) ** 4) / changes.var() ** 2 - 3.0)
    assert target.on is not None
    row = paths.schedule.row_of(target.on)
    spot = float(paths.spot[row, c])
    if target.statistic == "spot":
        return spot
    months = [target.months] if target.statistic == "forward" else range(1, target.months + 1)
    return float(np.mean([price_ahead(paths, target.product, row, month) for month in months])) / spot - 1.0


def _changes(paths: Paths, c: int) -> Floats:
    schedule = paths.schedule
    rows = np.flatnonzero(schedule.is_business[: schedule.span])
    rows = rows[rows >= schedule.lines[c].release]
    return np.asarray(np.diff(np.log(paths.prints[rows, c] / 1e6)))


def price_ahead(paths: Paths, product: str, row: int, months: int) -> float:
    """Closing fair value, on a day, of the contract whose window's middle is nearest to so many months of 21 sessions ahead."""
    fair = next(one for one in paths.fair if one.line.product.code == product)
    line = fair.line
    alive = np.flatnonzero((line.first <= row) & (line.last >= row))
    middle = (line.fix_day[line.fix_from[alive]] + line.fix_day[line.fix_to[alive] - 1]) / 2
    k = int(alive[int(np.argmin(np.abs(middle - row - months * MONTH)))])
    return float(fair.close[fair.offset[k] + row - line.first[k]])


def read_parameter(config: MarketConfig, name: str) -> float:
    """The value of ``field``, ``chips.PRODUCT.field`` or ``launches.field`` (of all launches: the first one's).

    Raises :class:`UnknownName`.
    """
    return float(getattr(_holder(config, name), name.rpartition(".")[2]))


def _holder(config: MarketConfig, name: str) -> Any:
    group, _, rest = name.partition(".")
    part: Any = config
    if group == "chips":
        code = rest.rpartition(".")[0]
        chips = {chip.product: chip for chip in config.chips}
        if code not in chips:
            raise UnknownName("product", code, chips, where="the market's chips")
        part = chips[code]
    elif group == "launches":
        part = config.launches[0]
    field = name.rpartition(".")[2]
    known = [one.name for one in dataclasses.fields(part) if "low" in one.metadata]
    if field not in known:
        raise UnknownName("parameter", field, known, where=name)
    return part


def _limits(config: MarketConfig, name: str) -> tuple[float, float]:
    field = name.rpartition(".")[2]
    metadata = next(one.metadata for one in dataclasses.fields(_holder(config, name)) if one.name == field)
    return float(metadata["low"]), float(metadata["high"])


def _moved(config: MarketConfig, names: Sequence[str], values: Floats) -> MarketConfig:
    for name, value in zip(names, values, strict=True):
        group, field = name.partition(".")[0], name.rpartition(".")[2]
        change = {field: float(value)}
        if group == "chips":
            code = name.partition(".")[2].rpartition(".")[0]
            chips = tuple(dataclasses.replace(chip, **change) if chip.product == code else chip for chip in config.chips)  # type: ignore[arg-type]
            config = dataclasses.replace(config, chips=chips)
        elif group == "launches":
            config = dataclasses.replace(config, launches=tuple(dataclasses.replace(one, **change) for one in config.launches))  # type: ignore[arg-type]
        else:
            config = dataclasses.replace(config, **change)  # type: ignore[arg-type]
    return config


def _check(targets: Targets, config: MarketConfig) -> None:
    products = [chip.product for chip in config.chips]
    for one in targets.target:
        if one.statistic != "markdown" and one.product not in products:
            raise UnknownName("product", one.product, products, where="the market's chips")
        if one.on is not None and not config.first <= one.on <= config.last:
            raise UsageError(f"target {one.name}: on must lie within the market, {config.first} to {config.last}, found {one.on}")
    for name in targets.parameters:
        read_parameter(config, name)
