# SPDX-License-Identifier: Apache-2.0
"""Functions on floats that agree to the bit in CPython and compiled, and refuse what has no answer in both.

Use these instead of :mod:`math` and ``numpy`` in strategies and indicators: compiled code is silent where CPython
raises (the logarithm of a negative number, the integer of NaN), so the check is here.
"""

from __future__ import annotations

import math

nan = math.nan
inf = math.inf
pi = math.pi


def sqrt(x: float) -> float:
    """Square root of ``x ≥ 0``."""
    if not x >= 0.0:
        raise ValueError("maths.sqrt: x must not be negative or NaN")
    return math.sqrt(x)


def log(x: float) -> float:
    """Natural logarithm of ``x > 0``. A price can be negative: oil was."""
    if not x > 0.0:
        raise ValueError("maths.log: x must be positive")
    return math.log(x)


def log1p(x: float) -> float:
    """Logarithm of 1 + x, for ``x > -1``."""
    if not x > -1.0:
        raise ValueError("maths.log1p: x must be above -1")
    return math.log1p(x)


def exp(x: float) -> float:
    """Exponential of ``x ≤ 709``."""
    if not x <= 709.0:
        raise ValueError("maths.exp: x must be at most 709 and not NaN")
    return math.exp(x)


def expm1(x: float) -> float:
    """exp(x) - 1, for ``x ≤ 709``."""
    if not x <= 709.0:
        raise ValueError("maths.expm1: x must be at most 709 and not NaN")
    return math.expm1(x)


def pow(x: float, y: float) -> float:
    """``x`` to the power ``y`` for ``x > 0`` (or 0 with ``y > 0``); use it instead of ``**``."""
    if not (x > 0.0 or (x == 0.0 and y > 0.0)):
        raise ValueError("maths.pow: x must be positive")
    result = math.pow(float(x), float(y))
    if result == math.inf:
        raise ValueError("maths.pow: the result is too large")
    return result


def sin(x: float) -> float:
    """Sine of ``x`` radians."""
    if not (x - x == 0.0):
        raise ValueError("maths.sin: x must be finite")
    return math.sin(x)


def cos(x: float) -> float:
    """Cosine of ``x`` radians."""
    if not (x - x == 0.0):
        raise ValueError("maths.cos: x must be finite")
    return math.cos(x)


def tanh(x: float) -> float:
    """Hyperbolic tangent."""
    return math.tanh(x)


def atan(x: float) -> float:
    """Arc tangent."""
    return math.atan(x)


def erf(x: float) -> float:
    """Error function."""
    return math.erf(x)


def is_nan(x: float) -> bool:
    """True when ``x`` is not a number: most indicators return NaN until they have seen enough."""
    return x != x


def truncate(x: float) -> int:
    """The whole number towards zero; use it instead of ``int(x)``, which compiled is silent on NaN."""
    if not -9.2e18 < x < 9.2e18:
        raise ValueError("maths.truncate: x must be a number below 2**63")
    return int(x)


def floor(x: float) -> int:
    """The largest whole number not above ``x``."""
    if not -9.2e18 < x < 9.2e18:
        raise ValueError("maths.floor: x must be a number below 2**63")
    return math.floor(x)


def nearest(x: float) -> int:
    """The nearest whole number, ties to even."""
    if not -9.2e18 < x < 9.2e18:
        raise ValueError("maths.nearest: x must be a number below 2**63")
    return round(x)
