# SPDX-License-Identifier: Apache-2.0
"""Forward curves: exact conversions, strips, a parametric fit, a two-factor filter, prices per unit of work.

Pure mathematics over numbers that are passed in; docs/curve.md shows each.
"""

from kilohour.curves.fit import CurveQuote, Fit, Prior, fit
from kilohour.curves.forwards import Buckets, OpenPart, constant_maturity, front_of_perpetual, open_part
from kilohour.curves.shape import Launch, Shape, Step
from kilohour.curves.strips import calendar_year, quarter, strip, strips_of

__all__ = [
    "Buckets",
    "CurveQuote",
    "Fit",
    "Launch",
    "OpenPart",
    "Prior",
    "Shape",
    "Step",
    "calendar_year",
    "constant_maturity",
    "fit",
    "front_of_perpetual",
    "open_part",
    "quarter",
    "strip",
    "strips_of",
]
