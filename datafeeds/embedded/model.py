# SPDX-License-Identifier: Apache-2.0
"""The embedded market as a linear state space: matrices and tables from a configuration.

The day is one business day, 1/252 of a year. Formulas: ``docs/embedded-market.md``. Only arithmetic that gives the
same bits on every machine is used: no ``math.exp``, no numpy function beyond element-wise ``+ - * /``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kilohour.datafeeds.embedded.config import Chip, MarketConfig
from kilohour.datafeeds.embedded.schedule import Schedule
from kilohour.kernels import market as kernel
from kilohour.kernels.arithmetic import exp, log
from kilohour.units import day_of

if TYPE_CHECKING:
    from kilohour.datafeeds.embedded.effects import Shift

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

YEAR = 252.0
_LOG2 = log(2.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Model:
    """Matrices of the state (n), and tables by chip and horizon in business days."""

    transition: Floats
    gain: Floats
    process: Floats
    """gain gainᵀ."""
    start: Floats
    """A root of the first day's covariance."""
    cover_first: Floats
    remember: Floats
    spot_rows: Floats
    """chips × n: the Gaussian part of a chip's log spot, as a row on the state."""
    places: Ints
    """chips × 5: the state entries that move each chip."""
    loads: Floats
    """chips × horizons × 5."""
    variance: Floats
    """chips × horizons: variance of log spot still to come."""
    spike_decay: Floats
    spike_mean: Floats
    """chips × horizons: log of the mean factor of the spikes still to come."""
    discount: Floats
    """By horizon: exp(-premium · days / 252)."""


def keep(half_life: float) -> float:
    """What is left after one day of a deviation with this half-life in days."""
    return float(exp(-_LOG2 / half_life))


def make_model(config: MarketConfig, schedule: Schedule) -> Model:
    """The matrices and tables of a configuration."""
    chips = len(config.chips)
    slots = schedule.publications.slots
    n = kernel.CHIPS + chips + slots
    transition, gain = _dynamics(config, n)
    process, cover_first = np.zeros((n, n)), np.zeros((n, n))
    kernel.multiply_transposed(gain, gain, process)
    start = _start(config, transition, process, n)
    kernel.multiply_transposed(start, start, cover_first)
    rows, places = _spot_rows(config, n)
    horizons = len(schedule.days) + 2
    loads, variance = np.zeros((chips, horizons, 5)), np.zeros((chips, horizons))
    full = np.zeros((horizons, n))
    for c in range(chips):
        kernel.horizon_tables(transition, process, rows[c], full, variance[c])
        loads[c] = full[:, places[c]]
    decay, spike_mean = _spike_tables(config, horizons)
    discount = np.array([exp(-config.premium * h / YEAR) for h in range(horizons + 1)])
    return Model(transition=transition, gain=gain, process=process, start=start, cover_first=cover_first,
                 remember=_remember(n, slots), spot_rows=rows, places=places, loads=loads, variance=variance,
                 spike_decay=decay, spike_mean=spike_mean, discount=discount)


def _dynamics(config: MarketConfig, n: int) -> tuple[Floats, Floats]:
    growth, gap, adoption, long_run, scarcity = (kernel.GROWTH, kernel.GAP, kernel.ADOPTION, kernel.LONG_RUN,
                                                 kernel.SCARCITY)
    chips = len(config.chips)
    move, gain = np.zeros((n, n)), np.zeros((n, 4 + chips))
    slow = keep(config.growth_half_life * YEAR)
    move[growth, growth] = slow
    gain[growth, 0] = config.growth_volatility * math.sqrt(1.0 - slow * slow)
    move[gap, gap], move[gap, growth] = 1.0 - 1.0 / (config.capacity_lag * YEAR), 1.0 / YEAR
    move[adoption, adoption], move[adoption, growth] = 1.0, 1.0 / YEAR
    # Demand that nobody planned widens the gap by as much as it adds to adoption.
    gain[gap, 1] = gain[adoption, 1] = config.adoption_volatility / math.sqrt(YEAR)
    move[long_run, long_run] = 1.0
    gain[long_run, 2] = config.long_run_volatility / math.sqrt(YEAR)
    move[scarcity, scarcity] = keep(config.scarcity_half_life_days)
    gain[scarcity, 3] = config.scarcity_volatility / math.sqrt(YEAR)
    for c, chip in enumerate(config.chips):
        move[kernel.CHIPS + c, kernel.CHIPS + c] = keep(chip.half_life_days)
        gain[kernel.CHIPS + c, 4 + c] = chip.volatility / math.sqrt(YEAR)
    for slot in range(kernel.CHIPS + chips, n):
        move[slot, slot] = 1.0
    return move, gain


