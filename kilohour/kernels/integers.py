# SPDX-License-Identifier: Apache-2.0
"""Exact integer division, half-even, without leaving 64 bits."""

from __future__ import annotations

from kilohour.kernels.compiling import inner


@inner
def half_even(numerator, denominator):
    """``numerator / denominator`` to the nearest integer, ties to even; ``0 < denominator < 2**62``."""
    if denominator == 1:
        return numerator
    floor = numerator // denominator
    twice = 2 * (numerator - floor * denominator)
    if twice > denominator or (twice == denominator and floor & 1):
        floor += 1
    return floor


@inner
def share_half_even(amount, ppm, denominator):
    """``amount · ppm / denominator`` half-even, for ``amount ≥ 0`` whose product with ppm may exceed 64 bits.

    The whole part of ``amount / denominator`` is multiplied apart; the tie looks at the parity of the total.
    """
    whole = amount // denominator
    part = (amount - whole * denominator) * ppm
    floor = part // denominator
    twice = 2 * (part - floor * denominator)
    total = whole * ppm + floor
    if twice > denominator or (twice == denominator and total & 1):
        total += 1
    return total


@inner
def common_divisor(a, b):
    """Greatest common divisor of two whole numbers that are not negative."""
    while b:
        a, b = b, a % b
    return a
