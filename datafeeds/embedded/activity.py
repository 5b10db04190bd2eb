# SPDX-License-Identifier: Apache-2.0
"""How much of a product is held: the embedded market's interest grows, and moves on from the old chip to the new."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kilohour.datafeeds.embedded.config import Chip
from kilohour.datafeeds.embedded.model import exps
from kilohour.datafeeds.embedded.schedule import Schedule
from kilohour.units import day_of

Floats = npt.NDArray[np.float64]

REACH = 150.0
"""Business days ahead at which a month's interest is 1/e of the front's."""
YEARS_TO_MATURE = 1.5
YEARS_TO_HOLD = 3.0
YEARS_TO_FADE = 6.0
YEARS_OF_THE_MARKET = 1.5


def usual_interest(chip: Chip, schedule: Schedule) -> Floats:
    """Usual open interest of a product on each day of the span, lots (its front month holds about a fifth).

    A young market takes e-folds of a year and a half to fill, and so does a chip after its release; three years after
    its release a chip begins to fade, by a factor e in six years.
    """
    days = schedule.days[:schedule.span].astype(np.int64)
    age, market_age = (days - day_of(chip.release)) / 365.25, (days - days[0]) / 365.25 + 0.5
    filled = (1.0 - exps(-market_age / YEARS_OF_THE_MARKET)) * (1.0 - exps(-(age + 0.1) / YEARS_TO_MATURE))
    usual = chip.lots * filled * exps(-np.maximum(0.0, age - YEARS_TO_HOLD) / YEARS_TO_FADE)
    return np.where(age < 0, 0.0, usual)