def _start(config: MarketConfig, move: Floats, process: Floats, n: int) -> Floats:
    """Root of the first day's covariance: stationary, adoption and the long run on plan."""
    start = np.zeros((n, n))
    for i in (kernel.SCARCITY, *range(kernel.CHIPS, kernel.CHIPS + len(config.chips))):
        start[i, i] = math.sqrt(process[i, i] / (1.0 - move[i, i] * move[i, i]))
    growth, gap = kernel.GROWTH, kernel.GAP
    start[growth, growth] = config.growth_volatility
    between, own = gap_moments(move, process, config.growth_volatility)
    if config.growth_volatility > 0:
        start[gap, growth] = between / config.growth_volatility
    start[gap, gap] = math.sqrt(max(0.0, own - start[gap, growth] * start[gap, growth]))
    return start


def gap_moments(move: Floats, process: Floats, growth_volatility: float) -> tuple[float, float]:
    """Stationary covariance of the gap with growth, and variance of the gap."""
    growth, gap = kernel.GROWTH, kernel.GAP
    a, b, g = move[gap, gap], move[gap, growth], move[growth, growth]
    square = growth_volatility * growth_volatility
    between = g * b * square / (1.0 - g * a)
    own = (2.0 * a * b * between + b * b * square + process[gap, gap]) / (1.0 - a * a)
    return float(between), float(own)


def _remember(n: int, slots: int) -> Floats:
    remember = np.zeros((n, n))
    first = n - slots
    for i in range(first):
        remember[i, i] = 1.0
    remember[first, kernel.ADOPTION] = 1.0
    for i in range(first + 1, n):
        remember[i, i - 1] = 1.0
    return remember


def _spot_rows(config: MarketConfig, n: int) -> tuple[Floats, Ints]:
    chips = len(config.chips)
    rows, places = np.zeros((chips, n)), np.zeros((chips, 5), dtype=np.int64)
    for c in range(chips):
        rows[c, kernel.GAP] = config.elasticity
        rows[c, kernel.LONG_RUN] = rows[c, kernel.SCARCITY] = rows[c, kernel.CHIPS + c] = 1.0
        places[c] = (kernel.GROWTH, kernel.GAP, kernel.LONG_RUN, kernel.SCARCITY, kernel.CHIPS + c)
    return rows, places


def spike_sources(config: MarketConfig) -> tuple[Floats, Floats]:
    """Chance a day and mean size of each source of spikes: the chips' own, then the common one."""
    chances = np.array([*(chip.spike_rate for chip in config.chips), config.spike_rate]) / YEAR
    sizes = np.array([*(chip.spike_size for chip in config.chips), config.spike_size])
    return chances, sizes


def _spike_tables(config: MarketConfig, horizons: int) -> tuple[Floats, Floats]:
    """Decay by horizon, and Σ_{k<h} log(1 - p + p / (1 - sizeᵏ)) with sizeᵏ = mean size · decayᵏ, per chip."""
    chances, sizes = spike_sources(config)
    chips = len(config.chips)
    decay, left = np.empty(horizons), keep(config.spike_half_life_days)
    mean = np.zeros((chips, horizons))
    decay[0] = 1.0
    for h in range(1, horizons):
        decay[h] = decay[h - 1] * left
        terms = [log(1.0 + chance * (1.0 / (1.0 - size * decay[h - 1]) - 1.0))
                 for chance, size in zip(chances, sizes, strict=True)]
        for c in range(chips):
            mean[c, h] = mean[c, h - 1] + (terms[c] + terms[chips])
    return decay, mean


def _spikes_on_average(config: MarketConfig, c: int) -> float:
    """Log of the mean factor of spikes that have been coming for ever; the same for every span."""
    chances, sizes = spike_sources(config)
    left, decay, total = keep(config.spike_half_life_days), 1.0, 0.0
    while decay > 1e-15:
        for source in (c, len(config.chips)):
            total += log(1.0 + chances[source] * (1.0 / (1.0 - sizes[source] * decay) - 1.0))
        decay *= left
    return total


def markdowns(config: MarketConfig, normals: Floats) -> Floats:
    """Log mark-downs (launches × chips) from normals (launches × 1 + chips); a chip shares nine tenths of
    its variance with the others."""
    out = np.empty((len(config.launches), len(config.chips)))
    for i, launch in enumerate(config.launches):
        for c in range(len(config.chips)):
            shock = math.sqrt(0.9) * normals[i, 0] + math.sqrt(0.1) * normals[i, 1 + c]
            out[i, c] = markdown_mean(launch.markdown, launch.surprise) + launch.surprise * shock
    return out


def markdown_mean(markdown: float, surprise: float) -> float:
    """Mean log mark-down m such that E[exp(-m)] = 1 - markdown."""
    return float(-log(1.0 - markdown) + 0.5 * surprise * surprise)


