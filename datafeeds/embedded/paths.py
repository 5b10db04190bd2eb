# SPDX-License-Identifier: Apache-2.0
"""One simulated market before it becomes a tape: hidden paths, what was known, and fair values."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kilohour.datafeeds.embedded import model as models
from kilohour.datafeeds.embedded.config import MarketConfig
from kilohour.datafeeds.embedded.plan import Plan
from kilohour.datafeeds.embedded.schedule import Line, Schedule
from kilohour.kernels import curve, market
from kilohour.kernels.arithmetic import fill_normals, stream

if TYPE_CHECKING:
    from kilohour.datafeeds.embedded.scenario import Restatement

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

STATE, SPIKES, LAUNCHES, RESTATED, PUBLICATIONS, ACTIVITY, PATHS, BARS, MINUTES = range(9)
"""Numbers of the random streams of a seed: a change to one leaves the others alone."""
PRINT_UNIT = 10_000
"""Index prints are whole ten-thousandths of a dollar."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fair:
    """Fair values of one line's contracts, dollars: contract k on row t stands at ``offset[k] + t - line.first[k]``."""

    line: Line
    offset: Ints
    open: Floats
    close: Floats
    floating: Floats
    """The part of ``close`` whose days are still to fix; it earns the premium."""
    width: Floats
    """Standard deviation of close minus open, to first order."""

    def of(self, k: int) -> slice:
        """The rows of contract k."""
        return slice(int(self.offset[k]), int(self.offset[k] + self.line.last[k] - self.line.first[k] + 1))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Paths:
    """A market of one seed. Days are rows of ``schedule.days``; only what says so was ever public."""

    seed: int
    plan: Plan
    state: Floats
    """Hidden state, days × n."""
    spike: Floats
    """Spikes in log spot, days × chips; the market sees them."""
    spot: Floats
    """Spot price, days × chips, dollars."""
    prints: Ints
    """Index values as first printed, micros, days × chips."""
    restated_day: Ints
    """Row on which a restatement is known, days × chips; beyond the span when there is none."""
    restated: Ints
    """The restated value, micros."""
    log_mean: Floats
    launches_known: Ints
    markdown: Floats
    """Realised log mark-downs, launches × chips, in the order of the configuration."""
    published: Floats
    """Adoption as published, trillion tokens a month, one a row of ``schedule.publications``."""
    surprise: Floats
    """What each publication told the market: log adoption over what it expected."""
    mean_open: Floats
    cover_open: Floats
    mean_close: Floats
    """The market's estimate of the state after each day, days × n."""
    cover_close: Floats
    fair: tuple[Fair, ...]

    @property
    def config(self) -> MarketConfig:
        """The configuration."""
        return self.plan.config

    @property
    def schedule(self) -> Schedule:
        """Sessions, contracts and publication days."""
        return self.plan.schedule

    @property
    def model(self) -> models.Model:
        """The state space."""
        return self.plan.model

    @property
    def adoption_plan(self) -> Floats:
        """Planned adoption, trillion tokens a month, on all days of the schedule."""
        return self.plan.adoption

    @property
    def adoption(self) -> Floats:
        """Adoption as it really was, trillion tokens a month."""
        return self.adoption_plan[: self.schedule.span] * models.exps(self.state[:, market.ADOPTION])

    @property
    def capacity(self) -> Floats:
        """What suppliers have built, in the users it can serve at the usual price: it follows adoption with a lag."""
        off_plan = self.state[:, market.ADOPTION] - self.state[:, market.GAP]
        return self.plan.capacity[: self.schedule.span] * models.exps(off_plan)


def simulate(seed: int, plan: Plan, products: Collection[str] | None = None) -> Paths:
    """The market of one seed: the same bytes on every machine. With ``products`` only their contracts get fair values."""
    config, schedule, model = plan.config, plan.schedule, plan.model
    span, chips = schedule.span, len(config.chips)
    state = np.zeros((span, len(model.transition)))
    with np.errstate(over="ignore"):
        market.simulate(stream(seed, STATE), model.transition, model.gain, model.start, model.remember,
                        config.revision_noise, schedule.is_value_day, state)
        chances, sizes = models.spike_sources(config)
        spike = np.zeros((span, chips))
        market.spikes(stream(seed, SPIKES), chances, sizes, float(model.spike_decay[1]), 504, spike)
        normals = np.zeros((len(config.launches), 1 + chips))
        fill_normals(stream(seed, LAUNCHES), normals.reshape(-1))
    markdown = models.markdowns(config, normals)
    log_mean, known = models.log_means(config, schedule, plan.base, markdown, plan.effects.shifts)
    gaussian = _rows_times(state, model.spot_rows)
    wave = plan.season
    level = np.stack([log_mean[known, c, np.arange(span)] for c in range(chips)], axis=1)
    spot = models.exps(level + gaussian + spike + wave[:span, None])
    prints = _whole(spot)
    restated_day, restated = _restate(seed, config, schedule, prints)
    for event in plan.effects.restatements:
        _restate_all(event, plan, prints, restated_day, restated)
    published, off_plan, noise = _publish(seed, plan, state)
    paths = _follow(config, schedule, model, gaussian, off_plan, noise)
    fair = tuple(_price(c, line, model, log_mean, known, wave, spike, paths, prints, restated_day, restated)
                 for c, line in enumerate(schedule.lines) if products is None or line.product.code in products)
    mean_open, cover_open, mean_close, cover_close, surprise = paths
    return Paths(seed=seed, plan=plan, state=state, spike=spike, spot=spot, prints=prints, restated_day=restated_day, restated=restated,
                 log_mean=log_mean, launches_known=known, markdown=markdown, published=published, surprise=surprise,
                 mean_open=mean_open, cover_open=cover_open, mean_close=mean_close, cover_close=cover_close, fair=fair)


