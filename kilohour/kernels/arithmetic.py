# SPDX-License-Identifier: Apache-2.0
"""Exponential, logarithm and random numbers that give the same bits on every x86-64 machine.

A processor's own library picks another algorithm for another processor (with or without fused multiply-add), so the
last bit of ``math.exp`` differs between machines. Here there is only ``+ - * /``, a square root (exact by IEEE 754),
integer shifts, and no fused operations: numba contracts nothing without ``fastmath``.

Random numbers are SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014) on a
one-element ``uint64`` array, and Marsaglia's polar method for normals.
"""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import numpy as np
import numpy.typing as npt

from kilohour.kernels.compiling import njit

Floats = npt.NDArray[np.float64]
State = npt.NDArray[np.uint64]

STEPS = 32
"""The exponential is tabulated at this many points per factor of two."""


def _tables() -> tuple[Floats, Floats, float, float, float, float, float]:
    """Constants from decimal arithmetic (software, so the same everywhere), each split into a head and a tail."""
    with localcontext() as context:
        context.prec = 60
        log2 = Decimal(2).ln()
        exact = [(log2 * j / STEPS).exp() for j in range(STEPS)]
        head = [float(value) for value in exact]
        tail = [float(value - Decimal(h)) for value, h in zip(exact, head, strict=True)]
        step = log2 / STEPS
        step_head = float(int(step * 2**42)) / 2**42
        log2_head = float(int(log2 * 2**38)) / 2**38
        return (np.array(head), np.array(tail), float(1 / step), step_head, float(step - Decimal(step_head)),
                log2_head, float(log2 - Decimal(log2_head)))


ROOT_HEAD, ROOT_TAIL, STEP_INVERSE, STEP_HEAD, STEP_TAIL, LOG2_HEAD, LOG2_TAIL = _tables()
POWER_LOW = -1022
POWERS = np.array([math.ldexp(1.0, k) for k in range(POWER_LOW, 1024)])
EXP_MAX = 709.782712893384
EXP_MIN = -745.1332191019412
HALF_ROOT = 0.7071067811865476

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_A = np.uint64(0xBF58476D1CE4E5B9)
MIX_B = np.uint64(0x94D049BB133111EB)
SHIFT_A, SHIFT_B, SHIFT_C, SHIFT_UNIFORM = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
UNIT = 1.0 / 9007199254740992.0
POISSON_PRODUCT_MAX = 20.0


@njit(cache=True)
def exp(x: float) -> float:
    """e to the power x, within 1 ulp; infinity above 709.78, zero below -745.13, NaN stays NaN."""
    if x != x:
        return x
    if x > EXP_MAX:
        return math.inf
    if x < EXP_MIN:
        return 0.0
    n = math.floor(x * STEP_INVERSE + 0.5)
    r = (x - n * STEP_HEAD) - n * STEP_TAIL
    p = r + r * r * (0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0)))))
    j = n & (STEPS - 1)
    k = n >> 5
    y = ROOT_HEAD[j] + (ROOT_TAIL[j] + ROOT_HEAD[j] * p)
    if k < POWER_LOW:
        return float(y * POWERS[k + 60 - POWER_LOW] * POWERS[-60 - POWER_LOW])
    if k > 1023:
        return float(y * POWERS[1023 - POWER_LOW] * POWERS[k - 1023 - POWER_LOW])
    return float(y * POWERS[k - POWER_LOW])


@njit(cache=True)
def log(x: float) -> float:
    """Natural logarithm of a positive finite x, within 1 ulp; minus infinity at zero, NaN below it.

    With f = m - 1 and s = f / (2 + f), log(1 + f) = 2 atanh(s) = f - s (f - R), R = 2 (s²/3 + s⁴/5 + ...):
    the leading term f is exact, so only the correction is rounded.
    """
    if x != x or x == math.inf:
        return x
    if x <= 0.0:
        return -math.inf if x == 0.0 else math.nan
    m, e = math.frexp(x)
    if m < HALF_ROOT:
        m = m * 2.0
        e = e - 1
    f = m - 1.0
    s = f / (2.0 + f)
    z = s * s
    tail = 1.0 / 19.0 + z * (1.0 / 21.0 + z * (1.0 / 23.0 + z * (1.0 / 25.0)))
    tail = 1.0 / 11.0 + z * (1.0 / 13.0 + z * (1.0 / 15.0 + z * (1.0 / 17.0 + z * tail)))
    tail = 1.0 / 3.0 + z * (1.0 / 5.0 + z * (1.0 / 7.0 + z * (1.0 / 9.0 + z * tail)))
    rest = 2.0 * z * tail
    return float(e * LOG2_HEAD + (f - (s * (f - rest) - e * LOG2_TAIL)))


@njit(cache=True)
def next_word(state: State) -> np.uint64:
    """The next 64 random bits; ``state`` (one uint64) moves on."""
    word = state[0] + GOLDEN
    state[0] = word
    word = (word ^ (word >> SHIFT_A)) * MIX_A
    word = (word ^ (word >> SHIFT_B)) * MIX_B
    return np.uint64(word ^ (word >> SHIFT_C))


@njit(cache=True)
def uniform(state: State) -> float:
    """A multiple of 2⁻⁵³ in [0, 1)."""
    return float(next_word(state) >> SHIFT_UNIFORM) * UNIT


@njit(cache=True)
def fill_normals(state: State, out: Floats) -> None:
    """Fills a vector with independent standard normals (polar method, two at a time)."""
    i = 0
    while i < len(out):
        a = 2.0 * uniform(state) - 1.0
        b = 2.0 * uniform(state) - 1.0
        square = a * a + b * b
        if square >= 1.0 or square == 0.0:
            continue
        scale = math.sqrt(-2.0 * log(square) / square)
        out[i] = a * scale
        if i + 1 < len(out):
            out[i + 1] = b * scale
        i += 2


@njit(cache=True)
def exponential(state: State) -> float:
    """An exponential variate of mean one."""
    return float(-log(1.0 - uniform(state)))


@njit(cache=True)
def poisson(state: State, mean: float, normal: float) -> int:
    """A Poisson count; above a mean of 20 the rounded normal approximation, from the normal handed in."""
    if mean > POISSON_PRODUCT_MAX:
        return max(0, math.floor(mean + math.sqrt(mean) * normal + 0.5))
    floor = exp(-mean)
    count = 0
    product = uniform(state)
    while product > floor:
        count += 1
        product *= uniform(state)
    return count


def stream(seed: int, number: int) -> State:
    """The start of random stream ``number`` of a seed: one uint64, mixed twice so that neighbours share nothing."""
    word = seed & _MASK
    for salt in (number + 1, 0x6B69_6C6F_686F_7572):
        word = (word + salt * int(GOLDEN)) & _MASK
        word = ((word ^ (word >> 30)) * int(MIX_A)) & _MASK
        word = ((word ^ (word >> 27)) * int(MIX_B)) & _MASK
        word ^= word >> 31
    return np.array([word], dtype=np.uint64)


_MASK = 2**64 - 1
