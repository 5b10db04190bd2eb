# SPDX-License-Identifier: Apache-2.0
"""One number from many votes, exactly: votes and answers are fractions of micros.

>>> votes = [Fraction(n) for n in (10, 20, 30, 40, 1000)]
>>> [str(across(rule, votes, share=Fraction(1, 5))) for rule in ("mean", "median", "trimmed", "winsorised")]
['220', '30', '30', '30']
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction


def across(rule: str, votes: Sequence[Fraction], weights: Sequence[Fraction] = (), share: Fraction = Fraction(0)) -> Fraction:
    """The index of a day by a rule of :class:`kilohour.datafeeds.index.method.Across`; at least one vote.

    ``trimmed`` drops ⌊share·n⌋ votes at each end (Tukey), ``winsorised`` moves them to the nearest vote that stays;
    ``weighted`` is Σ w·v / Σ w, with ``weights`` in the order of ``votes``.
    """
    if rule == "weighted":
        return _sum([w * v for w, v in zip(weights, votes, strict=True)]) / _sum(weights)
    ordered = sorted(votes)
    count = len(ordered)
    if rule == "median":
        return (ordered[(count - 1) // 2] + ordered[count // 2]) / 2
    cut = int(share * count)
    if rule == "trimmed":
        ordered = ordered[cut : count - cut]
    elif rule == "winsorised":
        ordered = [min(max(vote, ordered[cut]), ordered[count - 1 - cut]) for vote in ordered]
    return _sum(ordered) / len(ordered)


def _sum(values: Sequence[Fraction]) -> Fraction:
    return sum(values, Fraction(0))