def _rows_times(state: Floats, rows: Floats) -> Floats:
    out = np.zeros((len(state), len(rows)))
    market.multiply_transposed(state, rows, out)
    return out


def _whole(spot: Floats) -> Ints:
    return np.floor(spot * PRINT_UNIT + 0.5).astype(np.int64) * (1_000_000 // PRINT_UNIT)


def _restate(seed: int, config: MarketConfig, schedule: Schedule, prints: Ints) -> tuple[Ints, Ints]:
    """A restatement moves one day's value by a size of mean zero that nothing before tells."""
    random = stream(seed, RESTATED)
    days, chips = prints.shape
    when, value = np.full((days, chips), days + 10_000, dtype=np.int64), prints.copy()
    with np.errstate(over="ignore"):
        normals = np.zeros((days, chips))
        fill_normals(random, normals.reshape(-1))
        pairs = np.zeros((days * chips, 2))
        market.draw_pairs(random, pairs)
    draw, wait = pairs.reshape(days, chips, 2).transpose(2, 0, 1)
    for t, c in np.argwhere(draw < config.restated_share):
        when[t, c] = schedule.business_after(t, 4 + int(wait[t, c] * 6.0))
        moved = prints[t, c] / 1e6 * (1.0 + config.restated_size * normals[t, c])
        value[t, c] = int(_whole(np.array([moved]))[0])
    return when, value


def _restate_all(event: Restatement, plan: Plan, prints: Ints, restated_day: Ints, restated: Ints) -> None:
    """A scenario's restatement: the last values of one index that are known that day. One that was restated before stays,
    and so does the value that is first printed that day; those that chance would have restated later are not."""
    schedule, row = plan.schedule, plan.schedule.row_of(event.day)
    c = [chip.product for chip in plan.config.chips].index(event.product)
    business = np.flatnonzero(schedule.is_business[:row])
    for t in business[:-1][-event.days_back:]:
        if restated_day[t, c] > row:
            restated_day[t, c] = row
            restated[t, c] = int(_whole(np.array([prints[t, c] / 1e6 * (1.0 + event.by)]))[0])


def _publish(seed: int, plan: Plan, state: Floats) -> tuple[Floats, Floats, Floats]:
    """Published adoption, its log off the plan, and the noise variance of each number."""
    config, schedule, model = plan.config, plan.schedule, plan.model
    publications = schedule.publications
    count = len(publications.known_day)
    normals = np.zeros(count)
    with np.errstate(over="ignore"):
        fill_normals(stream(seed, PUBLICATIONS), normals)
    first_slot = len(model.transition) - publications.slots
    off_plan, variance = np.zeros(count), np.zeros(count)
    for i in range(count):
        off_plan[i] = state[publications.known_day[i], first_slot + publications.age[i]]
        if not publications.is_revision[i]:
            off_plan[i] += config.publication_noise * normals[i]
            variance[i] = config.publication_noise * config.publication_noise
    return plan.adoption[publications.value_day] * models.exps(off_plan), off_plan, variance


def _follow(config: MarketConfig, schedule: Schedule, model: models.Model, gaussian: Floats, off_plan: Floats,
            variance: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    span, n = schedule.span, len(model.transition)
    publications = schedule.publications
    means, covers = (np.zeros((span, n)), np.zeros((span, n))), (np.zeros((span, n, n)), np.zeros((span, n, n)))
    surprise = np.zeros(len(off_plan))
    market.follow(model.transition, model.process, model.cover_first, model.remember, config.revision_noise,
                  schedule.is_value_day, model.spot_rows, gaussian, publications.known_day,
                  n - publications.slots + publications.age, variance, off_plan, config.slow_adoption,
                  models.keep(config.slow_adoption_half_life_days), means[0], covers[0], means[1], covers[1], surprise)
    return means[0], covers[0], means[1], covers[1], surprise


def _price(c: int, line: Line, model: models.Model, log_mean: Floats, known: Ints, wave: Floats, spike: Floats,
           paths: tuple[Floats, Floats, Floats, Floats, Floats], prints: Ints, restated_day: Ints, restated: Ints,
           ) -> Fair:
    lengths = line.last - line.first + 1
    ends = np.cumsum(lengths, dtype=np.int64)
    size = int(ends[-1]) if len(ends) else 0
    out = [np.zeros(size) for _ in range(4)]
    takes_restated = line.product.term("restatement") == "latest"
    when = restated_day if takes_restated else np.full_like(restated_day, 2**62)
    curve.fair_values(np.full(len(lengths), c, dtype=np.int64), line.first, line.last, ends - lengths, line.fix_from,
                      line.fix_to, line.fix_day, model.places, model.loads, model.variance, model.spike_mean,
                      model.spike_decay, model.discount, log_mean, known, wave, spike, *paths[:4], prints / 1e6, when,
                      restated / 1e6, *out)
    return Fair(line=line, offset=ends - lengths, open=out[0], close=out[1], floating=out[2], width=out[3])