def base_means(config: MarketConfig, schedule: Schedule, model: Model) -> Floats:
    """Log spot before launches, chips × days: level, work factor, growth, less what the random parts add to the mean."""
    days = len(schedule.days)
    steps = np.arange(days, dtype=np.float64)
    out = np.zeros((len(config.chips), days))
    for c, chip in enumerate(config.chips):
        base = np.full(days, log(config.level) - _convexity(config, model, c)) + log_work(chip, schedule)
        out[c] = base + steps * ((config.growth - 0.5 * config.long_run_volatility * config.long_run_volatility) / YEAR)
    return out


def log_means(config: MarketConfig, schedule: Schedule, base: Floats, sizes: Floats, shifts: Sequence[Shift] = (),
              ) -> tuple[Floats, Ints]:
    """The deterministic part of log spot, (moments known × chips × days), and how many moments each day knows.

    A moment is a day on which participants learn something: that a launch comes, its size, or a shift of a scenario.
    A launch not yet known contributes log E[exp(-m w)], a known one -m w, w being the share of its ramp that is over, and
    one that is not announced yet, or was cancelled, nothing. Launches up to a chip's release have marked it down
    before it began. A shift not yet known contributes the log of what its odds are worth.
    """
    launches = sorted(range(len(config.launches)), key=lambda i: config.launches[i].day)
    come = {i: schedule.row_of(config.launches[i].day) for i in launches}
    announced = {i: schedule.row_of(day) for i in launches if (day := config.launches[i].known) is not None}
    cancelled = {i: schedule.row_of(day) for i in launches if (day := config.launches[i].cancelled) is not None}
    moments = sorted({*come.values(), *announced.values(), *cancelled.values(), *(shift.known for shift in shifts)})
    after = {row: k + 1 for k, row in enumerate(moments)}
    table = np.repeat(base[None], len(moments) + 1, axis=0)
    steps = np.arange(base.shape[1], dtype=np.float64)
    for c, chip in enumerate(config.chips):
        for i in launches:
            launch = config.launches[i]
            if launch.day < config.first:
                continue
            if launch.day <= chip.release:
                table[:, c, :] += 0.0 if i in cancelled else log(1.0 - launch.markdown)
                continue
            told, known = after.get(announced.get(i, -1), 0), after[cancelled.get(i, come[i])]
            share = np.minimum(1.0, np.maximum(0.0, (steps - come[i]) / float(launch.ramp_days)))
            mean = markdown_mean(launch.markdown, launch.surprise)
            table[told:known, c, :] += share * (0.5 * launch.surprise * launch.surprise * share - mean)
            if i not in cancelled:
                table[known:, c, :] -= share * sizes[i, c]
    for shift in shifts:
        told = after[shift.known]
        table[told:] += shift.log_price
        if shift.odds > 0.0:
            table[:told] += shift.expected()
    known_moments = np.searchsorted(np.array(moments, dtype=np.int64), np.arange(schedule.span), side="right")
    return table, known_moments.astype(np.int64)


def log_work(chip: Chip, schedule: Schedule) -> Floats:
    """Log of a chip's work factor on each day."""
    age = (schedule.days - day_of(chip.release)) / 365.25
    mature = np.minimum(1.0, np.maximum(0.0, age / chip.maturity_years))
    begin, end = log(chip.work_at_release), log(chip.work)
    return np.asarray(begin + mature * (end - begin))


def _convexity(config: MarketConfig, model: Model, c: int) -> float:
    """What mean reverting factors and spikes add to the log of the mean price."""
    _, gap = gap_moments(model.transition, model.process, config.growth_volatility)
    total = config.elasticity * config.elasticity * gap
    for place in (kernel.SCARCITY, kernel.CHIPS + c):
        total += model.cover_first[place, place]
    return float(0.5 * total + _spikes_on_average(config, c))


def adoption_plan(config: MarketConfig, schedule: Schedule) -> Floats:
    """The planned S-curve on each day, trillion tokens a month."""
    middle = day_of(config.adoption_midpoint)
    return np.array([config.adoption_ceiling / (1.0 + exp(-config.adoption_rate * (int(day) - middle) / 365.25))
                     for day in schedule.days])


def exps(values: Floats) -> Floats:
    """exp of each value; shape kept."""
    out = np.empty(values.size)
    kernel.exp_all(np.ascontiguousarray(values).reshape(-1), out)
    return out.reshape(values.shape)


def season(config: MarketConfig, schedule: Schedule) -> Floats:
    """The yearly wave of log spot, a triangle with its top at mid-year; all zeros unless it is switched on."""
    place = (schedule.days.astype(np.float64) / 365.25) % 1.0
    return np.asarray(config.seasonality * (1.0 - 4.0 * np.abs(place - 0.5)))
