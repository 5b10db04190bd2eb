# SPDX-License-Identifier: Apache-2.0
"""S-curves of adoption: how far it may go, how fast, and how little a young series says of that."""

from kilohour.adoption.fit import CURVES, AdoptionFit, fit_adoption
from kilohour.adoption.known import Known, known_series

__all__ = ["CURVES", "AdoptionFit", "Known", "fit_adoption", "known_series"]
