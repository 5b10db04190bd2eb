# SPDX-License-Identifier: Apache-2.0
"""What a scenario does to the logs of adoption, capacity and prices, day by day; formulas in ``docs/scenarios.md``.

Arithmetic that gives the same bits on every machine, as in :mod:`kilohour.datafeeds.embedded.model`.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kilohour.datafeeds.embedded import model as models
from kilohour.datafeeds.embedded.config import MarketConfig
from kilohour.datafeeds.embedded.schedule import Schedule
from kilohour.errors import UsageError
from kilohour.kernels.arithmetic import exp, log
from kilohour.units import day_of

if TYPE_CHECKING:
    from kilohour.datafeeds.embedded.scenario import Adoption, CapacityDelay, Restatement, Scenario, Winter

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MONTH = 365.25 / 12.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shift:
    """A move of the log price that is known from a row of the schedule on."""

    known: int
    odds: float
    log_price: Floats
    """chips × days, zero before it begins."""

    def expected(self) -> Floats:
        """What it is worth to those who give it its odds, in logs."""
        return _each(lambda move: log(1.0 - self.odds + self.odds * exp(move)), self.log_price)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Effects:
    """Everything a scenario does, on the days of a schedule."""

    shifts: tuple[Shift, ...]
    log_adoption: Floats
    """Adoption off the market's plan, by day."""
    gap: Floats
    """Demand over capacity, log, by day."""
    restatements: tuple[Restatement, ...]


def effects_of(scenario: Scenario | None, config: MarketConfig, schedule: Schedule) -> Effects:
    """The effects of a scenario; none of them without one. Raises :class:`UsageError` for a ceiling that adoption has passed."""
    days, chips = len(schedule.days), len(config.chips)
    nothing = Effects(shifts=(), log_adoption=np.zeros(days), gap=np.zeros(days), restatements=())
    if scenario is None:
        return nothing
    from kilohour.datafeeds.embedded.scenario import SupplyShock

    adoption, gaps, shifts = np.zeros(days), np.zeros(days), []
    every = np.ones(chips)
    for event in scenario.events:
        off_plan, gap = _moves(event, config, schedule)
        adoption, weight = adoption + off_plan, every
        if isinstance(event, SupplyShock) and event.chips:
            weight = np.array([float(chip.product in event.chips) for chip in config.chips])
        if weight.all():
            gaps = gaps + gap
        shifts.append(Shift(known=schedule.row_of(event.known_from), odds=event.odds,
                            log_price=weight[:, None] * (config.elasticity * gap)[None, :]))
    for restated in scenario.restatement:
        if restated.lasting:
            level = np.where(schedule.days >= day_of(restated.day), log(1.0 + restated.by), 0.0)
            own = np.array([float(chip.product == restated.product) for chip in config.chips])
            shifts.append(Shift(known=schedule.row_of(restated.day), odds=0.0, log_price=own[:, None] * level[None, :]))
    return Effects(shifts=tuple(shifts), log_adoption=adoption, gap=gaps, restatements=scenario.restatement)


def _moves(event: object, config: MarketConfig, schedule: Schedule) -> tuple[Floats, Floats]:
    """Log adoption off plan, and log demand over capacity, of one event."""
    from kilohour.datafeeds.embedded.scenario import Adoption, CapacityDelay, SupplyShock, Winter

    if isinstance(event, Winter):
        off_plan = _winter(event, schedule)
        return off_plan, _gap_of(off_plan, config)
    if isinstance(event, Adoption):
        off_plan = _new_curve(event, config, schedule)
        return off_plan, _gap_of(off_plan, config)
    nothing = np.zeros(len(schedule.days))
    if isinstance(event, CapacityDelay):
        return nothing, _delay(event, config, schedule)
    assert isinstance(event, SupplyShock)
    months = _months_since(event.begins, schedule)
    left = models.keep(event.half_life_months)
    return nothing, -log(1.0 - event.lost) * np.where(months >= 0.0, _each(lambda m: exp(log(left) * m), np.maximum(months, 0.0)), 0.0)


def _winter(event: Winter, schedule: Schedule) -> Floats:
    months = _months_since(event.begins, schedule)
    fall = np.clip(months / event.months_to_bottom, 0.0, 1.0)
    back = np.zeros_like(fall)
    if event.recovers:
        back = np.clip((months - event.months_to_bottom - event.months_at_bottom) / event.months_to_recover, 0.0, 1.0)
    return _each(lambda share: log(1.0 - event.depth * share), fall - back)


def _new_curve(event: Adoption, config: MarketConfig, schedule: Schedule) -> Floats:
    """ln(new / old): both logistic, equal on the day it begins."""
    plan = models.adoption_plan(config, schedule)
    row = schedule.row_of(event.begins)
    ceiling, pace = event.ceiling or config.adoption_ceiling, event.pace or config.adoption_rate
    if ceiling <= plan[row]:
        raise UsageError(f"scenario: adoption: ceiling must be above what is planned for {event.begins}, {plan[row]:g}, found {ceiling:g}")
    years = np.maximum(0.0, (schedule.days - schedule.days[row]) / 365.25)
    odds = plan[row] / (ceiling - plan[row])
    new = _each(lambda t: ceiling / (1.0 + exp(-pace * t) / odds), years)
    return np.where(schedule.days >= schedule.days[row], _each(log, new / plan), 0.0)


def _gap_of(off_plan: Floats, config: MarketConfig) -> Floats:
    """gap(t+1) = gap(t)·(1 - 1/(lag·252)) + change of adoption off plan: capacity follows with its lag, as in the model."""
    kept, gap = 1.0 - 1.0 / (config.capacity_lag * models.YEAR), np.zeros_like(off_plan)
    for t in range(1, len(off_plan)):
        gap[t] = gap[t - 1] * kept + (off_plan[t] - off_plan[t - 1])
    return gap


def _delay(event: CapacityDelay, config: MarketConfig, schedule: Schedule) -> Floats:
    """ln(plan(t) / plan(t - slip(t))): the slip grows day by day up to ``months`` and is caught up in a straight line."""
    months = _months_since(event.begins, schedule)
    back = np.clip((months - event.months) / event.months_to_catch_up, 0.0, 1.0)
    slip = np.clip(months, 0.0, event.months) - event.months * back
    middle, rate = day_of(config.adoption_midpoint), config.adoption_rate / 365.25
    ahead = _each(lambda day: log(1.0 + exp(-rate * (day - middle))), schedule.days.astype(np.float64))
    behind = _each(lambda day: log(1.0 + exp(-rate * (day - middle))), schedule.days - slip * MONTH)
    return behind - ahead


def _months_since(day: dt.date, schedule: Schedule) -> Floats:
    return np.asarray((schedule.days - schedule.days[schedule.row_of(day)]) / MONTH)


def _each(function: object, values: Floats) -> Floats:
    assert callable(function)
    return np.array([function(float(value)) for value in values.reshape(-1)]).reshape(values.shape)
