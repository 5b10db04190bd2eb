# SPDX-License-Identifier: Apache-2.0
"""The base of indicators."""

from __future__ import annotations

from kilohour.faces.face import Face


class Indicator(Face):
    """A streaming indicator: fields hold its memory, ``update`` takes the next value and returns the new reading."""
