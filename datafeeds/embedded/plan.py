# SPDX-License-Identifier: Apache-2.0
"""All of a market that no seed changes: sessions, model, plans, effects of a scenario. Made once, shared by every path."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kilohour.contracts import Registry
from kilohour.datafeeds.embedded import model as models
from kilohour.datafeeds.embedded.activity import usual_interest
from kilohour.datafeeds.embedded.config import MarketConfig
from kilohour.datafeeds.embedded.effects import Effects, effects_of
from kilohour.datafeeds.embedded.schedule import Line, Schedule, make_schedule

if TYPE_CHECKING:
    from kilohour.datafeeds.embedded.scenario import Scenario

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """What every seed of a configuration has in common."""

    config: MarketConfig
    scenario: Scenario | None
    schedule: Schedule
    model: models.Model
    effects: Effects
    base: Floats
    """Log spot before launches, chips × days."""
    adoption: Floats
    """The planned S-curve with what the scenario does to it, trillion tokens a month, on all days."""
    capacity: Floats
    """What is built by plan, with what the scenario does to it; on the scale of adoption."""
    season: Floats
    interest: tuple[Floats, ...]
    """Usual open interest by chip and day of the span, lots."""
    closes: tuple[Ints, ...]
    """When each session of the span closes, by chip, nanoseconds UTC."""


@dataclass(frozen=True, slots=True, eq=False)
class Same:
    """A registry as a key: the same products are the same key."""

    registry: Registry

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.registry.by_code == self.registry.by_code

    def __hash__(self) -> int:
        return hash(tuple(self.registry.by_code))


@functools.lru_cache(maxsize=4)
def schedule_of(config: MarketConfig, registry: Same) -> Schedule:
    """The schedule of a configuration, made once."""
    return make_schedule(config, registry.registry)


@functools.lru_cache(maxsize=4)
def plan_of(config: MarketConfig, registry: Same, scenario: Scenario | None) -> Plan:
    """The plan of a configuration and a scenario, made once."""
    return make_plan(config, schedule_of(config, registry), scenario)


def make_plan(config: MarketConfig, schedule: Schedule, scenario: Scenario | None = None) -> Plan:
    """A plan on the sessions and contracts of a schedule, which must be those of the configuration's span, chips and lags."""
    model = models.make_model(config, schedule)
    effects = effects_of(scenario, config, schedule)
    plan = models.adoption_plan(config, schedule)
    adoption, capacity = plan, plan
    if scenario is not None:
        adoption = plan * models.exps(effects.log_adoption)
        capacity = adoption * models.exps(-effects.gap)
    return Plan(config=config, scenario=scenario, schedule=schedule, model=model, effects=effects,
                base=models.base_means(config, schedule, model), adoption=adoption, capacity=capacity,
                season=models.season(config, schedule),
                interest=tuple(usual_interest(line.chip, schedule) for line in schedule.lines),
                closes=tuple(close_times(line, schedule) for line in schedule.lines))


def close_times(line: Line, schedule: Schedule) -> Ints:
    """When each session of the span closes, nanoseconds UTC."""
    return np.array([line.product.close_at(int(day)) for day in schedule.days[:schedule.span]], dtype=np.int64)
