# SPDX-License-Identifier: Apache-2.0
"""Surprises of a series against the S-curve fitted to its own past; the rules are those of the streaming SCurve."""

import math

import numpy as np
import numpy.typing as npt

from kilohour.kernels.compiling import njit

Floats = npt.NDArray[np.float64]


@njit(cache=True, nogil=True, error_model="numpy")
def logistic(logit: float) -> float:
    """1 / (1 + e^−logit) without overflow."""
    if logit >= 0.0:
        return 1.0 / (1.0 + math.exp(-min(logit, 700.0)))
    rising = math.exp(max(logit, -700.0))
    return rising / (1.0 + rising)


@njit(cache=True, nogil=True, error_model="numpy")
def s_curve_surprise(t_years: Floats, values: Floats, ceiling: float, memory: float, warmup: int, out: Floats) -> None:
    """``value / level − 1``, the level being the fit of the earlier prints, each weighted by e^(−age / ``memory``).

    ``t_years`` does not fall, ``values`` lie strictly between 0 and ``ceiling``; NaN before ``warmup`` prints are
    fitted.
    """
    weight = mean_time = mean_logit = time_time = time_logit = 0.0
    for i in range(values.size):
        logit = math.log(values[i] / (ceiling - values[i]))
        kept = math.exp((t_years[i - 1] - t_years[i]) / memory) if i > 0 else 1.0
        out[i] = np.nan
        step_time = t_years[i] - mean_time
        if i >= warmup and time_time > 0.0:
            expected = ceiling * logistic(mean_logit + time_logit / time_time * step_time)
            out[i] = values[i] / expected - 1.0
        older = kept * weight
        weight = older + 1.0
        step_logit = logit - mean_logit
        mean_time += step_time / weight
        mean_logit += step_logit / weight
        share = older / weight
        time_time = kept * time_time + share * step_time * step_time
        time_logit = kept * time_logit + share * step_time * step_logit
