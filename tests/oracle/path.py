# SPDX-License-Identifier: Apache-2.0
"""The way of a price in a bar, walked place by place as a buyer sees it (a seller walks the negative prices)."""

from __future__ import annotations

from tests.oracle.events import Event

PATH, OPEN = "path", "open"


class Way:
    """Straight lines through ``prices``; a place is the distance travelled since the first of them, in micros."""

    def __init__(self, prices: list[int]) -> None:
        self.corners = [(0, prices[0])]
        for price in prices[1:]:
            place, before = self.corners[-1]
            if price != before:
                self.corners.append((place + abs(price - before), price))

    def price_at(self, place: int) -> int:
        for (begin, here), (end, there) in zip(self.corners, self.corners[1:], strict=False):
            if begin <= place <= end:
                return here + (place - begin if there > here else begin - place)
        assert place == 0 == self.corners[-1][0], "a place behind the close"
        return self.corners[0][1]

    def behind(self, start: int) -> list[tuple[int, int, int]]:
        """What is left of the way as lines ``(place, price there, price at the line's end)``."""
        lines = []
        for (begin, here), (end, there) in zip(self.corners, self.corners[1:], strict=False):
            if end > start:
                at = max(begin, start)
                lines.append((at, self.price_at(at) if at > begin else here, there))
        return lines

    def only(self, place: int) -> Way:
        """That place and nothing else; it is then place 0."""
        return Way([self.price_at(place)])

    def first_at_least(self, start: int, level: int) -> int | None:
        """The first place from ``start`` on with a price of ``level`` or more."""
        if self.price_at(start) >= level:
            return start
        return next((at + level - here for at, here, there in self.behind(start) if there >= level), None)

    def first_at_most(self, start: int, level: int) -> int | None:
        """The first place from ``start`` on with a price of ``level`` or less."""
        if self.price_at(start) <= level:
            return start
        return next((at + here - level for at, here, there in self.behind(start) if there <= level), None)

    def first_below(self, start: int, level: int) -> int | None:
        """Where the price goes below ``level`` behind ``start``.

        The place is the one at ``level`` itself, from which the next step is below (not one micro later),
        so that who is woken there sees the price ``level``.
        """
        for at, here, there in self.behind(start):
            if here < level:
                return at
            if there < level:
                return at + here - level
        return None

    def trailed(self, start: int, lowest: int, distance: int) -> tuple[int | None, int]:
        """The first place where the price has risen to the lowest price seen + ``distance``; the lowest after the bar.

        It goes on moving to the end of the way; behind the place where it was reached nothing asks for it.
        """
        here = self.price_at(start)
        found = start if here >= lowest + distance else None
        lowest = min(lowest, here)
        for at, begin, there in self.behind(start):
            if found is None and there >= lowest + distance:
                found = at + lowest + distance - begin
            lowest = min(lowest, there)
        return found, lowest


def way_of(ratios: dict[str, int], bars: dict[str, Event], model: str) -> Way:
    """The way of an order's price, the sum of ratio x price: of one leg the whole bar, of several the open alone."""
    if len(ratios) > 1 or model == OPEN:
        return Way([sum(ratio * bars[code].open for code, ratio in ratios.items())])
    (code, ratio), = ratios.items()
    bar = bars[code]
    is_low_first = bar.open - bar.low <= bar.high - bar.open
    extremes = (bar.low, bar.high) if is_low_first else (bar.high, bar.low)
    return Way([ratio * price for price in (bar.open, *extremes, bar.close)])
