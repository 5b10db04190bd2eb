# SPDX-License-Identifier: Apache-2.0
"""Looks a table of prints over: each series as it is known at the end, and its level breaks."""

from __future__ import annotations

import itertools

import numpy as np

from kilohour.datafeeds.prints import Prints
from kilohour.tape.check import Finding
from kilohour.tape.doubts import gap_findings, series_findings, weekend_findings
from kilohour.units import MICROS, NANOS_PER_DAY, date_of, datetime_of

FOREVER = 2**63 - 1


def check_prints(prints: Prints) -> list[Finding]:
    """Findings series by series, empty when nothing looks wrong.

    ``unit slip``, ``outlier`` and ``stale`` as on a tape, within each regime; ``gap`` and ``weekend`` as on a tape; ``level break``: the
    method changed, and no difference is taken across it; ``duplicated row``: a restatement that changes nothing.
    """
    findings: list[Finding] = []
    for series in prints.names["series"]:
        known = prints.as_of(FOREVER, series)
        cuts = [0, *(np.flatnonzero(known.regime[1:] != known.regime[:-1]) + 1).tolist(), len(known)]
        for first, end in itertools.pairwise(cuts):
            findings += series_findings(series, known.value_at[first:end] // NANOS_PER_DAY, known.value[first:end])
        findings += gap_findings(series, np.unique(known.value_at))
        findings += weekend_findings(series, known.value_at // NANOS_PER_DAY, "prints")
        for its in known.breaks():
            findings.append(Finding(rule="level break", contract=series, day=f"{datetime_of(its.at):%Y-%m-%d}", count=1, detail=str(its)))
        idle = [step for step in prints.replay(series) if step.before == step.value] if known.revision.any() else []
        if idle:
            day = str(date_of(idle[0].value_at // NANOS_PER_DAY))
            said = f"{idle[0].value / MICROS:g} restated as the same"
            findings.append(Finding(rule="duplicated row", contract=series, day=day, count=len(idle), detail=said))
    return findings
